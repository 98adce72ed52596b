# SPDX-License-Identifier: GPL-2.0-only
"""Connections that end by RST: which end sent it, as told by the capture."""
import socket
import struct
import time

import pytest

from expect import Stopwatch, near, only_flow
from netns import dial

LINGER0 = struct.pack("ii", 1, 0)


def check_reset(tracer, witness, sender):
    """The RST went out at `sender`; returns the two `close` records, sender's first."""
    tracer.wait_for("close", 2)
    records, flow = tracer.stop(), only_flow(witness.stop())
    other = {"client": "server", "server": "client"}[sender]
    assert flow.resets(getattr(flow, sender)) and not flow.resets(getattr(flow, other))
    here, there = records.conn(role=sender).close, records.conn(role=other).close
    assert (here["outcome"], here["closed_by"]) == ("reset_local", "local")
    assert (there["outcome"], there["closed_by"]) == ("reset_remote", "remote")
    assert not here["time_wait"] and not there["time_wait"]
    assert len(records.of("open", outcome="established")) == len(records.of("close")) == 2
    return here, there


@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
def test_linger0(netns, trace, capture, sender, addr):
    tracer, witness, watch = trace(netns), capture(netns), Stopwatch()
    ends = dict(zip(("client", "server"), dial(netns, netns, addr)))
    watch.mark("established")
    ends[sender].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER0)
    time.sleep(0.1)
    watch.mark("reset")
    ends.pop(sender).close()
    for here in check_reset(tracer, witness, sender):
        assert near(here["life_ns"], watch.ns("established", "reset"))
        assert near(here["states"]["established_ns"], watch.ns("established", "reset"))
        assert here["states"]["fin_wait1_ns"] is None


@pytest.mark.parametrize("sender", ["client", "server"])
def test_close_with_unread_data(netns, trace, capture, sender):
    tracer, witness = trace(netns), capture(netns)
    ends = dict(zip(("client", "server"), dial(netns, netns)))
    reader = ends.pop(sender)
    (writer,) = ends.values()
    writer.sendall(bytes(100))
    reader.close()
    here, there = check_reset(tracer, witness, sender)
    assert here["bytes_received"] == there["bytes_sent"] == 100


def test_reset_after_fin(netns, trace, capture):
    """Data to a peer that has closed for good: its kernel answers with a RST, in CLOSE_WAIT."""
    tracer, witness, watch = trace(netns), capture(netns), Stopwatch()
    client, server = dial(netns, netns)
    client.close()
    assert server.recv(1) == b""
    watch.mark("closed")
    time.sleep(0.1)
    watch.mark("reset")
    server.sendall(b"x")
    tracer.wait_for("close", 2)
    records, flow = tracer.stop(), only_flow(witness.stop())
    assert flow.resets(flow.client) and not flow.resets(flow.server)
    close = records.conn(role="server").close
    assert (close["outcome"], close["closed_by"]) == ("reset_remote", "remote")
    assert near(close["states"]["close_wait_ns"], watch.ns("closed", "reset"))
