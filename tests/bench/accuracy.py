#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
`make accuracy`: how far synfin's times lie from those of the packets, as tcpdump has them from the kernel.
Loopback and veth, IPv4 and IPv6, both roles. Prints a table and puts it into docs/COST.md.
Exit 1 when the handshake's median error is above 50 us or its 99th percentile above 500 us.
"""
import argparse
import re
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))

from capture import ACK, Capture, flows  # noqa: E402
from expect import pair_up, quantile  # noqa: E402
from netns import Netns, Pair  # noqa: E402
from process import Process  # noqa: E402
from tracer import Trace  # noqa: E402
import page  # noqa: E402
import settings  # noqa: E402

MEDIAN_LIMIT_US, P99_LIMIT_US = 50, 500


def wire_times(flow, role):
    """The capture's durations in ns under the names of the records' fields; the client closes first."""
    fin, answer = flow.fins(flow.client)[0], flow.fins(flow.server)[0]
    if role == "client":
        acked = next(s for s in flow.of(flow.server, ACK) if s.time_ns > fin.time_ns and s.ack == fin.seq + 1)
        end, state = answer, {"fin_wait2_ns": answer.time_ns - acked.time_ns}
    else:
        end = next(s for s in flow.of(flow.client, ACK) if s.time_ns > answer.time_ns)
        state = {"close_wait_ns": answer.time_ns - fin.time_ns}
    return {"handshake_ns": flow.handshake_ns, "life_ns": end.time_ns - flow.handshake_ack.time_ns,
            "close_ns": end.time_ns - fin.time_ns, **state}


def told_times(conn):
    """The same durations as synfin tells them; lower bounds are left out."""
    bounds = conn.close.get("at_least") or ()
    times = {"handshake_ns": conn.open["handshake_ns"], **{k: conn.close[k] for k in ("life_ns", "close_ns")},
             **{k: conn.close["states"][k] for k in ("fin_wait2_ns", "close_wait_ns")}}
    return {name: value for name, value in times.items() if value is not None and name not in bounds}


def measure(client, server, addr, count, stack):
    """({(role, field): [error in us]}, tier) of `count` connections, 2 ms between the two FINs."""
    spaces = {"client": client, "server": server}
    tracer = Trace(netns=set(spaces.values()))
    stack.callback(tracer.discard)
    witnesses = {netns.inode: Capture(netns) for netns in set(spaces.values())}
    for witness in witnesses.values():
        stack.callback(witness.discard)
    listener = Process([settings.PEER, "serve", "--port", 5001, "--v6", "--count", count, "--bytes", 64, "--wait", 2],
                       netns=server)
    stack.callback(listener.kill)
    listener.wait_for('"listening"', "stdout")
    load = Process([settings.PEER, "load", "--connect", f"[{addr}]:5001", "--count", count, "--bytes", 64,
                    "--close-first", "--rate", 300], netns=client)
    assert load.wait() == 0 and listener.wait() == 0
    tracer.wait_for("close", 2 * count)
    records = tracer.stop()
    assert not records.of("lost"), records.of("lost")
    wires = {inode: flows(witness.stop()) for inode, witness in witnesses.items()}
    errors = {}
    for role, netns in spaces.items():
        conns = records.conns(role=role)
        assert len(conns) == count, (role, len(conns))
        for conn, flow in pair_up(conns, wires[netns.inode], role):
            truth = wire_times(flow, role)
            for name, value in told_times(conn).items():
                if name in truth:
                    errors.setdefault((role, name), []).append(abs(value - truth[name]) / 1000)
    return errors, re.search(r"synfin: ready.*tier (\w+)", tracer.process.stderr)[1]


def report(results, count):
    """(lines of the table, whether the handshake kept its limits)."""
    lines = ["| path | role | time | median error us | p99 us | max us | n |", "|---|---|---|---|---|---|---|"]
    good = True
    for path, errors in results.items():
        for (role, name), values in errors.items():
            median, p99 = statistics.median(values), quantile(values, 0.99)
            lines.append(f"| {path} | {role} | {name} | {median:.1f} | {p99:.1f} | {max(values):.1f} | {len(values)} |")
            if name == "handshake_ns":
                good &= median <= MEDIAN_LIMIT_US and p99 <= P99_LIMIT_US and len(values) == count
    return lines, good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="connections of each run")
    count = parser.parse_args().count
    results = {}
    with ExitStack() as stack:
        lo = Netns()
        stack.callback(lo.delete)
        veth = Pair()
        stack.callback(veth.delete)
        for path, args in {"loopback IPv4": (lo, lo, "127.0.0.1"), "loopback IPv6": (lo, lo, "::1"),
                           "veth IPv4": (veth.client, veth.server, veth.server4),
                           "veth IPv6": (veth.client, veth.server, veth.server6)}.items():
            results[path], tier = measure(*args, count, stack)
    table, good = report(results, count)
    page.publish("accuracy", "Accuracy", [
        f"{page.machine_line()}, tier {tier}: difference between synfin's times and those of the packets "
        "(`make accuracy`).", "", *table])
    print("\n".join(table))
    if not good:
        print(f"accuracy: a handshake error is above {MEDIAN_LIMIT_US} us (median) or {P99_LIMIT_US} us (p99)",
              file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
