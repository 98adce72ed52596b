#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
`make bench-insn`: what synfin costs in instructions, on the kernels of tests/vm, beside the bare load and the
distribution's tools. QEMU counts the instructions of a guest with one CPU (tests/vm/run --icount), so the figures are
the same whatever else this machine does; they say nothing of caches and of several CPUs. Prints the tables, and puts
all figures into a JSON file. With --check some of them are held against tests/bench/budget instead.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests" / "net")]

import guest  # noqa: E402
import insn_budget as budget  # noqa: E402
import kernels  # noqa: E402
import observer  # noqa: E402
import page  # noqa: E402

TIERS = ("full", "kprobe", "tracepoint")
MODES = ("filtered", "hist", "hist-by", "export", "trace", "trace-null")
PEERS = ("tcpconnlat", "tcplife", "tcpstates")
LOADS = ("client", "server", "reset", "refused", "request", "threads")
ENDS = {"refused": 1}  # of a connection that synfin sees; else two


def ends_of(load):
    return ENDS.get(load, 2)


# --- measuring -------------------------------------------------------------------------------------------------------

def cells_of(args, tier):
    """What one guest measures, the bare load first: all else is related to it. Peers go with the first tier."""
    modes = [mode for mode in args.modes if mode in MODES or mode in PEERS and tier == args.tiers[0]]
    return [("bare", None), *((mode, tier if mode in MODES else None) for mode in modes)]


def run_guest(kernel, tier, args, scratch):
    """The cells of one kernel and tier as insn_guest.py leaves them."""
    spec = {"count": args.count, "repeat": args.repeat, "loads": args.loads, "cells": cells_of(args, tier)}
    command = ["/usr/bin/python3", ROOT / "tests/bench/insn_guest.py", json.dumps(spec)]
    env = {"SYNFIN": args.synfin, "LOAD": args.load, "TMPDIR": "/dev/shm"}
    results = scratch / f"{kernel}-{tier}"
    began = time.monotonic()
    status = guest.boot(kernels.KERNELS[kernel], command, results, stdout=sys.stderr, stderr=sys.stderr, env=env,
                        timeout=args.timeout, icount=True)
    if status:
        print((results / "qemu.log").read_text(), *guest.read_console(results)[-20:], sep="\n", file=sys.stderr)
        sys.exit(f"insn: {kernel} {tier}: the guest ended with status {status}")
    print(f"insn: {kernel} {tier}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return json.loads((results / "insn.json").read_text(encoding="utf-8"))


def measure(args):
    """{kernel: figures}"""
    kernels.fetch_missing(args.kernels)
    os.chdir(ROOT)  # guests start where we are
    with tempfile.TemporaryDirectory(prefix="synfin-insn-") as scratch:
        pool = ThreadPoolExecutor(args.jobs)
        try:
            guests = {kernel: [pool.submit(run_guest, kernel, tier, args, Path(scratch)) for tier in args.tiers]
                      for kernel in args.kernels}
            return {kernel: figures([future.result() for future in futures]) for kernel, futures in guests.items()}
        finally:
            pool.shutdown(cancel_futures=True)


# --- what the guests found -------------------------------------------------------------------------------------------

def median(found, key):
    return statistics.median(run[key] for run in found["runs"])


def figures_of(found, bare, load):
    """The figures of one cell under one load. All but `insn` and a program's `insn` are of one end of a connection."""
    ends = ends_of(load)
    insn = median(found, "insn")
    programs = {name: {"insn": prog["insn"], "runs": prog["runs"] / ends, "per_end": prog["insn"] * prog["runs"] / ends}
                for name, prog in found["programs"].items()}
    return {"insn": insn, "more": (insn - bare) / ends, "ratio": bare / insn, "own": median(found, "own") / ends,
            "records": median(found, "records") / ends, "programs": programs}


def figures(guests):
    """[{mode, tier, load, lost, figures}] of one kernel. Each guest's cells are related to its own bare load."""
    found = []
    for number, cells in enumerate(guests):
        bare = {load: median(one, "insn") for load, one in cells[0]["loads"].items()}
        found += [{"mode": cell["mode"], "tier": cell["tier"], "load": load, "lost": cell["lost"],
                   **figures_of(one, bare[load], load)}
                  for cell in (cells if number == 0 else cells[1:]) for load, one in cell["loads"].items()]
    return found


# --- tables ----------------------------------------------------------------------------------------------------------

def observers(found):
    """{(mode, tier): {load: figures}} of one kernel, in the order of the tables."""
    modes, cells = ("bare", *MODES, *PEERS), {}
    for one in sorted(found, key=lambda one: (modes.index(one["mode"]), TIERS.index(one["tier"] or TIERS[0]))):
        cells.setdefault((one["mode"], one["tier"]), {})[one["load"]] = one
    return cells


def more(one):
    return f"0 = {one['insn'] / ends_of(one['load']):,.0f}" if one["mode"] == "bare" else f"{one['more']:,.0f}"


def cost_row(mode, tier, loads):
    first = next(iter(loads.values()))
    programs = sum(prog["per_end"] for prog in first["programs"].values())
    return [f"{mode}, {tier}" if tier else mode, f"{1e9 / first['insn']:,.0f}", f"{first['ratio']:.3f}",
            *(more(one) for one in loads.values()), f"{programs:,.0f}", f"{first['own']:,.0f}",
            f"{first['records']:.2f}", first["lost"]]


def cost_table(cells):
    names = list(next(iter(cells.values())))
    head = ["", "connections per 10^9 instructions", "ratio", *(f"{name}: per end" for name in names),
            f"{names[0]}: of them programs", "own process", "lines", "lost"]
    return page.table(head, [cost_row(*cell, loads) for cell, loads in cells.items()])


def program_table(title, programs):
    """`programs` of each mode under one load; rows are programs, the dearest first."""
    dearest = {}
    for figures_by_name in programs.values():
        for name, prog in figures_by_name.items():
            dearest[name] = max(dearest.get(name, 0), prog["per_end"])
    rows = [[f"`{name}`", *(program_cell(one.get(name)) for one in programs.values())]
            for name in sorted(dearest, key=lambda name: -dearest[name])]
    return page.table([title, *programs], rows)


def program_cell(prog):
    return f"{prog['insn']:,.0f} x {prog['runs']:.2f} = {prog['per_end']:,.0f}" if prog else ""


def program_tables(cells):
    """By tier, those without one last; under the first load. The other loads are in the JSON file."""
    for tier in (*TIERS, None):
        programs = {mode: next(iter(loads.values()))["programs"] for (mode, its_tier), loads in cells.items()
                    if its_tier == tier and mode != "bare"}
        if programs:
            yield from ("", *program_table(tier or "", programs))


def tables(found):
    for kernel, ones in found.items():
        cells = observers(ones)
        yield from ("", f"### Kernel {kernel}", "", *cost_table(cells), *program_tables(cells))


EXPLANATION = (
    "QEMU counts the instructions: in a guest with one CPU the clock advances by one nanosecond for each. {synfin}; each "
    "figure is the median of {repeat} rounds of {count} connections over loopback. \"Per end\" is what the whole machine, "
    "kernel and processes, takes more than under the bare load, for each end of a connection; a refused connection has "
    "one end. \"Lines\" are lines of output for each end. Each round takes over the ports of the round before, so it "
    "pays for the ends of as many TIME_WAITs as it leaves. Loads: the client closes first (client), the server closes "
    "first (server), the client resets (reset), nobody listens (refused), 64 bytes go there and back before the client "
    "closes (request). One thread is client and server, except in the load threads, where the server has its own and the "
    "client closes first. A program's figures are instructions a run x runs per end. They come from a round with the "
    "kernel's statistics on, which add some 30 instructions to each run. (`make bench-insn`)")


def version(synfin):
    return subprocess.run([synfin, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def report(args, found):
    lines = [EXPLANATION.format(synfin=version(args.synfin), count=args.count, repeat=args.repeat), *tables(found)]
    print("\n".join(lines))
    if args.publish:
        page.publish("insn", "Instructions", lines)


def check(found):
    """Each figure of the budget is a test, and that no record was lost. Returns the exit status."""
    verdicts = budget.judge(budget.read(), budget.taken(found))
    over, under = ([one for one in verdicts if getattr(one, which)] for which in ("is_over", "is_under"))
    lost = {f"{kernel} {one['tier']} {one['mode']}: {one['lost']}" for kernel, ones in found.items() for one in ones
            if one["lost"] != "0"}
    for failure in (*over, *sorted(lost)):
        print(f"FAILED {failure}")
    for verdict in under:
        print(f"less: {verdict}")
    if under:
        print("make budget lowers the budget to what is taken now")
    print(f"{len(verdicts) - len(over)} passed, {len(over) + len(lost)} failed, 0 skipped")
    return 1 if over or lost or not verdicts else 0


# --- command line ----------------------------------------------------------------------------------------------------

def names_of(known):
    def parse(text):
        names = text.split(",")
        if not set(names) <= set(known):
            raise argparse.ArgumentTypeError(f"choose from {','.join(known)}")
        return names
    return parse


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = dict(zip(budget.KINDS, (list(kernels.KERNELS), TIERS, ("bare", *MODES, *PEERS), LOADS)))
    for kind, known in choices.items():
        parser.add_argument(f"--{kind}", type=names_of(known), metavar="NAME,...",
                            help=f"of {','.join(known)} (all, with --check {','.join(budget.SHORT[kind])})")
    parser.add_argument("--count", type=int, default=500, help="connections of a round (%(default)s)")
    parser.add_argument("--repeat", type=int, default=7, help="rounds, besides the first and the one for the programs "
                        "(%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time (%(default)s)")
    parser.add_argument("--timeout", type=float, default=7200, metavar="S", help="of one guest (%(default)s)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "insn.json")
    parser.add_argument("--publish", action=argparse.BooleanOptionalAction, default=False,
                        help="put the tables into docs/COST.md")
    parser.add_argument("--check", action="store_true", help="measure what the budget has, fail where it is exceeded")
    parser.add_argument("--update", action="store_true", help="measure the same and lower the budget to it")
    args = parser.parse_args()
    defaults = budget.SHORT if args.check or args.update else choices
    for kind in choices:
        setattr(args, kind, getattr(args, kind) or defaults[kind])
    args.synfin = os.path.abspath(os.environ.get("SYNFIN", ROOT / "build" / "static" / "synfin"))
    args.load = os.path.abspath(os.environ.get("LOAD", ROOT / "build" / "tests" / "load"))
    for path in (args.synfin, args.load):
        if not os.access(path, os.X_OK):
            parser.error(f"no program {path}: run make static build/tests/load")
    missing = [mode for mode in args.modes if mode in PEERS and not observer.installed([mode])]
    if missing:
        parser.error(f"{', '.join(missing)} is not installed: run make deps-bench, or leave it out of --modes")
    args.json = args.json.absolute()
    args.json.parent.mkdir(parents=True, exist_ok=True)
    return args


def main():
    args = parse_args()
    found = measure(args)
    args.json.write_text(json.dumps({"machine": page.facts(), "count": args.count, "repeat": args.repeat,
                                     "kernels": found}, indent=1), encoding="utf-8")
    if args.update:
        budget.write(budget.lowered(budget.read(), budget.taken(found)))
    if args.check or args.update:
        return check(found)
    report(args, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
