# SPDX-License-Identifier: GPL-2.0-only
"""Every way to end, state by state, against a peer that does what the state asks for."""
import ctypes
import os
import socket
import struct
import subprocess
import time

import pytest

import settings
from capture import ACK, FIN, RST
from expect import Stopwatch, check, near
from netns import dial, run
from process import wait_until
from settings import MS
from wire import SERVERS

VERSIONS = pytest.mark.parametrize("version", [4, 6])
ADDRS = pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
LINGER0 = struct.pack("ii", 1, 0)
HOLD = 0.1
RST_REASONS = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 10)  # the kernel says why it resets
LIBC = ctypes.CDLL(None, use_errno=True)


def closes_of(tracer, peers):
    """The `close` of each peer's connection, once all are written."""
    tracer.wait_for("close", len(peers), timeout=10)
    records = tracer.stop()
    return [records.conn(rport=peer.here[1]).close for peer in peers], records


# --- the states --------------------------------------------------------------------------------------------

@VERSIONS
@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_active_close(pair, wire, trace, version, how):
    """FIN_WAIT1 until our FIN is acknowledged, FIN_WAIT2 until theirs has come; on the minisock after close()."""
    tracer, watch = trace(pair.server), Stopwatch()
    with pair.server.listen(SERVERS[version]) as listener:
        peer, sock = wire.dial(listener)
    watch.mark("fin")
    sock.close() if how == "close" else sock.shutdown(socket.SHUT_WR)
    peer.expect(FIN)
    time.sleep(HOLD)
    watch.mark("acked")
    peer.send(ACK)
    time.sleep(2 * HOLD)
    watch.mark("end")
    peer.send(FIN | ACK)
    (close,), _ = closes_of(tracer, [peer])
    check(close, outcome="fin", closed_by="local", time_wait=True, fin_retrans=0)
    assert ("orphan" in close["flags"]) == (how == "close")
    assert near(close["states"]["fin_wait1_ns"], watch.ns("fin", "acked"))
    assert near(close["states"]["fin_wait2_ns"], watch.ns("acked", "end"))
    assert near(close["half_close_ns"], watch.ns("fin", "end"))
    assert near(close["close_ns"], watch.ns("fin", "end"))
    assert close["closer"]["pid"] == os.getpid()


@VERSIONS
def test_passive_close(pair, wire, trace, version):
    tracer, watch = trace(pair.server), Stopwatch()
    with pair.server.listen(SERVERS[version]) as listener:
        peer, sock = wire.dial(listener)
    for name, act in (("fin", lambda: peer.send(FIN | ACK)), ("answer", sock.close), ("end", lambda: peer.send(ACK))):
        watch.mark(name)
        act()
        if name != "end":
            peer.expect(ACK if name == "fin" else FIN)
            time.sleep(HOLD)
    (close,), _ = closes_of(tracer, [peer])
    check(close, outcome="fin", closed_by="remote", time_wait=False)
    assert near(close["states"]["close_wait_ns"], watch.ns("fin", "answer"))
    assert near(close["states"]["last_ack_ns"], watch.ns("answer", "end"))
    assert near(close["close_ns"], watch.ns("fin", "end"))


@VERSIONS
def test_closing(pair, wire, trace, version):
    """The FINs cross: theirs does not acknowledge ours."""
    tracer, watch = trace(pair.server), Stopwatch()
    with pair.server.listen(SERVERS[version]) as listener:
        peer, sock = wire.dial(listener)
    watch.mark("fin")
    sock.close()
    fin = peer.expect(FIN)
    time.sleep(HOLD)
    watch.mark("crossed")
    peer.send(FIN | ACK, ack=fin.seq)
    peer.expect(ACK)
    time.sleep(HOLD)
    watch.mark("end")
    peer.send(ACK, ack=fin.seq + 1)
    (close,), _ = closes_of(tracer, [peer])
    check(close, outcome="fin", closed_by="both", time_wait=True)
    assert "simultaneous_close" in close["flags"]
    assert near(close["states"]["fin_wait1_ns"], watch.ns("fin", "crossed"))
    assert near(close["states"]["closing_ns"], watch.ns("crossed", "end"))
    assert close["states"]["fin_wait2_ns"] is None
    assert near(close["close_ns"], watch.ns("fin", "end"))


def test_last_ack_sent_again(pair, wire, trace):
    """A FIN of a passive closer that is lost is counted as well."""
    tracer = trace(pair.server)
    with pair.server.listen(SERVERS[4]) as listener:
        peer, sock = wire.dial(listener)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.close()
    for _ in range(3):
        peer.expect(FIN)
    peer.send(ACK)
    (close,), _ = closes_of(tracer, [peer])
    fins = [s for s in wire.seen if s.dst == peer.here and s.flags & FIN]
    check(close, outcome="fin", closed_by="remote", fin_retrans=len(fins) - 1, retrans=len(fins) - 1)


# --- resets ------------------------------------------------------------------------------------------------

def enter(state, wire, listener):
    """A connection of ours in that state; the socket is kept open where the state needs it: (Peer, socket)."""
    peer, sock = wire.dial(listener)
    if state in ("close_wait", "last_ack"):
        peer.send(FIN | ACK)
        peer.expect(ACK)
    if state in ("last_ack", "fin_wait1", "closing", "fin_wait2 orphan"):
        sock.close()
        fin = peer.expect(FIN)
    if state == "last_ack":
        peer.ack = fin.seq
    if state == "closing":
        peer.send(FIN | ACK, ack=fin.seq)
        peer.expect(ACK)
        peer.ack = fin.seq
    if state == "fin_wait2":
        sock.shutdown(socket.SHUT_WR)
        peer.expect(FIN)
    if state.startswith("fin_wait2"):
        peer.send(ACK)
    return peer, sock


@VERSIONS
def test_reset_in_every_state(pair, wire, trace, version):
    expected = {"established": "remote", "close_wait": "remote", "last_ack": "remote", "fin_wait1": "local",
                "fin_wait2": "local", "fin_wait2 orphan": "local", "closing": "both"}
    tracer = trace(pair.server)
    with pair.server.listen(SERVERS[version]) as listener:
        made = []
        for state in expected:
            made.append((*enter(state, wire, listener), time.monotonic_ns()))
        time.sleep(HOLD)
        held = []
        for peer, _, begin in made:
            held.append(time.monotonic_ns() - begin)
            peer.reset()
        closes, _ = closes_of(tracer, [peer for peer, _, _ in made])
    for (state, closed_by), close, ns in zip(expected.items(), closes, held):
        check(close, outcome="reset_remote", closed_by=closed_by, time_wait=False)
        assert near(close["states"][state.split()[0] + "_ns"], ns, 4 * settings.SLACK_NS), (state, ns, close)


@VERSIONS
def test_reset_out_of_window(pair, wire, trace, version):
    """A RST that does not fit draws a challenge ACK and ends nothing."""
    tracer = trace(pair.server)
    with pair.server.listen(SERVERS[version]) as listener:
        peer, sock = wire.dial(listener)
    peer.send(RST, seq=(peer.seq + 1000) % 2**32)
    peer.seq = (peer.seq - 1000) % 2**32
    time.sleep(HOLD)
    assert not tracer.records().of("close")
    sock.close()
    peer.expect(FIN)
    peer.send(FIN | ACK)
    (close,), _ = closes_of(tracer, [peer])
    check(close, outcome="fin", closed_by="local", rst_reason=None)


@VERSIONS
def test_data_after_close(pair, wire, trace, version):
    """
    The owner closed, then data comes: the RST is ours, although the kernel runs the code of one received. With the FIN
    not acknowledged, acknowledged by the data, and on the minisock.
    """
    tracer = trace(pair.server)
    with pair.server.listen(SERVERS[version]) as listener:
        peers = [enter(state, wire, listener)[0] for state in ("fin_wait1", "fin_wait1", "fin_wait2 orphan")]
    peers[0].ack -= 1
    time.sleep(HOLD)
    for peer in peers:
        peer.send(ACK, b"late")
        peer.expect(RST)
    closes, _ = closes_of(tracer, peers)
    for close in closes:
        check(close, outcome="reset_local", closed_by="local", time_wait=False)
        assert near(close["close_ns"], HOLD * 1000 * MS, 4 * settings.SLACK_NS), close
    for close in closes[:2]:
        check(close, rst_reason="tcp_abort_on_data")


def test_why_we_reset(netns, trace):
    """The kernel's own word where it has one, else ours, told apart."""
    reasons = {"linger": "tcp_state", "unread": "tcp_abort_on_close", "unspec": "tcp_state"}
    tracer, made = trace(netns), {}
    for addr in ("127.0.0.1", "::1"):
        for how in reasons:
            client, server = dial(netns, netns, addr)
            made[client.getsockname()[1]] = how, client, server
            if how == "linger":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER0)
            elif how == "unread":
                server.sendall(b"x")
            if how == "unspec":
                assert LIBC.connect(client.fileno(), bytes(16), 16) == 0  # AF_UNSPEC
            else:
                client.close()
    tracer.wait_for("close", 2 * len(made))
    records = tracer.stop()
    for port, (how, _, _) in made.items():
        close = records.conn(role="client", lport=port).close
        check(close, outcome="reset_local", closed_by="local")
        check(close, rst_reason=reasons[how], rst_reason_derived=not RST_REASONS)
        assert close["closer"]["pid"] == os.getpid()
        check(records.conn(role="server", rport=port).close, outcome="reset_remote", closed_by="remote")


@ADDRS
def test_disconnected_socket_connects_again(netns, trace, addr):
    """connect(AF_UNSPEC) ends the connection, not the socket; what it does next is another connection."""
    tracer, watch = trace(netns), Stopwatch()
    with netns.listen(addr) as listener:
        sock = netns.socket(listener.family)
        sock.connect(listener.getsockname())
        time.sleep(2 * HOLD)
        assert LIBC.connect(sock.fileno(), bytes(16), 16) == 0
        time.sleep(HOLD)
        sock.connect(listener.getsockname())
        watch.mark("again")
        time.sleep(HOLD)
        watch.mark("close")
        sock.close()
        listener.accept()[0].close()
        listener.accept()[0].close()
    tracer.wait_for("close", 4)
    first, second = tracer.stop().conns(role="client")
    check(first.close, outcome="reset_local", closed_by="local")
    check(second.open, outcome="established")
    check(second.close, outcome="fin", closed_by="local")
    assert second.open["handshake_ns"] < HOLD * 1000 * MS
    assert near(second.close["states"]["established_ns"], watch.ns("again", "close"))
    assert first["lport"] != second["lport"] or first.id != second.id


@ADDRS
def test_listener_closed_with_children(netns, trace, addr):
    """Established, never accepted: the listener's end takes them along."""
    tracer = trace(netns)
    listener = netns.listen(addr)
    clients = [netns.connect(addr, listener.getsockname()[1]) for _ in range(3)]
    time.sleep(HOLD)
    listener.close()
    tracer.wait_for("close", 6)
    records = tracer.stop()
    for conn in records.conns(role="server"):
        check(conn.close, outcome="reset_local", closed_by="local")
        assert conn.close["closer"]["pid"] == os.getpid()
        assert near(conn.close["life_ns"], HOLD * 1000 * MS, 4 * settings.SLACK_NS)
    assert len(records.of("close", role="server")) == len(records.of("close", outcome="reset_remote")) == len(clients)


# --- deaths without close() --------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["exit", "kill"])
def test_process_dies(netns, trace, spawn, how):
    """A hundred open connections and no close(): each has its end, on the account of the process."""
    count = 100
    tracer = trace(netns)
    with netns.listen(backlog=count) as listener:
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        process = spawn([settings.PEER, "load", "--connect", target, "--count", count, "--hold"], netns=netns,
                        stdin=subprocess.PIPE)
        servers = [listener.accept()[0] for _ in range(count)]
        assert wait_until(lambda: len(process.json_lines()) == count + 1)
        if how == "kill":
            process.child.kill()
        else:
            process.child.stdin.close()
        process.child.wait()
        for sock in servers:
            sock.close()
    tracer.wait_for("close", 2 * count)
    records = tracer.stop()
    closes = records.of("close", role="client")
    assert len(closes) == len({r["id"] for r in closes}) == count
    for close in closes:
        check(close, outcome="fin", closed_by="local", time_wait=True)
        check(close["closer"], pid=process.pid, comm="peer")
    for close in records.of("close", role="server"):
        check(close, outcome="fin", closed_by="remote")


@ADDRS
def test_aborted_by_the_administrator(netns, trace, addr):
    """`ss -K`."""
    tracer = trace(netns)
    client, server = dial(netns, netns, addr)
    told = run("nsenter", "--net=" + netns.path, "ss", "-HK", "-tn", "sport", "=", client.getsockname()[1], check=False)
    if not told.stdout:
        pytest.skip(f"no CONFIG_INET_DIAG_DESTROY in this kernel: {told.stderr.strip()}")
    tracer.wait_for("close", 2)
    records = tracer.stop()
    check(records.conn(role="client").close, outcome="aborted", error="ECONNABORTED")
    check(records.conn(role="server").close, outcome="reset_remote", closed_by="remote")
    server.close()


def test_timed_out(pair, wire, trace):
    """Keepalive, TCP_USER_TIMEOUT, a FIN that nobody acknowledges, and a FIN that never comes; v4 and v6 at once."""
    pair.server.sysctl("ipv4/tcp_orphan_retries", 1)
    tracer, made = trace(pair.server), []
    for version in (4, 6):
        with pair.server.listen(SERVERS[version]) as listener:
            for what in ("keepalive", "user_timeout", "fin_wait1", "fin_wait2"):
                peer, sock = wire.dial(listener)
                made.append((what, peer, sock))
                if what == "keepalive":
                    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 1)):
                        sock.setsockopt(socket.IPPROTO_TCP, option, value)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                elif what == "user_timeout":
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
                    sock.sendall(b"x")
                elif what == "fin_wait1":
                    sock.close()
                else:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
                    sock.close()
                    peer.expect(FIN)
                    peer.send(ACK)
    closes, _ = closes_of(tracer, [peer for _, peer, _ in made])
    wire.poll()
    for (what, peer, _), close in zip(made, closes):
        check(close, outcome="timed_out", time_wait=False)
        sent = [s for s in wire.seen if s.dst == peer.here and s.flags & FIN]
        assert close["fin_retrans"] == max(len(sent) - 1, 0), (what, close)
        if what.startswith("fin"):
            check(close, closed_by="local")
            assert close["closer"]["pid"] == os.getpid()
        else:
            check(close, error="ETIMEDOUT")
        if what == "keepalive":
            assert near(close["life_ns"], 2000 * MS, 400 * MS)
        elif what == "user_timeout":
            assert 500 * MS < close["life_ns"] < 3000 * MS
            assert close["retrans"] > 0
        elif what == "fin_wait2":
            assert near(close["states"]["fin_wait2_ns"], 1000 * MS, 300 * MS)
