# SPDX-License-Identifier: GPL-2.0-only
"""Every other way to open: SYNs that cross, no request, no child, another listener. And the requests that die."""
import errno
import os
import socket
import time

import pytest

import settings
from capture import ACK, RST, SYN
from expect import Stopwatch, hook, near
from netns import dial
from process import wait_until
from settings import MS
from wire import SERVERS

VERSIONS = pytest.mark.parametrize("version", [4, 6])
ADDRS = pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
PAUSE = 0.1
IPPROTO_MPTCP = 262
MSG_FASTOPEN = 0x20000000


def listen_at(pair, version, **kwargs):
    return pair.server.listen(SERVERS[version], **kwargs)


def pause(watch, name):
    time.sleep(PAUSE)
    watch.mark(name)


def one_open(tracer, **fields):
    """The one `open` of the run, with those fields."""
    tracer.wait_for("open")
    (record,) = tracer.stop().of("open")
    assert {key: record[key] for key in fields} == fields, record
    return record


# --- simultaneous open -------------------------------------------------------------------------------------

@VERSIONS
def test_syns_cross(pair, wire, trace, version):
    """Our SYN is answered by another SYN, and only then acknowledged."""
    tracer, watch = trace(pair.server), Stopwatch()
    watch.mark("syn")
    peer, sock = wire.call(version)
    pause(watch, "crossed")
    peer.send(SYN)
    peer.expect(SYN | ACK)
    pause(watch, "established")
    peer.send(ACK)
    assert wait_until(lambda: sock.connect_ex(peer.here) in (0, errno.EISCONN))
    record = one_open(tracer, outcome="established", role="both", laddr=SERVERS[version], rport=peer.here[1])
    assert "simultaneous_open" in record["flags"] and record["owner"]["pid"] == os.getpid()
    assert near(record["handshake_ns"], watch.ns("syn", "established"))


def test_two_sockets_call_each_other(pair, trace):
    """Two real sockets; the delay lets both SYNs be on their way at once."""
    pair.delay(100)
    tracer = trace(pair.client, pair.server)
    ends = {pair.client: (pair.client4, 5001), pair.server: (pair.server4, 5002)}
    calls = []
    for netns, end in ends.items():
        sock = netns.socket()
        sock.bind(end)
        sock.setblocking(False)
        calls.append((sock, next(other for other in ends.values() if other != end)))
    for sock, other in calls:
        assert sock.connect_ex(other) == errno.EINPROGRESS
    tracer.wait_for("open", 2)
    records = tracer.stop()
    assert {(r["lport"], r["rport"], r["role"]) for r in records.of("open", outcome="established")} \
        == {(5001, 5002, "both"), (5002, 5001, "both")}
    for record in records.of("open"):
        assert "simultaneous_open" in record["flags"]
        assert record["handshake_ns"] > 150 * MS


@ADDRS
def test_self_connect(netns, trace, addr):
    """One socket that is both ends: one connection."""
    tracer = trace(netns)
    sock = netns.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    sock.bind((addr, 5001))
    sock.connect((addr, 5001))
    sock.sendall(b"x" * 100)
    assert len(sock.recv(1000)) == 100
    sock.close()
    tracer.wait_for("close")
    conn = tracer.stop().conn()
    assert (conn.open["outcome"], conn.open["role"]) == ("established", "both")
    assert (conn.open["lport"], conn.open["rport"]) == (5001, 5001)
    assert (conn.close["outcome"], conn.close["closed_by"]) == ("fin", "both")
    assert (conn.close["bytes_sent"], conn.close["bytes_received"]) == (100, 100)


# --- no request, or one of another kind --------------------------------------------------------------------

@ADDRS
def test_fastopen(netns, trace, addr):
    """Data in the SYN, no cookie needed: both ends are flagged."""
    netns.sysctl("ipv4/tcp_fastopen", 0x607)
    tracer = trace(netns)
    with netns.listen(addr) as listener:
        client = netns.socket(listener.family)
        client.sendto(b"x" * 100, MSG_FASTOPEN, listener.getsockname())
        server = listener.accept()[0]
    assert len(server.recv(1000)) == 100
    client.close()
    server.close()
    tracer.wait_for("close", 2)
    records = tracer.stop()
    for role in ("client", "server"):
        conn = records.conn(role=role)
        assert conn.open["outcome"] == "established"
        assert "fastopen" in conn.open["flags"] and "syncookie" not in conn.open["flags"], conn.open
        assert conn.open["handshake_ns"] is not None
        assert conn.close["owner"]["pid"] == os.getpid()
    assert records.conn(role="client").close["bytes_sent"] == 100
    assert records.conn(role="server").close["bytes_received"] == 100


@VERSIONS
def test_fastopen_is_accepted_before_established(pair, wire, trace, version):
    pair.server.sysctl("ipv4/tcp_fastopen", 0x607)
    tracer, watch = trace(pair.server), Stopwatch()
    with listen_at(pair, version) as listener:
        peer = wire.client_of(listener)
        watch.mark("syn")
        peer.send(SYN, b"x" * 100)
        peer.expect(SYN | ACK)
        server = listener.accept()[0]
        assert len(server.recv(1000)) == 100
        pause(watch, "established")
        peer.send(ACK)
        record = one_open(tracer, outcome="established", role="server", rport=peer.here[1])
    assert "fastopen" in record["flags"]
    assert record["owner"]["pid"] == os.getpid() and record["owner"]["source"] == "accept"
    assert near(record["handshake_ns"], watch.ns("syn", "established"))
    stages = record["stages"]
    assert 0 <= stages["syn_ns"] <= stages["accept_ns"] < stages["established_ns"]
    assert near(stages["accept_ns"], 0) and near(stages["established_ns"], watch.ns("syn", "established"))


@ADDRS
def test_fastopen_listener_without_fastopen(netns, trace, addr):
    """A plain client of a TCP Fast Open listener is a plain connection."""
    netns.sysctl("ipv4/tcp_fastopen", 0x607)
    tracer = trace(netns)
    for sock in dial(netns, netns, addr):
        sock.close()
    tracer.wait_for("close", 2)
    for conn in tracer.stop().conns():
        assert not {"fastopen", "syncookie"} & set(conn.open["flags"]), conn.open
        assert conn.open["handshake_ns"] is not None


@ADDRS
def test_syncookies(netns, trace, addr):
    """The server forgot the SYN: it has no handshake time, and says why. The client has one."""
    netns.sysctl("ipv4/tcp_syncookies", 2)
    tracer = trace(netns)
    for sock in dial(netns, netns, addr):
        sock.close()
    tracer.wait_for("close", 2)
    records = tracer.stop()
    client, server = (records.conn(role=role) for role in ("client", "server"))
    assert client.open["handshake_ns"] and "syncookie" not in client.open["flags"]
    assert server.open["handshake_ns"] is None and "syncookie" in server.open["flags"]
    assert server.open["outcome"] == "established" and server.close["outcome"] == "fin"
    assert server.close["life_ns"] is not None and server.close["owner"]["pid"] == os.getpid()


@VERSIONS
def test_defer_accept(pair, wire, trace, version):
    """The final ACK is ignored, the first data makes the child."""
    tracer, watch = trace(pair.server), Stopwatch()
    with listen_at(pair, version) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        peer = wire.client_of(listener)
        watch.mark("syn")
        peer.establish()
        pause(watch, "data")
        peer.send(ACK, b"x")
        assert listener.accept()[0].recv(10) == b"x"
        record = one_open(tracer, outcome="established", role="server")
    assert "defer_accept" in record["flags"]
    assert near(record["handshake_ns"], watch.ns("syn", "data"))


def test_mptcp(netns, trace):
    """A subflow is a connection; the MPTCP socket above it is none."""
    def mptcp_socket():
        with netns.entered():
            try:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
            except OSError as error:
                pytest.skip(f"no MPTCP in this kernel: {error.strerror}")
        sock.settimeout(10)
        return sock

    tracer = trace(netns)
    with mptcp_socket() as listener:
        listener.bind(("127.0.0.1", 5001))
        listener.listen()
        client = mptcp_socket()
        client.connect(("127.0.0.1", 5001))
        server = listener.accept()[0]
        client.sendall(b"x" * 100)
        assert len(server.recv(1000)) == 100
        client.close()
        assert server.recv(10) == b""
        server.close()
        tracer.wait_for("close", 2)
    records = tracer.stop()
    assert len(records.conns()) == 2 and not records.of("lost"), records
    for role in ("client", "server"):
        conn = records.conn(role=role)
        assert conn.open["outcome"] == "established" and conn.close["outcome"] == "fin"
        assert "mptcp" in conn.close["flags"], conn.close


# --- whose connection: several listeners -------------------------------------------------------------------

@ADDRS
def test_reuseport(netns, trace, serve, load, addr):
    """Two processes listen at one port: each connection belongs to the one that accepted it."""
    tracer = trace(netns)
    servers = [serve(netns, "--port", 5001, "--addr", addr, "--reuseport", "--count", 0) for _ in range(2)]
    lines = load(netns, "--connect", f"[{addr}]:5001" if ":" in addr else f"{addr}:5001", "--count", 30, "--close-first")
    tracer.wait_for("close", 60)
    conns = tracer.stop().conns(role="server")
    for server in servers:
        server.kill()
    took = {line["rport"]: line["pid"] for server in servers for line in server.json_lines() if line["event"] == "conn"}
    assert len(took) == len(conns) == len(lines) == 30 and len(set(took.values())) == 2
    for conn in conns:
        assert conn.close["owner"]["pid"] == took[conn["rport"]]
        assert "reuseport" in conn.open["flags"]


def two_listeners(pair, version, serve):
    """One listener, then a process that listens at the same port and can take over from it."""
    if not os.path.exists("/proc/sys/net/ipv4/tcp_migrate_req"):
        pytest.skip("no net.ipv4.tcp_migrate_req in this kernel (since 5.14)")
    pair.server.sysctl("ipv4/tcp_migrate_req", 1)
    listener = pair.server.socket(socket.AF_INET6 if version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((SERVERS[version], 5001))
    listener.listen()
    return listener, lambda: serve(pair.server, "--port", 5001, "--addr", SERVERS[version], "--reuseport", "--count", 0)


@VERSIONS
@pytest.mark.parametrize("when", ["ack", "timer"])
def test_request_migrates(pair, wire, trace, serve, version, when):
    """Its listener is closed while the request waits: another takes it over, at the final ACK or at its timer."""
    listener, heir = two_listeners(pair, version, serve)
    tracer, watch = trace(pair.server), Stopwatch()
    peer = wire.client_of(listener)
    watch.mark("syn")
    peer.request()
    server = heir()
    listener.close()
    if when == "timer":
        peer.expect(SYN | ACK)
    pause(watch, "established")
    peer.send(ACK)
    tracer.wait_for("accept")
    conn = tracer.stop().conn()
    assert (conn.open["outcome"], conn.open["role"]) == ("established", "server")
    assert "migrated" in conn.open["flags"]
    assert near(conn.open["handshake_ns"], watch.ns("syn", "established"))
    assert conn.open["synack_retrans"] == (when == "timer")
    assert conn.accept["owner"]["pid"] == server.pid and conn.accept["owner"]["source"] == "accept"


@VERSIONS
def test_child_migrates(pair, wire, trace, serve, version):
    """It waits in the accept queue of a listener that is closed: another's process accepts it."""
    listener, heir = two_listeners(pair, version, serve)
    tracer, watch = trace(pair.server), Stopwatch()
    wire.client_of(listener).establish()
    watch.mark("established")
    server = heir()
    pause(watch, "accept")
    listener.close()
    tracer.wait_for("accept")
    conn = tracer.stop().conn()
    assert conn.open["outcome"] == "established" and not conn.close
    assert conn.accept["owner"]["pid"] == server.pid
    assert near(conn.accept["accept_wait_ns"], watch.ns("established", "accept"))


# --- requests that die -------------------------------------------------------------------------------------

@VERSIONS
@pytest.mark.parametrize("retries", [0, 1])
def test_synack_timed_out(pair, wire, trace, version, retries):
    pair.server.sysctl("ipv4/tcp_synack_retries", retries)
    tracer = trace(pair.server)
    with listen_at(pair, version) as listener:
        wire.client_of(listener).request()
        record = one_open(tracer, outcome="synack_timed_out", role="server", handshake_ns=None, synack_retrans=retries)
    assert near(record["attempt_ns"], (1000, 3000)[retries] * MS, slack=100 * MS), record["attempt_ns"]


@VERSIONS
def test_request_reset(pair, wire, trace, version):
    tracer, watch = trace(pair.server), Stopwatch()
    with listen_at(pair, version) as listener:
        peer = wire.client_of(listener)
        watch.mark("syn")
        peer.request()
        pause(watch, "reset")
        peer.send(RST)
        record = one_open(tracer, outcome="reset", role="server", handshake_ns=None, rport=peer.here[1])
    assert near(record["attempt_ns"], watch.ns("syn", "reset"))
    assert record["backlog"] == {"len": None, "max": None} or record["backlog"]["max"] == 128


@VERSIONS
def test_listener_closed_with_request(pair, wire, trace, version):
    tracer, watch = trace(pair.server), Stopwatch()
    listener = listen_at(pair, version)
    peer = wire.client_of(listener)
    watch.mark("syn")
    peer.request()
    pause(watch, "closed")
    listener.close()
    record = one_open(tracer, outcome="aborted", role="server", handshake_ns=None, rport=peer.here[1])
    assert record["attempt_ns"] >= watch.ns("syn", "closed") - settings.SLACK_NS  # when its timer finds out


def overflow(pair, wire, version):
    """Room for three children, two are there. Two clients' SYNs have been answered, the first one's ACK takes the rest."""
    listener = listen_at(pair, version, backlog=2)
    for _ in range(2):
        wire.client_of(listener).establish()
    peers = [wire.client_of(listener) for _ in range(2)]
    for peer in peers:
        peer.request()
    for peer in peers:
        peer.send(ACK)
    return listener, peers


@VERSIONS
@pytest.mark.parametrize("abort", [False, True])
def test_overflow_at_the_ack(pair, wire, trace, version, abort):
    """Nobody accepts. The second child finds no room: its request times out, or a RST is sent at once."""
    pair.server.sysctl("ipv4/tcp_synack_retries", 0)
    pair.server.sysctl("ipv4/tcp_abort_on_overflow", int(abort))
    tracer = trace(pair.server)
    listener, (first, second) = overflow(pair, wire, version)
    if abort:
        second.expect(RST)
    tracer.wait_for("open", 4)
    records = tracer.stop()
    listener.close()
    assert records.conn(rport=first.here[1]).open["outcome"] == "established"
    record = records.conn(rport=second.here[1]).open
    assert (record["outcome"], record["role"], record["handshake_ns"]) == ("overflow", "server", None)
    assert near(record["attempt_ns"], 0 if abort else 1000 * MS, slack=100 * MS)


@VERSIONS
def test_syn_dropped(pair, wire, trace, version):
    """The accept queue is full: a SYN leaves nothing behind but a counter."""
    if not hook("syn")["variant"]:
        pytest.skip("this tier has no hook for SYNs that a full queue drops, and `check` says so")
    tracer = trace(pair.server)
    with listen_at(pair, version, backlog=1) as listener:
        for _ in range(2):
            wire.client_of(listener).establish()
        tracer.wait_for("open", 2, outcome="established")
        peer = wire.client_of(listener)
        peer.send(SYN)
        tracer.wait_for("open", outcome="syn_dropped")
        records = tracer.stop()
    (record,) = records.of("open", outcome="syn_dropped")
    assert (record["role"], record["raddr"], record["rport"]) == ("server", *peer.here)
    assert (record["laddr"], record["lport"]) == peer.there
    assert record["handshake_ns"] is None and record["backlog"] == {"len": 2, "max": 1}
    assert len(records.of("open")) == 3


@ADDRS
def test_backlog(netns, trace, addr):
    """How many wait for accept() when a child comes to the queue."""
    tracer = trace(netns)
    with netns.listen(addr, backlog=5) as listener:
        clients = [netns.connect(addr, listener.getsockname()[1]) for _ in range(4)]
        tracer.wait_for("open", 8)
        records = tracer.stop()
    ports = [client.getsockname()[1] for client in clients]
    found = {r["rport"]: r["backlog"] for r in records.of("open", role="server")}
    assert [found[port] for port in ports] == [{"len": n, "max": 5} for n in range(4)]
