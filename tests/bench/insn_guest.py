#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The guest's part of insn.py. It runs where one nanosecond is one instruction, takes the cells to measure as JSON in its
first argument and writes what it found to /run/vm/insn.json. A cell is a mode at a tier under each of the loads.

What a load costs is the time that it takes, for nothing is idle meanwhile, and the CPU time that the observer has spent
on what was left to read afterwards. Every run takes the ports of the run before it, whose TIME_WAITs end by that: a run
pays for one whole life of a connection and of its TIME_WAIT.
"""
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import procs  # noqa: E402
import settings  # noqa: E402
from load import Field  # noqa: E402
from observer import Observer, installed, told  # noqa: E402

RESULT = Path("/run/vm/insn.json")
FIRST_PORT = 10_000
SETTLE_S = 0.5     # virtual: idle time passes at once
SYNFIN_MODES = {"filtered": ["trace", "--lport", "1"], "hist": ["hist"], "hist-by": ["hist", "--by", "comm,rport"],
                "export": ["export", "--listen", "127.0.0.1:0"], "trace": ["trace", "--json"],
                "trace-null": ["trace", "--json"]}


def start(mode, tier):
    """The observer of a mode; None for the bare load."""
    if mode == "bare":
        return None
    if mode in SYNFIN_MODES:
        argv = [settings.SYNFIN, *SYNFIN_MODES[mode], "--tier", tier]
        return Observer(argv, out="/dev/null" if mode == "trace-null" else None)
    return Observer(installed([mode])[mode])


def tail_ns(observer, at_end):
    """What the observer did after the end of a load, less what it does when there is nothing to do."""
    time.sleep(SETTLE_S)
    first = procs.cpu_ns(observer.pid)
    time.sleep(SETTLE_S)
    return max(0, 2 * first - at_end - procs.cpu_ns(observer.pid))


class Rounds:
    """A running load that makes a round of `count` connections when asked. Between rounds nothing is read from disk."""

    def __init__(self, field, load, count, observer):
        self.count, self.observer = count, observer
        self.child = field.start(load, count=count, **({"watch": observer.pid} if observer else {}))

    def run(self):
        """Instructions for each connection, those of the observer alone among them, and its records."""
        if self.observer:
            self.observer.empty_output()
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        done = json.loads(self.child.stdout.readline() or "null")
        if not done:
            raise RuntimeError(f"{self.child.args}: exit status {self.child.wait()}")
        if not self.observer:
            return {"insn": done["ns"] / self.count, "own": 0, "records": 0}
        before, after = done["observer_ns"]
        tail = tail_ns(self.observer, after)
        return {"insn": (done["ns"] + tail) / self.count, "own": (after - before + tail) / self.count,
                "records": self.observer.output_lines() / self.count}

    def profile(self, names):
        """{program: instructions a run, runs a connection}, in a round of its own: the statistics take some, too."""
        with procs.bpf_stats():
            before = procs.prog_runs(self.observer.pid)
            self.run()
            after = procs.prog_runs(self.observer.pid)
        programs = {}
        for prog_id, (runs, ns) in after.items():
            was = before.get(prog_id, (0, 0))
            if runs > was[0]:
                runs -= was[0]
                programs[names[prog_id]] = {"insn": (ns - was[1]) / runs, "runs": runs / self.count}
        return programs

    def end(self):
        self.child.communicate()


def shrink_slabs():
    """Frees what the kernel's allocators keep: how much that is depends on what ran before, and shows in the figures."""
    for path in Path("/sys/kernel/slab").glob("*/shrink"):
        path.write_text("1", encoding="ascii")


def measure_load(load, spec, observer, names):
    field, count = Field(), spec["count"]
    try:
        # connect() tries ports of one parity first: with twice as many it finds a free one at once.
        field.netns.sysctl("ipv4/ip_local_port_range", f"{FIRST_PORT} {FIRST_PORT + 2 * count - 1}")
        shrink_slabs()
        rounds = Rounds(field, load, count, observer)
        rounds.run()  # fills caches and ports
        found = {"runs": [rounds.run() for _ in range(spec["repeat"])],
                 "programs": rounds.profile(names) if observer else {}}
        rounds.end()
        return found
    finally:
        field.delete()


def measure_cell(mode, tier, spec):
    observer = start(mode, tier)
    try:
        names = procs.prog_names() if observer else {}
        loads = {load: measure_load(load, spec, observer, names) for load in spec["loads"]}
    finally:
        if observer:
            observer.stop()
    return {"mode": mode, "tier": tier, "loads": loads, "lost": told(observer.lost()) if observer else "0"}


def main():
    spec, cells = json.loads(sys.argv[1]), []
    for mode, tier in spec["cells"]:
        cells.append(measure_cell(mode, tier, spec))
        print(f"insn: {os.environ['VM_KERNEL']} {mode} {tier or ''}: done", file=sys.stderr, flush=True)
        RESULT.write_text(json.dumps(cells), encoding="utf-8")


if __name__ == "__main__":
    main()
