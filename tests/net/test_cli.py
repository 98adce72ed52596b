# SPDX-License-Identifier: GPL-2.0-only
"""The command line: what it refuses and how it says so, where its output may go, and `trace -- CMD`."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import settings
from netns import dial
from process import wait_until
from tracer import CONTROL, tier_args

USAGE, NOT_ABLE, FAILED = 2, 3, 1


def synfin(*args, **kwargs):
    """A run that ends by itself; it may not take long, and nobody is there to read a terminal."""
    return subprocess.run([settings.SYNFIN, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=settings.PATIENCE, check=False, **kwargs)


def check_complaint(stderr, *words):
    """One clear line: nothing before or after it, no control characters, the words that matter in it."""
    assert not CONTROL.search(stderr), repr(stderr)
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("synfin: "), stderr
    for word in words:
        assert word.lower() in lines[0].lower(), (word, stderr)


@pytest.mark.parametrize("args, words", [
    (["trace", "--no-such-option"], ["no-such-option"]),
    (["trace", "-p", "abc"], ["abc"]),
    (["trace", "-p", "999999999"], ["999999999"]),
    (["trace", "-p", "-1"], ["-1"]),
    (["trace", "-p", "0"], ["0"]),
    (["trace", "-p", ""], []),
    (["trace", "-P", "70000"], ["70000"]),
    (["trace", "-P", "90-80"], ["90-80"]),
    (["trace", "-P", "80-"], ["80-"]),
    (["trace", "-P", "80,,81"], ["--port"]),
    (["trace", "--lport", "http"], ["http"]),
    (["trace", "--rport", "0x50"], ["0x50"]),
    (["trace", "--role", "referee"], ["referee"]),
    (["trace", "--by", "comm"], ["--by", "--alive"]),
    (["trace", "--alive", "--by", "color"], ["color"]),
    (["trace", "--color", "mauve"], ["mauve", "auto", "always", "never"]),
    (["trace", "--role", "client,,server"], ["--role"]),
    (["trace", "--tree", "0"], ["--tree", "0"]),
    (["trace", "--tree", "4194304"], ["--tree", "4194304"]),
    (["trace", "--tree", "1", "--", "true"], ["--tree"]),
    (["trace", "-u", "no-such-user"], ["no-such-user", "number"]),
    (["trace", "--uid", "-1"], ["-1"]),
    (["trace", "-u", "4294967295"], ["4294967295"]),
    (["trace", "-u", "0,"], ["--uid"]),
    (["trace", "-u", "x" * 100], ["--uid"]),
    (["trace", "--cgroup", "/no/such/cgroup"], ["/no/such/cgroup"]),
    (["trace", "--cgroup", "/tmp"], ["/tmp", "cgroup"]),
    (["trace", "--cgroup", ""], ["--cgroup"]),
    (["trace", "--cgroup", "x" * 5000], ["--cgroup"]),
    (["trace", "--addr", "10.0.0.1/8"], ["10.0.0.1/8", "--addr"]),
    (["trace", "--addr", ""], ["--addr"]),
    (["trace", "--laddr", "10.0.0.0/33"], ["10.0.0.0/33"]),
    (["trace", "--raddr", "fe80::/10,nowhere"], ["nowhere"]),
    (["trace", "--raddr", "!10.0.0.0/8"], ["10.0.0.0/8"]),
    (["hist", "--outcome", "splendid"], ["splendid"]),
    (["hist", "--outcome", "timer"], ["timer"]),
    (["hist", "--outcome", ""], ["--outcome"]),
    (["trace", "--failed", "--outcome", "established,fin"], ["--failed", "--outcome"]),
    (["hist", "--failed=yes"], ["--failed"]),
    (["trace", "--min-handshake", "10"], ["'10'", "10"]),
    (["trace", "--min-handshake", "-1ms"], ["-1ms"]),
    (["trace", "--min-close", "0s"], ["0s"]),
    (["trace", "--min-close", "1e3s"], ["1e3s"]),
    *((["trace", "--alive", *course], ["--alive", course[0].strip("-")]) for course in (
        ["--stages"], ["--duration", "1"], ["--count", "1"], ["--outcome", "fin"], ["--failed"], ["--min-handshake", "1ms"], ["--min-close", "1ms"])),
    (["trace", "--min-close", "1ms", "--alive", "-p", "1"], ["--alive", "--min-close"]),
    (["trace", "--alive", "--", "true"], ["--alive", "command"]),
    (["trace", "--cgroup", "bad\x1b[31m\x07path"], ["bad"]),
    (["trace", "-u", "bad\x1b[31m\x07user"], ["bad"]),
    (["trace", "--outcome", "bad\x1b[31m\x07"], ["bad"]),
    (["trace", "--tier", "best-ever"], ["best-ever"]),
    (["trace", "-4", "-6"], []),
    (["trace", "-p", "bad\x1b[31m\x07pid"], ["bad"]),
    (["trace", "curl"], ["'curl'", "synfin trace -- curl"]),
    (["trace", "--json", "curl", "-s"], ["'curl'", "synfin trace -- curl"]),
    (["trace", "bad\x1b[31m\x07word"], ["bad", "--"]),
    (["trace", "--"], ["command", "--"]),
    (["trace", "--json", "-p", "1", "--"], ["command", "--"]),
    (["hist", "-i", "-5"], ["-5"]),
    (["trace", "--count", "0"], ["--count", "0"]),
    (["trace", "--count", "ten"], ["ten"]),
    (["hist", "--count", "3"], ["--count", "--interval"]),
    (["trace", "--duration", "-5"], ["--duration", "-5"]),
    (["trace", "--duration", ""], ["--duration"]),
    (["hist", "--duration", "1us"], ["--duration", "1us"]),
    (["hist", "--duration", "soon"], ["soon"]),
    (["hist", "-i", "soon"], ["soon"]),
    (["hist", "-i", "0" * 61 + "5ms"], ["too short"]),  # not 5 minutes
    (["no-such-command"], ["no-such-command"]),
    ([], []),
], ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else str(value))
def test_usage(args, words):
    result = synfin(*args)
    assert result.returncode == USAGE, result
    assert not result.stdout
    check_complaint(result.stderr, *words)


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["trace", "--help"], ["hist", "--help"]])
def test_help_goes_to_stdout(args):
    result = synfin(*args)
    assert result.returncode == 0 and result.stdout and not result.stderr, result


@pytest.mark.parametrize("command", ["trace", "hist", "export", "merge", "check"])
def test_help_and_version_everywhere(command):
    """Short and long, before and after the command."""
    told = synfin(command, "--help").stdout
    assert f"synfin {command}" in told
    for args in ((command, "-h"), ("help", command)):
        result = synfin(*args)
        assert (result.returncode, result.stdout, result.stderr) == (0, told, ""), result
    for args in ((command, "-V"), (command, "--version"), ("-V",)):
        result = synfin(*args)
        assert (result.returncode, result.stdout, result.stderr) == (0, synfin("--version").stdout, ""), result


@pytest.mark.parametrize("args, words", [
    (["hist", "--json=1"], ["--json", "takes no value", "'1'"]),
    (["hist", "--jso="], ["--json", "takes no value", "''"]),
    (["trace", "--failed=\x1b[31m"], ["--failed", "takes no value", "x1b"]),
    (["hist", "--by"], ["--by", "needs a value", "FIELD"]),
    (["trace", "-p"], ["-p", "needs a value", "PID"]),
    (["trace", "--l", "80"], ["'--l'", "several", "--lport", "--laddr"]),
    (["trace", "--colour=red"], ["'--colour=red'", "not an option", "trace --help"]),
    (["trace", "-Z"], ["'-Z'", "not an option", "trace --help"]),
    (["help", "curl"], ["'curl'", "trace"]),
    (["help", "trace", "hist"], ["hist"]),
], ids=lambda value: " ".join(value).encode("unicode_escape").decode())
def test_what_is_accepted(args, words):
    result = synfin(*args)
    assert result.returncode == USAGE and not result.stdout, result
    check_complaint(result.stderr, *words)


def test_netns_by_name(netns, trace):
    """As `ip netns` names it; the path is not wanted."""
    tracer = trace(args=["--netns", netns.name])
    for sock in dial(netns, netns):
        sock.close()
    tracer.wait_for("open", 2)
    assert len(tracer.stop().of("open")) == 2
    result = synfin("trace", "--netns", "no-such-netns")
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, "no-such-netns", "NAME")


def test_missing_netns():
    result = synfin("trace", "--netns", "/run/netns/no-such-netns")
    assert result.returncode == USAGE, result
    check_complaint(result.stderr, "no-such-netns")


@pytest.fixture
def public_synfin():
    """A copy that any user may run, wherever the build directory lies."""
    path = f"/tmp/synfin-{os.getpid()}"
    shutil.copy(settings.SYNFIN, path)
    os.chmod(path, 0o755)
    yield path
    os.unlink(path)


def test_not_root(public_synfin):
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here (util-linux)")
    result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", public_synfin, "trace"],
                            capture_output=True, text=True, timeout=settings.PATIENCE, check=False)
    assert result.returncode == NOT_ABLE, result
    check_complaint(result.stderr, "CAP_")


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
@pytest.mark.parametrize("args", [["trace", "--", "id", "-u"], ["check"], ["export", "--textfile", "/no/such/file"]])
def test_setuid_copy(public_synfin, mode, args):
    """It would run the command as root."""
    os.chmod(public_synfin, mode)
    result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", public_synfin, *args],
                            capture_output=True, text=True, timeout=settings.PATIENCE, check=False)
    assert result.returncode == NOT_ABLE, result
    assert not result.stdout
    check_complaint(result.stderr, "setuid", "rights")


def test_no_btf():
    """The kernel's type information hidden under an empty directory, in a mount namespace of its own."""
    result = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" trace",
                             settings.SYNFIN], capture_output=True, text=True, timeout=settings.PATIENCE, check=False)
    assert result.returncode == NOT_ABLE, result
    check_complaint(result.stderr, "BTF")


def run_with_traffic(netns, spawn, *args, stdout="", command="trace"):
    """synfin under a shell that redirects its stdout, with connections until it gives up by itself."""
    argv = [settings.SYNFIN, command, *tier_args(), "--netns", netns.path, *args]
    process = spawn(["sh", "-c", f'exec "$@" {stdout}', "sh", *argv])
    wait_until(lambda: "synfin: ready" in process.stderr or process.status is not None)

    def has_given_up():
        for sock in dial(netns, netns):
            sock.close()
        return process.status is not None

    wait_until(has_given_up, every=0.1)
    return process


def complaints(stderr):
    """What is left beside the ready line and the summary."""
    return "".join(line + "\n" for line in stderr.splitlines()
                   if not line.startswith("synfin: ready") and "; lost: " not in line)


@pytest.mark.parametrize("args", [[], ["--json"]])
@pytest.mark.parametrize("stdout, word", [(">/dev/full", "No space left"), (">&-", "standard output")])
def test_nowhere_to_write(netns, spawn, args, stdout, word):
    process = run_with_traffic(netns, spawn, *args, stdout=stdout)
    assert process.status == FAILED, process.stderr
    check_complaint(complaints(process.stderr), word)


def test_hist_nowhere_to_write(netns, spawn):
    process = run_with_traffic(netns, spawn, "-i", "1", stdout=">/dev/full", command="hist")
    assert process.status == FAILED, process.stderr
    check_complaint(complaints(process.stderr), "No space left")


def test_reader_goes_away(netns, spawn):
    """As in `synfin trace | head -1`."""
    argv = [settings.SYNFIN, "trace", *tier_args(), "--netns", netns.path]
    process = spawn(["sh", "-c", '{ "$@"; echo "status $?" >&2; } | head -1', "sh", *argv])
    process.wait_for("synfin: ready")

    def is_over():
        for sock in dial(netns, netns):
            sock.close()
        return process.status is not None

    assert wait_until(is_over, every=0.1)
    assert len(process.stdout.splitlines()) == 1
    told, _, status = process.stderr.rpartition("status ")
    assert int(status) == 0
    assert "error" not in told


def test_reader_of_what_is_alive_goes_away(netns, spawn):
    held = [dial(netns, netns) for _ in range(1000)]
    process = spawn(["sh", "-c", '{ "$@"; echo "status $?" >&2; } | head -1', "sh", settings.SYNFIN, "trace", "--alive",
                     "--json", *tier_args(), "--netns", netns.path])
    assert process.wait() == 0
    assert len(process.stdout.splitlines()) == 1
    assert process.stderr == "status 0\n"
    for both in held:
        for sock in both:
            sock.close()


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143),
                                            ("kill -KILL $$", 137)])
def test_status_of_the_command(script, status):
    result = synfin("trace", *tier_args(), "--json", "--", "sh", "-c", script)
    assert result.returncode == status, result


def test_command_that_cannot_run():
    result = synfin("trace", *tier_args(), "--", "/no/such/command")
    assert result.returncode == 127, result
    assert "/no/such/command" in result.stderr


def test_command_and_its_children_alone(netns, serve, spawn, tmp_path):
    """The command's own connection and its grandchild's; not the server's end, nor another process's."""
    server = serve(netns, "--port", 5001, "--count", 3)
    connect = f"{settings.PEER} load --connect 127.0.0.1:5001 --close-first"
    script = f"exec >{tmp_path}/told; {connect}; sh -c '{connect}; true'; sleep 1"
    process = spawn([settings.SYNFIN, "trace", "--json", *tier_args(), "--", "nsenter", f"--net={netns.path}", "--",
                     "sh", "-c", script])
    process.wait_for("synfin: ready")
    netns.connect("127.0.0.1", 5001).close()
    assert process.wait() == 0, process.stderr
    assert server.wait() == 0
    told = [json.loads(line) for line in (tmp_path / "told").read_text(encoding="ascii").splitlines()]
    conns = {(line["pid"], line["lport"]) for line in told if line["event"] == "conn"}
    records = [record for record in process.json_lines() if record["type"] in ("open", "close")]
    assert len(conns) == 2 and len(records) == 4
    assert {(record["owner"]["pid"], record["lport"]) for record in records} == conns


@pytest.mark.parametrize("own, status", [(0, FAILED), (7, 7)])
@pytest.mark.parametrize("stdout, word", [(">/dev/full", "No space left"), ("| head -1", None)])
def test_command_outlives_the_output(netns, serve, spawn, tmp_path, own, status, stdout, word):
    """What fails is synfin's output, not the command: that goes on to its own end."""
    serve(netns, "--port", 5001, "--count", 9)
    connect = f"{settings.PEER} load --connect 127.0.0.1:5001 --close-first --count 3"
    script = f"exec >/dev/null; {connect}; sleep 2; {connect}; touch {tmp_path}/done; exit {own}"
    process = spawn(["sh", "-c", f'{{ "$@"; echo "status $?" >&2; }} {stdout}', "sh", settings.SYNFIN, "trace", "--json",
                     *tier_args(), "--", "nsenter", f"--net={netns.path}", "--", "sh", "-c", script])
    process.wait()
    told, _, ended = process.stderr.rpartition("status ")
    assert int(ended) == (status if word else own)
    assert (tmp_path / "done").exists()
    if word:
        check_complaint(complaints(told), word, "the command goes on")
    else:
        assert "error" not in told


def trace_command(spawn, serve, netns, *args, script="true"):
    """trace -- of a command that makes a connection and says a word."""
    serve(netns, "--port", 5001, "--count", 9)
    connect = f"{settings.PEER} load --connect 127.0.0.1:5001 --close-first >/dev/null"
    process = spawn([settings.SYNFIN, "trace", *tier_args(), *args, "--", "nsenter", f"--net={netns.path}", "--", "sh", "-c",
                     f"{connect}; echo word; {script}"])
    process.wait()
    return process


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_output_beside_the_command(netns, serve, spawn, tmp_path, option):
    path = tmp_path / "records"
    path.write_text("what was there before\n" * 1000, encoding="ascii")
    process = trace_command(spawn, serve, netns, "--json", option, path)
    assert process.status == 0 and process.stdout == "word\n"
    assert [json.loads(line)["type"] for line in path.read_text(encoding="ascii").splitlines()] == ["open", "close"]


def test_output_fails_beside_the_command(netns, serve, spawn):
    process = trace_command(spawn, serve, netns, "-o", "/dev/full", script="sleep 1; exit 5")
    assert process.status == 5 and process.stdout == "word\n"
    check_complaint(complaints(process.stderr), "/dev/full", "No space left", "the command goes on")


def test_output_of_what_is_alive(netns, tmp_path):
    held = dial(netns, netns)
    result = synfin("trace", "--alive", "--json", "-o", tmp_path / "alive", "--netns", netns.path, *tier_args())
    assert result.returncode == 0 and not result.stdout
    assert len((tmp_path / "alive").read_text(encoding="ascii").splitlines()) == 2
    for sock in held:
        sock.close()


def test_output_that_cannot_be(tmp_path):
    """Before anything is loaded or run. A pipe without a reader would block for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("", tmp_path, tmp_path / "no" / "such", tmp_path / "pipe", tmp_path / "bad\x1b[31m" / "x"):
        result = synfin("trace", "-o", path, "--", "touch", tmp_path / "ran")
        assert result.returncode == USAGE, result
        check_complaint(result.stderr, "--output")
    assert not (tmp_path / "ran").exists()


def test_count_of_records(netns, spawn):
    process = spawn([settings.SYNFIN, "trace", "--json", "--count", 7, *tier_args(), "--netns", netns.path])
    process.wait_for("synfin: ready")
    for _ in range(4):
        for sock in dial(netns, netns):
            sock.close()
    assert process.wait() == 0
    assert len(process.json_lines()) == 7 and "; lost: " in process.stderr


def test_count_of_intervals(netns):
    result = synfin("hist", "--json", "-i", "50ms", "--count", 3, *tier_args(), "--netns", netns.path)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 3 and "; lost: " in result.stderr


@pytest.mark.parametrize("args, lines", [([], 1), (["-i", "300ms"], 4)])
def test_duration(netns, args, lines):
    """What is left at the end is an interval, too."""
    begin = time.monotonic()
    result = synfin("hist", "--json", "--duration", "1", *args, *tier_args(), "--netns", netns.path)
    assert result.returncode == 0 and time.monotonic() - begin >= 1
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(reports) == lines
    assert sum(report["interval_ns"] for report in reports) >= 1000 * settings.MS


@pytest.mark.parametrize("end", [["--duration", "2"], ["--count", "2"]])
def test_end_before_the_command(netns, serve, spawn, tmp_path, end):
    """The command goes on; what it does after that is not recorded."""
    connect = f"{settings.PEER} load --connect 127.0.0.1:5001 --close-first >/dev/null"
    process = trace_command(spawn, serve, netns, "--json", *end, script=f"sleep 4; {connect}; touch {tmp_path}/done; exit 5")
    assert process.status == 5 and (tmp_path / "done").exists()
    records, _, rest = process.stdout.partition("word\n")
    assert len(records.splitlines()) + len(rest.splitlines()) == 2


def test_signals_end_it_well(netns, trace):
    for signum in (signal.SIGINT, signal.SIGTERM):
        tracer = trace(netns)
        for sock in dial(netns, netns):
            sock.close()
        assert len(tracer.stop(signum).of("close")) == 2


def test_table(netns, trace):
    """Without a terminal: no control characters, a header, a line for each record in the same columns."""
    tracer = trace(netns, json_lines=False)
    client, server = dial(netns, netns)
    port = client.getsockname()[1]
    client.close()
    server.close()
    wait_until(lambda: len(tracer.process.stdout.splitlines()) >= 5, 5)
    assert tracer.process.stop() == 0
    text = tracer.process.stdout
    assert not CONTROL.search(text), repr(text)
    header, *lines = text.splitlines()
    assert len([line for line in lines if str(port) in line]) == len(lines) >= 4
    assert header.split()[0].isupper()


def test_ready_names_the_filter(netns, trace):
    tracer = trace(netns, args=["-c", "x*", "--failed", "--rport=1-5"])
    tracer.stop()
    assert f"ready: connections with --netns {netns.path} --comm x* --failed --rport 1-5, tier " in tracer.process.stderr
    many = trace(netns, args=["--rport", ",".join(str(port) for port in range(1000, 1100))])
    many.stop()
    assert "1003,1004," in many.process.stderr and "..., tier " in many.process.stderr
    command = synfin("trace", *tier_args(), "-4", "--", "true")
    assert "ready: connections of the command with --ipv4, tier " in command.stderr, command.stderr


@pytest.mark.parametrize("command", ["trace", "hist"])
def test_summary_tells_of_time_wait(netns, trace, command):
    """What is closed may be there still: as many as the kernel counts."""
    tracer = trace(netns, command=command)
    for _ in range(5):
        for sock in dial(netns, netns):
            sock.close()
    assert wait_until(lambda: netns.counters()["alive_tw"] == 5)
    time.sleep(0.2)
    assert tracer.process.stop() == 0
    assert "10 closed, 0 alive, 5 in time_wait; lost: " in tracer.process.stderr


def test_quiet(netns, spawn):
    process = spawn([settings.SYNFIN, "trace", "--json", "-q", *tier_args(), "--netns", netns.path])

    def is_tracing():
        for sock in dial(netns, netns):
            sock.close()
        return process.stdout

    assert wait_until(is_tracing, every=0.2)
    assert process.stop() == 0
    assert "synfin: ready" not in process.stderr


@pytest.mark.parametrize("cnt", ["65535", "4194305", "", "many", "1e6"])
def test_max_connections_refused(cnt):
    result = synfin("hist", "--max-connections", cnt)
    assert result.returncode == USAGE and not result.stdout
    check_complaint(result.stderr, "--max-connections")


def test_max_connections(netns, trace):
    """The tables have that room, as the kernel says."""
    tracer = trace(netns, command="hist", args=["--max-connections", 1000000])
    assert re.search(r"room for 1000000 connections at a time: \d+ MiB of kernel memory at once, \d+ when all are there\n",
                     tracer.process.stderr)
    rooms = []
    for path in Path(f"/proc/{tracer.process.pid}/fdinfo").iterdir():
        if found := re.search(r"^max_entries:\s+(\d+)$", path.read_text(encoding="ascii"), re.M):
            rooms.append(int(found[1]))
    assert rooms.count(1000000) == 3, rooms
    for sock in dial(netns, netns):
        sock.close()
    assert tracer.process.stop() == 0
    assert "2 established" in tracer.process.stderr and " 0 evicted" in tracer.process.stderr


def test_check():
    """Something is said of every hook, as text and as JSON; no traffic and no stop are needed."""
    text = synfin("check", *tier_args())
    assert text.returncode == 0 and text.stdout and not CONTROL.search(text.stdout), text
    result = synfin("check", "--json", *tier_args())
    assert result.returncode == 0, result
    for line in result.stdout.splitlines():
        json.loads(line)
    request, = [hook for hook in json.loads(result.stdout)["hooks"] if hook["hook"] == "request"]
    assert bool(request["lost"]) == (request["variant"] == "timers")
    assert text.stdout.count("not seen in this way: ") == bool(request["lost"])
