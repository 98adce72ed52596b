# SPDX-License-Identifier: GPL-2.0-only
"""The sweep: a connection that is in the table and not in the kernel is counted, reported, and not alive."""
import ctypes
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
NOWHERE = 0xFFFFFFFF81000000  # an address of the kernel's own code: no socket is there
OPENED = 1 << 11
IDS = 77, 78
SYS_BPF = {"x86_64": 321, "aarch64": 280}
PROG_TEST_RUN, PROG_GET_FD_BY_ID = 10, 13  # enum bpf_cmd
LPORT_AT = 80
LOOPBACK = 127, 0, 0, 1


def find_id(pid, kind, name):
    """The id of a map or prog of this synfin."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        found = re.search(rf"^{kind}_id:\s*(\d+)$", path.read_text(encoding="ascii"), re.M)
        if found:
            shown = subprocess.run([BPFTOOL, "-j", kind, "show", "id", found[1]], check=True, capture_output=True)
            if json.loads(shown.stdout).get("name") == name:
                return found[1]
    raise AssertionError(f"no {kind} {name}")


def bpf(command, attributes):
    """bpf(2): what it returns."""
    buf = ctypes.create_string_buffer(attributes, 128)
    done = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF[os.uname().machine], command, buf, len(buf))
    assert done >= 0, os.strerror(ctypes.get_errno())
    return done


def sweep(pid, *keys):
    """One sweep of these keys, as synfin makes every 30 s of all."""
    value = struct.pack("<256QII", *keys, *[0] * (256 - len(keys)), len(keys), 0)
    subprocess.run([BPFTOOL, "map", "update", "id", find_id(pid, "map", "sweeps"), "key", *words(bytes(4)), "value", *words(value)],
                   check=True)
    fd = bpf(PROG_GET_FD_BY_ID, struct.pack("<I", int(find_id(pid, "prog", "sf_sweep"))))
    try:
        bpf(PROG_TEST_RUN, struct.pack("<I", fd))
    finally:
        os.close(fd)


def words(data):
    return [str(byte) for byte in data]


def entries(table, lport):
    """What the table has under the local port `lport`: keys and values."""
    shown = subprocess.run([BPFTOOL, "-j", "map", "dump", "id", table], check=True, capture_output=True)
    for element in json.loads(shown.stdout):
        key, value = (bytes(int(byte, 16) for byte in element[part]) for part in ("key", "value"))
        if struct.unpack_from("<H", value, LPORT_AT)[0] == lport:
            yield key, bytearray(value)


def put(table, key, value, conn_id):
    struct.pack_into("<Q", value, 0, conn_id)
    subprocess.run([BPFTOOL, "map", "update", "id", table, "key", *words(key), "value", *words(value)], check=True)


def nowhere():
    ghost = bytearray(200)
    struct.pack_into("<5Q", ghost, 0, 0, 0, 0, 0, 1_000_000)
    struct.pack_into("<4B12x4B", ghost, 48, *LOOPBACK, *LOOPBACK)
    struct.pack_into("<HHII", ghost, LPORT_AT, 1234, 5678, 1, OPENED)
    ghost[92:96] = 2, 1, 1, 1  # IPv4, client, ESTABLISHED, by connect()
    return struct.pack("<Q", NOWHERE), ghost


def dead_minisock(netns, tracer, table):
    """An orphan in FIN_WAIT2, as the table had it while it lived. Once freed, its memory says what it said."""
    with netns.listen() as listener:
        client = netns.connect(*listener.getsockname())
        lport = client.getsockname()[1]
        server = listener.accept()[0]
        client.close()
        tracer.wait_for("open", role="client", lport=lport)
        time.sleep(0.1)  # until the minisock has its place
        (entry,) = entries(table, lport)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
    tracer.wait_for("close", role="client", lport=lport)
    assert not list(entries(table, lport))
    return entry


def reuse_minisocks(netns):
    """As many as it takes: the kernel gives what was freed last to the next."""
    with netns.listen() as listener:
        for _ in range(300):
            with netns.connect(*listener.getsockname()):
                server = listener.accept()[0]
            server.close()


@pytest.mark.native
def test_ghosts(netns, trace):
    """
    Connections whose object is gone, as the kernel leaves them that shows us no end: put into the table by hand. One has no sock
    at its address, one a minisock that was freed. Each is reported once, by the second sweep, whatever comes after it.
    """
    tracer = trace(netns)
    pid = tracer.process.pid
    table = find_id(pid, "map", "conns")
    ghosts = dead_minisock(netns, tracer, table), nowhere()
    keys = [struct.unpack("<Q", key)[0] for key, _ in ghosts]
    for (key, value), conn_id in zip(ghosts, IDS):
        put(table, key, value, conn_id)
    sweep(pid, *keys)
    time.sleep(0.2)
    assert not any(tracer.records().of("close", id=conn_id) for conn_id in IDS)
    for _ in range(4):
        sweep(pid, *keys)
    for conn_id in IDS:
        tracer.wait_for("close", id=conn_id)
    reuse_minisocks(netns)  # the address of one is met again
    time.sleep(1.5)  # the counters are read once a second
    records = tracer.stop()
    for conn_id in IDS:
        (close,) = records.of("close", id=conn_id)
        assert close["outcome"] is None and close["life_ns"] is None and close["close_ns"] is None
    lost = [(record["missed"], record["missed_by"]["swept"]) for record in records.of("lost")]
    assert [sum(column) for column in zip(*lost)] == [2, 2]
    assert " 0 alive" in tracer.process.stderr
