# SPDX-License-Identifier: GPL-2.0-only
"""A terminal with a program in it, at which a test types."""
import os
import pty
import select
import time

import settings

CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"


class Terminal:
    """The program leads the session; with bash -i there is job control."""

    def __init__(self, *argv):
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.environ["PS1"] = "$ "
            os.environ["TERM"] = "dumb"
            os.execvp(argv[0], argv)
        self.shown = ""
        self.status = None

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self):
        try:
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # the last program that had it open is gone
            time.sleep(0.05)

    def wait_for(self, text):
        """Returns what was shown before it; what follows is looked at next time."""
        deadline = time.monotonic() + settings.PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown!r}"
            self.read()
        before, _, self.shown = self.shown.partition(text)
        return before

    def wait_for_foreground(self, comm):
        """Until a process group has the terminal whose leader has this name."""
        deadline = time.monotonic() + settings.PATIENCE
        while (found := self._foreground()) != comm:
            assert time.monotonic() < deadline, f"{found} is in the foreground"
            self.read()

    def _foreground(self):
        try:
            with open(f"/proc/{os.tcgetpgrp(self.master)}/comm", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return None

    def wait(self):
        """The exit status of the program."""
        deadline = time.monotonic() + settings.PATIENCE
        while self.status is None:
            assert time.monotonic() < deadline, f"still running: {self.shown!r}"
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def close(self):
        """Hangs up; then nobody is left."""
        os.close(self.master)
        if self.status is None:
            time.sleep(0.1)
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
