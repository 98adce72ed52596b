# SPDX-License-Identifier: GPL-2.0-only
"""What was there before the tracer: followed from the middle, told once, with its owner, and no duration too long."""
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter

import pytest

import settings
from netns import dial
from process import Process, wait_until
from tracer import durations, tier_args

CROWD = [sys.executable, settings.ROOT / "tests" / "net" / "crowd.py"]
LISTENERS, PROCESSES = 20, 4


def spawn_crowd(spawn, netns, *args):
    return spawn([*CROWD, *args], netns=netns, stdin=subprocess.PIPE)


class Crowd:
    """Connections between processes that were there before; owner: {(local port, remote port): pid} of every end."""

    def __init__(self, spawn, netns):
        ports = range(7000, 7000 + LISTENERS)
        shares = [ports[i::PROCESSES] for i in range(PROCESSES)]
        self.began_ns = time.monotonic_ns()
        self.servers = [spawn_crowd(spawn, netns, "serve", *share) for share in shares]
        for server in self.servers:
            server.wait_for("listening", "stdout")
        self.clients = [spawn_crowd(spawn, netns, "dial", settings.CROWD // PROCESSES, *ports) for _ in shares]
        self.owner = {}
        for client in self.clients:
            client.wait_for("\n", "stdout")
            for nth, port in enumerate(map(int, client.stdout.split())):
                remote = ports[nth % LISTENERS]
                self.owner[port, remote] = client.pid
                self.owner[remote, port] = self.servers[(remote - ports[0]) % PROCESSES].pid

    def close(self):
        for client in self.clients:
            client.child.stdin.close()
        for client in self.clients:
            assert client.wait() == 0


def test_each_close_once_with_its_owner(netns, spawn, serve, trace):
    """Under churn: connections are born and die while the tracer attaches and looks around."""
    crowd = Crowd(spawn, netns)
    serve(netns, "--port", "6999", "--count", 0)
    churn = spawn([settings.PEER, "load", "--connect", "127.0.0.1:6999", "--count", 100_000, "--rate", 50 if settings.VM else 500,
                   "--close-first"],
                  netns=netns)
    tracer = trace(netns, alone=True)
    assert churn.status is None
    crowd.close()
    tracer.wait_for("close", len(crowd.owner), timeout=settings.PATIENCE)
    wait_until(lambda: {(r["lport"], r["rport"]) for r in tracer.records().of("close")} >= crowd.owner.keys(), every=0.5)
    churn.kill()
    records = tracer.stop()

    assert [r for r in records.of("close") if 6999 in (r["lport"], r["rport"])]  # the churn, which goes on
    closes = [r for r in records.of("close") if (r["lport"], r["rport"]) in crowd.owner]
    assert Counter((r["lport"], r["rport"]) for r in closes) == Counter(crowd.owner.keys()), tracer.process.stderr
    for record in closes:
        ends = record["lport"], record["rport"]
        assert (record["owner"]["pid"], record["owner"]["source"]) == (crowd.owner[ends], "iterator"), record
        assert record["role"] == ("server" if ends[0] < 7000 + LISTENERS else "client"), record
        assert "late" in record["flags"] and record["outcome"] == "fin", record
        assert "life_ns" in record["at_least"] and "established_ns" in record["at_least"], record
        assert all(value is None or value <= record["mono_ns"] - crowd.began_ns
                   for path, value in durations(record) if path not in ("mono_ns", "owner.start_ns", "srtt_ns")), record
    assert not [r for r in records.of("open") if (r["lport"], r["rport"]) in crowd.owner]
    assert not [r for r in records.of("lost") if r["missed"] or r["evicted"]]


def make_states(netns):
    """{(local port, remote port): state} of one connection in each state that lasts, its sockets, and the time."""
    listener = netns.listen(port=7100)
    pairs = []
    for _ in range(5):
        client = netns.connect("127.0.0.1", 7100)
        pairs.append((client, listener.accept()[0]))
    states, (plain, half, orphaned, over, waiting) = {}, [(c.getsockname()[1], 7100) for c, _ in pairs]
    states.update({plain: "established", plain[::-1]: "established"})
    pairs[1][0].shutdown(1)
    states.update({half: "fin_wait2", half[::-1]: "close_wait"})
    pairs[2][1].close()
    states.update({orphaned: "close_wait", orphaned[::-1]: "fin_wait2"})
    pairs[3][0].close()
    pairs[3][1].close()
    states[over] = "time_wait"
    states.update({waiting: "established", waiting[::-1]: "established"})
    return states, pairs, listener


def test_states_go_on(netns, trace):
    """Found in every state that lasts; what began before is a lower bound, what comes after is exact."""
    before_ns = time.monotonic_ns()
    states, pairs, listener = make_states(netns)
    made_ns = time.monotonic_ns()
    time.sleep(0.5)
    tracer = trace(netns, alone=True)
    time.sleep(0.2)
    pairs[1][1].close()  # CLOSE_WAIT>LAST_ACK, FIN_WAIT2>CLOSE
    pairs[2][0].close()
    tracer.wait_for("close", 4)
    records = tracer.stop()
    for ends, state in states.items():
        if state not in ("fin_wait2", "close_wait"):
            continue
        conn = records.conn(lport=ends[0], rport=ends[1])
        entered = conn.close["states"][state + "_ns"]
        other = "close_wait" if state == "fin_wait2" else "fin_wait2"
        assert state + "_ns" in conn.close["at_least"] and conn.close["states"][other + "_ns"] is None, conn.close
        assert 0 <= entered <= conn.close["mono_ns"] - before_ns
        assert conn.close["states"]["established_ns"] is None and conn.close["closed_by"] == \
            ("local" if state == "fin_wait2" else "remote"), conn.close
        if state == "close_wait":
            assert conn.close["states"]["last_ack_ns"] is not None
            assert "last_ack_ns" not in conn.close["at_least"], conn.close
            # the kernel's stamp of the last ACK proves most of it, to a tick
            assert entered >= conn.close["mono_ns"] - made_ns - 50 * settings.MS - settings.SLACK_NS, conn.close
    del listener


def test_accept_of_one_found_waiting(netns, trace):
    with netns.listen() as listener:
        client = netns.connect(*listener.getsockname())
        tracer = trace(netns, alone=True)
        listener.accept()[0].close()
        client.close()
        tracer.wait_for("close", 2)
    server = tracer.stop().conn(role="server")
    assert (server.accept["owner"]["pid"], server.accept["owner"]["source"]) == (os.getpid(), "accept")
    assert server.accept["at_least"] == ["accept_wait_ns"] and server.close["owner"]["source"] == "accept"


def test_handshake_found_in_the_middle(pair, trace):
    """SYN_SENT and a request: the SYN-ACK gets lost until the tracer is there."""
    listener, sock = pair.server.listen(pair.server4), pair.client.socket()
    with pair.deaf(pair.server, pair.client4):
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
        tracer = trace(pair.client, pair.server, alone=True)
    tracer.wait_for("open", 2, timeout=settings.PATIENCE)
    records = tracer.stop()
    for role in ("client", "server"):
        record = records.conn(role=role).open
        assert record["outcome"] == "established" and "late" in record["flags"], record
        assert (record["owner"]["pid"], record["owner"]["source"]) == (os.getpid(), "iterator"), record
        assert record["handshake_ns"] is None or "handshake_ns" in record["at_least"], record
    listener.close()


def test_attempt_found_and_given_up(pair, trace):
    """It has a port and has sent its SYN, though nobody saw when."""
    with pair.deaf(pair.client, pair.server4):
        sock = pair.client.socket()
        sock.setblocking(False)
        sock.connect_ex((pair.server4, 5999))
        port = sock.getsockname()[1]
        tracer = trace(pair.client, alone=True)
        sock.close()
    tracer.wait_for("open")
    (record,) = tracer.stop().of("open")
    assert (record["outcome"], record["lport"], record["handshake_ns"]) == ("aborted", port, None), record
    assert "late" in record["flags"]


SS_STATES = {"ESTAB": "established", "CLOSE-WAIT": "close_wait", "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait"}


def ask_ss(netns):
    """{(local port, remote port): (state, pid or None)}, by a witness."""
    with netns.entered():
        text = subprocess.run(["ss", "-Htanp"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        state, _, _, local, remote, *rest = line.split()
        pid = re.search(r"pid=(\d+)", " ".join(rest))
        if state != "LISTEN":
            found[int(local.rpartition(":")[2]), int(remote.rpartition(":")[2])] = SS_STATES[state], \
                int(pid[1]) if pid else None
    return found


@pytest.mark.parametrize("args", [[], ["-p", str(os.getpid())], ["--role", "server"], ["--lport", "7100"], ["--service", "7100"]],
                         ids=["all", "pid", "role", "lport", "service"])
def test_alive(netns, args):
    """Once, then exit; the same as `ss` says. A waiting connection is its listener's owner's, which ss leaves out."""
    made = time.monotonic_ns()
    states, pairs, listener = make_states(netns)
    unaccepted = netns.connect("127.0.0.1", 7100)
    waiting = 7100, unaccepted.getsockname()[1]
    time.sleep(0.3)
    one = Process([settings.SYNFIN, "trace", "--alive", "--json", "--netns", netns.path, *tier_args(), *args])
    assert one.wait() == 0, one.stderr
    records = one.json_lines()
    wanted = ask_ss(netns)
    assert {ends: state for ends, (state, _) in wanted.items()}.items() >= states.items()
    wanted[waiting] = wanted[waiting][0], os.getpid()
    if args[:1] == ["-p"]:
        wanted = {ends: (state, pid) for ends, (state, pid) in wanted.items() if pid == os.getpid()}
    elif args[:1] == ["--service"]:
        wanted = {ends: it for ends, it in wanted.items() if 7100 in ends}
    elif args:
        wanted = {ends: it for ends, it in wanted.items() if ends[0] == 7100}
    assert {(r["lport"], r["rport"]): (r["state"], r["owner"]["pid"]) for r in records} == wanted
    for record in records:
        assert record["type"] == "alive" and "late" in record["flags"], record
        assert 0 <= record["in_state_ns"] <= record["mono_ns"] - made
        assert "in_state_ns" in record["at_least"], record
    del listener, pairs


def test_service_of_older_ones(netns):
    """Both ends know it while somebody listens; without a listener nothing tells who opened a server's end, or where."""
    def ask(*args):
        one = Process([settings.SYNFIN, "trace", "--alive", "--json", "--netns", netns.path, *tier_args(), *args])
        assert one.wait() == 0, one.stderr
        return one.json_lines()

    listener = netns.listen(port=7100)
    client = netns.connect("127.0.0.1", 7100)
    server, port = listener.accept()[0], client.getsockname()[1]
    assert {(r["lport"], r["role"]): r["service_port"] for r in ask()} == {(port, "client"): 7100, (7100, "server"): 7100}
    assert [(r["by"], r["count"]) for r in ask("--by", "service")] == [({"service": "7100"}, 2)]
    listener.close()
    assert {(r["lport"], r["role"]): r["service_port"] for r in ask()} == {(port, "client"): 7100, (7100, None): None}
    assert [r["lport"] for r in ask("--service", "7100")] == [port]
    assert sorted((r["by"]["service"], r["count"]) for r in ask("--by", "service")) == [("7100", 1), ("unknown", 1)]
    server.close()


@pytest.mark.parametrize("why", ["plain", "fin_timeout", "linger2", "timestamps"])
def test_alive_orphans(netns, why):
    """
    Closed, and the peer does not close: the kernel's timer tells how long that has been so, to a tick. Where its length is not known,
    because the owner had set it or the peer sends no timestamps to hold it against, it never says more than is true.
    """
    if why == "fin_timeout":
        netns.sysctl("ipv4/tcp_fin_timeout", 20)
    if why == "timestamps":
        netns.sysctl("ipv4/tcp_timestamps", 0)
    near, far = dial(netns, netns)
    if why == "linger2":
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 20)
    before = time.monotonic_ns()
    near.close()
    closed = time.monotonic_ns()
    time.sleep(2.5)
    begun = time.monotonic_ns()
    one = Process([settings.SYNFIN, "trace", "--alive", "--json", "--netns", netns.path, *tier_args()])
    assert one.wait() == 0, one.stderr
    (record,) = (r for r in one.json_lines() if r["state"] == "fin_wait2")
    assert {"orphan", "late"} <= set(record["flags"]) and "in_state_ns" in record["at_least"], record
    assert 0 <= record["in_state_ns"] <= record["mono_ns"] - before
    if why in ("plain", "fin_timeout"):
        assert record["in_state_ns"] >= begun - closed - 20 * settings.MS, record  # two ticks of the slowest clock
    far.close()


def test_alive_as_a_table(netns):
    with netns.listen() as listener, netns.connect(*listener.getsockname()):
        one = Process([settings.SYNFIN, "trace", "--alive", "--netns", netns.path, *tier_args(), "--role", "client"])
        assert one.wait() == 0, one.stderr
    head, line = one.stdout.splitlines()
    assert head.split()[:3] == ["TIME(UTC)", "EVENT", "ROLE"]
    assert line.split()[1:4] == ["alive", "client", str(os.getpid())] and "established" in line


def pile(netns, count, port, pause):
    """(pairs, their listener): so many connections whose client has sent its FIN, one after the other."""
    listener = netns.listen(port=port)
    pairs = []
    for _ in range(count):
        client = netns.connect("127.0.0.1", port)
        pairs.append((client, listener.accept()[0]))
        client.shutdown(socket.SHUT_WR)
        time.sleep(pause)
    return pairs, listener


def test_alive_in_order(netns):
    """By state, in each state the oldest first."""
    pairs, listener = pile(netns, 6, 7100, 0.05)
    held = [dial(netns, netns) for _ in range(3)]
    one = Process([settings.SYNFIN, "trace", "--alive", "--json", "--netns", netns.path, *tier_args()])
    assert one.wait() == 0, one.stderr
    records = one.json_lines()
    order = ["established", "fin_wait2", "close_wait"]
    assert [record["state"] for record in records] == ["established"] * 6 + ["fin_wait2"] * 6 + ["close_wait"] * 6
    for state in order:
        since = [record["mono_ns"] - record["in_state_ns"] for record in records if record["state"] == state]
        assert since == sorted(since), (state, since)
    waits = [record["rport"] for record in records if record["state"] == "close_wait"]
    assert waits == [client.getsockname()[1] for client, _ in pairs]
    del listener, held


def test_alive_by(netns):
    """Counted by state and field, the group with the oldest connection first; as text and as JSON."""
    younger = pile(netns, 2, 7101, 0)
    time.sleep(0.1)
    begun = time.monotonic_ns()
    youngest = pile(netns, 3, 7102, 0)
    argv = [settings.SYNFIN, "trace", "--alive", "--netns", netns.path, *tier_args()]
    one = Process([*argv, "--by", "lport,comm", "--json", "--lport", "7101,7102"])
    text = Process([*argv, "--by", "lport,comm", "--lport", "7101,7102"])
    assert one.wait() == 0 and text.wait() == 0, one.stderr + text.stderr
    comm = open("/proc/self/comm", encoding="utf-8").read().strip()
    records = one.json_lines()
    assert [(r["type"], r["state"], r["by"], r["count"]) for r in records] == [
        ("alive_by", "close_wait", {"lport": "7101", "comm": comm}, 2),
        ("alive_by", "close_wait", {"lport": "7102", "comm": comm}, 3)]
    assert records[0]["oldest_ns"] >= records[1]["oldest_ns"] and records[1]["oldest_ns"] <= records[1]["mono_ns"] - begun
    assert all(r["at_least"] in ([], ["oldest_ns"]) for r in records)
    head, *lines = text.stdout.splitlines()
    assert head.split() == ["STATE", "COUNT", "OLDEST", "BY"]
    assert [line.split()[:2] + line.split()[3:4] for line in lines] == [["close_wait", "2", "lport=7101"],
                                                                       ["close_wait", "3", "lport=7102"]]
    del younger, youngest


def test_leak_is_named(netns, spawn, trace):
    """A process stuck with many sockets in CLOSE_WAIT: its count and age, within an interval."""
    count = settings.LEAK
    server = spawn_crowd(spawn, netns, "serve", "7300")
    server.wait_for("listening", "stdout")
    began = time.monotonic_ns()
    leaky = spawn_crowd(spawn, netns, "dial", str(count), "7300")
    leaky.wait_for("\n", "stdout")
    tracer = trace(netns, command="hist", args=["-i", "1"])
    server.child.stdin.close()  # its end closes them all
    assert server.wait() == 0
    assert wait_until(lambda: any(r["alive"].get("close_wait") == count for r in tracer.records()), every=0.1)
    tracer.process.stop()
    record = next(r for r in tracer.records() if r["alive"].get("close_wait") == count)
    group = next(g for g in record["piled_up"] if g["state"] == "close_wait")
    assert (group["pid"], group["count"]) == (leaky.pid, count), record
    assert record["alive"]["fin_wait2"] == count, record
    assert 0 <= group["oldest_ns"] <= record["mono_ns"] - began
    assert not group["at_least"], group
