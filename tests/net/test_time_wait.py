# SPDX-License-Identifier: GPL-2.0-only
"""TIME_WAIT: how long it was, and what ended it."""
import socket
import time

import pytest

import settings
from capture import ACK, FIN, RST
from expect import Stopwatch, check, near
from netns import dial, run
from settings import MS
from wire import SERVERS

HOLD = 0.1


def time_wait(wire, listener):
    """A peer whose connection has just gone into TIME_WAIT at our side."""
    peer, sock = wire.dial(listener)
    sock.close()
    peer.expect(FIN)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    return peer


@pytest.mark.parametrize("version", [4, 6])
def test_ended_by_segment(pair, wire, trace, version):
    """A RST, and a SYN that begins the next connection of the same ports."""
    tracer, watch = trace(pair.server), Stopwatch()
    with pair.server.listen(SERVERS[version]) as listener:
        reset = time_wait(wire, listener)
        watch.mark("reset begins")
        syn = time_wait(wire, listener)
        watch.mark("syn begins")
        time.sleep(HOLD)
        watch.mark("reset ends")
        reset.send(RST)
        syn.seq += 100_000
        watch.mark("syn ends")
        syn.establish()
        tracer.wait_for("open", 3)
        tracer.wait_for("gone", 2)
    records = tracer.stop()
    gone = records.conn(rport=reset.here[1]).gone
    assert gone and gone["end"] == "reset", gone
    first, second = records.conns(rport=syn.here[1])
    assert first.gone and first.gone["end"] == "syn", first.gone
    check(second.open, outcome="established", role="server")
    assert near(gone["time_wait_ns"], watch.ns("reset begins", "reset ends"))
    assert near(first.gone["time_wait_ns"], watch.ns("syn begins", "syn ends"))


def test_segments_that_end_nothing(pair, wire, trace):
    """The FIN again, and with RFC 1337 a RST."""
    pair.server.sysctl("ipv4/tcp_rfc1337", 1)
    tracer = trace(pair.server)
    with pair.server.listen(SERVERS[4]) as listener:
        peer = time_wait(wire, listener)
        peer.send(FIN | ACK, seq=peer.seq - 1)
        peer.expect(ACK)
        peer.send(RST)
        time.sleep(HOLD)
    records = tracer.stop()
    assert records.of("close") and not records.of("gone")


def test_reused(netns, trace):
    """By connect(), which takes a TIME_WAIT of more than a second for a free port."""
    netns.sysctl("ipv4/tcp_tw_reuse", 1)
    tracer, watch = trace(netns), Stopwatch()
    listeners = {addr: netns.listen(addr, 5001) for addr in ("127.0.0.1", "::1")}
    for name in ("first", "second"):
        for addr, listener in listeners.items():
            client = netns.connect(addr, 5001, lport=40000)
            watch.mark(name)
            server = listener.accept()[0]
            client.close()
            assert server.recv(1) == b""
            server.close()
        time.sleep(2.1)
    tracer.wait_for("gone", 2)
    records = tracer.stop()
    recycled = netns.counters()["TWRecycled"]
    for family in (4, 6):
        first, second = records.conns(role="client", family=family)
        assert first.gone and first.gone["end"] == "reused", first.records
        assert near(first.gone["time_wait_ns"], watch.ns("first", "second"), 10 * settings.SLACK_NS)
        assert not second.gone
        check(second.open, outcome="established", lport=40000)
    assert recycled == 2


def test_no_room(netns, trace):
    """tcp_max_tw_buckets: with both FINs exchanged the TIME_WAIT is over as it begins; without, the connection is."""
    netns.sysctl("ipv4/tcp_max_tw_buckets", 0)
    tracer = trace(netns)
    client, server = dial(netns, netns)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.close()
    other, peer = dial(netns, netns, "::1")
    other.close()
    assert peer.recv(1) == b""
    time.sleep(HOLD)
    peer.close()
    tracer.wait_for("close", 4)
    records = tracer.stop()
    conn = records.conn(role="client", family=4)
    check(conn.close, outcome="fin", closed_by="local")
    assert conn.gone and conn.gone["end"] == "overflow", conn.records
    conn = records.conn(role="client", family=6)
    check(conn.close, outcome="aborted", closed_by="local", time_wait=False)
    assert not conn.gone
    check(records.conn(role="server", family=6).close, outcome="reset_remote", closed_by="remote")
    assert netns.counters()["TCPTimeWaitOverflow"] == 2


def test_namespace_ends(netns, trace):
    """Its TIME_WAITs go with it."""
    tracer = trace(netns)
    for addr in ("127.0.0.1", "::1"):
        client, server = dial(netns, netns, addr)
        client.close()
        assert server.recv(1) == b""
        server.close()
    tracer.wait_for("close", 4)
    netns.delete()
    tracer.wait_for("gone", 2, timeout=15)
    gone = tracer.stop().of("gone")
    assert {(r["family"], r["end"]) for r in gone} == {(4, "netns"), (6, "netns")}, gone


def test_ended_by_the_administrator(netns, trace):
    tracer = trace(netns)
    client, server = dial(netns, netns)
    lport = client.getsockname()[1]
    client.close()
    assert server.recv(1) == b""
    server.close()
    tracer.wait_for("close", 2)
    told = run("nsenter", "--net=" + netns.path, "ss", "-HK", "-tn", "state", "time-wait", "sport", "=", lport,
               check=False)
    if not told.stdout:
        pytest.skip(f"`ss -K` does not end a TIME_WAIT in this kernel: {told.stderr.strip()}")
    tracer.wait_for("gone")
    gone = tracer.stop().conn(role="client").gone
    assert gone and gone["end"] not in ("timer", "reused", "reset", "syn", "overflow", "netns"), gone


def test_runs_out(aged):
    """Last of all: what is left of its 60 s is waited for."""
    tracer, netns = aged
    tracer.wait_for("gone", timeout=80)
    conns = tracer.stop().conns()
    assert all(conn.gone for conn in conns if conn.close["time_wait"])
    gones = [conn.gone for conn in conns if conn.gone]  # of both ends if the FINs crossed, as they may on a busy processor
    assert gones
    for gone in gones:
        assert gone["end"] == "timer"
        assert 59_900 * MS < gone["time_wait_ns"] < 65_000 * MS, gone  # long timers of the kernel are coarse, and late
    counters = netns.counters()
    assert (counters["TW"], counters["alive_tw"]) == (len(gones), 0)
