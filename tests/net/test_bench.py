# SPDX-License-Identifier: GPL-2.0-only
"""The driver of `make bench`, at its smallest: figures that must be so, and nothing of it left behind."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import settings

STATS = Path("/proc/sys/kernel/bpf_stats_enabled")

pytestmark = pytest.mark.skipif(bool(settings.VM), reason="a guest's times say nothing")


def test_driver(tmp_path):
    stats = STATS.read_text(encoding="ascii")
    result = tmp_path / "bench.json"
    subprocess.run([sys.executable, settings.ROOT / "tests" / "bench" / "bench.py", "--rounds", "1", "--profile-rounds",
                    "1", "--seconds", "0.2", "--only", "hist", "--no-publish", "--json", result], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    told = json.loads(result.read_text(encoding="utf-8"))
    one = told["rounds"][0]
    assert one["hist"]["churn"]["connections"] > 100 and one["hist"]["churn"]["failed"] == 0
    assert one["hist"]["rss"] > 1 << 20 and one["hist"]["maps"] > 1 << 20 and one["hist"]["lost"]["dropped"] == 0
    # An end changes its state five times; others' connections may come in.
    assert told["profiles"]["hist"][0]["sf_state"]["runs"] > 4.9
    assert STATS.read_text(encoding="ascii") == stats
    assert not [name for name in os.listdir("/run/netns") if name.startswith(f"sft{told['driver']}-")]
