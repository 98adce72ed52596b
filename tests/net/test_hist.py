# SPDX-License-Identifier: GPL-2.0-only
"""`synfin hist`: counts are those of the connections made, quantiles lie where the test put them."""
import time

import settings
from capture import flows
from expect import near, quantile
from netns import dial
from settings import MS
from tracer import CONTROL

RELATIVE_ERROR = 0.0625  # of a bucket


def near_quantile(told_ns, truth_ns):
    return abs(told_ns - truth_ns) <= truth_ns * RELATIVE_ERROR + settings.SLACK_NS


def stop(tracer):
    """Ends a `hist --json`; returns its intervals, each checked for inner consistency."""
    assert tracer.process.stop() == 0, tracer.process.stderr
    intervals = tracer.process.json_lines()
    for interval in intervals:
        assert interval["v"] == 1 and interval["type"] == "hist"
        assert set(interval["lost"].values()) == {0}, interval["lost"]
        for hist in interval["histograms"]:
            assert sum(count for _, count in hist["buckets"]) == hist["count"] > 0
            assert hist["min_ns"] <= hist["p50_ns"] <= hist["p90_ns"] <= hist["p99_ns"] <= hist["p999_ns"]
            assert hist["min_ns"] * hist["count"] <= hist["sum_ns"] <= hist["max_ns"] * hist["count"]
    return intervals


def find(interval, kind, metric, **labels):
    """The one histogram or counter of a metric with these labels; None when it has no sample."""
    found = [item for item in interval[kind] if item["metric"] == metric
             and all(item["labels"].get(k) == v for k, v in labels.items())]
    assert len(found) <= 1, found
    return found[0] if found else None


def count_of(intervals, kind, metric, **labels):
    return sum(item["count"] for interval in intervals if (item := find(interval, kind, metric, **labels)))


def test_counts(netns, trace, capture, serve, load):
    """Good and refused opens each have their own histogram; quantiles are those of the capture."""
    good, bad = settings.LOAD // 10, 7
    tracer, witness = trace(netns, command="hist"), capture(netns)
    serve(netns, "--port", 5001, "--count", good, "--bytes", 64)
    load(netns, "--connect", "127.0.0.1:5001", "--count", good, "--bytes", 64, "--close-first")
    load(netns, "--connect", "127.0.0.1:5999", "--count", bad)
    time.sleep(0.5)
    (interval,) = stop(tracer)
    wire = [flow.handshake_ns for (_, server), same in flows(witness.stop()).items() if server[1] == 5001
            for flow in same]
    assert len(wire) == good
    for role in ("client", "server"):
        hist = find(interval, "histograms", "handshake", role=role, outcome="established")
        assert hist["count"] == good
        assert near_quantile(hist["p50_ns"], quantile(wire, 0.5))
        assert find(interval, "histograms", "life", role=role)["count"] == good
        assert find(interval, "counters", "opens", role=role, outcome="established")["count"] == good
    assert find(interval, "histograms", "handshake", role="client", outcome="refused")["count"] == bad
    assert find(interval, "counters", "opens", role="client", outcome="refused")["count"] == bad
    for closed_by in ("local", "remote"):
        assert find(interval, "counters", "closes", outcome="fin", closed_by=closed_by)["count"] == good


def test_close_states(netns, trace, serve, load):
    """Ten servers' pauses of 300 ms before close() are in CLOSE_WAIT here and in FIN_WAIT2 there."""
    tracer = trace(netns, command="hist")
    server = serve(netns, "--port", 5001, "--count", 10, "--wait", 300)
    for _ in range(10):
        load(netns, "--connect", "127.0.0.1:5001", "--close-first")
        time.sleep(0.35)  # the server takes one after the other
    assert server.wait() == 0
    waits = [line["close_begin_ns"] - line["eof_ns"] for line in server.json_lines() if line["event"] == "conn"]
    time.sleep(0.5)
    (interval,) = stop(tracer)
    hist = find(interval, "histograms", "close_state", state="close_wait")
    assert hist["count"] == 10
    assert near_quantile(hist["p50_ns"], quantile(waits, 0.5))
    assert near_quantile(hist["max_ns"], max(waits))
    fin_wait2 = find(interval, "histograms", "close_state", state="fin_wait2")
    if interval["lower_bounds"]:  # a tier without the minisock counts them instead of passing them off as times
        assert fin_wait2 is None
    else:
        assert fin_wait2["count"] == 10


def test_intervals(netns, trace):
    """With -i an interval's counts begin anew; together they are all connections."""
    tracer = trace(netns, command="hist", args=["-i", "1"])
    made, begin = 0, time.monotonic_ns()
    while time.monotonic_ns() - begin < 3500 * MS:
        client, server = dial(netns, netns)
        client.close()
        server.close()
        made += 1
        time.sleep(0.05)
    time.sleep(0.3)
    intervals = stop(tracer)
    assert near(sum(i["interval_ns"] for i in intervals), time.monotonic_ns() - begin, 2 * settings.INTERVAL_SLACK_NS)
    assert len(intervals) >= 4
    for interval in intervals[:-1]:
        assert near(interval["interval_ns"], 1000 * MS, settings.INTERVAL_SLACK_NS)
    for role in ("client", "server"):
        assert count_of(intervals, "histograms", "handshake", role=role, outcome="established") == made
    assert sum(1 for i in intervals if count_of([i], "counters", "opens", role="client")) >= 3


def test_text(netns, trace):
    """For people: the name, the count and the quantiles of each histogram, nothing that upsets a terminal."""
    tracer = trace(netns, command="hist", json_lines=False)
    for _ in range(12):
        for sock in dial(netns, netns):
            sock.close()
    time.sleep(0.5)
    assert tracer.process.stop() == 0
    text = tracer.process.stdout
    assert not CONTROL.search(text), repr(text)
    for word in ("handshake", "client", "server", "p50", "p90", "p99", "p99.9", "max", "12"):
        assert word in text, (word, text)


def test_nothing_seen(netns, trace):
    tracer = trace(netns, command="hist")
    (interval,) = stop(tracer)
    assert not interval["histograms"] and not interval["counters"]
