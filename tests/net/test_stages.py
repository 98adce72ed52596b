# SPDX-License-Identifier: GPL-2.0-only
"""`trace --stages`: the order of the stages, and the numbers of their segments against the capture's."""
import socket
import time

import pytest

from capture import ACK, RST, SYN
from expect import Stopwatch, near, only_flow
from netns import dial

OPENING = {"client": ["connect", "syn", "synack", "established"], "server": ["syn", "synack", "established"]}


def wire_numbers(flow):
    """
    (seq, ack) that each stage's segment carried, per role; None where it carries none. A FIN's number is its
    own, behind the payload of its segment.
    """
    syn, synack, ack = flow.syns[0], flow.synacks[0], flow.handshake_ack
    fins = {"client": flow.fins(flow.client)[0], "server": flow.fins(flow.server)[0]}
    numbers = {}
    for role, other in (("client", "server"), ("server", "client")):
        sender = getattr(flow, other)
        fin_ack = next(s for s in flow.of(sender, ACK, ACK | SYN | RST)
                       if s.time_ns > fins[role].time_ns and s.ack == (fins[role].seq + fins[role].length + 1) % 2**32)
        numbers[role] = {
            "syn": (syn.seq, None), "synack": (synack.seq, synack.ack), "established": (ack.seq, ack.ack),
            "fin_sent": (fins[role].seq + fins[role].length, fins[role].ack),
            "fin_rcvd": (fins[other].seq + fins[other].length, fins[other].ack),
            "fin_acked": (fin_ack.seq, fin_ack.ack),
        }
    return numbers


def check_numbers(conn, expected):
    """Every number that is given is the wire's; those of the SYN and the SYN-ACK are always given."""
    told = {record["stage"]: record for record in conn.stages}
    for stage, record in told.items():
        seq, ack = expected.get(stage, (None, None))
        assert record["seq"] in (None, seq), (stage, record["seq"], seq)
        assert record["ack"] in (None, ack), (stage, record["ack"], ack)
    assert told["syn"]["seq"] == expected["syn"][0]
    assert (told["synack"]["seq"], told["synack"]["ack"]) == expected["synack"]
    return told


@pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
def test_numbers_and_order(netns, trace, capture, addr):
    tracer, witness, watch = trace(netns, args=["--stages"]), capture(netns), Stopwatch()
    client, server = dial(netns, netns, addr)
    client.sendall(bytes(10))
    assert server.recv(64) == bytes(10)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    watch.mark("half")
    time.sleep(0.2)
    watch.mark("closed")
    server.close()
    assert client.recv(1) == b""
    client.close()
    tracer.wait_for("close", 2)
    records, flow = tracer.stop(), only_flow(witness.stop())
    numbers = wire_numbers(flow)
    for role in ("client", "server"):
        conn = records.conn(role=role)
        told = check_numbers(conn, numbers[role])
        names = [r["stage"] for r in conn.stages]
        assert [n for n in names if n in OPENING[role]] == OPENING[role]
        assert len(set(names)) == len(names)
        monos = [r["mono_ns"] for r in conn.stages if r["stage"] in OPENING[role]]
        assert monos == sorted(monos)
        first = "fin_sent" if role == "client" else "fin_rcvd"
        second = "fin_rcvd" if role == "client" else "fin_sent"
        assert near(told[second]["mono_ns"] - told[first]["mono_ns"], watch.ns("half", "closed"))
        assert near(told["established"]["mono_ns"] - told["syn"]["mono_ns"], flow.handshake_ns)
        assert conn.open["isn"] == (flow.syns[0] if role == "client" else flow.synacks[0]).seq
        assert conn.open["peer_isn"] == (flow.synacks[0] if role == "client" else flow.syns[0]).seq


def test_repeats_are_stages_too(pair, trace, capture):
    """A SYN sent again is a stage of its own with `retrans` set and the same number."""
    tracer, witness = trace(pair.client, args=["--stages"]), capture(pair.client)
    pair.client.sysctl("ipv4/tcp_syn_retries", 1)
    with pair.deaf(pair.client, pair.server4), pytest.raises(OSError):
        pair.client.connect(pair.server4, 5999)
    tracer.wait_for("open")
    conn, flow = tracer.stop().conn(role="client"), only_flow(witness.stop())
    syns = [r for r in conn.stages if r["stage"] == "syn"]
    assert len(syns) == len(flow.syns) > 1
    assert [bool(r["retrans"]) for r in syns] == [False] + [True] * (len(syns) - 1)
    assert {r["seq"] for r in syns} == {flow.syns[0].seq}
    for record, segment in zip(syns, flow.syns):
        assert near(record["mono_ns"] - syns[0]["mono_ns"], segment.time_ns - flow.syns[0].time_ns)


def test_no_stage_records_unless_asked(netns, trace):
    tracer = trace(netns)
    for sock in dial(netns, netns):
        sock.close()
    tracer.wait_for("close", 2)
    assert not tracer.stop().of("stage")
