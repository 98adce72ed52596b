# SPDX-License-Identifier: GPL-2.0-only
"""How a run is ended: by signals, also while nobody reads what it writes."""
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import time

import pytest

import settings
from netns import dial
from process import wait_until
from tracer import tier_args

F_SETPIPE_SZ = 1031
AT_ONCE = 3  # seconds; it says within one, and the machine may be busy


@pytest.fixture
def start(stack):
    """start(args, stdout) -> Popen of synfin that is ready, its standard error to be read."""
    def start(*args, **popen):
        child = subprocess.Popen([settings.SYNFIN, *map(str, args)], stdin=subprocess.DEVNULL, **popen)
        stack.callback(child.wait)
        stack.callback(child.kill)
        return child
    return start


@pytest.fixture
def narrow(stack):
    """(read end, write end) of a pipe that holds 4 KiB."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], F_SETPIPE_SZ, 4096)
    for end in ends:
        stack.callback(os.close, end)
    return ends


@pytest.fixture
def messages(tmp_path):
    """A file for standard error, and what is in it so far."""
    path = tmp_path / "messages"
    with path.open("wb") as file:
        yield file, path.read_text


def wait_for(read, text):
    assert wait_until(lambda: text in read()), read()


def read_all(fd):
    """What is in a pipe now."""
    os.set_blocking(fd, False)
    found = b""
    try:
        while chunk := os.read(fd, 65536):
            found += chunk
    except BlockingIOError:
        pass
    return found


def make_connections(netns, count):
    for _ in range(count):
        for sock in dial(netns, netns):
            sock.close()


def time_to_end(child, signum):
    begin = time.monotonic()
    child.send_signal(signum)
    child.wait(settings.PATIENCE)
    return time.monotonic() - begin


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_stalled_trace(netns, start, narrow, messages, signum):
    """Every record is a line that was written or one that it says was not."""
    child = start("trace", "--json", *tier_args(), "--netns", netns.path, stdout=narrow[1], stderr=messages[0])
    wait_for(messages[1], "synfin: ready")
    make_connections(netns, 40)
    time.sleep(0.5)
    assert child.poll() is None
    assert time_to_end(child, signum) < AT_ONCE
    assert child.returncode == 1
    unwritten = re.search(r"standard output stalled: (\d+) lines were not written\n", messages[1]())
    assert unwritten, messages[1]()
    assert "40 client and 40 server opens begun" in messages[1]()
    assert read_all(narrow[0]).count(b"\n") + int(unwritten[1]) == 40 * 5


def test_stalled_interval(netns, start, narrow, messages):
    child = start("hist", "-i", "50ms", *tier_args(), "--netns", netns.path, stdout=narrow[1], stderr=messages[0])
    wait_for(messages[1], "synfin: ready")
    make_connections(netns, 4)
    time.sleep(1)
    assert time_to_end(child, signal.SIGTERM) < AT_ONCE
    assert child.returncode == 1
    assert re.search(r"stalled: \d+ lines were not written, nor what was counted after them\n", messages[1]())


def test_stalled_at_the_end(netns, start, narrow, messages):
    """What was added up would have been written at the end."""
    child = start("hist", "--by", "lport", *tier_args(), "--netns", netns.path, stdout=narrow[1], stderr=messages[0])
    wait_for(messages[1], "synfin: ready")
    make_connections(netns, 4)
    assert time_to_end(child, signal.SIGINT) < AT_ONCE
    assert child.returncode == 1
    assert re.search(r"stalled: \d+ lines were not written\n", messages[1]())


def test_slow_reader_at_the_end(netns, start, narrow, messages):
    """One that reads on, however slowly, gets everything."""
    child = start("hist", "--by", "lport", "--json", *tier_args(), "--netns", netns.path, stdout=narrow[1],
                  stderr=messages[0])
    wait_for(messages[1], "synfin: ready")
    make_connections(netns, 4)
    child.send_signal(signal.SIGINT)
    found = b""
    while child.poll() is None:
        time.sleep(0.1)
        found += read_all(narrow[0])
    found += read_all(narrow[0])
    assert child.returncode == 0, messages[1]()
    assert found.startswith(b"{") and found.endswith(b"}\n")


def test_stopped_terminal(netns, start, stack):
    """Ctrl-S: standard error does not move either."""
    master, terminal = pty.openpty()
    for end in master, terminal:
        stack.callback(os.close, end)
    child = start("trace", *tier_args(), "--netns", netns.path, stdout=terminal, stderr=terminal)
    told = b""
    while b"synfin: ready" not in told:
        told += os.read(master, 4096)
    termios.tcflow(terminal, termios.TCOOFF)
    make_connections(netns, 4)
    time.sleep(0.2)
    assert time_to_end(child, signal.SIGTERM) < AT_ONCE
    assert child.returncode == 1


def test_second_signal_while_stalled(netns, start, narrow, messages):
    child = start("trace", *tier_args(), "--netns", netns.path, stdout=narrow[1], stderr=messages[0])
    wait_for(messages[1], "synfin: ready")
    make_connections(netns, 40)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    time.sleep(0.25)
    assert time_to_end(child, signal.SIGINT) < AT_ONCE
    assert "stalled" in messages[1]()


ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]


@pytest.mark.parametrize("command, signum", [(command, one) for command in ("trace", "hist") for one in ENDS] +
                         [("export", one) for one in ENDS if one not in (signal.SIGHUP, signal.SIGUSR1)])
def test_every_signal_sums_up(netns, spawn, command, signum):
    """The connection of a session that drops (SIGHUP) is no reason to lose what was added up."""
    args = ["--listen", "127.0.0.1:0"] if command == "export" else ["--json"]
    process = spawn([settings.SYNFIN, command, *args, *tier_args(), "--netns", netns.path])
    process.wait_for("synfin: ready")
    make_connections(netns, 3)
    assert process.stop(signum) == 0
    assert "3 client and 3 server opens begun" in process.stderr
    if command == "trace":
        assert len(process.json_lines()) == 15
    if command == "hist":
        assert '"count":3' in process.stdout


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_ignored_signals_stay_ignored(netns, spawn, signum):
    """As with nohup."""
    process = spawn([settings.SYNFIN, "hist", *tier_args(), "--netns", netns.path],
                    preexec_fn=lambda: signal.signal(signum, signal.SIG_IGN))
    process.wait_for("synfin: ready")
    process.child.send_signal(signum)
    time.sleep(0.3)
    make_connections(netns, 3)
    assert process.stop(signal.SIGTERM) == 0
    assert "3 client and 3 server opens begun" in process.stderr


def test_signal_twice_at_once(netns, spawn):
    """As timeout(1) sends it: to its child, and to the process group of both."""
    process = spawn([settings.SYNFIN, "hist", "--json", *tier_args(), "--netns", netns.path])
    process.wait_for("synfin: ready")
    make_connections(netns, 3)
    for _ in range(5):
        process.child.send_signal(signal.SIGTERM)
        time.sleep(0.005)
    assert process.wait() == 0
    assert '"count":3' in process.stdout and "3 client and 3 server opens begun" in process.stderr


def test_signal_in_a_flood(netns, spawn):
    """
    More records than synfin can read, since it shares one processor with what makes them and has a fiftieth of it. It must
    see the signals while they come: after the first it writes what waits, at the second no more.
    """
    process = spawn(["taskset", "-c", "0", settings.SYNFIN, "trace", "--json", "--stages", *tier_args(), "--netns", netns.path])
    process.wait_for("synfin: ready")
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)
    load = spawn(["taskset", "-c", "0", settings.CHURNER, "churn", "--seconds", "25"], netns=netns)
    time.sleep(3)
    process.child.send_signal(signal.SIGINT)
    time.sleep(1)
    status = process.stop()
    assert load.status is None
    unwritten = re.search(r"(\d+) lines were not written\n", process.stderr)
    assert status == (1 if unwritten else 0)
    assert "; lost: " in process.stderr
