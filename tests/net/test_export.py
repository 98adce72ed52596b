# SPDX-License-Identifier: GPL-2.0-only
"""`synfin export`: what /metrics counts is what the load did, whoever asks, however they ask."""
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import settings
from capture import flows
from expect import near, quantile
from exporter import Exporter, Samples, parse
from netns import dial
from process import wait_until
from prometheus import Prometheus, promtool
from settings import MS
from test_cli import FAILED, USAGE, check_complaint, synfin

OPENMETRICS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," \
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.fixture
def prometheus(stack, tmp_path):
    """prometheus(exporter, args...) -> a Prometheus that scrapes it."""
    def start(exporter, *args):
        one = Prometheus(tmp_path, exporter.address, *args)
        stack.callback(one.process.kill)
        return one
    return start


def churn(netns, count):
    for _ in range(count):
        for sock in dial(netns, netns):
            sock.close()


def test_counts(netns, export, serve, load):
    """Good and refused opens, and every histogram's own sums."""
    good, bad = settings.LOAD // 10, 7
    exporter = export(netns=[netns])
    serve(netns, "--port", 5001, "--count", good)
    load(netns, "--connect", "127.0.0.1:5001", "--count", good, "--close-first")
    load(netns, "--connect", "127.0.0.1:5999", "--count", bad)
    exporter.wait_for("synfin_opens_total", 2 * good + bad)
    samples = exporter.wait_for("synfin_closes_total", 2 * good)
    for role in ("client", "server"):
        labels = {"role": role, "outcome": "established"}
        assert samples.value("synfin_opens_total", **labels) == good
        assert samples.value("synfin_handshake_seconds_count", **labels) == good
        assert samples.value("synfin_life_seconds_count", role=role) == good
    assert samples.value("synfin_opens_total", role="client", outcome="refused") == bad
    assert samples.value("synfin_closes_total", outcome="fin", closed_by="local") == good
    assert samples.sum("synfin_closes_total") == 2 * good
    assert samples.value("synfin_lost_total", **{"class": "dropped"}) == 0
    check_histograms(samples)


def check_histograms(samples):
    """Cumulative, up to +Inf which is the count; the sum lies between what the buckets allow."""
    hists = {}
    for (name, labels), value in samples.items():
        if name.endswith("_bucket"):
            labels = dict(labels)
            le = float(labels.pop("le"))
            hists.setdefault((name[:-7], frozenset(labels.items())), {})[le] = value
    assert hists
    for (name, labels), buckets in hists.items():
        bounds = sorted(buckets)
        counts = [buckets[le] for le in bounds]
        total = samples[(name + "_sum", labels)]
        assert counts == sorted(counts) and counts[-1] == samples[(name + "_count", labels)] > 0
        steps = list(zip([0, *bounds], bounds, [b - a for a, b in zip([0, *counts], counts)]))
        assert sum(low * n for low, _, n in steps) <= total * 1.000001, (name, labels)
        assert sum(high * n for _, high, n in steps if n) >= total * 0.999999, (name, labels)


def test_by(netns, export):
    """Sets by port; the rest beyond --max-series is in `other`, and counted."""
    exporter = export("--by", "rport,role", "--max-series", "3", netns=[netns])
    ports = []
    for _ in range(4):
        with netns.listen() as listener:
            ports.append(listener.getsockname()[1])
            with netns.connect("127.0.0.1", ports[-1]), listener.accept()[0]:
                pass
    samples = exporter.wait_for("synfin_closes_total", 8)
    opens = {dict(labels)["rport"]: value for (name, labels), value in samples.items() if name == "synfin_opens_total"
             and dict(labels)["role"] == "client"}
    assert str(ports[0]) in opens and "other" in opens
    assert samples.sum("synfin_opens_total", role="client", outcome="established") == 4
    assert samples.sum("synfin_closes_total") == 8
    assert samples.value("synfin_series_folded_total") > 0


def test_forms(netns, export):
    """The form is the client's choice, and so is gzip."""
    exporter = export(netns=[netns])
    churn(netns, 3)
    exporter.wait_for("synfin_closes_total", 6)
    classic = exporter.request()
    assert classic.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"# EOF" not in classic.body and b"_created" not in classic.body
    modern = exporter.request(Accept=OPENMETRICS, Accept_Encoding="gzip")
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert modern.headers["Content-Encoding"] == "gzip"
    assert modern.body.endswith(b"\n# EOF\n")
    created = Samples(parse(modern.body.decode())).value("synfin_opens_created", role="client", outcome="established")
    assert near(created, time.time(), 30)
    head = exporter.request(method="HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.headers["Content-Length"]) > 1000
    assert not exporter.request(Accept_Encoding="gzip;q=0, deflate").headers["Content-Encoding"]


def test_paths(netns, export):
    exporter = export(netns=[netns])
    assert exporter.request("/healthz").status == 200
    page = exporter.request("/")
    assert page.status == 200 and b"/metrics" in page.body and page.headers["Content-Type"].startswith("text/html")
    for path in ("/nothing", "/metrics/", "/..%2f..%2fetc/passwd", "//metrics"):
        assert exporter.request(path).status == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        assert exporter.request(method=method, body="x" * 100_000).status == 405, method
    exporter.process.child.send_signal(signal.SIGSTOP)
    exporter.process.child.send_signal(signal.SIGCONT)
    assert exporter.request("/healthz").status == 200
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert "opens begun" in exporter.process.stderr


def raw(exporter, data):
    """The status of the answer to some bytes, of which not all need have been taken; None without one."""
    with socket.create_connection((exporter.host, exporter.port), timeout=settings.PATIENCE) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        try:
            answer = sock.recv(4096)
        except ConnectionError:
            return None
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(match.group(1)) if match else None


@pytest.mark.parametrize("data", [
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 200_000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
], ids=["strange version", "long path", "long header", "many headers", "no host", "negative length"])
def test_malformed(shared, data):
    status = raw(shared, data)
    assert 400 <= status < 500 or status == 505, status
    assert shared.request("/healthz").status == 200


def test_noise(shared):
    """Random bytes, with and without the look of HTTP."""
    chance = random.Random(1)
    for _ in range(100):
        noise = chance.randbytes(chance.randrange(1, 300))
        raw(shared, chance.choice([b"", b"GET", b"GET ", b"GET /metrics HTTP/1.1\r\nAccept: "]) + noise + b"\r\n\r\n")
    assert shared.request("/healthz").status == 200 and shared.process.status is None


@pytest.fixture(scope="module")
def shared():
    """One exporter for requests that leave nothing behind."""
    exporter = Exporter("--rport", "1")
    yield exporter
    exporter.process.kill()


def test_slow_client(netns, export):
    """Somebody who reads a byte a second of a large answer keeps nobody else waiting."""
    exporter = export("--by", "rport", "--buckets", "exact", netns=[netns])
    churn(netns, 60)
    assert wait_until(lambda: len(exporter.request().body) > 2 << 20, 5)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((exporter.host, exporter.port))
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for second in range(2):
            assert len(slow.recv(1)) == 1
            until = time.monotonic() + 1
            while time.monotonic() < until:
                begin = time.monotonic()
                assert exporter.request("/healthz").status == 200
                assert time.monotonic() - begin < 1
            churn(netns, 1)
            time.sleep(0.1)
            totals = re.findall(rb"^synfin_closes_total\{.*\} (\d+)$", exporter.request().body, re.M)
            assert sum(map(int, totals)) == 122 + 2 * second


def test_many_scrapes(netns, export):
    """100 scrapes a second, while connections come and go: each is answered, and nothing is lost."""
    exporter = export(netns=[netns])
    took, stop = [], threading.Event()

    def scrape():
        while not stop.is_set():
            begin = time.monotonic()
            exporter.request(Accept=OPENMETRICS, Accept_Encoding="gzip")
            took.append(time.monotonic() - begin)
            stop.wait(max(0, begin + 0.04 - time.monotonic()))

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    churn(netns, settings.LOAD // 2)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(took) > 50 and quantile(took, 0.5) < (1 if settings.VM else 0.1)
    samples = exporter.wait_for("synfin_closes_total", settings.LOAD)
    assert samples.sum("synfin_opens_total") == samples.sum("synfin_closes_total") == settings.LOAD


def test_thousand_series(netns, export):
    """A thousand histograms and more, 26 buckets each, within 50 ms, compressed or not."""
    exporter = export("--by", "lport", "--role", "client", netns=[netns])
    churn(netns, 170)
    text = exporter.wait_for("synfin_closes_total", 170)
    assert sum(name.endswith("_seconds_count") for name, _ in text) > 1000
    for headers in ({}, {"Accept": OPENMETRICS, "Accept_Encoding": "gzip"}):
        took = []
        for _ in range(9):
            begin = time.monotonic()
            exporter.request(**headers)
            took.append(time.monotonic() - begin)
        assert quantile(took, 0.5) < (5 if settings.VM else 0.05), (headers, took)


def test_textfile(netns, export, tmp_path):
    """Whoever opens it sees a whole text, at any time; the last one has everything."""
    path = tmp_path / "synfin.prom"
    exporter = export("--textfile", path, "-i", "20ms", netns=[netns])
    assert wait_until(path.exists)
    for _ in range(100):
        churn(netns, 1)
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# HELP") and re.search(r"\nprocess_start_time_seconds \S+\n\Z", text)
    time.sleep(0.1)
    assert exporter.process.stop(signal.SIGTERM) == 0
    samples = Samples(parse(path.read_text(encoding="utf-8")))
    assert samples.value("synfin_opens_total", role="client", outcome="established") == 100
    assert samples.sum("synfin_closes_total") == 200
    assert os.listdir(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o7777 == 0o644  # node_exporter is another user


def test_textfile_fails(netns, export, tmp_path):
    (tmp_path / "gone").mkdir()
    exporter = export("--textfile", tmp_path / "gone" / "file", "-i", "20ms", netns=[netns])
    shutil.rmtree(tmp_path / "gone")
    time.sleep(0.2)
    assert exporter.process.stop(signal.SIGTERM) == FAILED
    assert exporter.process.stderr.count("cannot write") == 1


def test_address_in_use(shared):
    result = synfin("export", "--listen", shared.address)
    assert result.returncode == FAILED, result
    check_complaint(result.stderr, shared.address, "in use", "--listen")


def test_ipv6(export):
    exporter = export("--listen", "[::1]:0", "--rport", "1")
    assert exporter.request("/healthz").status == 200


@pytest.mark.parametrize("listen, bound", [(":0", "[::]"), ("localhost:0", "127.0.0.1")])
def test_listen_without_address(export, listen, bound):
    """A port alone is every address of the host, of IPv4, too; localhost is no name that is looked up."""
    exporter = export("--listen", listen, "--rport", "1")
    assert f"serving http://{bound}:" in exporter.process.stderr
    exporter.host = "127.0.0.1"
    assert exporter.request("/healthz").status == 200


@pytest.mark.parametrize("args, words", [
    (["--listen", "9842"], ["9842"]),
    (["--listen", "localhos:9842"], ["localhos:9842"]),
    (["--listen", "[localhost]:9842"], ["[localhost]:9842"]),
    (["--listen", ":"], ["127.0.0.1:9842"]),
    (["--listen", "::1:9842"], ["[::1]:9842"]),
    (["--listen", "127.0.0.1:70000"], ["70000"]),
    (["--buckets", "10ms"], ["10ms", "9961472ns"]),
    (["--by", "colour"], ["colour", "rport"]),
    (["--max-series", "0"], ["0"]),
    (["-i", "5"], ["--textfile"]),
    (["--semconv", "statsd"], ["statsd", "otel"]),
    (["--textfile", "/proc/self/fd/1"], ["/proc/self/fd/1", "regular"]),
    (["--state", "/proc/self"], ["/proc/self", "regular"]),
    *(([option, path], [option, f"'{path}'", word]) for option in ("--textfile", "--state") for path, word in (
        ("", "empty"), ("/nonexistent/x", "no such file"), ("/tmp/", "directory"), ("/proc/x", "no such file"),
        ("/etc/passwd/x", "not a directory"))),
    (["--json"], ["--json"]),
], ids=lambda value: " ".join(value))
def test_usage(args, words):
    result = synfin("export", *args)
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, *words)


def test_service_manager(export, tmp_path):
    """Ready, alive every second, and stopping, as sd_notify(3) has it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        exporter = export("--rport", "1", env={**os.environ, "NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        assert exporter.process.stop(signal.SIGTERM) == 0
        manager.settimeout(0.1)
        while (last := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"


def bpf_ids(pid):
    """What the process holds: {(kind, id)}."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
            found.update(re.findall(r"^(prog|map|link)_id:\s+(\d+)$", file.read(), re.M))
    return found


def exists(kind, ident):
    return subprocess.run(["bpftool", kind, "show", "id", ident], capture_output=True, check=False).returncode == 0


def test_killed(netns, export):
    """No program, map or link outlives it; its successor counts from a beginning of its own."""
    def created(exporter):
        churn(netns, 1)
        exporter.wait_for("synfin_opens_total", 2)
        text = exporter.request(Accept=OPENMETRICS).body.decode()
        return Samples(parse(text)).value("synfin_opens_created", role="client", outcome="established")

    first = export(netns=[netns])
    held = bpf_ids(first.process.pid)
    assert {kind for kind, _ in held} >= {"prog", "map"} and all(exists(*one) for one in list(held)[:3])
    before = created(first)
    first.process.kill()
    second = export(netns=[netns])
    assert created(second) > before
    assert second.samples().sum("synfin_opens_total") == 2
    assert wait_until(lambda: not any(exists(*one) for one in held), 10), [one for one in held if exists(*one)]


@pytest.mark.parametrize("naming, closes", [("synfin", "synfin_closes_total"),
                                            ("otel", "system_network_tcp_closes_total")])
def test_promtool(netns, export, naming, closes):
    exporter = export("--by", "comm", "--semconv", naming, netns=[netns])
    churn(netns, 3)
    assert exporter.wait_for(closes, 6).sum(closes) == 6
    assert promtool("check", "metrics", text=exporter.request().body.decode()) == ""


def expected_quantile(witness, port):
    return quantile([flow.handshake_ns for (_, server), same in flows(witness.stop()).items() if server[1] == port
                     for flow in same], 0.5)


def load_twice(server, serve, load, good, bad):
    """One of each kind and, once the server has seen them, all the others: what comes before its first scrape of a series is
    in no increase()."""
    serve("--port", 5001, "--count", good + 1)
    seen_good = seen_bad = 0
    for cnt_good, cnt_bad in ((1, 1), (good, bad)):
        load("--connect", "127.0.0.1:5001", "--count", cnt_good, "--close-first")
        load("--connect", "127.0.0.1:5999", "--count", cnt_bad)
        seen_good, seen_bad = seen_good + cnt_good, seen_bad + cnt_bad
        server.wait_for('synfin_opens_total{outcome="refused"}', seen_bad)
        server.wait_for("sum(synfin_closes_total)", 2 * seen_good)


def check_increase(server, good, bad):
    increase = server.query("increase(synfin_opens_total[1m])")
    exact = server.query("max_over_time(synfin_opens_total[1m]) - min_over_time(synfin_opens_total[1m])")
    for role, outcome, count in (("client", "established", good), ("server", "established", good),
                                 ("client", "refused", bad)):
        labels = frozenset({("role", role), ("outcome", outcome)})
        assert exact[labels] == count and count <= increase[labels] < 2 * count  # Prometheus extrapolates


def test_native_histograms(netns, export, prometheus, capture, serve, load):
    """The same with native histograms: they come by protobuf, and there are no buckets by `le` in the server."""
    good, bad = settings.LOAD // 10, 7
    exporter, witness = export(netns=[netns]), capture(netns)
    server = prometheus(exporter, "--enable-feature=native-histograms")
    load_twice(server, partial(serve, netns), partial(load, netns), good, bad)
    check_increase(server, good, bad)
    established = 'synfin_handshake_seconds{outcome="established",role="%s"}'
    assert server.value(f"histogram_count({established % 'client'})") == good + 1
    assert not server.query("synfin_handshake_seconds_bucket")
    truth_ns = expected_quantile(witness, 5001)
    for role in ("client", "server"):
        told_ns = 1e9 * server.value(f"histogram_quantile(0.5, {established % role})")
        assert near(told_ns, truth_ns, truth_ns * 0.15 + 50_000), (role, told_ns, truth_ns)
        sums = exporter.samples().value("synfin_handshake_seconds_sum", role=role, outcome="established")
        assert server.value(f"histogram_sum({established % role})") == pytest.approx(sums)


def test_prometheus(netns, export, prometheus, capture, serve, load):
    """A server scrapes it, and its queries return what the load did."""
    good, bad = settings.LOAD // 10, 7
    exporter, witness = export("--buckets", "exact", netns=[netns]), capture(netns)
    server = prometheus(exporter)
    load_twice(server, partial(serve, netns), partial(load, netns), good, bad)
    check_increase(server, good, bad)
    assert server.query("up") == {frozenset(): 1}
    truth_ns = expected_quantile(witness, 5001)
    for role in ("client", "server"):
        told_ns = 1e9 * server.value('histogram_quantile(0.5, sum by (le) (synfin_handshake_seconds_bucket{outcome='
                                     f'"established",role="{role}"}}))')
        assert near(told_ns, truth_ns, truth_ns * 0.0625 + 50_000), (role, told_ns, truth_ns)
    meta = server.get("metadata", metric="synfin_handshake_seconds")["synfin_handshake_seconds"]
    assert meta[0]["type"] == "histogram" and meta[0]["unit"] == "seconds"


def test_gauges(netns, export):
    """What is alive, by state, also what was before: 4 half-closed, 3 more since a second, 2 open."""
    def count(number):
        return [dial(netns, netns) for _ in range(number)]

    held = count(4)
    for client, _ in held:
        client.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    exporter = export(netns=[netns])
    begin = time.monotonic()
    held += count(3) + count(2)
    for client, _ in held[4:7]:
        client.shutdown(socket.SHUT_WR)
    expected = {"close_wait": 7, "fin_wait2": 7, "established": 4, "last_ack": 0}

    def told(samples):
        return {state: samples.value("synfin_connections", state=state) for state in expected}

    assert wait_until(lambda: told(exporter.samples()) == expected, 5), told(exporter.samples())
    samples = exporter.samples()
    for state in ("close_wait", "fin_wait2"):
        age = samples.value("synfin_oldest_seconds", state=state)
        assert time.monotonic() - begin - 1.5 < age < time.monotonic() - begin + 5, (state, age)
    for pair in held:
        for sock in pair:
            sock.close()
    assert wait_until(lambda: exporter.samples().value("synfin_connections", state="close_wait") == 0, 5)
    assert not exporter.samples().sum("synfin_oldest_seconds")


def test_run_times(netns, export):
    """Per program, while the kernel counts it, as bpftool tells it; else there is none."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text(encoding="ascii")
    exporter = export(netns=[netns])
    churn(netns, 3)
    try:
        switch.write_text("1", encoding="ascii")
        churn(netns, 20)
    finally:
        switch.write_text(before, encoding="ascii")
    samples = exporter.wait_for("synfin_closes_total", 46)
    told = {dict(labels)["program"]: value for (name, labels), value in samples.items()
            if name == "synfin_bpf_run_seconds_total"}
    shown = json.loads(subprocess.run(["bpftool", "prog", "show", "--json"], capture_output=True, check=True).stdout)
    held = {ident for kind, ident in bpf_ids(exporter.process.pid) if kind == "prog"}
    truth = {prog["name"][:15]: prog["run_time_ns"] for prog in shown if str(prog["id"]) in held and "run_time_ns" in prog}
    if before.strip() == "0":
        assert truth and {name[:15]: round(value * 1e9) for name, value in told.items()} == truth
    assert all(value > 0 for value in told.values())


def conf(tmp_path, text):
    path = tmp_path / "synfin.conf"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text, words", [
    ("by = comm\n\n# fine\nrport = 70000\n", [":4:", "70000"]),
    ("colour = red\n", [":1:", "colour"]),
    ("rport = 80\nquiet = 1\n", [":2:", "quiet", "takes no value", "'1'"]),
    ("failed = yes\n", [":1:", "failed", "takes no value", "'yes'"]),
    ("version\n", [":1:", "command line"]),
    ("buckets\n", [":1:", "buckets"]),
    ("by comm\n", [":1:", "key = value"]),
    ("--by = comm\n", [":1:", "key = value"]),
    ("config = /etc/passwd\n", [":1:", "command line"]),
    ("hel\n", [":1:", "command line"]),
    ("by = \x1b[31mcomm\n", [":1:", "\\x1b"]),
    ("by = comm\nlport = 80\0,443\n", [":2:", "NUL"]),
    ("# " + "x" * (1 << 20) + "\nlport = 80\n", ["1 MiB"]),
], ids=["value", "option", "quiet", "failed", "version", "no value", "no sign", "dashes", "itself", "help", "control", "nul", "large"])
def test_config_refused(tmp_path, text, words):
    path = conf(tmp_path, text)
    result = synfin("export", "--config", path)
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, str(path), *words)


@pytest.mark.parametrize("path, word", [
    ("/dev/zero", "regular file"), ("fifo", "regular file"), ("/", "regular file"), ("none", "no such file"),
    ("/proc/self/mem", "input/output error"),
], ids=["endless", "fifo", "directory", "missing", "failed read"])
def test_config_not_readable(tmp_path, path, word):
    """What cannot be read whole is refused: half of it would be other filters. Nothing waits for a writer, or for the end."""
    os.mkfifo(tmp_path / "fifo")
    # the bound on memory is for a synfin that reads on and on
    result = synfin("export", "--config", tmp_path / path, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_AS, (1 << 30, 1 << 30)))
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, path, word)


def test_config(netns, export, tmp_path):
    """SIGHUP reads the file again: a wrong one changes nothing, a right one is what counts from then on."""
    path = conf(tmp_path, f"# by process\nlisten = 127.0.0.1:0\nnetns = {netns.path}\nby = comm\nbuckets=1024ns\n")
    exporter = export("--config", path, "--max-series", "5")
    churn(netns, 2)
    exporter.wait_for("synfin_closes_total", 4)
    assert b'comm="python3"' in exporter.request().body
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for text, words in (("quiet\nnetns = /run/netns/no-such-netns\n", f"{path}:2: "),
                            (f"quiet\nlisten = {taken}\n", f"cannot listen on {taken}: ")):
            before = len(exporter.process.stderr)
            conf(tmp_path, text)
            exporter.process.child.send_signal(signal.SIGHUP)
            assert wait_until(lambda: "is not used" in exporter.process.stderr[before:])
            assert words in exporter.process.stderr
            assert exporter.samples().sum("synfin_closes_total") == 4
    conf(tmp_path, f"netns = {netns.path}\nby = rport\nlisten = 127.0.0.1:0\n")
    exporter.process.child.send_signal(signal.SIGHUP)
    while exporter.process.stderr.count("/metrics\n") < 2:
        socket.create_connection((exporter.host, exporter.port), timeout=settings.PATIENCE).close()  # nobody is refused
    churn(netns, 1)
    samples = exporter.wait_for("synfin_closes_total", 2)
    assert samples.sum("synfin_closes_total") == 2
    assert all("rport" in dict(labels) for name, labels in samples if name == "synfin_opens_total")
    assert exporter.process.stop(signal.SIGTERM) == 0


def test_config_and_command_line(netns, export, tmp_path):
    """What is on the command line takes the place of the same option's value in the file, lists too, and -4 that of -6."""
    path = conf(tmp_path, "listen = 127.0.0.1:0\nby = rport\nby = netns\nnetns = /proc/self/ns/net\nlport = 1\n"
                          "role = server\nipv6\nport = 1-65535\n")
    exporter = export("--config", path, "--by", "comm", "--by", "role", "--netns", netns.path, "--lport", "1024-65535",
                      "--role", "client", "-4")
    churn(netns, 3)
    samples = exporter.wait_for("synfin_opens_total", 3)
    told = [dict(labels) for name, labels in samples if name == "synfin_opens_total"]
    assert told == [{"comm": "python3", "role": "client", "outcome": "established"}]
    assert exporter.process.stop(signal.SIGTERM) == 0
    conf(tmp_path, "lport = 70000\n")
    result = synfin("export", "--config", path, "--lport", "80")
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, f"{path}:1:", "70000")
