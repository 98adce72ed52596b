# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the service share with those of connections."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "net"))
