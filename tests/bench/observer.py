# SPDX-License-Identifier: GPL-2.0-only
"""What is run beside a load: nothing, synfin in its modes, the distribution's tools that do something similar."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import procs
import settings

PATIENCE = 60
PEERS = ("tcplife", "tcpstates")
# Some of them need tracefs, which not every host has mounted: in a mount namespace of their own they do.
WITH_TRACEFS = ["unshare", "--mount", "sh", "-c", "mount -t tracefs none /sys/kernel/tracing; exec \"$0\""]
SUMMARY = re.compile(r"(\d+) dropped, (\d+) missed, (\d+) evicted, (\d+) unattributed")
COUNTS = re.compile(r"(\d+) established, (\d+) failed, (\d+) closed")


def told(lost):
    """{class: count} for a table. `unattributed` is no loss of a record."""
    return ", ".join(f"{count:,} {kind}" for kind, count in lost.items() if count and kind != "unattributed") or "0"


def _synfin(*args):
    return [settings.SYNFIN, *args]


def known():
    """{name: argv} of everything that can be measured on this host, the cheapest of synfin's first."""
    modes = {"filtered out": _synfin("trace", "-p", "1"), "hist": _synfin("hist"),
             "export": _synfin("export", "--listen", "127.0.0.1:0"), "trace --json": _synfin("trace", "--json")}
    modes.update(installed(PEERS))
    return modes


def installed(peers):
    """{name: argv} of those that this host has."""
    paths = {peer: shutil.which(peer, path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", "")) for peer in peers}
    return {peer: [*WITH_TRACEFS, path] for peer, path in paths.items() if path}


class Observer:
    """A running tool. Its output goes to a file that is emptied between loads, so that it stays small."""

    def __init__(self, argv, out=None):
        self.argv, self.err = argv, tempfile.TemporaryFile()
        self.out = open(out or tempfile.mkstemp(prefix="synfin-bench-")[1], "ab")
        self.temporary = out is None
        self.began = time.monotonic()
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        self.pid = self.child.pid
        self.summary = ""
        try:
            self._wait_for_ready()
        except BaseException:
            self.discard()
            raise

    @property
    def is_synfin(self):
        return self.argv[0] == settings.SYNFIN

    def stderr(self):
        return os.pread(self.err.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    def _is_ready(self):
        if self.is_synfin:
            return "synfin: ready" in self.stderr()
        return bool(procs.prog_runs(self.pid))

    def _wait_for_ready(self):
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.argv}: did not get ready: {self.stderr()}")
            time.sleep(0.002)
        self.ready_s = time.monotonic() - self.began
        if not self.is_synfin:
            time.sleep(1)  # they do not say when they have attached what they loaded

    def empty_output(self):
        if self.temporary:
            os.ftruncate(self.out.fileno(), 0)

    def output_lines(self):
        with open(self.out.name, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def records(self, kind):
        """synfin's JSON lines of this type so far."""
        with open(self.out.name, encoding="utf-8") as file:
            return [json.loads(line) for line in file if f'"type":"{kind}"' in line]

    def settle(self):
        """Until it has read what waits for it: its CPU time stands still."""
        deadline = time.monotonic() + PATIENCE
        before = -1
        while (now := procs.cpu_ns(self.pid)) - before > 5_000_000 and time.monotonic() < deadline:
            before = now
            time.sleep(0.1)

    def stop(self):
        """Ends it as a user does; returns its last words."""
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(PATIENCE)
        finally:
            self.discard()
        return self.summary

    def discard(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.summary = self.stderr()
        self.err.close()
        self.out.close()
        if self.temporary:
            Path(self.out.name).unlink(missing_ok=True)

    def lost(self):
        """{class: records}, after stop(). The peers tell one class."""
        if not self.is_synfin:
            return {"dropped": sum(map(int, re.findall(r"[Ll]ost (\d+) events", self.summary)))}
        found = SUMMARY.search(self.summary)
        return dict(zip(("dropped", "missed", "evicted", "unattributed"), map(int, found.groups())))

    def counts(self):
        """synfin's own {established, failed, closed}, after stop()."""
        return dict(zip(("established", "failed", "closed"), map(int, COUNTS.search(self.summary).groups())))
