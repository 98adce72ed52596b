#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
`make bench`: what synfin costs the host it runs on, beside the same load without it and beside its peers of the
distribution (libbpf-tools). Every round runs each of them once under each load, between two runs of the bare load, and
its figures are related to those two. Prints the tables, puts them into docs/COST.md and all figures into a JSON file.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import page  # noqa: E402
import procs  # noqa: E402
from load import Field  # noqa: E402
from observer import Observer, known, told  # noqa: E402

US, MIB = 1000, 1 << 20
TAIL_S = 0.2  # the observers' work for the last connections belongs to the load


def measure_loads(field, args, observer=None):
    """One run of each load; with an observer also what that used."""
    found = {}
    for name, load, options in (("churn", "churn", {}), ("paced", "churn", {"rate": args.rate}), ("talk", "talk", {})):
        if observer:
            observer.empty_output()
        busy, own = procs.Busy(), procs.cpu_ns(observer.pid) if observer else 0
        result = field.run(load, seconds=args.seconds, **options)
        time.sleep(TAIL_S)
        result["busy_ns"] = busy.ns()
        if observer:
            observer.settle()
            result["own_ns"] = procs.cpu_ns(observer.pid) - own
            result["records"] = observer.output_lines()
        found[name] = result
    return found


def background(seconds):
    """What share of the machine others use while nothing of ours runs."""
    busy = procs.Busy()
    time.sleep(seconds)
    return busy.ns() / (seconds * 1e9 * busy.cpus)


def observed(field, args, argv):
    """What the loads and the memory are like with this tool running, and what it lost."""
    observer = Observer(argv)
    try:
        found = measure_loads(field, args, observer)
        found["rss"], found["maps"] = procs.rss_bytes(observer.pid), procs.map_bytes(observer.pid)
        found["ready_s"] = observer.ready_s
    finally:
        observer.stop()
    found["lost"] = observer.lost()
    return found


def profile(field, args, argv):
    """{program: runs and ns a connection end} with the kernel's statistics on."""
    observer = Observer(argv)
    try:
        before = procs.prog_runs(observer.pid)
        done = field.run("churn", seconds=args.seconds)
        observer.settle()
        after = procs.prog_runs(observer.pid)
        ends = 2 * done["connections"]
        programs = {}
        for prog_id, (runs, ns) in after.items():
            was = before.get(prog_id, (0, 0))
            if runs > was[0]:
                programs[procs.prog_name(prog_id)] = {"runs": (runs - was[0]) / ends, "ns": (ns - was[1]) / ends,
                                                      "ns_a_run": (ns - was[1]) / (runs - was[0])}
    finally:
        observer.stop()
    return programs


def run_rounds(field, args, tools):
    """
    The rounds, each {"background", tool: ...}; the tools change places. Between any two of them the bare load runs, so
    that a tool's "bare" are the two runs next to it: what else happens on the machine may change every second.
    """
    names, rounds = list(tools), []
    for number in range(args.rounds):
        one, before = {"background": background(min(1, args.seconds))}, measure_loads(field, args)
        for name in names[number % len(names):] + names[:number % len(names)]:
            one[name] = observed(field, args, tools[name])
            after = measure_loads(field, args)
            one[name]["bare"] = [before, after]
            before = after
        rounds.append(one)
        print(f"bench: round {number + 1} of {args.rounds} done, background {one['background']:.0%}", file=sys.stderr)
    return rounds


def run_profiles(field, args, tools):
    """{tool: [profile of each round]}"""
    with procs.bpf_stats():
        return {name: [profile(field, args, argv) for _ in range(args.profile_rounds)] for name, argv in tools.items()}


# --- what the rounds say ---------------------------------------------------------------------------------------------

def rate(result):
    return result.get("connections", result.get("requests")) / result["seconds"]


def bare(one, name, load, figure):
    return statistics.fmean(figure(run[load]) for run in one[name]["bare"])


def ratios(rounds, name, load):
    return [rate(one[name][load]) / bare(one, name, load, rate) for one in rounds]


def machine_us_per_end(result):
    return result["busy_ns"] / (2 * result["connections"]) / US


def added(rounds, name, load, figure):
    return [figure(one[name][load]) - bare(one, name, load, figure) for one in rounds]


def spread(values, digits=2):
    """Median and range, as the tables show them."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def own_us(one, name, unit):
    """The tool's own CPU time for each of its records, or for each end."""
    run = one[name]["paced"]
    count = run["records"] if unit == "record" else 2 * run["connections"]
    return run["own_ns"] / US / count if count else 0


def records_per_end(one, name):
    return one[name]["paced"]["records"] / (2 * one[name]["paced"]["connections"])


def lost(rounds, name):
    losses = [one[name]["lost"] for one in rounds]
    total = {kind: sum(loss[kind] for loss in losses) for kind in losses[0]}
    return told(total)


def cost_row(rounds, name):
    def median(figure, *args):
        return statistics.median(figure(one, name, *args) for one in rounds)

    per_record = median(own_us, "record")
    return [name, spread(ratios(rounds, name, "churn")), spread(ratios(rounds, name, "talk")),
            spread(added(rounds, name, "paced", machine_us_per_end), 1),
            spread(added(rounds, name, "paced", lambda run: run["connect_p50_ns"] / US), 1),
            spread(added(rounds, name, "paced", lambda run: run["connect_p99_ns"] / US), 1),
            f"{median(own_us, 'end'):.2f}", f"{per_record:.2f}" if per_record else "-",
            f"{median(records_per_end):.2f}" if per_record else "-", lost(rounds, name),
            f"{max(one[name]['rss'] for one in rounds) / MIB:.1f}",
            f"{max(one[name]['maps'] for one in rounds) / MIB:.1f}"]


def bare_row(rounds, tools):
    def median(load, figure):
        return statistics.median(bare(one, name, load, figure) for one in rounds for name in tools)

    return ["bare", f"1 = {median('churn', rate):,.0f}", f"1 = {median('talk', rate):,.0f}",
            f"0 = {median('paced', machine_us_per_end):.1f}",
            f"0 = {median('paced', lambda run: run['connect_p50_ns'] / US):.1f}",
            f"0 = {median('paced', lambda run: run['connect_p99_ns'] / US):.1f}", *["-"] * 6]


def cost_table(rounds, tools):
    head = ["", "connections/s against bare", "requests/s against bare", "CPU of the machine per end, us",
            "connect() p50 later by us", "p99 later by us", "own CPU per end, us", "per record, us", "records per end",
            "lost", "RSS MiB", "maps MiB"]
    return page.table(head, [bare_row(rounds, tools), *(cost_row(rounds, name) for name in tools)])


def medians(profiles):
    """One profile out of several: {program: figures}, the dearest first."""
    merged = {program: {key: statistics.median(one[program][key] for one in profiles if program in one)
                        for key in ("runs", "ns", "ns_a_run")}
              for program in set().union(*profiles)}
    return dict(sorted(merged.items(), key=lambda item: -item[1]["ns"]))


def profile_rows(name, profiles):
    whole = [sum(program["ns"] for program in one.values()) for one in profiles]
    yield [name, "all", "", "", spread(whole, 0)]
    for program, figures in medians(profiles).items():
        if figures["ns"] >= 1:
            yield ["", f"`{program}`", f"{figures['runs']:.2f}", f"{figures['ns_a_run']:.0f}", f"{figures['ns']:.0f}"]


def profile_table(profiles):
    rows = [row for name, found in profiles.items() for row in profile_rows(name, found)]
    return page.table(["", "program", "runs per end", "ns a run", "ns per end"], rows)


def conditions(args, rounds):
    busy = statistics.median(one["background"] for one in rounds)
    return (f"{page.machine_line()}: {args.rounds} rounds of {args.seconds:g} s a load, {busy:.0%} of the machine busy "
            "with other things. Median and range over the rounds, each against the bare load right before and after. "
            "(`make bench`)")


EXPLANATION = (
    "Churn: one thread connects and closes, one accepts and closes, as fast as they can; it counts both ends of each "
    "connection. Requests: 64 bytes there and back over 16 connections, none of them new, all on one processor. CPU "
    "and connect() times: the same churn at a fixed rate ({rate} connections/s), so that nothing waits for a processor. "
    "CPU is that of the whole machine, the tool's own included, less that of the bare load. The programs' times: churn "
    "again, in rounds of their own, for the kernel's statistics add some 40 ns to each run.")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile-rounds", type=int, default=3, help="rounds with the kernel's statistics on")
    parser.add_argument("--seconds", type=float, default=2, help="of each load in each round")
    parser.add_argument("--rate", type=int, default=5000, help="connections a second of the paced load")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this tool; may be repeated")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--no-publish", action="store_true", help="leave docs/COST.md alone")
    return parser.parse_args()


def main():
    args, tools = parse_args(), known()
    if args.only:
        tools = {name: argv for name, argv in tools.items() if name in args.only}
    field = Field()
    try:
        field.run("churn", seconds=min(2, args.seconds))  # fills the ports with TIME_WAITs, as they are from then on
        rounds = run_rounds(field, args, tools)
        profiles = run_profiles(field, args, tools)
    finally:
        field.delete()
    args.json.write_text(json.dumps({"machine": page.facts(), "driver": os.getpid(), "rounds": rounds,
                                     "profiles": profiles}, indent=1), encoding="utf-8")
    lines = [conditions(args, rounds), "", *cost_table(rounds, tools), "", EXPLANATION.format(rate=f"{args.rate:,}"), "",
             *profile_table(profiles)]
    print("\n".join(lines))
    if not args.no_publish:
        page.publish("cost", "Cost", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
