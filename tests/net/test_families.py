# SPDX-License-Identifier: GPL-2.0-only
"""IPv4, IPv6, and IPv4 through IPv6 sockets, which prints as IPv4 and is flagged at the end that does it."""
import pytest

import settings
from capture import flows
from expect import check_handshakes


@pytest.mark.parametrize("listen, connect, addr, mapped", [
    ("127.0.0.1", "127.0.0.1", "127.0.0.1", set()),
    ("::1", "::1", "::1", set()),
    ("::", "::1", "::1", set()),
    ("::", "127.0.0.1", "127.0.0.1", {"server"}),
    ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", {"client"}),
    ("::", "::ffff:127.0.0.1", "127.0.0.1", {"client", "server"}),
])
def test_addresses(netns, trace, listen, connect, addr, mapped):
    tracer = trace(netns)
    with netns.listen(listen, 5001, v6only=0 if listen == "::" else None) as listener:
        client = netns.connect(connect, 5001)
        server = listener.accept()[0]
    lport = client.getsockname()[1]
    client.close()
    server.close()
    tracer.wait_for("close", 2)
    records = tracer.stop()
    for role, ends in (("client", ((addr, lport), (addr, 5001))), ("server", ((addr, 5001), (addr, lport)))):
        conn = records.conn(role=role)
        assert conn.open and conn.close
        for record in conn.records:
            assert ((record["laddr"], record["lport"]), (record["raddr"], record["rport"])) == ends
            assert record["family"] == (6 if ":" in addr else 4)
            assert ("v4mapped" in record["flags"]) == (role in mapped)


@pytest.mark.parametrize("version", [4, 6])
def test_between_namespaces(pair, trace, capture, serve, load, version):
    count = settings.LOAD // 10
    here, there = (pair.client4, pair.server4) if version == 4 else (pair.client6, pair.server6)
    tracer, witness = trace(pair.client, pair.server), capture(pair.client)
    serve(pair.server, "--port", 5001, "--v6", "--count", count, "--bytes", 64)
    load(pair.client, "--connect", f"[{there}]:5001", "--count", count, "--bytes", 64, "--close-first")
    tracer.wait_for("close", 2 * count)
    records, found = tracer.stop(), flows(witness.stop())
    assert len(records.of("open")) == len(records.of("close")) == 2 * count
    for role, laddr, raddr in (("client", here, there), ("server", there, here)):
        conns = records.conns(role=role)
        assert {(c["laddr"], c["raddr"], c["family"]) for c in conns} == {(laddr, raddr, version)}
        check_handshakes(conns, found, role)
