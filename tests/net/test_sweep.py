# SPDX-License-Identifier: GPL-2.0-only
"""The sweep: who is in the table and not in the kernel is counted, told, and not alive."""
import json
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
NOWHERE = 0xFFFFFFFF81000000  # an address of the kernel's own code: no socket is there
OPENED = 1 << 11
ID = 77
LOOPBACK = 127, 0, 0, 1


def conns_map(pid):
    """The id of a synfin's table."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        found = re.search(r"^map_id:\s*(\d+)$", path.read_text(encoding="ascii"), re.M)
        if found:
            shown = subprocess.run([BPFTOOL, "-j", "map", "show", "id", found[1]], check=True, capture_output=True)
            if json.loads(shown.stdout).get("name") == "conns":
                return found[1]
    raise AssertionError("no map conns")


def words(data):
    return [str(byte) for byte in data]


@pytest.mark.native  # two sweeps take a minute
def test_ghost(netns, trace):
    """A connection whose socket is gone, as the kernel leaves it that shows us no end: put into the table by hand."""
    tracer = trace(netns)
    ghost = bytearray(200)
    struct.pack_into("<5Q", ghost, 0, ID, 0, 0, 0, 1_000_000)
    struct.pack_into("<4B12x4B", ghost, 48, *LOOPBACK, *LOOPBACK)
    struct.pack_into("<HHII", ghost, 80, 1234, 5678, 1, OPENED)
    ghost[92:96] = 2, 1, 1, 1  # IPv4, client, ESTABLISHED, by connect()
    subprocess.run([BPFTOOL, "map", "update", "id", conns_map(tracer.process.pid),
                    "key", *words(struct.pack("<Q", NOWHERE)), "value", *words(ghost)], check=True)
    tracer.wait_for("close", timeout=70)
    time.sleep(1.5)  # the counters are read once a second
    records = tracer.stop()
    (close,) = records.of("close", id=ID)
    assert close["outcome"] is None and close["life_ns"] is None and close["close_ns"] is None
    assert [(lost["missed"], lost["missed_by"]["swept"]) for lost in records.of("lost")] == [(1, 1)]
    assert " 0 alive" in tracer.process.stderr
