# SPDX-License-Identifier: GPL-2.0-only
"""
Nothing is lost and nothing counted twice: what was done, what synfin told and what the kernel counted in the namespace
are the same numbers. The kernel counts (net/ipv4, by source):
  ActiveOpens   a SYN of ours was sent                          tcp_connect()
  PassiveOpens  a child was made                                tcp_create_openreq_child()
  AttemptFails  an attempt failed by a RST or without an answer, not by our own close(): tcp_done() in SYN_SENT or
                SYN_RECV; and a request that was reset          tcp_check_req()
  EstabResets   from ESTABLISHED or CLOSE_WAIT to CLOSE         tcp_set_state()
  CurrEstab     in ESTABLISHED or CLOSE_WAIT now                tcp_set_state()
  TW            a minisock was made for more than 4 s           __inet_twsk_schedule()
                (5.10: it ran out                               tw_timer_handler())
"""
import contextlib
import errno
import re
import socket
import struct
import time
from collections import Counter

import settings
from capture import ACK, RST
from netns import dial
from wire import HOSTS, SERVERS

LINGER0 = struct.pack("ii", 1, 0)
ALIVE, EMBRYOS = 7, 5
SUMMARY = re.compile(r"(\d+) client and (\d+) server opens begun, (\d+) established, (\d+) found open, (\d+) failed, "
                     r"(\d+) closed, (\d+) alive(?:, \d+ in time_wait)?; lost: (\d+) dropped, (\d+) missed, (\d+) evicted, (\d+) unattributed")


def client_first(client, server):
    client.close()
    server.close()


def server_first(client, server):
    client_first(server, client)


def half_close(client, server):
    client.shutdown(socket.SHUT_WR)
    server.sendall(b"x" * 10)
    server.close()
    while client.recv(100):
        pass
    client.close()


def linger(client, server):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER0)
    client_first(client, server)


def linger_server(client, server):
    linger(server, client)


def unread(client, server):
    client.sendall(b"x" * 10)
    server_first(client, server)


def linger_after_fin(client, server):
    """Reset in CLOSE_WAIT at one end, in FIN_WAIT2 at the other."""
    client.shutdown(socket.SHUT_WR)
    linger(server, client)


CONVERSATIONS = {client_first: "fin", server_first: "fin", half_close: "fin", linger: "reset", linger_server: "reset",
                 unread: "reset", linger_after_fin: "reset"}


def refused(family, addr):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        assert sock.connect_ex((addr, 5999)) == errno.ECONNREFUSED


def given_up(family):
    """Our own close() before there was an answer."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        assert sock.connect_ex((HOSTS[6 if family == socket.AF_INET6 else 4], 5999)) == errno.EINPROGRESS


def mix(netns, count):
    """So many connections, refused and given up ones among them; what was done, by name, and what is still open."""
    done, kept = Counter(), []
    kinds = [*CONVERSATIONS, refused, given_up]
    with netns.entered(), contextlib.ExitStack() as stack:
        for family, addr in ((socket.AF_INET, SERVERS[4]), (socket.AF_INET6, SERVERS[6])):
            listener = stack.enter_context(socket.create_server((addr, 5001), family=family))
            for nth in range(count // 2 + ALIVE):
                kind = kinds[nth % len(kinds)]
                if kind is refused:
                    refused(family, addr)
                elif kind is given_up:
                    given_up(family)
                else:
                    ends = socket.create_connection((addr, 5001)), listener.accept()[0]
                    if nth >= count // 2:
                        kept.append(ends)
                        kind = "alive"
                    else:
                        kind(*ends)
                done[kind] += 1
    return done, kept


def reset_requests(wire, netns):
    with netns.listen(SERVERS[4], 5002) as listener:
        for _ in range(EMBRYOS):
            peer = wire.client_of(listener)
            peer.request()
            peer.send(RST | ACK)
        time.sleep(0.2)  # until all have been taken


def counts_begun_time_waits(netns):
    for sock in dial(netns, netns):
        sock.close()
    return bool(netns.counters()["TW"])


def is_estab_reset(close):
    states = close["states"]
    return close["outcome"] != "fin" and states["fin_wait1_ns"] is None and states["last_ack_ns"] is None


def test_mixed_endings(pair, wire, trace):
    netns = pair.server
    netns.sysctl("ipv4/tcp_max_tw_buckets", 200_000)
    netns.sysctl("ipv4/ip_local_port_range", "10000 65000")
    at_begin = counts_begun_time_waits(netns)
    before, tracer = netns.counters(), trace(netns, alone=True)
    done, kept = mix(netns, settings.MIXED)
    reset_requests(wire, netns)
    time.sleep(0.5)
    counters = {name: value - before[name] for name, value in netns.counters().items()}
    records = tracer.stop()
    both = sum(done[kind] for kind in CONVERSATIONS)
    assert done["alive"] == len(kept) and not records.of("lost")

    opens = Counter((r["role"], r["outcome"]) for r in records.of("open"))
    assert opens == {("client", "established"): both + len(kept), ("server", "established"): both + len(kept),
                     ("client", "refused"): done[refused], ("client", "aborted"): done[given_up],
                     ("server", "reset"): EMBRYOS}
    closes = records.of("close")
    outcomes = Counter(r["outcome"] for r in closes)
    resets = sum(done[kind] for kind, how in CONVERSATIONS.items() if how == "reset")
    assert outcomes == {"fin": 2 * (both - resets), "reset_local": resets, "reset_remote": resets}
    told = {
        "ActiveOpens": sum(n for (role, outcome), n in opens.items() if role == "client" and outcome != "no_port"),
        "PassiveOpens": opens["server", "established"],
        "AttemptFails": opens["client", "refused"] + opens["server", "reset"],
        "EstabResets": sum(map(is_estab_reset, closes)),
        "CurrEstab": 2 * len(kept),
        "TW": sum(r["time_wait"] for r in closes) if at_begin else len(records.of("gone", end="timer")),
        "alive_tw": sum(r["time_wait"] for r in closes) - len(records.of("gone")),
    }
    assert told == {name: counters[name] for name in told}

    opened, ended = records.of("open", outcome="established"), {r["id"] for r in closes}
    assert len(ended) == len(closes) and len(opened) == len(closes) + 2 * len(kept)
    summary = SUMMARY.search(tracer.process.stderr).groups()
    clients, servers, established, found, failed, closed, alive, *lost = map(int, summary)
    assert (clients, servers) == (told["ActiveOpens"], told["PassiveOpens"] + EMBRYOS)
    assert (established, failed, closed) == (len(opened), len(records.of("open")) - len(opened), len(closes))
    assert alive == 2 * len(kept) and not found and not any(lost)
