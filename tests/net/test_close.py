# SPDX-License-Identifier: GPL-2.0-only
"""The way from the first FIN to the end, state by state, on both sides."""
import os
import socket
import threading
import time

import pytest

from capture import ACK
from expect import Stopwatch, near, needs_minisock, only_flow
from netns import dial
from settings import MS


def by_role(tracer):
    """(client's Conn, server's Conn) of the one connection, once both ends are over."""
    tracer.wait_for("close", 2)
    records = tracer.stop()
    assert not records.of("lost")
    return records.conn(role="client"), records.conn(role="server")


def fin_waits_ns(close):
    """From our FIN to the peer's. Where FIN_WAIT1 ends in between is up to the peer's delayed ACK."""
    return close["states"]["fin_wait1_ns"] + close["states"]["fin_wait2_ns"]


@pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
def test_server_waits_before_close(netns, trace, capture, serve, load, addr):
    """The client's process is gone long before its connection ends."""
    tracer, witness = trace(netns), capture(netns)
    server = serve(netns, "--port", 5001, "--v6", "--bytes", 64, "--wait", 300)
    target = f"[{addr}]:5001" if ":" in addr else f"{addr}:5001"
    (line,) = load(netns, "--connect", target, "--bytes", 64, "--close-first")
    assert server.wait() == 0
    told = server.json_lines()[-1]
    client_conn, server_conn = by_role(tracer)
    flow = only_flow(witness.stop())
    fin, answer = flow.fins(flow.client)[0], flow.fins(flow.server)[0]
    acked = next(s for s in flow.of(flow.server, ACK) if s.ack == (fin.seq + 1) % 2**32)  # may be a delayed ACK

    close = server_conn.close
    assert (close["outcome"], close["closed_by"], close["time_wait"]) == ("fin", "remote", False)
    assert near(close["states"]["close_wait_ns"], told["close_begin_ns"] - told["eof_ns"])
    assert close["closer"]["pid"] == server.pid
    assert near(close["close_ns"], answer.time_ns - fin.time_ns)

    close = client_conn.close
    assert (close["outcome"], close["closed_by"]) == ("fin", "local")
    assert close["closer"]["pid"] == line["pid"]
    assert "orphan" in close["flags"]
    assert close["states"]["close_wait_ns"] is None and close["states"]["last_ack_ns"] is None
    needs_minisock(close)
    assert near(close["states"]["fin_wait1_ns"], acked.time_ns - fin.time_ns)
    assert near(close["states"]["fin_wait2_ns"], answer.time_ns - acked.time_ns)
    assert near(close["close_ns"], answer.time_ns - fin.time_ns)
    assert close["time_wait"]


def test_end_of_a_blind_tier_is_marked(netns, trace, serve, load):
    """A tier that loses sight at the ACK of the FIN never passes that moment off as the connection's end."""
    tracer = trace(netns)
    serve(netns, "--port", 5001, "--wait", 300)
    load(netns, "--connect", "127.0.0.1:5001", "--close-first")
    close = by_role(tracer)[0].close
    for name in ("close_ns", "life_ns"):
        assert close[name] is None or close[name] > 250 * MS or name in close["at_least"], close
    fin_wait2 = close["states"]["fin_wait2_ns"]
    assert fin_wait2 is None or fin_wait2 > 250 * MS or "fin_wait2_ns" in close["at_least"], close


def test_server_closes_first(netns, trace, serve, load):
    tracer = trace(netns)
    server = serve(netns, "--port", 5001, "--bytes", 64, "--close-first")
    (line,) = load(netns, "--connect", "127.0.0.1:5001", "--bytes", 64, "--wait", 200)
    client_conn, server_conn = by_role(tracer)
    assert (client_conn.close["closed_by"], server_conn.close["closed_by"]) == ("remote", "local")
    assert {c.close["outcome"] for c in (client_conn, server_conn)} == {"fin"}
    assert near(client_conn.close["states"]["close_wait_ns"], line["close_begin_ns"] - line["eof_ns"])
    assert (client_conn.close["closer"]["pid"], server_conn.close["closer"]["pid"]) == (line["pid"], server.pid)
    assert not client_conn.close["time_wait"]
    needs_minisock(server_conn.close)
    assert near(fin_waits_ns(server_conn.close), line["close_begin_ns"] - line["eof_ns"])
    assert server_conn.close["time_wait"]


def test_half_close(netns, trace):
    """shutdown(SHUT_WR), data the other way for 300 ms, then the answer's FIN."""
    tracer, watch = trace(netns), Stopwatch()
    client, server = dial(netns, netns)
    watch.mark("established")
    time.sleep(0.1)
    watch.mark("fin")
    client.shutdown(socket.SHUT_WR)
    for _ in range(3):
        time.sleep(0.1)
        server.sendall(bytes(1000))
    watch.mark("answer")
    server.close()
    while client.recv(65536):
        pass
    time.sleep(0.1)
    client.close()
    client_conn, server_conn = by_role(tracer)
    assert near(fin_waits_ns(client_conn.close), watch.ns("fin", "answer"))
    assert near(server_conn.close["states"]["close_wait_ns"], watch.ns("fin", "answer"))
    for conn, closed_by in ((client_conn, "local"), (server_conn, "remote")):
        close = conn.close
        assert (close["outcome"], close["closed_by"]) == ("fin", closed_by)
        assert near(close["half_close_ns"], watch.ns("fin", "answer"))
        assert near(close["close_ns"], watch.ns("fin", "answer"))
        assert near(close["life_ns"], watch.ns("established", "answer"))
        assert near(close["states"]["established_ns"], watch.ns("established", "fin"))
        assert close["closer"]["pid"] == os.getpid()
    assert client_conn.close["bytes_received"] == server_conn.close["bytes_sent"] == 3000
    assert client_conn.close["bytes_sent"] == server_conn.close["bytes_received"] == 0


def test_data_both_ways_at_once(netns, trace):
    """Payload counts are exact when both ends send and receive together, the FIN is not payload."""
    tracer, sizes = trace(netns), (300_000, 170_001)
    client, server = dial(netns, netns)

    def pump(sock, size):
        sender = threading.Thread(target=sock.sendall, args=(bytes(size),))
        sender.start()
        left = sum(sizes) - size
        while left:
            left -= len(sock.recv(65536))
        sender.join()

    threads = [threading.Thread(target=pump, args=args) for args in zip((client, server), sizes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert server.recv(1) == b""
    server.close()
    client_conn, server_conn = by_role(tracer)
    assert (client_conn.close["bytes_sent"], client_conn.close["bytes_received"]) == sizes
    assert (server_conn.close["bytes_sent"], server_conn.close["bytes_received"]) == sizes[::-1]


def test_fins_cross(pair, trace):
    """Both close before either FIN arrives."""
    pair.delay(50)
    tracer = trace(pair.client, pair.server)
    client, server = dial(pair.client, pair.server, pair.server4)
    client.close()
    server.close()
    for conn in by_role(tracer):
        assert (conn.close["outcome"], conn.close["closed_by"]) == ("fin", "both")
        assert "simultaneous_close" in conn.close["flags"]
        assert conn.close["states"]["closing_ns"] is not None


def test_lost_fins_cross(pair, trace):
    """The first FIN of both ends is lost. Which end repeats it first is chance; it draws the other into CLOSING."""
    tracer = trace(pair.client, pair.server)
    client, server = dial(pair.client, pair.server, pair.server4)
    with pair.deaf(pair.client, pair.server4), pair.deaf(pair.server, pair.client4):
        client.close()
        server.close()
    conns = by_role(tracer)
    assert {conn.close["outcome"] for conn in conns} == {"fin"}
    crossed = [conn for conn in conns if conn.close["states"]["closing_ns"] is not None]
    assert crossed
    for conn in crossed:
        assert conn.close["closed_by"] == "both" and "simultaneous_close" in conn.close["flags"]
