# SPDX-License-Identifier: GPL-2.0-only
"""
Connections that never were: what ended the attempt, and after how long. That is `attempt_ns`: a failure has
no handshake time.
"""
import ctypes
import errno
import os
import re
import select
import socket
import struct
import time

import pytest

import settings
from capture import flows
from expect import Stopwatch, hook, near, only_flow, pair_up
from test_hist import stop


def attempt(netns, addr, port):
    """A connect() that must fail: (errno name, its duration). Only that: in a guest to enter a namespace takes its time."""
    watch = Stopwatch()
    with netns.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET) as sock:
        watch.mark("begin")
        error = sock.connect_ex((addr, port))
        watch.mark("end")
    return errno.errorcode[error], watch.ns("begin", "end")


def check_failed(records, outcome, error, pid=os.getpid()):
    """The one `open` of a failed attempt, by default this process's; there is no other record of it."""
    (record,) = records
    assert record["type"] == "open" and record["role"] == "client"
    assert record["outcome"] == outcome
    assert record["error"] == error, record
    assert record["handshake_ns"] is None
    assert record["owner"]["pid"] == pid and record["owner"]["source"] == "connect"
    return record


@pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
def test_refused(netns, trace, capture, addr):
    tracer, witness = trace(netns), capture(netns)
    error, took = attempt(netns, addr, 5999)
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "refused", error)
    flow = only_flow(witness.stop())
    assert error == "ECONNREFUSED"
    assert (record["laddr"], record["lport"], record["raddr"], record["rport"]) == (*flow.client, addr, 5999)
    assert 0 < record["attempt_ns"] <= took
    assert near(record["attempt_ns"], flow.resets(flow.server)[0].time_ns - flow.syns[0].time_ns)
    assert record["syn_retrans"] == 0


def test_timed_out(pair, trace, capture):
    pair.client.sysctl("ipv4/tcp_syn_retries", 1)
    if os.path.exists("/proc/sys/net/ipv4/tcp_syn_linear_timeouts"):
        pair.client.sysctl("ipv4/tcp_syn_linear_timeouts", 0)
    tracer, witness = trace(pair.client), capture(pair.client)
    with pair.deaf(pair.client, pair.server4):
        error, took = attempt(pair.client, pair.server4, 5999)
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "timed_out", error)
    flow = only_flow(witness.stop())
    assert error == "ETIMEDOUT"
    assert record["syn_retrans"] == len(flow.syns) - 1 == 1
    assert near(record["attempt_ns"], took)
    assert (record["laddr"], record["lport"]) == flow.client


BEHIND = {"ipv4": "10.77.0.1", "ipv6": "fd77::1"}


@pytest.fixture
def dead_end(pair):
    """The router (the other namespace) answers to what goes to BEHIND with ICMP, as often as it takes."""
    pair.server.sysctl("ipv4/ip_forward", 1)
    pair.server.sysctl("ipv6/conf/all/forwarding", 1)
    pair.server.sysctl("ipv4/icmp_ratelimit", 0)
    pair.server.sysctl("ipv6/icmp/ratelimit", 0)
    for version, network, router in (("-4", "10.77.0.0/24", pair.server4), ("-6", "fd77::/64", pair.server6)):
        pair.server.ip(version, "route", "add", "unreachable", network)
        pair.client.ip(version, "route", "add", network, "via", router)
    return pair


@pytest.mark.parametrize("family", BEHIND)
def test_unreachable(dead_end, trace, load, family):
    """A connect() that blocks."""
    tracer = trace(dead_end.client)
    (line,) = load(dead_end.client, "--connect", f"[{BEHIND[family]}]:5999" if family == "ipv6" else f"{BEHIND[family]}:5999")
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "unreachable", line["error"], line["pid"])
    assert line["error"] in ("EHOSTUNREACH", "ENETUNREACH")
    assert near(record["attempt_ns"], line["connect_end_ns"] - line["connect_begin_ns"])


@pytest.mark.parametrize("family", BEHIND)
def test_unreachable_while_polling(dead_end, trace, family):
    """The ICMP comes while connect() holds the socket's lock: the kernel would go on, but the caller asks, and gives up."""
    tracer, watch = trace(dead_end.client), Stopwatch()
    sock = dead_end.client.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
    sock.setblocking(False)
    watch.mark("begin")
    assert sock.connect_ex((BEHIND[family], 5999)) == errno.EINPROGRESS
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    assert poller.poll(1000 * settings.PATIENCE)
    error = errno.errorcode[sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]
    sock.close()
    watch.mark("end")
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "unreachable", error)
    assert error in ("EHOSTUNREACH", "ENETUNREACH")
    assert near(record["attempt_ns"], watch.ns("begin", "end"))


@pytest.mark.parametrize("family", BEHIND)
def test_unreachable_and_given_up(dead_end, trace, family):
    """As above, but the caller closes without asking; what it would have been told another socket says, of another port."""
    tracer = trace(dead_end.client)
    for port in (5998, 5999):
        sock = dead_end.client.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
        sock.setblocking(False)
        assert sock.connect_ex((BEHIND[family], port)) == errno.EINPROGRESS
        time.sleep(0.2)
        if port == 5998:
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        sock.close()
        if port == 5998:
            time.sleep(1.1)  # ip_error() may have a limit of its own, one ICMP a second
    tracer.wait_for("open", 2)
    check_failed(tracer.stop().of("open", rport=5999), "unreachable", errno.errorcode[error])
    assert error in (errno.EHOSTUNREACH, errno.ENETUNREACH)


ROUTES = {"none": None, "unreachable": "unreachable", "prohibit": "prohibit", "blackhole": "blackhole"}


def see_connect(tracer):
    """Skips where the `ready` line names the hook as missing."""
    if re.search(r"ready: .*missing: .*\bconnect\b", tracer.process.stderr):
        pytest.skip("this kernel does not say where a failed connect() went (bpf_task_pt_regs(), 5.15), and `check` says so")


@pytest.mark.parametrize("addr", ["10.88.0.1", "fd88::1", "::ffff:10.88.0.1"])
@pytest.mark.parametrize("route", ROUTES)
def test_no_route(netns, trace, route, addr):
    """connect() fails before anything changes: the errno that it returned is all there is, with whose it was and where to."""
    if ROUTES[route]:
        netns.ip("route", "add", ROUTES[route], "10.88.0.0/24")
        netns.ip("-6", "route", "add", ROUTES[route], "fd88::/64")
    tracer = trace(netns)
    see_connect(tracer)
    error, _ = attempt(netns, addr, 5999)
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "unreachable", error)
    assert (record["raddr"], record["rport"]) == (addr.removeprefix("::ffff:"), 5999)
    assert ("v4mapped" in record["flags"]) == addr.startswith("::ffff")
    assert record["laddr"] is record["lport"] is record["attempt_ns"] is None
    assert record["netns"] == netns.inode


def test_no_route_from_a_port(netns, trace):
    """The socket is bound; it tries twice, for nothing came of the first; then a connect() that fails later is told once."""
    tracer = trace(netns)
    see_connect(tracer)
    with netns.socket() as sock:
        sock.bind(("127.0.0.1", 5998))
        assert sock.connect_ex(("10.88.0.1", 5999)) == sock.connect_ex(("10.88.0.1", 5999)) == errno.ENETUNREACH
        assert sock.connect_ex(("127.0.0.1", 5999)) == errno.ECONNREFUSED
    tracer.wait_for("open", 3)
    records = tracer.stop()
    assert [(r["laddr"], r["lport"], r["outcome"], r["error"]) for r in records] == [
        ("127.0.0.1", 5998, "unreachable", "ENETUNREACH")] * 2 + [("127.0.0.1", 5998, "refused", "ECONNREFUSED")]


def test_no_route_and_wrong_arguments(netns, trace):
    """EINVAL is not always the routing's: what connect() was given may be no address of its kind, or lack its link."""
    tracer = trace(netns)
    see_connect(tracer)
    libc = ctypes.CDLL(None, use_errno=True)
    with netns.socket(socket.AF_INET6) as sock:
        four = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 5998) + socket.inet_aton("10.88.0.1") + bytes(8)
        assert libc.connect(sock.fileno(), four, len(four)) == -1 and ctypes.get_errno() == errno.EINVAL
        assert sock.connect_ex(("fe80::1", 5998)) == errno.EINVAL
        assert sock.connect_ex(("fd88::1", 5999)) == errno.ENETUNREACH
    tracer.wait_for("open")
    assert [(r["rport"], r["error"]) for r in tracer.stop()] == [(5999, "ENETUNREACH")]


def test_no_route_is_counted(netns, trace):
    """... and filtered as any other attempt of this process."""
    hist = trace(netns, command="hist", args=["--by", "rport", "-p", str(os.getpid()), "--rport", "5998,5999"])
    see_connect(hist)
    for port in (5997, 5998, 5999, 5999):
        attempt(netns, "10.88.0.1", port)
    time.sleep(0.3)
    (interval,) = stop(hist)
    assert {(item["metric"], item["by"]["rport"], item["labels"]["role"], item["labels"]["outcome"]): item["count"]
            for item in interval["counters"]} == {("opens", "5998", "client", "unreachable"): 1,
                                                  ("opens", "5999", "client", "unreachable"): 2}
    assert not interval["histograms"] and not interval["alive"]


@pytest.mark.native
def test_no_route_is_missing(netns, trace):
    """The tracepoint of connect() comes with those of accept(); where these are not wanted `ready` says what is missing."""
    if hook("connect")["variant"] != "syscall":
        pytest.skip("connect() is seen by its functions here")
    tracer = trace(netns, args=["--role", "client"])
    assert re.search(r"ready: .*missing: .*\bconnect\b", tracer.process.stderr)
    tracer.stop()


def test_aborted(pair, trace):
    """A non-blocking connect() given up by close() before any answer."""
    tracer, watch = trace(pair.client), Stopwatch()
    with pair.deaf(pair.client, pair.server4):
        sock = pair.client.socket()
        sock.setblocking(False)
        watch.mark("begin")
        assert sock.connect_ex((pair.server4, 5999)) == errno.EINPROGRESS
        time.sleep(0.2)
        sock.close()
        watch.mark("end")
    tracer.wait_for("open")
    record = check_failed(tracer.stop(), "aborted", None)
    assert near(record["attempt_ns"], watch.ns("begin", "end"))


def test_no_port(netns, trace):
    """The only local port is taken by a connection to the same peer."""
    netns.sysctl("ipv4/ip_local_port_range", "40000 40000")
    tracer = trace(netns)
    with netns.listen(port=5001):
        first = netns.connect("127.0.0.1", 5001)
        error, _ = attempt(netns, "127.0.0.1", 5001)
        tracer.wait_for("open", outcome="no_port")
        records = tracer.stop()
        first.close()
    assert error == "EADDRNOTAVAIL"
    check_failed(records.of("open", outcome="no_port"), "no_port", None)  # connect() returns it, the socket has none
    assert len(records.of("open", role="client")) == 2


def test_failures_and_successes_stay_apart(netns, trace, capture, serve, load):
    """Refused attempts between good ones change neither the count nor the times of the good ones."""
    tracer, witness = trace(netns), capture(netns)
    serve(netns, "--port", 5001, "--count", 20)
    for _ in range(20):
        load(netns, "--connect", "127.0.0.1:5001", "--close-first")
        load(netns, "--connect", "127.0.0.1:5999")
    tracer.wait_for("close", 40)
    records, found = tracer.stop(), flows(witness.stop())
    good, bad = (records.of("open", role="client", outcome=o) for o in ("established", "refused"))
    assert len(good) == len(bad) == 20
    assert len(records.of("close")) == 40
    for conn, flow in pair_up(records.conns(role="client", rport=5001), found, "client"):
        assert near(conn.open["handshake_ns"], flow.handshake_ns)
