# SPDX-License-Identifier: GPL-2.0-only
"""The table of connections when its array has no place left: nobody is lost, neither of the crowd nor of those beside it."""
import subprocess

import pytest

import settings
from process import wait_until
from test_hist import stop

PAIRS = 20_000  # 40,000 ends; the array has 32,768 places
BESIDE = 3_000


@pytest.fixture
def crowd(netns, spawn):
    """Makes as many connections as asked for, both ends in one process, and holds them until its stdin is closed."""
    netns.sysctl("core/somaxconn", 65535)

    def gather(count):
        child = spawn([settings.CHURNER, "crowd", "--count", count, "--sources", 3, "--seconds", 200], netns=netns,
                      stdin=subprocess.PIPE)
        child.wait_for("connections", "stdout")
        return child
    return gather


@pytest.fixture
def churn(netns, spawn):
    def run(count):
        assert spawn([settings.CHURNER, "churn", "--count", count, "--seconds", 100], netns=netns).wait() == 0
    return run


def count(intervals, metric, **labels):
    return sum(item["count"] for interval in intervals for item in interval["counters"] if item["metric"] == metric
               and all(item["labels"][name] == value for name, value in labels.items()))


def leave(child):
    child.child.stdin.close()
    assert child.wait() == 0


@pytest.mark.native
def test_more_than_places(netns, trace, crowd, churn):
    """Born, then closed, with the array full; those who live and die meanwhile are counted too."""
    hist = trace(netns, command="hist")
    many = crowd(PAIRS)
    churn(BESIDE)
    leave(many)
    told = stop(hist)
    for role in ("client", "server"):
        assert count(told, "opens", role=role, outcome="established") == PAIRS + BESIDE
    assert count(told, "closes") == 2 * (PAIRS + BESIDE)
    assert told[-1]["alive"].get("established", 0) == 0


@pytest.mark.native
def test_more_than_places_before(netns, trace, crowd, churn):
    """There already when the tracer comes: each of them is found once, and its end is seen."""
    many = crowd(PAIRS)
    hist = trace(netns, command="hist", args=["-i", "1"])
    churn(BESIDE)
    assert wait_until(lambda: any(interval["alive"].get("established") == 2 * PAIRS for interval in hist.records()), every=0.2)
    leave(many)
    told = stop(hist)
    assert count(told, "opens") == 2 * BESIDE
    assert count(told, "closes") == 2 * (PAIRS + BESIDE)
    assert told[-1]["alive"].get("established", 0) == 0
