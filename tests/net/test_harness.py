# SPDX-License-Identifier: GPL-2.0-only
"""The witness itself: what the capture reader says against tshark, and what the tricks of the harness do."""
import shutil
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

import settings
from capture import ACK, FIN, SYN, flows, read_pcap
from netns import dial, run

sys.path.append(str(settings.ROOT / "tests" / "vm"))

import guest  # noqa: E402

TSHARK_FIELDS = ("frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.seq_raw",
                 "tcp.ack_raw", "tcp.len")


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_reader_agrees_with_tshark(netns, capture, load, serve):
    witness = capture(netns)
    serve(netns, "--port", 5001, "--v6", "--count", 2, "--bytes", 64)
    load(netns, "--connect", "127.0.0.1:5001", "--bytes", 64, "--close-first")
    load(netns, "--connect", "[::1]:5001", "--bytes", 64, "--close-first")
    with open(witness.path, "rb") as file:
        assert len(read_pcap(file.read())) >= 14
    result = run("tshark", "-r", witness.path, "-T", "fields", *(x for f in TSHARK_FIELDS for x in ("-e", f)))
    told = [line.split("\t") for line in result.stdout.splitlines()]
    segments = witness.stop()
    assert [[f"{s.time_ns // 10**9}.{s.time_ns % 10**9:09}", s.src[0], str(s.src[1]), str(s.dst[1]), s.flags,
             str(s.seq), str(s.ack), str(s.length)] for s in segments] == \
           [[t[0], t[1] or t[2], t[3], t[4], int(t[5], 16) & 0x3F, *t[6:]] for t in told]


def test_flows(netns, capture, load, serve):
    witness = capture(netns)
    server = serve(netns, "--port", 5001, "--count", 3, "--bytes", 64)
    lines = load(netns, "--connect", "127.0.0.1:5001", "--count", 3, "--bytes", 64, "--close-first")
    assert server.wait() == 0
    found = flows(witness.stop())
    assert list(found) == [((line["laddr"], line["lport"]), ("127.0.0.1", 5001)) for line in lines]
    for (flow,), line in zip(found.values(), lines):  # three connections: no port comes back
        assert len(flow.syns) == len(flow.synacks) == 1
        assert 0 < flow.handshake_ns <= line["connect_end_ns"] - line["connect_begin_ns"]
        assert flow.handshake_ack.ack == flow.synacks[0].seq + 1
        assert len(flow.fins(flow.client)) == len(flow.fins(flow.server)) == 1
        assert sum(s.length for s in flow.segments) == 128


def test_deaf_loses_segments_until_mended(pair, capture):
    witness = capture(pair.client)
    client, server = dial(pair.client, pair.server, pair.server4)
    with pair.deaf(pair.client, pair.server4):
        client.shutdown(socket.SHUT_WR)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.recv(1)
    server.settimeout(10)
    assert server.recv(1) == b""
    ((flow,),) = flows(witness.stop()).values()
    assert len(flow.of(flow.client, FIN | ACK, FIN | ACK | SYN)) >= 2


HOSTILE = "a, it's $(>run) `>run`"  # a directory


@pytest.mark.native
def test_make_in_a_hostile_directory(tmp_path):
    """The paths that the programs of bench and run are told are words, nothing of which is run."""
    home = tmp_path / HOSTILE
    (home / "tests" / "vm").mkdir(parents=True)
    for name in ("Makefile", "tests/vm/packages.txt"):
        shutil.copy(settings.ROOT / name, home / name)
    result = subprocess.run(["make", "-s", "-o", "all", "-o", "build/tests/peer", "accuracy", "O=build",
                             "PYTHON=printenv SYNFIN PEER;:"], cwd=home, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == [f"{home}/build/synfin", f"{home}/build/tests/peer"], result
    assert not (home / "run").exists()


@pytest.mark.native
def test_guest_of_a_hostile_directory():
    """A comma in its name ends no value of QEMU's: it is written twice."""
    kernel = types.SimpleNamespace(home=Path("/nowhere"))
    arguments = guest.qemu_arguments(kernel, Path("/nowhere"), Path("/a,readonly=off"), (1, 2), 1, 64, False)
    share = "local,id=results,path=/a,,readonly=off,security_model=none,multidevs=remap"
    assert share in arguments
