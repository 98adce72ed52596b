# SPDX-License-Identifier: GPL-2.0-only
"""Every other way to open: SYNs that cross, no request, no child, another listener. And the requests that die."""
import errno
import os
import socket
import time
from pathlib import Path

import pytest

import settings
from capture import ACK, RST, SYN
from expect import Stopwatch, hook, near
from netns import dial
from process import wait_until
from settings import MS
from wire import SERVERS

VERSIONS = pytest.mark.parametrize("version", [4, 6])
ADDRS = {4: "127.0.0.1", 6: "::1"}
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


def test_self_connect(netns, trace):
    """One socket that is both ends: one connection."""
    tracer = trace(netns)
    for addr in ADDRS.values():
        sock = netns.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
        sock.bind((addr, 5001))
        sock.connect((addr, 5001))
        sock.sendall(b"x" * 100)
        assert len(sock.recv(1000)) == 100
        sock.close()
    tracer.wait_for("close", 2)
    records = tracer.stop()
    for family in ADDRS:
        conn = records.conn(family=family)
        assert (conn.open["outcome"], conn.open["role"]) == ("established", "both")
        assert (conn.open["lport"], conn.open["rport"], conn.open["service_port"]) == (5001, 5001, 5001)
        assert (conn.close["outcome"], conn.close["closed_by"]) == ("fin", "both")
        assert (conn.close["bytes_sent"], conn.close["bytes_received"]) == (100, 100)


# --- no request, or one of another kind --------------------------------------------------------------------

def test_fastopen(netns, trace):
    """Data in the SYN, no cookie needed: both ends are flagged."""
    netns.sysctl("ipv4/tcp_fastopen", 0x607)
    tracer = trace(netns)
    for addr in ADDRS.values():
        with netns.listen(addr) as listener:
            client = netns.socket(listener.family)
            client.sendto(b"x" * 100, MSG_FASTOPEN, listener.getsockname())
            server = listener.accept()[0]
        assert len(server.recv(1000)) == 100
        client.close()
        server.close()
    tracer.wait_for("close", 4)
    records = tracer.stop()
    for family in ADDRS:
        client, server = (records.conn(role=role, family=family) for role in ("client", "server"))
        for conn in (client, server):
            assert conn.open["outcome"] == "established" and conn.open["handshake_ns"] is not None
            assert "fastopen" in conn.open["flags"] and "syncookie" not in conn.open["flags"], conn.open
            assert conn.close["owner"]["pid"] == os.getpid()
        assert client.close["bytes_sent"] == server.close["bytes_received"] == 100


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


@pytest.mark.native
def test_fastopen_is_counted_while_nobody_knows_it(pair, wire, trace):
    """Between its SYN and the final ACK only the kernel knows whose a child is; what counts the living goes on meanwhile."""
    pair.server.sysctl("ipv4/tcp_fastopen", 0x607)
    hist = trace(pair.server, command="hist", args=["-i", "100ms"])
    with listen_at(pair, 4) as listener:
        peer = wire.client_of(listener)
        peer.send(SYN, b"x" * 100)
        peer.expect(SYN | ACK)
        server = listener.accept()[0]
        time.sleep(0.5)
        peer.send(ACK)
        time.sleep(0.3)
        server.close()
    assert hist.process.stop() == 0, hist.process.stderr
    opens = [counter for interval in hist.process.json_lines() for counter in interval["counters"]
             if counter["metric"] == "opens"]
    assert [(counter["labels"]["outcome"], counter["count"]) for counter in opens] == [("established", 1)]


def dial_both(netns, tracer):
    """The records of a connection by IPv4 and one by IPv6."""
    for addr in ADDRS.values():
        for sock in dial(netns, netns, addr):
            sock.close()
    tracer.wait_for("close", 4)
    return tracer.stop()


def test_fastopen_listener_without_fastopen(netns, trace):
    """A plain client of a TCP Fast Open listener is a plain connection."""
    netns.sysctl("ipv4/tcp_fastopen", 0x607)
    conns = dial_both(netns, trace(netns)).conns()
    assert len(conns) == 4
    for conn in conns:
        assert not {"fastopen", "syncookie"} & set(conn.open["flags"]), conn.open
        assert conn.open["handshake_ns"] is not None


def test_syncookies(netns, trace):
    """The server forgot the SYN: it has no handshake time, and says why. The client has one."""
    netns.sysctl("ipv4/tcp_syncookies", 2)
    records = dial_both(netns, trace(netns))
    for family in ADDRS:
        client, server = (records.conn(role=role, family=family) for role in ("client", "server"))
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

@pytest.mark.parametrize("addr", ADDRS.values())
def test_reuseport(netns, trace, serve, load, addr):
    """Two processes listen at one port: each connection belongs to the one that accepted it."""
    tracer = trace(netns)
    servers = [serve(netns, "--port", 5001, "--addr", addr, "--reuseport", "--count", 0) for _ in range(2)]
    target = f"[{addr}]:5001" if ":" in addr else f"{addr}:5001"
    lines = load(netns, "--connect", target, "--count", 30, "--close-first")
    tracer.wait_for("close", 60)
    conns = tracer.stop().conns(role="server")
    for server in servers:
        server.kill()
    took = {line["rport"]: line["pid"] for server in servers for line in server.json_lines() if line["event"] == "conn"}
    assert len(took) == len(conns) == len(lines) == 30 and len(set(took.values())) == 2
    for conn in conns:
        assert conn.close["owner"]["pid"] == took[conn["rport"]]
        assert "reuseport" in conn.open["flags"]


class Heritage:
    """A listener that is closed at some moment, and a process that listens at the same port from another one on."""

    def __init__(self, pair, serve, version, port):
        self.listener = pair.server.socket(socket.AF_INET6 if version == 6 else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.listener.bind((SERVERS[version], port))
        self.listener.listen()
        self.serve = lambda: serve(pair.server, "--port", port, "--addr", SERVERS[version], "--reuseport", "--count", 0)

    def pass_on(self):
        heir = self.serve()
        self.listener.close()
        return heir


@VERSIONS
def test_migration(pair, wire, trace, serve, version):
    """
    The listener is closed while a request waits, whose final ACK comes before or after the request's timer, or while a
    child waits in its accept queue: another's process gets them.
    """
    if " reuseport_migrate_sock\n" not in Path("/proc/kallsyms").read_text(encoding="ascii"):
        pytest.skip("this kernel does not migrate requests (since 5.14; 5.10 has only the sysctl)")
    pair.server.sysctl("ipv4/tcp_migrate_req", 1)
    tracer, watch = trace(pair.server), Stopwatch()
    cases = {name: Heritage(pair, serve, version, 5001 + nth) for nth, name in enumerate(("ack", "timer", "child"))}
    peers = {name: wire.client_of(case.listener) for name, case in cases.items()}
    for name, peer in peers.items():
        watch.mark(f"{name} syn")
        peer.request()
    peers["child"].send(ACK)
    watch.mark("child established")
    heirs = {}
    for name in ("ack", "child", "timer"):
        heirs[name] = cases[name].pass_on()
        watch.mark(f"{name} passed on")
        if name == "ack":
            peers[name].send(ACK)
            watch.mark("ack established")
    peers["timer"].expect(SYN | ACK)
    pause(watch, "timer established")
    peers["timer"].send(ACK)
    tracer.wait_for("accept", 3)
    records = tracer.stop()
    assert not records.of("close")
    for name, peer in peers.items():
        conn = records.conn(rport=peer.here[1])
        assert (conn.open["outcome"], conn.open["role"]) == ("established", "server")
        assert ("migrated" in conn.open["flags"]) == (name != "child"), (name, conn.open)
        assert near(conn.open["handshake_ns"], watch.ns(f"{name} syn", f"{name} established"), 2 * settings.SLACK_NS)
        assert conn.open["synack_retrans"] == (name == "timer")
        assert (conn.accept["owner"]["pid"], conn.accept["owner"]["source"]) == (heirs[name].pid, "accept")
    accept = records.conn(rport=peers["child"].here[1]).accept
    assert near(accept["accept_wait_ns"], watch.ns("child established", "child passed on"), 2 * settings.SLACK_NS)


# --- requests that die -------------------------------------------------------------------------------------

def die_unanswered(pair, wire, version, watch, retries):
    """No ACK to any SYN-ACK."""
    listener = listen_at(pair, version)
    if retries:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, retries)
    peer = wire.client_of(listener)
    peer.request()
    return listener, peer


def die_reset(pair, wire, version, watch):
    listener = listen_at(pair, version)
    peer = wire.client_of(listener)
    watch.mark(f"syn {version}")
    peer.request()
    pause(watch, f"reset {version}")
    peer.send(RST)
    return listener, peer


def die_with_listener(pair, wire, version, watch):
    """It is found out by the request's timer."""
    listener = listen_at(pair, version)
    peer = wire.client_of(listener)
    peer.request()
    listener.close()
    return listener, peer


def die_of_overflow(pair, wire, version, watch, abort):
    """Room for three children, two are there. Of two clients with SYN-ACKs the first one's ACK takes the rest."""
    pair.server.sysctl("ipv4/tcp_abort_on_overflow", int(abort))
    listener = listen_at(pair, version, backlog=2)
    for _ in range(2):
        wire.client_of(listener).establish()
    peers = [wire.client_of(listener) for _ in range(2)]
    for peer in peers:
        peer.request()
    for peer in peers:
        peer.send(ACK)
    if abort:
        peers[1].expect(RST)
    return listener, peers[1]


def test_requests_that_die(pair, wire, trace):
    """Each in its way, v4 and v6, all at once: most take a timer of a second."""
    cases = {  # how: outcome, SYN-ACKs sent again, after ms
        "unanswered": ("synack_timed_out", 0, 1000), "unanswered twice": ("synack_timed_out", 1, 3000),
        "reset": ("reset", 0, None), "listener": ("aborted", 0, 1000), "overflow": ("overflow", 0, 1000),
        "overflow, abort": ("overflow", 0, 0),
    }
    pair.server.sysctl("ipv4/tcp_synack_retries", 0)
    tracer, watch = trace(pair.server), Stopwatch()
    made = {}
    for version in (4, 6):
        args = pair, wire, version, watch
        made.update({("unanswered", version): die_unanswered(*args, retries=0),
                     ("unanswered twice", version): die_unanswered(*args, retries=1),
                     ("reset", version): die_reset(*args), ("listener", version): die_with_listener(*args),
                     ("overflow, abort", version): die_of_overflow(*args, abort=True),
                     ("overflow", version): die_of_overflow(*args, abort=False)})
    tracer.wait_for("open", 24, timeout=8)
    records = tracer.stop()
    assert len(records.of("open", outcome="established")) == 2 * 2 * 3
    for (how, version), (listener, peer) in made.items():
        listener.close()
        outcome, retrans, ms = cases[how]
        record = records.conn(rport=peer.here[1]).open
        assert (record["outcome"], record["role"], record["handshake_ns"]) == (outcome, "server", None), (how, record)
        assert (record["raddr"], record["synack_retrans"]) == (peer.here[0], retrans), (how, record)
        if ms is None:
            assert near(record["attempt_ns"], watch.ns(f"syn {version}", f"reset {version}")), (how, record)
        else:
            assert near(record["attempt_ns"], ms * MS, max(100 * MS, 4 * settings.SLACK_NS)), (how, record)


def skip_without_syns():
    if not hook("syn")["variant"]:
        pytest.skip("this tier has no hook for SYNs that a full queue drops, and `check` says so")


def fill(tracer, wire, listener):
    """An accept queue of backlog 1: the peers whose connections are in it."""
    for _ in range(2):
        wire.client_of(listener).establish()
    tracer.wait_for("open", 2, outcome="established")


@VERSIONS
def test_syn_dropped(pair, wire, trace, version):
    """The accept queue is full: a SYN leaves nothing behind but a counter."""
    skip_without_syns()
    tracer = trace(pair.server)
    with listen_at(pair, version, backlog=1) as listener:
        fill(tracer, wire, listener)
        peer = wire.client_of(listener)
        peer.send(SYN)
        tracer.wait_for("open", outcome="syn_dropped")
        records = tracer.stop()
    (record,) = records.of("open", outcome="syn_dropped")
    assert (record["role"], record["raddr"], record["rport"]) == ("server", *peer.here)
    assert (record["laddr"], record["lport"]) == peer.there
    assert record["handshake_ns"] is None and record["backlog"] == {"len": 2, "max": 1}
    assert record["syn_retrans"] == 0 and len(records.of("open")) == 3


@VERSIONS
def test_syn_dropped_again(pair, wire, trace, version):
    """A repeat has the number of the first, and says which it is; the same ports with another sequence number are another attempt."""
    skip_without_syns()
    tracer, hist = trace(pair.server, alone=True), trace(pair.server, command="hist")
    with listen_at(pair, version, backlog=1) as listener:
        fill(tracer, wire, listener)
        peer, other = wire.client_of(listener), wire.client_of(listener)
        sent = [(peer, peer.isn)] * 2 + [(other, other.isn)] + [(peer, peer.isn), (peer, peer.isn + 5000), (other, other.isn)]
        for count, (one, seq) in enumerate(sent, 1):
            one.send(SYN, seq=seq)
            tracer.wait_for("open", count, outcome="syn_dropped")
        listener.accept()[0].close()
        peer.send(SYN, seq=peer.isn)
        peer.expect(SYN | ACK)
        peer.send(ACK)
        tracer.wait_for("open", 3, outcome="established")
    assert tracer.process.stop() == 0 and hist.process.stop() == 0
    drops = tracer.records().of("open", outcome="syn_dropped")
    assert [(r["rport"], r["syn_retrans"]) for r in drops] == [
        (peer.here[1], 0), (peer.here[1], 1), (other.here[1], 0), (peer.here[1], 2), (peer.here[1], 0), (other.here[1], 1)]
    ids = [r["id"] for r in drops]
    assert ids[0] == ids[1] == ids[3] and ids[2] == ids[5] and len({*ids}) == 3
    taken = next(r for r in tracer.records().of("open", outcome="established") if r["rport"] == peer.here[1])
    assert taken["id"] not in ids and taken["syn_retrans"] is None
    assert "6 server opens begun, 3 established, 0 found open, 3 failed" in tracer.process.stderr
    counters = {(item["metric"], item["labels"].get("outcome")): item["count"] for item in hist.records()[-1]["counters"]}
    assert counters["opens", "syn_dropped"] == 3 and counters["syn_drops", None] == 6


def test_backlog(netns, trace):
    """How many wait for accept() when a child comes to the queue."""
    tracer, ports = trace(netns), []
    for addr in ADDRS.values():
        with netns.listen(addr, backlog=5) as listener:
            clients = [netns.connect(addr, listener.getsockname()[1]) for _ in range(4)]
            ports += [client.getsockname()[1] for client in clients]
    tracer.wait_for("open", 16)
    found = {r["rport"]: r["backlog"] for r in tracer.stop().of("open", role="server")}
    assert [found[port] for port in ports] == [{"len": n, "max": 5} for n in range(4)] * 2
