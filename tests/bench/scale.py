#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
`make bench-scale`: what must not grow and what must not break. Cost of a connection beside few and many living ones,
memory over millions of connections, the time to get ready among many sockets, the size of the static program, a SYN
flood, a reader that stops. Prints a table, puts it into docs/COST.md and all figures into a JSON file.
"""
import argparse
import json
import os
import signal
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import page  # noqa: E402
import procs  # noqa: E402
import settings  # noqa: E402
from load import Field  # noqa: E402
from observer import Observer, told  # noqa: E402

MIB = 1 << 20
STOPPED_CONNECTIONS = 30_000  # five records each: several times what the ring buffer holds
HIST = [settings.SYNFIN, "hist"]
TRACE = [settings.SYNFIN, "trace", "--json"]


def memory(pid):
    return {"rss": procs.rss_bytes(pid), "maps": procs.map_bytes(pid)}


def mib(size):
    return f"{size / MIB:.1f}"


# --- the parts: each returns its figures and the rows that tell them -------------------------------------------------

def cost_beside(field, args, alive):
    """ns of BPF an end, and memory, of a churn beside so many living connections; synfin saw all of them begin."""
    observer = Observer(HIST)
    try:
        empty = procs.map_bytes(observer.pid)
        with closing(field.crowd(alive)):
            crowded = memory(observer.pid)
            before = procs.prog_runs(observer.pid)
            done = field.run("churn", seconds=args.seconds)
            ns = sum(after[1] - before.get(prog, (0, 0))[1] for prog, after in procs.prog_runs(observer.pid).items())
    finally:
        observer.stop()
    return {"ns_per_end": ns / (2 * done["connections"]), **crowded, "bytes_per_live": (crowded["maps"] - empty) / alive,
            "lost": observer.lost()}


def alive(field, args):
    with procs.bpf_stats():
        rounds = [{cnt: cost_beside(field, args, cnt) for cnt in args.alive} for _ in range(args.rounds)]
    rows = []
    for cnt in args.alive:
        grown = [one[cnt]["ns_per_end"] / one[args.alive[0]]["ns_per_end"] for one in rounds]
        last = rounds[-1][cnt]
        rows.append((f"cost of an end beside {cnt:,} living connections, against {args.alive[0]:,}",
                     f"{statistics.median(grown):.2f} ({min(grown):.2f}-{max(grown):.2f})"))
        rows.append((f"memory with {cnt:,} living connections: RSS, maps, MiB", f"{mib(last['rss'])}, {mib(last['maps'])}"))
    rows.append(("kernel memory of a living connection, bytes",
                 f"{statistics.median(one[args.alive[-1]]['bytes_per_live'] for one in rounds):.0f}"))
    return rounds, rows


def flat(field, args):
    """Memory over so many connections."""
    observer, samples, done = Observer(HIST), [], 0
    share = max(args.connections // 10, 1)
    try:
        while done < args.connections:
            done += field.run("churn", seconds=600, count=min(share, args.connections - done))["connections"]
            samples.append({"connections": done, **memory(observer.pid)})
    finally:
        observer.stop()
    first, last = samples[0], samples[-1]
    return {"samples": samples, "lost": observer.lost()}, [
        (f"RSS after {first['connections']:,} and {last['connections']:,} connections, MiB",
         f"{mib(first['rss'])}, {mib(last['rss'])}"),
        ("maps then, MiB", f"{mib(first['maps'])}, {mib(last['maps'])}"),
        ("lost on the way", told(observer.lost()))]


def endurance(field, args):
    """Full speed for long: what is lost."""
    found = {}
    for name, argv in (("hist", HIST), ("trace --json", TRACE)):
        observer = Observer(argv, out="/dev/null")
        try:
            done = field.run("churn", seconds=args.endurance)
        finally:
            observer.stop()
        found[name] = {**done, "lost": observer.lost()}
    return found, [(f"lost by {name} in {one['seconds']:.0f} s at {one['connections'] / one['seconds']:,.0f} connections/s",
                    told(one["lost"])) for name, one in found.items()]


def ready(field, args):
    """From start to ready among so many sockets."""
    with closing(field.crowd(args.sockets)):
        times = []
        for _ in range(5):
            observer = Observer(HIST)
            observer.stop()
            times.append(observer.ready_s * 1000)
    return times, [(f"start to ready among {args.sockets:,} sockets, ms",
                    f"{statistics.median(times):.0f} ({min(times):.0f}-{max(times):.0f})")]


def size(_, args):
    if not args.static:
        return None, []
    found = args.static.stat().st_size
    return found, [("static program, MiB", f"{found / MIB:.2f}")]


def flood(field, args):
    """Ordinary connections during a SYN flood, without synfin and with it, in turn."""
    found = {"bare": [], "hist": []}
    for _ in range(args.rounds):
        for name in found:
            observer = Observer(HIST) if name == "hist" else None
            syns = field.start("flood", seconds=args.seconds, rate=args.flood)
            done = field.run("churn", seconds=args.seconds * 0.8)
            result = {"rate": done["connections"] / done["seconds"], "syns": field.result(syns)}
            if observer:
                result.update(memory(observer.pid))
                observer.stop()
                result["lost"] = observer.lost()
            found[name].append(result)
    kept = [hist["rate"] / bare["rate"] for bare, hist in zip(found["bare"], found["hist"])]
    last = found["hist"][-1]
    sent = statistics.median(one["syns"]["syns"] / one["syns"]["seconds"] for one in found["hist"])
    return found, [(f"connections/s during {sent:,.0f} spoofed SYNs/s, against bare",
                    f"{statistics.median(kept):.2f} ({min(kept):.2f}-{max(kept):.2f})"),
                   ("RSS and maps then, MiB; lost", f"{mib(last['rss'])}, {mib(last['maps'])}; {told(last['lost'])}")]


def stopped(field, args):
    """The reader stands still under load and then goes on; afterwards nothing more is lost."""
    observer = Observer(TRACE)
    try:
        os.kill(observer.pid, signal.SIGSTOP)
        during = field.run("churn", count=STOPPED_CONNECTIONS, seconds=120)
        held = memory(observer.pid)
        os.kill(observer.pid, signal.SIGCONT)
        observer.settle()
        time.sleep(1.5)  # it looks at its losses every second
        lines = observer.records("lost")
        after = field.run("churn", seconds=1, rate=1000)
        observer.settle()
        again = observer.records("lost")[len(lines):]
    finally:
        observer.stop()
    lost = observer.lost()
    return {"during": during, "after": after, "lost": lost, "lost_after": again, **held}, [
        (f"reader stopped during {during['connections']:,} connections: lost", told(lost)),
        (f"... during {after['connections']:,} connections after it went on",
         "0" if not again else told({kind: sum(line[kind] for line in again) for kind in lost})),
        ("... RSS, maps while it stood, MiB", f"{mib(held['rss'])}, {mib(held['maps'])}")]


PARTS = (alive, flat, endurance, ready, size, flood, stopped)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=[part.__name__ for part in PARTS], help="only this one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--alive", type=lambda text: [int(n) for n in text.split(",")], default=[1000, 10_000, 200_000],
                        metavar="N,...", help="living connections, each end counted")
    parser.add_argument("--connections", type=int, default=5_000_000, help="for the memory over time")
    parser.add_argument("--endurance", type=float, default=60, metavar="SECONDS", help="at full speed")
    parser.add_argument("--sockets", type=int, default=10_000, help="present when it starts")
    parser.add_argument("--flood", type=int, default=50_000, help="SYNs a second")
    parser.add_argument("--static", type=Path, help="the static program")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "scale.json")
    parser.add_argument("--no-publish", action="store_true", help="leave docs/COST.md alone")
    return parser.parse_args()


def run_part(part, args):
    """In a namespace of its own, so that no part meets the TIME_WAITs of another."""
    print(f"bench-scale: {part.__name__}", file=sys.stderr)
    field = Field()
    try:
        return part(field, args)
    finally:
        field.delete()


def main():
    args = parse_args()
    results, rows = {}, []
    for part in PARTS:
        if not args.part or part.__name__ in args.part:
            results[part.__name__], told_rows = run_part(part, args)
            rows += told_rows
    args.json.write_text(json.dumps({"machine": page.facts(), **results}, indent=1), encoding="utf-8")
    lines = [f"{page.machine_line()} (`make bench-scale`).", "", *page.table(["", ""], rows)]
    print("\n".join(lines))
    if not args.no_publish:
        page.publish("scale", "What does not grow", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
