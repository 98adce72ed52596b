# SPDX-License-Identifier: GPL-2.0-only
"""What contrib/ offers works: the rules by promtool, the unit with no more rights than it asks for."""
import json
import re
import shutil
import subprocess

import pytest

import settings
from exporter import Exporter
from prometheus import program, promtool

CONTRIB = settings.ROOT / "contrib"
UNIT = CONTRIB / "systemd" / "synfin-export.service"


def test_rules():
    directory = CONTRIB / "prometheus"
    result = subprocess.run([program("promtool"), "test", "rules", "synfin.rules.test.yml"], cwd=directory,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result
    assert promtool("check", "config", directory / "scrape.yml") == ""


@pytest.mark.parametrize("path", ["docs/METRICS.md", "contrib/prometheus/scrape.yml"])
def test_native_histograms_both_ways(path):
    """Each version of Prometheus has its own switch; that of the other does nothing, or is an error."""
    text = (settings.ROOT / path).read_text(encoding="utf-8")
    assert "scrape_native_histograms: true" in text and "--enable-feature=native-histograms" in text


@pytest.fixture(scope="module")
def names():
    """Every name in /metrics of an exporter."""
    exporter = Exporter("--rport", "1")
    text = exporter.request().body.decode()
    exporter.process.kill()
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def metrics_in(text):
    return set(re.findall(r"\b(synfin_[a-z_]+)\b", text))


@pytest.mark.parametrize("path", ["contrib/prometheus/synfin.rules.yml", "contrib/grafana/synfin.json",
                                  "docs/METRICS.md"])
def test_names(names, path):
    """What the rules, the dashboard and the manual name is there."""
    known = set(names) | {name + end for name, kind in names.items() if kind == "histogram"
                          for end in ("_bucket", "_sum", "_count")}
    text = (settings.ROOT / path).read_text(encoding="utf-8")
    recorded = set(re.findall(r":(synfin_[a-z_]+):", text))
    found = metrics_in(text) - recorded
    assert found and not found - known, found - known
    if path.endswith(".md"):
        assert {name for name in names if name.startswith("synfin_")} <= found


def test_dashboard():
    board = json.loads((CONTRIB / "grafana" / "synfin.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 5
    for panel in board["panels"]:
        assert panel["title"] and (panel["type"] == "row" or all(target["expr"] for target in panel["targets"]))


def test_unit():
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    result = subprocess.run(["systemd-analyze", "verify", UNIT, UNIT.with_suffix(".socket")], capture_output=True,
                            text=True, check=False)
    left = [line for line in result.stderr.splitlines() if UNIT.stem in line
            and "/usr/local/sbin/synfin" not in line and "man synfin" not in line]
    assert not left, left


def test_conf(stack, tmp_path):
    """What the example offers, all of it at once, is valid; and as it is shipped it asks for nothing."""
    text = (CONTRIB / "systemd" / "synfin.conf").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]
    offered = re.sub(r"^#(?=\S)", "", text, flags=re.M).replace(":9842", ":0")
    assert offered.count("\n#") > 3 and "\nlisten = 127.0.0.1:0\n" in offered
    path = tmp_path / "synfin.conf"
    path.write_text(offered, encoding="utf-8")
    exporter = Exporter("--config", path)
    stack.callback(exporter.process.kill)
    assert exporter.request("/healthz").status == 200


def test_system_calls():
    """None that the unit forbids is one that loading, attaching or serving needs."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    (line,) = re.findall(r"^SystemCallFilter=~(.*)$", UNIT.read_text(encoding="utf-8"), re.M)
    result = subprocess.run(["systemd-analyze", "syscall-filter", *line.split()], capture_output=True, text=True,
                            check=True)
    forbidden = set(re.findall(r"^\s+([a-z]\w+)$", result.stdout, re.M))
    assert "swapon" in forbidden
    assert not forbidden & {"bpf", "perf_event_open", "mount", "unshare", "setns", "mlock",
                            "prlimit64"}  # by which the C library does setrlimit(3)


def missing(stderr):
    return re.search(r"ready: .*missing: (.*)", stderr).group(1)


def test_capabilities(stack):
    """With the unit's capabilities alone as much can be measured as with all."""
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here (util-linux)")
    (line,) = re.findall(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(encoding="utf-8"), re.M)
    kept = ",".join("+" + word.removeprefix("CAP_").lower() for word in line.split())
    free = Exporter("--rport", "1")
    stack.callback(free.process.kill)
    bound = Exporter("--rport", "1", under=["setpriv", "--bounding-set", "-all," + kept, "--no-new-privs"])
    stack.callback(bound.process.kill)
    assert missing(bound.process.stderr) == missing(free.process.stderr)
