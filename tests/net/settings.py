# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the machine itself and an emulated guest: loads, tolerances, paths.

VM_KERNEL names the guest's kernel and is set only there; SYNFIN, PEER and SYNFIN_TIER come from the caller.
"""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYNFIN = os.environ.get("SYNFIN", str(ROOT / "build" / "synfin"))
PEER = os.environ.get("PEER", str(ROOT / "build" / "tests" / "peer"))
CHURNER = os.environ.get("LOAD", str(ROOT / "build" / "tests" / "load"))
TIER = os.environ.get("SYNFIN_TIER")
VM = os.environ.get("VM_KERNEL")

MS = 1_000_000
TICK_NS = 1000 * MS // os.sysconf("SC_CLK_TCK")  # of the times in /proc/PID/stat
LOAD = 100 if VM else 1000                 # connections of a counting test
MIXED = 300 if VM else 10_000               # connections of mixed endings
CROWD = 200 if VM else 5000                # connections that are there before the tracer
WORKERS = 4 if VM else 32                  # that answer on one port
ANSWERS = 100 if VM else 5000              # of them
LEAK = 50 if VM else 300                   # sockets left in CLOSE_WAIT
CHURN = 2_000 if VM else 100_000           # connections through few ports
SLACK_NS = (40 if VM else 10) * MS         # a duration that the test made itself
INTERVAL_SLACK_NS = (2000 if VM else 250) * MS  # of a report that a busy processor delays
HANDSHAKE_MEDIAN_NS = (20 if VM else 1) * MS  # error against the capture: CI allows milliseconds,
HANDSHAKE_P99_NS = (100 if VM else 5) * MS    # `make accuracy` measures the real figures
PATIENCE = 120 if VM else 30               # seconds until something that must happen has failed
