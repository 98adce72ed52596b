# SPDX-License-Identifier: GPL-2.0-only
"""
No program of ours can run inside itself. The kernel keeps an entry program from that, but not one that it goes on in by a
tail call; and since 6.13 the inner run would overwrite the locals of the outer (x86: one private stack a program and CPU).
"""
from pathlib import Path

import pytest

PROG_ARRAY = "3"  # BPF_MAP_TYPE_PROG_ARRAY, where a tail call finds its program


def map_types(pid):
    """The types of all maps that a process holds, by what the kernel says of its descriptors."""
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            words = dict(line.split(":", 1) for line in info.read_text(encoding="ascii").splitlines() if ":" in line)
        except OSError:  # closed meanwhile
            continue
        if "map_type" in words:
            yield words["map_type"].strip()


@pytest.mark.parametrize("command, args", [("trace", []), ("trace", ["--stages", "--uid=0"]), ("hist", []),
                                           ("hist", ["--uid=0", "--by=comm"])])
def test_no_tail_calls(netns, trace, command, args):
    one = trace(netns, args=args, command=command, json_lines=False)
    types = list(map_types(one.process.pid))
    assert types, "the kernel does not show the maps"
    assert PROG_ARRAY not in types
