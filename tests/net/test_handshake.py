# SPDX-License-Identifier: GPL-2.0-only
"""Established connections: each exactly once per end, with its own addresses, owner and times."""
import os
import time

import settings
from capture import flows
from expect import Stopwatch, check_handshakes, near, only_flow
from netns import dial
from settings import MS


def test_every_connection_once(netns, trace, capture, serve, load):
    tracer, witness = trace(netns), capture(netns)
    server = serve(netns, "--port", 5001, "--count", settings.LOAD, "--bytes", 64)
    lines = load(netns, "--connect", "127.0.0.1:5001", "--count", settings.LOAD, "--bytes", 64, "--close-first")
    assert server.wait() == 0
    tracer.wait_for("close", 2 * settings.LOAD)
    records, found = tracer.stop(), flows(witness.stop())

    assert not records.of("lost")
    assert not any(line["error"] for line in lines)
    clients = [((line["laddr"], line["lport"]), (line["raddr"], line["rport"])) for line in lines]
    for role, pid, closed_by in (("client", lines[0]["pid"], "local"), ("server", server.pid, "remote")):
        conns = records.conns(role=role)
        assert len(conns) == len(records.of("open", role=role)) == len(records.of("close", role=role)) == len(lines)
        ends = [conn.ends if role == "client" else conn.ends[::-1] for conn in conns]
        assert sorted(ends) == sorted(clients)
        assert {conn.open["outcome"] for conn in conns} == {"established"}
        assert {conn.close["outcome"] for conn in conns} == {"fin"}
        assert {conn.close["closed_by"] for conn in conns} == {closed_by}
        assert {conn.close["owner"]["pid"] for conn in conns} == {pid}
        assert {conn.close["owner"]["comm"] for conn in conns} == {"peer"}
        assert {conn["netns"] for conn in conns} == {netns.inode}
        assert {(conn.close["bytes_sent"], conn.close["bytes_received"]) for conn in conns} == {(64, 64)}
        assert {conn.close["time_wait"] for conn in conns} == {role == "client"}
        check_handshakes(conns, found, role)
    assert len({conn.id for conn in records.conns()}) == 2 * len(lines)


def test_handshake_between_namespaces(pair, trace, capture, serve, load):
    """Each end by its own clock: the client's interval from its capture, the server's from its own."""
    count = settings.LOAD // 10
    tracer = trace(pair.client, pair.server)
    witnesses = {"client": capture(pair.client), "server": capture(pair.server)}
    serve(pair.server, "--port", 5001, "--count", count)
    load(pair.client, "--connect", f"{pair.server4}:5001", "--count", count, "--close-first")
    tracer.wait_for("close", 2 * count)
    records = tracer.stop()
    for role, witness in witnesses.items():
        conns = records.conns(role=role)
        assert len(conns) == count
        assert {c["netns"] for c in conns} == {getattr(pair, role).inode}
        check_handshakes(conns, flows(witness.stop()), role)


def test_delay_is_in_the_handshake(pair, trace, capture):
    pair.delay(100)
    tracer, witness = trace(pair.client, pair.server), capture(pair.client)
    client, server = dial(pair.client, pair.server, pair.server4)
    client.close()
    server.close()
    tracer.wait_for("open", 2)
    records = tracer.stop()
    for role in ("client", "server"):
        assert near(records.conn(role=role).open["handshake_ns"], 200 * MS)
    assert near(records.conn(role="client").open["handshake_ns"], only_flow(witness.stop()).handshake_ns)


def test_accept_wait(netns, trace):
    """The handshake does not wait for accept(); how long accept() took is told apart."""
    tracer, watch = trace(netns), Stopwatch()
    listener = netns.listen()
    client = netns.connect(*listener.getsockname())
    watch.mark("connected")
    time.sleep(0.2)
    watch.mark("accept")
    server = listener.accept()[0]
    client.close()
    server.close()
    tracer.wait_for("close", 2)
    conn = tracer.stop().conn(role="server")
    assert conn.open["handshake_ns"] < 100 * MS
    assert conn.close["owner"]["pid"] == os.getpid()
    assert conn.accept and near(conn.accept["accept_wait_ns"], watch.ns("connected", "accept")), conn.records
    assert conn.accept["owner"]["source"] == "accept"


def test_reused_port_inherits_nothing(netns, trace, capture):
    """Short and long connections in turn from one local port: each has its own times and number."""
    tracer, witness = trace(netns), capture(netns)
    lives = []
    with netns.listen(port=5001) as listener:
        for nth in range(20):
            before = time.monotonic_ns()
            client = netns.connect("127.0.0.1", 5001, lport=40000)
            after = time.monotonic_ns()
            server = listener.accept()[0]
            time.sleep(nth % 2 * 0.06)
            server.close()
            assert client.recv(1) == b""
            client.close()
            end = time.monotonic_ns()
            lives.append((end - after, end - before))
    tracer.wait_for("close", 2 * len(lives))
    records = tracer.stop()
    ((_, found),) = flows(witness.stop()).items()
    assert len(found) == len(lives)
    for role, sport in (("client", 40000), ("server", 5001)):
        conns = records.conns(role=role)
        assert len(conns) == len({c.id for c in conns}) == len(lives)
        for conn, (shortest, longest), flow in zip(conns, lives, found):
            assert conn["lport"] == sport
            assert shortest - settings.SLACK_NS <= conn.close["life_ns"] <= longest + settings.SLACK_NS, conn.close
            assert near(conn.open["handshake_ns"], flow.handshake_ns)
            assert {conn.open["isn"], conn.open["peer_isn"]} <= {flow.syns[0].seq, flow.synacks[0].seq, None}
            assert conn.close["closed_by"] == ("remote" if role == "client" else "local")
