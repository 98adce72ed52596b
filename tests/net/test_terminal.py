# SPDX-License-Identifier: GPL-2.0-only
"""What trace, hist and check write to a terminal: by its width, in colour, and nothing of that to anything else."""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios

import pytest

import settings
from netns import dial
from process import wait_until
from tracer import CONTROL, tier_args

SGR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """`synfin` with a pseudo-terminal of some size for its output and its messages."""

    def __init__(self, columns, *args, rows=50, **env):
        self.master, slave = os.openpty()
        self.resize(columns, rows)
        self.text = ""
        environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.child = subprocess.Popen([settings.SYNFIN, *args, *tier_args()], stdin=subprocess.DEVNULL, stdout=slave,
                                      stderr=slave, env={**environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env})
        os.close(slave)

    def resize(self, columns, rows=50):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """All that has come so far."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.text += os.read(self.master, 65536).decode().replace("\r\n", "\n")
            except OSError:  # EIO: it has ended
                break
        return self.text

    def wait_for(self, *words):
        found = wait_until(lambda: all(re.search(word, self.read()) for word in words))
        assert found, (words, self.text)

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        assert wait_until(lambda: self.read() is None or self.child.poll() is not None)
        assert self.child.returncode == 0, self.text
        return self.read()

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.master)


@pytest.fixture
def terminal(stack):
    def start(*args, **kwargs):
        one = Terminal(*args, **kwargs)
        stack.callback(one.close)
        one.wait_for("synfin: ready")
        return one
    return start


def lines_of(text):
    """Those of the records and their header, without the messages."""
    return [line for line in text.splitlines() if not line.startswith(("synfin:", "^C"))]


def talk(netns, addr="127.0.0.1"):
    """A connection and one that is refused; returns the port of the first one's client."""
    client, server = dial(netns, netns, addr)
    port = client.getsockname()[1]
    client.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        netns.connect(addr, 9)
    return port


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_widths(netns, terminal, columns):
    """No line is longer than the terminal, IPv6 or not, and address and port stand together."""
    screen = terminal(columns, "trace", "--netns", netns.path, "--color", "never")
    assert wait_until(lambda: "TIME(UTC)" in screen.read())  # before there is anything to show
    port = talk(netns)
    netns.ip("addr", "add", "2001:db8:85a3:8d3:1319:8a2e:370:7348/128", "dev", "lo", "nodad")
    talk(netns, "2001:db8:85a3:8d3:1319:8a2e:370:7348")
    screen.wait_for(r"\[2001:db8:85a3:8d3:1319:8a2e:370:7348\]:9\b(.|\n)*ECONNREFUSED", rf"127\.0\.0\.1:{port}\b")
    lines = lines_of(screen.stop())
    assert all(len(line) <= columns for line in lines), lines
    assert not CONTROL.search("\n".join(lines))
    assert sum(line.startswith("TIME") for line in lines) == 2  # again at the first IPv6 address


def test_resize(netns, terminal):
    screen = terminal(200, "trace", "--netns", netns.path, "--color=never")
    talk(netns)
    screen.wait_for("ECONNREFUSED")
    screen.resize(80)
    before = len(screen.read())
    talk(netns)
    assert wait_until(lambda: "ECONNREFUSED" in screen.read()[before:])
    after = lines_of(screen.read()[before:])
    assert after[0].startswith("TIME(UTC) ") and all(len(line) <= 80 for line in after), after


@pytest.mark.parametrize("args, env, is_red", [([], {}, True), (["--color=always"], {"NO_COLOR": "1"}, True),
                                               ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False),
                                               (["--color", "never"], {}, False)])
def test_color(netns, terminal, args, env, is_red):
    """Failures are red, on a terminal that has not been asked to go without."""
    screen = terminal(120, "trace", "--netns", netns.path, *args, **env)
    talk(netns)
    screen.wait_for("ECONNREFUSED")
    text = screen.stop()
    assert ("\x1b[31mrefused\x1b[m" in text) == is_red
    assert "\x1b[31mestablished" not in text
    assert is_red or "\x1b" not in text
    assert not CONTROL.search(SGR.sub("", "\n".join(lines_of(text))))


def test_piped(netns, trace):
    """Twelve columns whatever the environment says of a terminal, and no colours unless they are asked for."""
    tracer = trace(netns, json_lines=False, env={**os.environ, "COLUMNS": "80", "TERM": "xterm"})
    red = trace(netns, json_lines=False, args=["--color=always"])
    talk(netns)
    for one in (tracer, red):
        assert wait_until(lambda one=one: "ECONNREFUSED" in one.process.stdout)
        assert one.process.stop() == 0
    text = tracer.process.stdout
    assert text.split("\n", 1)[0].split() == ["TIME(UTC)", "EVENT", "ROLE", "PID", "COMM", "LADDR", "LPORT", "RADDR", "RPORT",
                                             "OUTCOME", "TOOK", "DETAIL"]
    assert all(len(line.split()) >= 12 for line in text.splitlines()) and not CONTROL.search(text)
    assert "\x1b[31mrefused\x1b[m" in red.process.stdout


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_hist(netns, terminal, columns):
    """A line for each histogram, with a sketch; no longer than the terminal is wide."""
    screen = terminal(columns, "hist", "--netns", netns.path)
    talk(netns)
    lines = lines_of(screen.stop())
    assert all(len(line) <= columns for line in lines), lines
    head = next(line for line in lines if line.split()[:1] == ["COUNT"])
    assert head.split() == ["COUNT", "P50", "P90", "P99", "P99.9", "MAX", "SHAPE"]
    line = next(line for line in lines if line.startswith("handshake client established "))
    assert re.fullmatch(r"handshake client established +1( +[0-9.]+[num]?s){5} +\u2588", line), line
    assert any(line.startswith("opens: ") and "1 client refused" in line for line in lines)


def test_hist_bars(netns, terminal, trace):
    """The bars on a terminal when they are asked for, elsewhere always."""
    screen = terminal(80, "hist", "--netns", netns.path, "--bars")
    pipe = trace(netns, command="hist", json_lines=False)
    talk(netns)
    assert pipe.process.stop() == 0
    for text in (screen.stop(), pipe.process.stdout):
        assert "handshake role=client outcome=established" in text and "|####" in text, text


@pytest.mark.parametrize("columns", [80, 120])
def test_check(stack, columns):
    screen = Terminal(columns, "check")
    stack.callback(screen.close)
    screen.child.wait(settings.PATIENCE)
    lines = lines_of(screen.read())
    assert len(lines) > 15 and all(len(line) <= columns for line in lines), lines
