# SPDX-License-Identifier: GPL-2.0-only
"""`trace -- CMD` at a terminal: whose signals are whose, and job control."""
import signal
import subprocess
import sys
import time

import pytest

import settings
from terminal import CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Terminal
from tracer import tier_args

# Tells its process group and the terminal's, then each signal that comes within a second after the first; then it becomes
# the program of its arguments.
LISTENER = """
import os, signal, sys
signals = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
in_front = os.isatty(2) and os.getpgrp() == os.tcgetpgrp(2)
print("groups", os.getpid() == os.getpgrp(), in_front, "listens", flush=True)
got = [signal.sigwait(signals)]
while more := signal.sigtimedwait(signals, 1):
    got.append(more.si_signo)
print("got", *got, "end", flush=True)
if sys.argv[1:]:
    os.execvp(sys.argv[1], sys.argv[1:])
os._exit(9)
"""


@pytest.fixture
def listener(tmp_path):
    path = tmp_path / "listener.py"
    path.write_text(LISTENER, encoding="ascii")
    return f"{sys.executable} {path}"


@pytest.fixture
def terminal(stack):
    """terminal(argv...) -> Terminal, by default a shell with job control."""
    def start(*argv):
        one = Terminal(*(argv or ("bash", "--norc", "--noprofile", "-i")))
        stack.callback(one.close)
        return one
    return start


def traced(command, *args):
    return " ".join([settings.SYNFIN, "trace", *tier_args(), *args, "--", command])


@pytest.mark.parametrize("key, number", [(CTRL_C, signal.SIGINT), (CTRL_BACKSLASH, signal.SIGQUIT)])
def test_key_reaches_the_command_once(terminal, listener, key, number):
    shell = terminal()
    shell.type(f"{traced(listener)}; echo status $?\n")
    shell.wait_for("groups True True listens")
    shell.type(key)
    shell.wait_for(f"got {int(number)} end")
    shell.wait_for("status 9")


@pytest.mark.parametrize("key, number", [(CTRL_C, signal.SIGINT), (CTRL_BACKSLASH, signal.SIGQUIT)])
def test_key_in_a_pipeline(terminal, listener, key, number):
    """The reader may want the terminal itself, and so all stay in one process group."""
    shell = terminal()
    shell.type(f"{traced(listener)} | {{ trap : INT QUIT; cat; cat; }}; echo status ${{PIPESTATUS[0]}}\n")
    shell.wait_for("groups False True listens")
    shell.type(key)
    shell.wait_for(f"got {int(number)} end")
    shell.wait_for("status 9")


def test_command_ended_by_a_key(terminal):
    shell = terminal()
    shell.type(f"{traced(f'sh -c {chr(34)}echo $((6 * 7)); exec sleep 100{chr(34)}')}; echo status $?\n")
    shell.wait_for("42\r\n")
    shell.type(CTRL_C)
    shell.wait_for("status 130")


def test_stop_and_go_on(terminal):
    shell = terminal()
    shell.type(f"{traced('cat', '-o', '/dev/null')}\n")
    shell.wait_for("synfin: ready")
    shell.type("one\n")
    shell.wait_for("one\r\none\r\n")
    for word in "two", "three":
        shell.type(CTRL_Z)
        shell.wait_for("Stopped")
        shell.type("fg\n")
        shell.wait_for_foreground("cat")
        shell.type(f"{word}\n")
        shell.wait_for(f"{word}\r\n{word}\r\n")
    shell.type(CTRL_D)
    shell.type("echo status $?\n")
    shell.wait_for("status 0")


def test_background(terminal, listener):
    """Put into the background it runs on, asks for the terminal by stopping, and gets it back."""
    shell = terminal()
    shell.type(f"{traced(f'{listener} cat')}\n")
    shell.wait_for("listens")
    shell.type(CTRL_Z)
    shell.wait_for("Stopped")
    shell.type("bg; echo done $((6 * 7))\n")
    shell.wait_for("done 42")
    shell.type("kill -USR1 %1\n")
    shell.wait_for(f"got {int(signal.SIGUSR1)} end")
    shell.type("sleep 1; jobs; echo told $((6 * 7))\n")
    assert "Stopped" in shell.wait_for("told 42")
    shell.type("fg\n")
    shell.wait_for_foreground("cat")
    shell.type("word\n")
    shell.wait_for("word\r\nword\r\n")
    shell.type(CTRL_D)
    shell.type("echo status $?\n")
    shell.wait_for("status 0")


def test_foreground_again_without_a_stop(terminal, listener):
    """The shell tells nobody of it: it gives the terminal to our process group."""
    shell = terminal()
    shell.type(f"{traced(listener)}\n")
    shell.wait_for("listens")
    shell.type(CTRL_Z)
    shell.wait_for("Stopped")
    shell.type("bg\n")
    shell.type("fg; echo status $?\n")
    shell.wait_for("status $?")
    shell.wait_for("listener.py")
    time.sleep(0.3)  # for the shell to give the terminal away
    shell.type(CTRL_C)
    shell.wait_for(f"got {int(signal.SIGINT)} end")
    shell.wait_for("status 9")


def test_nobody_to_go_on_for(terminal, listener):
    """Without a shell nothing could be continued: Ctrl-Z stops nothing."""
    alone = terminal(*traced(listener).split())
    alone.wait_for("listens")
    alone.type(CTRL_Z)
    alone.type(CTRL_C)
    alone.wait_for(f"got {int(signal.SIGINT)} end")
    assert alone.wait() == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_are_passed_on(spawn, listener, number):
    """Also without a terminal; each that comes, and once."""
    process = spawn(traced(listener).split(), stdin=subprocess.DEVNULL)
    process.wait_for("listens", "stdout")
    assert process.stop(number) == 9
    assert f"got {int(number)} end" in process.stdout


def test_started_with_sigchld_ignored(spawn):
    """Nobody would be told of the command's end; the command gets it as synfin got it."""
    process = spawn(traced("grep SigIgn /proc/self/status", "-o", "/dev/null").split(),
                    preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert process.wait() == 0
    ignored = int(process.stdout.split()[1], 16)
    assert ignored & 1 << signal.SIGCHLD - 1


def test_signals_as_synfin_got_them(spawn):
    """Blocked and ignored ones, SIGPIPE included."""
    def prepare():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2])

    process = spawn(traced("grep -E Sig(Ign|Blk) /proc/self/status", "-o", "/dev/null").split(), preexec_fn=prepare,
                    restore_signals=False)
    assert process.wait() == 0
    words = process.stdout.split()
    masks = {name: int(mask, 16) for name, mask in zip(words[::2], words[1::2])}
    assert masks["SigBlk:"] == 1 << signal.SIGUSR2 - 1
    ignored = {one for one in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGTTOU)
               if masks["SigIgn:"] & 1 << one - 1}
    assert ignored == {signal.SIGPIPE, signal.SIGINT}
