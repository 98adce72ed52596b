#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
`make bench-insn`: what synfin costs in instructions, on the kernels of tests/vm, beside the bare load and the
distribution's tools. QEMU counts the instructions of a guest with one CPU (tests/vm/run --icount), so the figures are
the same whatever else this machine does; they say nothing of caches and of several CPUs. Prints the tables, and puts
all figures into a JSON file.
"""
import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests" / "net")]

import guest  # noqa: E402
import kernels  # noqa: E402
import page  # noqa: E402

TIERS = ("full", "kprobe", "tracepoint")
MODES = ("filtered", "hist", "hist-by", "export", "trace", "trace-null")
PEERS = ("tcpconnlat", "tcplife", "tcpstates")
LOADS = ("client", "server", "reset", "refused", "request", "threads")
ENDS = {"refused": 1}  # of a connection that synfin sees; else two


def ends_of(load):
    return ENDS.get(load, 2)


# --- measuring -------------------------------------------------------------------------------------------------------

def cells_of(args):
    """What one guest measures, the bare load first: all else is related to it."""
    tiers = {mode: args.tiers for mode in MODES}
    return [(mode, tier) for mode in dict.fromkeys(["bare", *args.modes]) for tier in tiers.get(mode, [None])]


def run_guest(kernel, args):
    """The cells of one kernel as insn_guest.py leaves them."""
    spec = {"count": args.count, "repeat": args.repeat, "loads": args.loads, "cells": cells_of(args)}
    command = ["/usr/bin/python3", ROOT / "tests/bench/insn_guest.py", json.dumps(spec)]
    env = {"SYNFIN": args.synfin, "LOAD": args.load, "TMPDIR": "/dev/shm"}
    results = args.results / f"insn-{kernel}"
    began = time.monotonic()
    status = guest.boot(kernels.KERNELS[kernel], command, results, stdout=sys.stderr, stderr=sys.stderr, env=env,
                        timeout=args.timeout, icount=True)
    if status:
        raise RuntimeError(f"insn: {kernel}: the guest ended with status {status}: see {results}")
    print(f"insn: {kernel}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return json.loads((results / "insn.json").read_text(encoding="utf-8"))


def measure(args):
    """{kernel: cells}"""
    kernels.fetch_missing(args.kernels)
    args.results.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)  # guests start where we are
    pool = ThreadPoolExecutor(args.jobs)
    try:
        guests = {kernel: pool.submit(run_guest, kernel, args) for kernel in args.kernels}
        return {kernel: future.result() for kernel, future in guests.items()}
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


def figures(cells):
    """[{mode, tier, load, lost, figures}] of one kernel."""
    bare = {load: median(found, "insn") for load, found in cells[0]["loads"].items()}
    return [{"mode": cell["mode"], "tier": cell["tier"], "load": load, "lost": cell["lost"],
             **figures_of(found, bare[load], load)} for cell in cells for load, found in cell["loads"].items()]


# --- tables ----------------------------------------------------------------------------------------------------------

def name_of(one):
    return f"{one['mode']}, {one['tier']}" if one["tier"] else one["mode"]


def cost_row(one):
    per_end = one["insn"] / ends_of(one["load"])
    more = f"0 = {per_end:,.0f}" if one["mode"] == "bare" else f"{one['more']:,.0f}"
    programs = sum(prog["per_end"] for prog in one["programs"].values())
    return [one["load"], name_of(one), f"{1e9 / one['insn']:,.0f}", more, f"{one['ratio']:.3f}", f"{programs:,.0f}",
            f"{one['own']:,.0f}", f"{one['records']:.2f}", one["lost"]]


def cost_table(found):
    head = ["load", "", "connections per 10^9 instructions", "more than bare per end", "ratio", "BPF programs per end",
            "own process per end", "lines per end", "lost"]
    return page.table(head, [cost_row(one) for one in sorted(found, key=lambda one: LOADS.index(one["load"]))])


def program_rows(one):
    label = [f"{one['load']}: {name_of(one)}"]
    for name, prog in sorted(one["programs"].items(), key=lambda item: -item[1]["per_end"]):
        yield [*label, f"`{name}`", f"{prog['insn']:,.0f}", f"{prog['runs']:.2f}", f"{prog['per_end']:,.0f}"]
        label = [""]


def program_table(found):
    head = ["", "program", "instructions a run", "runs per end", "per end"]
    return page.table(head, [row for one in found for row in program_rows(one)])


def tables(found, loads_of_programs):
    """The lines of all kernels. The tables by program are of these loads alone."""
    for kernel, ones in found.items():
        yield from (f"Kernel {kernel}:", "", *cost_table(ones), "")
        yield from program_table([one for one in ones if one["load"] in loads_of_programs])
        yield ""


EXPLANATION = (
    "One nanosecond of the guest's clock is one instruction. Rounds of {count} connections over loopback, the median of "
    "{repeat}; all figures are of the whole machine, kernel and processes, less those of the bare load. Each round takes "
    "the ports of the round before, so it pays for the ends of as many TIME_WAITs as it leaves. The loads: the client "
    "closes first; the server closes first; the client resets; nobody listens; 64 bytes there and back, then the client "
    "closes; the client closes first with a thread of its own for the server, where all others are one thread. The "
    "programs: a round of its own with the kernel's statistics on, which add some 30 instructions to each run.")


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
    modes = ("bare", *MODES, *PEERS)
    for option, known in (("kernels", kernels.KERNELS), ("tiers", TIERS), ("modes", modes), ("loads", LOADS)):
        parser.add_argument(f"--{option}", type=names_of(known), default=list(known), metavar="NAME,...",
                            help=f"of {','.join(known)} (all)")
    parser.add_argument("--count", type=int, default=500, help="connections of a round (%(default)s)")
    parser.add_argument("--repeat", type=int, default=9, help="rounds, besides the first and the one for the programs "
                        "(%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time (%(default)s)")
    parser.add_argument("--timeout", type=float, default=7200, metavar="S", help="of one guest (%(default)s)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "insn.json")
    parser.add_argument("--publish", action=argparse.BooleanOptionalAction, default=False,
                        help="put the tables into docs/COST.md")
    args = parser.parse_args()
    args.synfin = os.path.abspath(os.environ.get("SYNFIN", ROOT / "build" / "static" / "synfin"))
    args.load = os.path.abspath(os.environ.get("LOAD", ROOT / "build" / "tests" / "load"))
    for path in (args.synfin, args.load):
        if not os.access(path, os.X_OK):
            parser.error(f"no program {path}: run make static build/tests/load")
    args.results = args.json.absolute().parent / "vm"
    return args


def main():
    args = parse_args()
    found = {kernel: figures(cells) for kernel, cells in measure(args).items()}
    args.json.write_text(json.dumps({"machine": page.facts(), "count": args.count, "repeat": args.repeat,
                                     "kernels": found}, indent=1), encoding="utf-8")
    lines = [EXPLANATION.format(count=args.count, repeat=args.repeat), "", *tables(found, args.loads)]
    print("\n".join(lines))
    if args.publish:
        page.publish("insn", "Instructions", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
