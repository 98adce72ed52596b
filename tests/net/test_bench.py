# SPDX-License-Identifier: GPL-2.0-only
"""
The driver of `make bench`, at its smallest: figures that must be so, and nothing of it left behind. And what the budget
of instructions allows.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import settings

sys.path.append(str(settings.ROOT / "tests" / "bench"))
import insn_budget as budget  # noqa: E402

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
    assert one["hist"]["rss"] > 1 << 20 and one["hist"]["maps"] > 1 << 20
    # It looks at the whole host, so others' connections may come in: what is lost of those is not for this test to judge.
    assert {"dropped", "missed", "evicted"} <= one["hist"]["lost"].keys()
    # An end changes its state five times; beside other work some of that is left to the twin of sf_state.
    assert told["profiles"]["hist"][0]["sf_state"]["runs"] > 4.5
    assert STATS.read_text(encoding="ascii") == stats
    assert not [name for name in os.listdir("/run/netns") if name.startswith(f"sft{told['driver']}-")]


CELL = ("6.12", "full", "hist", "client")
OTHER = ("6.12", "full", "trace", "client")


def test_budget_is_exceeded_by_2_percent_and_what_is_new():
    allowed = {(*CELL, "total"): 5000, (*CELL, "sf_state"): 1000, (*CELL, "sf_gone"): 50, (*OTHER, "total"): 1}
    found = {(*CELL, "total"): 5250, (*CELL, "sf_state"): 1040, (*CELL, "sf_new"): 30}
    verdicts = budget.judge(allowed, found)
    assert [str(one) for one in verdicts if one.is_over] == [
        "6.12 full hist client sf_state: 1,040 instructions, the budget is 1,000 (+4.0%)",
        "6.12 full hist client sf_new: 30 instructions, not in the budget"]
    assert [one.key[-1] for one in verdicts if one.is_under] == ["sf_gone"]


def test_budget_is_only_lowered(tmp_path):
    allowed = {(*CELL, "total"): 5000, (*CELL, "sf_state"): 1000, (*CELL, "sf_gone"): 50, (*OTHER, "total"): 1}
    found = {(*CELL, "total"): 5200, (*CELL, "sf_state"): 900, (*CELL, "sf_new"): 30}
    budget.write(budget.lowered(allowed, found), tmp_path / "budget")
    assert budget.read(tmp_path / "budget") == {(*CELL, "total"): 5000, (*CELL, "sf_state"): 900, (*CELL, "sf_new"): 30,
                                                (*OTHER, "total"): 1}
