# SPDX-License-Identifier: GPL-2.0-only
"""export --expire: sets of --by to which nothing is added leave, and nothing is lost with them."""
import subprocess
import time

import pytest

import settings
from process import wait_until
from test_sums import leave_time_wait, meet, reset, take_over

pytestmark = pytest.mark.native


CHURN_PORT = 900  # of tests/bench/load.c
ARGS = "--by", "service", "--expire", "3s"


def opens(samples, port):
    return samples.sum("synfin_opens_total", service=str(port), role="client")


def call(listener):
    """Leaves no TIME_WAIT behind."""
    near, far = meet(listener.netns, listener.socket)
    reset(near)
    far.close()


class Listener:
    def __init__(self, netns, stack):
        self.netns, self.socket = netns, stack.enter_context(netns.listen())
        self.port = self.socket.getsockname()[1]


def stop(exporter):
    assert exporter.process.stop() == 0
    assert "Operation not permitted" not in exporter.process.stderr


def test_idle(netns, stack, export):
    """Those that are idle make room; the others stay, and what is told of them is right all the time."""
    exporter, begun, calls = export(*ARGS, "--max-series", "2", netns=[netns]), time.monotonic(), 0
    kept, idle, late = (Listener(netns, stack) for _ in range(3))
    call(idle)
    while time.monotonic() - begun < 8:
        call(kept)
        calls += 1
        samples = exporter.wait_for("synfin_opens_total", calls, service=str(kept.port), role="client")
        assert opens(samples, kept.port) == calls
        assert opens(samples, idle.port) == 1 or time.monotonic() - begun > 3
        if calls == 1:
            call(late)
            exporter.wait_for("synfin_opens_total", 1, service="other", role="client")
        wait_until(lambda: False, 0.2)
    samples = exporter.wait_for("synfin_series_expired_total", 1)
    assert opens(samples, kept.port) == calls and not opens(samples, idle.port)
    assert opens(samples, "other") == 1 and samples.value("synfin_series_expired_total") == 1
    call(late)
    call(late)
    samples = exporter.wait_for("synfin_opens_total", 2, service=str(late.port), role="client")
    assert opens(samples, late.port) == 2
    stop(exporter)


def test_awaited(netns, stack, export):
    """A set that a TIME_WAIT has yet to be added to leaves only when that is over; with it, the set is shown again."""
    exporter, listener, lports = export(*ARGS, netns=[netns]), Listener(netns, stack), [20_000, 20_001]
    for lport in lports:
        leave_time_wait(netns, listener.socket, lport)
    exporter.wait_for("synfin_closes_total", 4)
    assert wait_until(lambda: not opens(exporter.samples(), listener.port))
    wait_until(lambda: False, 3)
    assert exporter.samples().value("synfin_series_expired_total") == 0
    taken = take_over(netns, listener.socket, lports)
    samples = exporter.wait_for("synfin_close_state_seconds_count", 2, service=str(listener.port), state="time_wait")
    assert opens(exporter.wait_for("synfin_opens_total", 4, service=str(listener.port), role="client"), listener.port) == 4
    assert samples.sum("synfin_lost_total", **{"class": "dropped"}) == 0 and len(taken) == 2
    assert samples.sum("synfin_series_misplaced_total") == 0
    assert not [labels for (name, labels) in samples if dict(labels).get("service") == "other"]
    stop(exporter)


def test_beside_load(netns, export, spawn):
    """Sets come, leave and come again while connections are added on the other CPU: the one that stays has all that are not lost."""
    exporter, rounds, count = export("--by", "rport", "--expire", "4s", "--max-series", "20000", netns=[netns]), 8, 1500
    load = spawn([settings.CHURNER, "reset", "--count", count], netns=netns, stdin=subprocess.PIPE)
    load.child.stdin.write(b"x" * rounds)  # they begin a second or two apart
    load.child.stdin.close()
    assert load.wait() == 0
    samples = exporter.samples()
    told = samples.sum("synfin_opens_total", rport=str(CHURN_PORT), role="client", outcome="established")
    assert rounds * count - samples.value("synfin_lost_total", **{"class": "missed"}) <= told <= rounds * count
    assert samples.value("synfin_series_expired_total") > 0
    assert wait_until(lambda: exporter.samples().value("synfin_series_expired_total") > rounds * count / 4)
    samples = exporter.samples()
    assert samples.sum("synfin_series_folded_total") == samples.sum("synfin_series_misplaced_total") == 0
    assert not [labels for name, labels in samples if dict(labels).get("rport") == "other"]
    stop(exporter)
