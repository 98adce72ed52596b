# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons that several topics share."""
import functools
import json
import statistics
import subprocess
import time

import pytest

import settings
from capture import flows
from tracer import tier_args


def near(measured, truth, slack=settings.SLACK_NS):
    """The measured duration lies within the slack of what was done."""
    return measured is not None and abs(measured - truth) <= slack


def check(record, **fields):
    assert {key: record[key] for key in fields} == fields, record


@functools.cache
def hook(name):
    """What `synfin check` says of a hook of the tier under test."""
    argv = [settings.SYNFIN, "check", "--json", *tier_args()]
    report = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return next(hook for hook in report["hooks"] if hook["hook"] == name)


class Stopwatch:
    """CLOCK_MONOTONIC marks of what a test did, in order: watch.mark("a"); watch.ns("a", "b")."""

    def __init__(self):
        self.marks = {}

    def mark(self, name):
        self.marks[name] = time.monotonic_ns()

    def ns(self, begin, end):
        return self.marks[end] - self.marks[begin]


def needs_minisock(close):
    """
    Skips where the tier said that it cannot follow the socket into its TIME_WAIT minisock. What it gave
    instead must then be marked as a lower bound.
    """
    if "fin_wait2_ns" in (close.get("at_least") or ()):
        pytest.skip("this tier does not see the TIME_WAIT minisock and says so (at_least)")


def only_flow(segments):
    """The one connection of a capture."""
    found = [flow for group in flows(segments).values() for flow in group]
    assert len(found) == 1, found
    return found[0]


def quantile(values, q):
    return sorted(values)[min(int(len(values) * q), len(values) - 1)]


def pair_up(conns, found, role):
    """(Conn, its Flow) of one role. Ports come back: the nth of the same two ends is the nth in the capture."""
    left = {ends: list(same) for ends, same in found.items()}
    return [(conn, left[conn.ends if role == "client" else conn.ends[::-1]].pop(0)) for conn in conns]


def check_handshakes(conns, found, role):
    """Each handshake time of one role against the capture."""
    errors = []
    for conn, flow in pair_up(conns, found, role):
        assert conn.open["handshake_ns"] and conn.open["handshake_ns"] > 0, conn.open
        errors.append(abs(conn.open["handshake_ns"] - flow.handshake_ns))
    assert statistics.median(errors) <= settings.HANDSHAKE_MEDIAN_NS, statistics.median(errors)
    assert quantile(errors, 0.99) <= settings.HANDSHAKE_P99_NS, sorted(errors)[-10:]
