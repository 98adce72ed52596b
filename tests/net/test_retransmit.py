# SPDX-License-Identifier: GPL-2.0-only
"""Segments sent again because the first was lost; the number is what the capture at the sender shows."""
import threading
import time

import pytest

from expect import near, only_flow
from netns import dial

ADDRS = pytest.mark.parametrize("version", [4, 6])


def lose_first(pair, sender, addr):
    """Loses what `sender` sends for 300 ms, then mends it from a thread; returns that thread."""
    entered = threading.Event()

    def hold():
        with pair.deaf(sender, addr):
            entered.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    return thread


@ADDRS
@pytest.mark.parametrize("lost", ["syn", "synack"])
def test_handshake_segment_lost(pair, trace, capture, version, lost):
    client4or6, server4or6 = ((pair.client4, pair.server4) if version == 4 else (pair.client6, pair.server6))
    tracer = trace(pair.client, pair.server)
    witnesses = capture(pair.client), capture(pair.server)
    mending = lose_first(pair, *((pair.client, server4or6) if lost == "syn" else (pair.server, client4or6)))
    client, server = dial(pair.client, pair.server, server4or6)
    mending.join()
    client.close()
    server.close()
    tracer.wait_for("open", 2)
    records = tracer.stop()
    at_client, at_server = (only_flow(witness.stop()) for witness in witnesses)
    opened = records.conn(role="client").open
    assert opened["syn_retrans"] == len(at_client.syns) - 1 == 1
    assert near(opened["handshake_ns"], at_client.handshake_ns)
    opened = records.conn(role="server").open
    assert opened["synack_retrans"] == len(at_server.synacks) - 1
    assert (opened["synack_retrans"] > 0) == (lost == "synack")
    assert near(opened["handshake_ns"], at_server.handshake_ns)


@ADDRS
def test_fin_lost(pair, trace, capture, version):
    server4or6 = pair.server4 if version == 4 else pair.server6
    tracer, witness = trace(pair.client, pair.server), capture(pair.client)
    client, server = dial(pair.client, pair.server, server4or6)
    with pair.deaf(pair.client, server4or6):
        client.close()
        time.sleep(0.5)
    assert server.recv(1) == b""
    server.close()
    tracer.wait_for("close", 2)
    records, flow = tracer.stop(), only_flow(witness.stop())
    close = records.conn(role="client").close
    assert close["fin_retrans"] == len(flow.fins(flow.client)) - 1 > 0
    assert close["retrans"] == close["fin_retrans"]
    assert (close["outcome"], close["closed_by"]) == ("fin", "local")
    other = records.conn(role="server").close
    assert (other["fin_retrans"], other["closed_by"]) == (0, "remote")


@ADDRS
def test_data_lost(pair, trace, capture, version):
    server4or6 = pair.server4 if version == 4 else pair.server6
    tracer, witness = trace(pair.client, pair.server), capture(pair.client)
    client, server = dial(pair.client, pair.server, server4or6)
    with pair.deaf(pair.client, server4or6):
        client.sendall(b"x" * 100)
        time.sleep(0.5)
    assert len(server.recv(1000)) == 100
    client.close()
    assert server.recv(1) == b""
    server.close()
    tracer.wait_for("close", 2)
    records, flow = tracer.stop(), only_flow(witness.stop())
    close = records.conn(role="client").close
    assert close["retrans"] == len(flow.of(flow.client, payload=True)) - 1 > 0
    assert close["fin_retrans"] == 0
    assert close["bytes_sent"] == records.conn(role="server").close["bytes_received"] == 100
