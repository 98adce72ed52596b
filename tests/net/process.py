# SPDX-License-Identifier: GPL-2.0-only
"""A child process whose output goes to files, so that it can never block on a reader, and the waits for it."""
import json
import os
import signal
import subprocess
import tempfile
import time

import settings


def wait_until(condition, timeout=None, every=0.02):
    """Polls until the condition holds; says whether it did."""
    deadline = time.monotonic() + (settings.PATIENCE if timeout is None else timeout)
    while not (result := condition()):
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return result


def reset_signals():
    """What a shell in the background, or nohup, has set to be ignored stays ignored in each child, and in theirs."""
    for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(signum) == signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)


class Process:
    def __init__(self, argv, netns=None, stdin=subprocess.DEVNULL, **popen):
        if netns:
            argv = ["nsenter", "--net=" + netns.path, "--"] + list(argv)  # it execs: the pid is the command's
        self.argv = [str(arg) for arg in argv]
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.child = subprocess.Popen(self.argv, stdin=stdin, stdout=self.out, stderr=self.err, **popen)
        self.pid = self.child.pid

    @staticmethod
    def _text(stream):
        size = os.fstat(stream.fileno()).st_size
        return os.pread(stream.fileno(), size, 0).decode("utf-8", "surrogateescape")

    @property
    def stdout(self):
        return self._text(self.out)

    @property
    def stderr(self):
        return self._text(self.err)

    @property
    def status(self):
        return self.child.poll()

    def json_lines(self):
        """Every complete line of stdout, parsed."""
        text = self.stdout
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def wait_for(self, text, stream="stderr"):
        """Waits for the text to appear; fails the test with all output if the process ends without it."""
        if not wait_until(lambda: text in getattr(self, stream) or self.status is not None) \
                or text not in getattr(self, stream):
            status = self.status
            self.kill()
            raise AssertionError(f"{self.argv}: no {text!r} on {stream} (status {status})\n{self.stdout}{self.stderr}")

    def wait(self):
        """Waits for the end; returns the exit status as Popen gives it."""
        try:
            return self.child.wait(settings.PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv}: still running\n{self.stdout}{self.stderr}") from None

    def stop(self, signum=signal.SIGINT):
        if self.status is None:
            self.child.send_signal(signum)
        return self.wait()

    def kill(self):
        if self.status is None:
            self.child.kill()
            self.child.wait()
