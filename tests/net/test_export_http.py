# SPDX-License-Identifier: GPL-2.0-only
"""The HTTP server of `synfin export`: no client keeps it from answering others, or fills its memory."""
import contextlib
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import settings
from exporter import Exporter
from process import wait_until
from test_cli import FAILED, USAGE, check_complaint, synfin
from test_export import OPENMETRICS, churn, conf, raw

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
SOON = 60 if settings.VM else 5  # seconds: while others do their worst; a deadline of the server is 10 at least


@pytest.fixture(scope="module")
def shared():
    """One exporter for requests that leave nothing behind."""
    exporter = Exporter("--rport", "1")
    yield exporter
    exporter.process.kill()


def check_answers(exporter, paths=("/healthz", "/metrics")):
    for path in paths:
        begin = time.monotonic()
        assert exporter.request(path).status == 200
        assert time.monotonic() - begin < SOON, path


def dial(exporter):
    return socket.create_connection((exporter.host, exporter.port), timeout=settings.PATIENCE)


def memory(exporter, key):
    """Of /proc/PID/status, in bytes."""
    with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as file:
        return int(re.search(rf"^{key}:\s+(\d+) kB$", file.read(), re.M).group(1)) << 10


@pytest.mark.parametrize("data", [
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
], ids=["length", "chunked"])
def test_bodies(shared, data):
    """A request with a body is refused before the body comes."""
    with contextlib.ExitStack() as clients:
        socks = [clients.enter_context(dial(shared)) for _ in range(128)]
        for sock in socks:
            sock.sendall(data)
        check_answers(shared)
        assert {sock.recv(12) for sock in socks} == {b"HTTP/1.1 413"}


@pytest.mark.parametrize("data", [b"", b"GET /metrics HTTP/1.1\r\nHost: "], ids=["idle", "slow headers"])
def test_crowd(shared, data):
    """More clients than there are places: the newest is let in, the oldest leaves."""
    with contextlib.ExitStack() as clients:
        socks = [clients.enter_context(dial(shared)) for _ in range(300)]
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(data)
        check_answers(shared)
        assert wait_until(lambda: gone(socks[0])) and not gone(socks[-1])


def gone(sock):
    """Whether the server has closed it, for a client that has not been answered."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_flood(shared):
    """Two clients that do nothing but connect and leave."""
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                dial(shared).close()

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            check_answers(shared, ["/healthz"])
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_descriptors(export):
    """When descriptors run out the oldest client gives way, too."""
    exporter = export("--rport", "1")
    left = len(os.listdir(f"/proc/{exporter.process.pid}/fd")) + 5
    resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (left, left))
    with contextlib.ExitStack() as clients:
        for _ in range(40):
            clients.enter_context(dial(exporter))
        check_answers(exporter)


@pytest.fixture
def large(netns, export):
    """An exporter whose pages have 60 MB and more."""
    exporter = export("--by", "lport", "--role", "client", "--buckets", "exact", netns=[netns])
    churn(netns, 170)
    assert wait_until(lambda: int(exporter.request(method="HEAD").headers["Content-Length"]) > 60 << 20)
    return exporter


def test_slow_readers(large):
    """A page lies in memory compressed, however many read it however slowly: none has to go for another, and others are served."""
    with contextlib.ExitStack() as clients:
        socks = []
        for _ in range(8):
            socks.append(clients.enter_context(dial(large)))
            socks[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert socks[-1].recv(12) == b"HTTP/1.1 200"
            time.sleep(0.12)  # a page for each
        check_answers(large)
        assert memory(large, "RssAnon") < 100 << 20
        for sock in socks:
            assert sock.recv(1 << 20)
    assert wait_until(lambda: memory(large, "RssAnon") < 60 << 20), memory(large, "RssAnon")


def scrape_at_once(exporter, count):
    """Bodies, still compressed, of requests that are all there before the first answer is."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    with contextlib.ExitStack() as clients:
        socks = [clients.enter_context(dial(exporter)) for _ in range(count)]
        for sock in socks:
            sock.sendall(request)
        check_answers(exporter, ["/healthz"])
        return [b"".join(iter(lambda s=sock: s.recv(1 << 20), b"")).split(b"\r\n\r\n", 1)[1] for sock in socks]


def test_shared_pages(large):
    """Eight scrapers at once are sent one page, or two; no page is told for longer than 100 ms."""
    bodies = scrape_at_once(large, 8)
    assert 1 <= len(set(bodies)) <= 2 and len(bodies[0]) > 100_000
    assert memory(large, "VmHWM") < 100 << 20
    assert scrape_at_once(large, 1)[0] not in bodies


@pytest.mark.native
@pytest.mark.parametrize("headers", [{"Accept": OPENMETRICS, "Accept_Encoding": "gzip"}, {}, {"Accept": PROTOBUF}],
                         ids=["gzip", "plain", "protobuf"])
def test_memory_of_thousand_sets(netns, export, headers):
    """A thousand sets, as full as they are, and pages of 20 MB: at no time more than 32 MiB (docs/COST.md)."""
    exporter = export("--by", "rport", netns=[netns])
    churn(netns, 1100)
    samples = exporter.wait_for("synfin_closes_total", 2200)
    assert samples.sum("synfin_series_folded_total") > 0
    assert len({dict(labels)["rport"] for name, labels in samples if name == "synfin_closes_total"}) == 1001  # and other
    with open(f"/proc/{exporter.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # VmHWM begins anew
    for _ in range(5):
        assert exporter.request(**headers).status == 200
        time.sleep(0.12)
    assert memory(exporter, "VmHWM") <= 32 << 20


def test_large_page(netns, export):
    """A page ends at 128 MiB; it is whole, and says what it leaves out."""
    exporter = export("--by", "lport", "--role", "client", "--buckets", "exact", netns=[netns])
    churn(netns, 450)
    assert wait_until(lambda: int(exporter.request(method="HEAD").headers["Content-Length"]) > 128 << 20)
    body = exporter.request(Accept="application/openmetrics-text").body
    assert 128 << 20 < len(body) < (128 << 20) + 200_000 and body.endswith(b"\n# EOF\n")
    left = {name: int(count) for name, count in
            re.findall(rb'^synfin_left_out\{metric="(.+)"\} (\d+)$', body[-50_000:], re.M)}
    assert left[b"synfin_life_seconds"] > 0 and left[b"synfin_handshake_seconds"] == 0
    check_answers(exporter, ["/healthz"])


HOST = socket.gethostname()


@pytest.mark.parametrize("host, status", [
    ("evil.example", 421), ("evil.example:9842", 421), ("localhost.evil.example", 421), (f"{HOST}.evil", 421),
    ("[evil.example]", 421), ("localhost:9842", 200), ("LOCALHOST", 200), (HOST, 200), (f"{HOST}:9842", 200),
    ("127.0.0.1:9842", 200), ("192.0.2.7", 200), ("[::1]:9842", 200), ("[2001:db8::1]", 200),
])
def test_host(shared, host, status):
    """Names that somebody else may have resolved to this host are refused (DNS rebinding)."""
    for path in ("/metrics", "/healthz", "/"):
        assert shared.request(path, Host=host).status == status, path


def test_allow_host(export, tmp_path):
    exporter = export("--config", conf(tmp_path, "allow-host = c.example\nlisten = 127.0.0.1:0\nrport = 1\n"),
                      "--allow-host", "a.example,b.example", "--allow-host", "*.example.com")
    for host, status in (("a.example:80", 200), ("B.example", 200), ("x.y.example.com", 200), ("example.com", 421),
                         ("c.example\x1b[31m", 421), ("d.example", 421)):
        assert raw(exporter, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == status, host
    assert exporter.process.stderr.count("was refused") == 1
    check_complaint(exporter.process.stderr.splitlines()[-1] + "\n", "example.com", "--allow-host")


@pytest.mark.parametrize("args, words", [
    (["--allow-host", "a.example:80"], ["a.example:80", "ports"]),
    (["--allow-host", "http://a.example"], ["http://a.example"]),
    (["--allow-host", "a,,b"], ["a,,b"]),
    (["--listen", "unix:"], ["unix:/run/"]),
    (["--listen", "unix:@abstract"], ["unix:@abstract"]),
    (["--listen", "unix:/run/x,mode=rw"], ["mode=0660"]),
    (["--listen", "unix:/" + "x" * 108], ["107"]),
], ids=lambda value: " ".join(value)[:40])
def test_usage(args, words):
    result = synfin("export", *args)
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, *words)


def ask_unix(path, host="anything"):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(settings.PATIENCE)
        sock.connect(str(path))
        sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return int(sock.recv(4096).split()[1])


@pytest.mark.parametrize("suffix, mode", [("", 0o600), (",mode=0666", 0o666)], ids=["default", "given"])
def test_unix_socket(export, tmp_path, suffix, mode):
    """Made with its mode, removed at the end; one that a killed exporter left is replaced, one in use is not."""
    path = tmp_path / "s"
    listen = f"unix:{path}{suffix}"
    exporter = export("--listen", listen, "--rport", "1")
    assert f"serving on unix:{path}: /metrics" in exporter.process.stderr
    assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o7777 == mode
    assert ask_unix(path) == 200
    result = synfin("export", "--listen", listen)
    assert result.returncode == FAILED
    check_complaint(result.stderr, str(path), "in use")
    exporter.process.kill()
    assert path.exists()
    exporter = export("--listen", listen, "--rport", "1")
    assert ask_unix(path) == 200
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert not path.exists()


def test_mode_of_a_unix_socket_changes(export, tmp_path):
    """A reload keeps the socket, also when it is to have another mode."""
    path, text = tmp_path / "s", "rport = 1\nlisten = unix:{}{}\n"
    exporter = export("--config", conf(tmp_path, text.format(path, "")))
    inode = path.stat().st_ino
    conf(tmp_path, text.format(path, ",mode=0660"))
    exporter.process.child.send_signal(signal.SIGHUP)
    assert wait_until(lambda: exporter.process.stderr.count("serving on") == 2), exporter.process.stderr
    assert path.stat().st_mode & 0o7777 == 0o660 and path.stat().st_ino == inode
    assert ask_unix(path) == 200
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert not path.exists()


def test_not_a_socket(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious", encoding="ascii")
    result = synfin("export", "--listen", f"unix:{path}")
    assert result.returncode == FAILED
    check_complaint(result.stderr, str(path), "in use")
    assert path.read_text(encoding="ascii") == "precious"


def handed(sock, count=1):
    """What a service manager does: descriptor 3, and the PID of who is to take it."""
    script = f'exec 3<&{sock.fileno()}; export LISTEN_PID=$$ LISTEN_FDS={count}; exec "$@"'
    return {"under": ["bash", "-c", script, "bash"], "pass_fds": [sock.fileno()]}


def test_activation(export, tmp_path):
    """A socket of the service manager is served, also after a reload, and still listens at the end."""
    path = conf(tmp_path, "rport = 1\n")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        early = socket.create_connection(sock.getsockname())  # waits until there is somebody
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        exporter = export("--config", path, **handed(sock))
        assert exporter.port == sock.getsockname()[1]
        assert early.recv(12) == b"HTTP/1.1 200"
        early.close()
        check_answers(exporter)
        conf(tmp_path, "rport = 1\nlisten = 127.0.0.1:0\n")
        exporter.process.child.send_signal(signal.SIGHUP)
        assert wait_until(lambda: "is not used" in exporter.process.stderr)
        conf(tmp_path, "rport = 2\n")
        exporter.process.child.send_signal(signal.SIGHUP)
        assert wait_until(lambda: exporter.process.stderr.count("serving http") == 2)
        check_answers(exporter)
        assert exporter.process.stop(signal.SIGTERM) == 0
        socket.create_connection(sock.getsockname()).close()


def test_activation_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock, open(tmp_path / "f", "wb") as file:
        for hand, args, words in ((handed(sock), ["--listen", "127.0.0.1:0"], ["--listen", "handed over"]),
                                  (handed(file), [], ["LISTEN_FDS", "descriptor 3"]),
                                  (handed(sock, 100), [], ["LISTEN_FDS", "100"])):
            argv = [*hand["under"], settings.SYNFIN, "export", *args]
            result = subprocess.run(argv, pass_fds=hand["pass_fds"], stdin=subprocess.DEVNULL, capture_output=True,
                                    text=True, timeout=settings.PATIENCE, check=False)
            assert result.returncode == USAGE, result
            check_complaint(result.stderr, *words)
