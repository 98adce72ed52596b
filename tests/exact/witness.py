# SPDX-License-Identifier: GPL-2.0-only
"""
How many events the kernel has hidden from BPF: ftrace counts them, and so do BPF programs that do nothing else
(witness.bpf.c). On some hosts no program is run while a softirq is served in the context of the host's own agent
(docs/INTERNALS.md); what synfin cannot have seen there nobody can ask of it, but nothing more.
"""
import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from race import ROOT

PROGRAM = os.environ.get("WITNESS", str(ROOT / "build/tests/witness"))
PORTS = 4  # that a load listens on at most, one after the other
BUFFER_KB = 16384  # for each CPU: 200,000 events
PATIENCE_S = 10  # a burst of TIME_WAITs that end is over sooner


def address_of(function):
    """Of the kernel's, in hexadecimal."""
    return re.search(rf"^(\w+) t {function}$", Path("/proc/kallsyms").read_text(encoding="ascii"), re.M)[1]


class Blind:
    """In its place where the kernel hides nothing."""
    port, hidden, hidden_between, details = 900, 0, 0, ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class Ftrace:
    """A buffer of its own for what witness.bpf.c counts, by the same rules."""

    def __init__(self, first, last, timers):
        self.mounted = None
        self.home = Path(self._find_tracefs()) / f"instances/exact-{os.getpid()}"
        self.home.mkdir()
        self._write("buffer_size_kb", BUFFER_KB)
        of_minisock = " || ".join(f"function == 0x{timer}" for timer in timers)
        filters = {"sock/inet_sock_set_state": f"(sport >= {first} && sport <= {last}) || (dport >= {first} && dport <= {last})",
                   "timer/timer_start": of_minisock, "timer/timer_expire_entry": of_minisock}
        self.shows_receiver = "rx_sk" in (self.home / "events/skb/kfree_skb/format").read_text()
        if self.shows_receiver:
            filters["skb/kfree_skb"] = "rx_sk != 0"
        for event, words in filters.items():
            self._write(f"events/{event}/filter", words)
        for event in filters:
            self._write(f"events/{event}/enable", 1)

    def _find_tracefs(self):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if line.split()[2] == "tracefs":
                return line.split()[1]
        self.mounted = tempfile.mkdtemp(prefix="exact-")
        subprocess.run(["mount", "-t", "tracefs", "nodev", self.mounted], check=True)
        return self.mounted

    def _write(self, name, value):
        (self.home / name).write_text(str(value))

    def clear(self):
        self._write("trace", "")

    def total(self):
        found = Counter()
        for stats in self.home.glob("per_cpu/cpu*/stats"):
            found.update({name: int(n) for name, n in re.findall(r"^([\w ]+): (\d+)$", stats.read_text(), re.M)})
        assert not found["overrun"] and not found["dropped events"], f"ftrace's buffer is too small: {found}"
        return found["entries"]

    def tasks(self):
        found = re.findall(r"^ *(.+)-(\d+) +\[\d+\]", (self.home / "trace").read_text(errors="replace"), re.M)
        return Counter((comm.strip(), int(tid)) for comm, tid in found)

    def end(self):
        self.home.rmdir()
        if self.mounted:
            subprocess.run(["umount", self.mounted], check=True)
            os.rmdir(self.mounted)


class Witness:
    """
    `with witness:` around a load on `port`; then `hidden`, and in `details` whose they were. `hidden_between`: from the end of the load
    before to the beginning of this one, when TIME_WAITs end.
    """

    def __init__(self):
        self.port = 100 + PORTS * (os.getpid() % 200)  # nobody else's on this host, as far as possible
        self.hidden, self.hidden_between, self.details = 0, 0, ""
        self.first, self.last = self.port, self.port + PORTS - 1

    def start(self):
        timers = address_of("tw_timer_handler"), address_of("reqsk_timer_handler")
        self.ftrace = Ftrace(self.first, self.last, timers)
        words = [self.first, self.last, *timers, int(self.ftrace.shows_receiver)]
        self.program = subprocess.Popen([PROGRAM, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.traced, self.before = self._read_both()
        return self

    def end(self):
        self.ftrace.end()
        self.program.communicate()

    def _ask(self):
        self.program.stdin.write("\n")
        self.program.stdin.flush()
        return json.loads(self.program.stdout.readline())

    def _read_both(self):
        """
        (what ftrace has, what the programs were shown) at one moment: nothing came to ftrace while these were asked. Timers
        of older TIME_WAITs run all the time, and what comes in between would be taken for hidden, or make up for it.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            traced, shown = self.ftrace.total(), self._ask()
            if self.ftrace.total() == traced:
                return traced, shown
        raise AssertionError(f"events come without a pause for {PATIENCE_S} s: nothing to compare with")

    def _hidden_since(self, traced, now):
        """What ftrace has more than the programs since both were read last."""
        shown, missed = (now[name] - self.before[name] for name in ("total", "missed"))
        hidden = traced - self.traced - shown - missed
        assert hidden >= 0, f"BPF was shown {-hidden} events that ftrace has not"
        return hidden

    def __enter__(self):
        self.hidden_between = self._hidden_since(*self._read_both())
        self.ftrace.clear()
        self.traced, self.before = self._read_both()
        return self

    def __exit__(self, *_):
        traced, after = self._read_both()
        self.hidden = self._hidden_since(traced, after)
        self.details = self._find_tasks(after) if self.hidden else ""
        self.traced, self.before = traced, after

    def _find_tasks(self, after):
        shown = {int(tid): n - self.before["tasks"].get(tid, 0) for tid, n in after["tasks"].items()}
        return "; ".join(f"{comm} ({tid}): {shown.get(tid, 0)} of {n} were shown"
                         for (comm, tid), n in self.ftrace.tasks().items() if shown.get(tid, 0) != n)
