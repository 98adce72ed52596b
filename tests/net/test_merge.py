# SPDX-License-Identifier: GPL-2.0-only
"""`synfin merge`: what several runs counted, as one; and bad files are named, with the place."""
import json
import os
import resource
import signal
import subprocess
import time

import pytest

import settings
from exporter import Exporter
from netns import dial
from process import wait_until
from test_cli import FAILED, USAGE, check_complaint, synfin


def churn(netns, count):
    for _ in range(count):
        for sock in dial(netns, netns):
            sock.close()


def find(line, kind, metric, **labels):
    (item,) = [item for item in line[kind] if item["metric"] == metric and item["labels"] == labels]
    return item


def test_hosts(netns, stack, trace, tmp_path):
    """A `hist` in intervals and an `export`, of different times: the sums are all that was made."""
    hist = trace(netns, command="hist", args=["-i", "200ms"])
    state = tmp_path / "state.json"
    exporter = Exporter("--state", state, netns=[netns])
    stack.callback(exporter.process.kill)
    for _ in range(3):
        churn(netns, 5)
        assert wait_until(lambda: len(hist.process.json_lines()) > 1)
    exporter.wait_for("synfin_closes_total", 30)
    assert hist.process.stop() == 0
    exporter.process.child.send_signal(signal.SIGUSR1)
    assert wait_until(state.exists)
    assert state.stat().st_mode & 0o7777 == 0o600  # names and PIDs are in it
    first = tmp_path / "hist.json"
    first.write_text(hist.process.stdout, encoding="utf-8")
    lines = [*hist.process.json_lines(), json.loads(state.read_text(encoding="utf-8"))]
    result = synfin("merge", first, "--json", state)
    assert result.returncode == 0, result
    merged = json.loads(result.stdout)
    for role in ("client", "server"):
        labels = {"role": role, "outcome": "established"}
        assert find(merged, "counters", "opens", **labels)["count"] == 30
        one = find(merged, "histograms", "handshake", **labels)
        assert one["count"] == sum(count for _, count in one["buckets"]) == 30
        assert one["min_ns"] == min(item["min_ns"] for line in lines for item in line["histograms"]
                                    if item["metric"] == "handshake" and item["labels"] == labels)
    assert merged["mono_ns"] is None and merged["interval_ns"] > 400_000_000
    again = tmp_path / "merged.json"
    again.write_text(result.stdout, encoding="utf-8")
    assert synfin("merge", again, "--json").stdout == result.stdout
    text = synfin("merge", again).stdout
    assert "handshake role=client outcome=established" in text and "count 30" in text
    assert exporter.process.stop(signal.SIGTERM) == 0


def test_extremes_of_intervals(netns, trace, tmp_path):
    """The largest of all time is of the first interval; the later ones know theirs only by its bucket."""
    hist = trace(netns, command="hist", args=["-i", "50ms"])
    for pause in (0.120, 0.100, 0.085, 0.070):
        intervals = len(hist.process.json_lines())
        client, server = dial(netns, netns)
        time.sleep(pause)
        client.close()
        server.close()
        assert wait_until(lambda: len(hist.process.json_lines()) > intervals + 3)
    assert hist.process.stop() == 0
    path = tmp_path / "hist.json"
    path.write_text(hist.process.stdout, encoding="utf-8")
    lives = [item for line in hist.process.json_lines() for item in line["histograms"] if item["metric"] == "life"]
    assert any(item["sum_ns"] < item["count"] * item["max_ns"] for item in lives), lives
    result = synfin("merge", "--json", path)
    assert result.returncode == 0, result
    assert find(json.loads(result.stdout), "histograms", "life", role="client")["count"] == 4


@pytest.mark.parametrize("content, words", [
    ("", ["empty"]),
    ("{}\n", [":1:", "'v'"]),
    ("\x1b[31m\n", [":1:", "byte 1"]),
    ('{"v":1,"type":"hist","by":[]}\n', [":1:", "'time'"]),
    ("GOOD\n{\"v\":1,\n", [":2:", "ends"]),
    ("\n \t\r\n", ["empty"]),
    ("\nGOOD\n\n{}", [":4:", "'v'"]),
], ids=["empty", "other", "no json", "incomplete", "cut", "blank", "behind blanks"])
def test_bad_files(tmp_path, content, words):
    good = json.dumps({"v": 1, "type": "hist", "time": "2026-01-02T03:04:05.000000006Z", "interval_ns": 7, "by": [],
                       "histograms": [], "counters": [], "lower_bounds": 0, "folded": 0,
                       "lost": {"dropped": 0, "missed": 0, "evicted": 0, "unattributed": 0}})
    path = tmp_path / "file"
    path.write_text(content.replace("GOOD", good), encoding="utf-8")
    result = synfin("merge", path)
    assert (result.returncode, result.stdout) == (FAILED, "")
    check_complaint(result.stderr, str(path), *words)


GOOD = {"v": 1, "type": "hist", "time": "2026-01-02T03:04:05.000000006Z", "interval_ns": 7, "by": [],
        "histograms": [], "counters": [], "lower_bounds": 1, "folded": 0,
        "lost": {"dropped": 0, "missed": 0, "evicted": 0, "unattributed": 0}}


def test_standard_input(tmp_path):
    """`-` among the files; lines with nothing in them are skipped, and the last may lack its newline."""
    path = tmp_path / "file"
    path.write_text(f"\n{json.dumps(GOOD)}\n\r\n", encoding="utf-8")
    text = f"{json.dumps(GOOD)}\n \t\n{json.dumps(GOOD)}"
    result = subprocess.run([settings.SYNFIN, "merge", "--json", path, "-"], input=text, capture_output=True, text=True,
                            timeout=settings.PATIENCE, check=False)
    assert result.returncode == 0, result
    assert json.loads(result.stdout)["lower_bounds"] == 3
    result = subprocess.run([settings.SYNFIN, "merge", "-"], input="{}", capture_output=True, text=True,
                            timeout=settings.PATIENCE, check=False)
    assert result.returncode == FAILED
    check_complaint(result.stderr, "standard input:1:")


def test_pipes(tmp_path):
    """Named ones, which their writer fills one after the other: more than fits into the first, and nothing before a while."""
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        os.mkfifo(path)
    with subprocess.Popen([settings.SYNFIN, "merge", "--json", *paths], stdout=subprocess.PIPE, text=True) as merge:
        time.sleep(0.3)
        for path in paths:
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{json.dumps(GOOD)}\n" * 1000)
        assert json.loads(merge.communicate(timeout=settings.PATIENCE)[0])["lower_bounds"] == 2000


def run_bounded(*args):
    """With 1 GiB of memory."""
    return synfin("merge", *args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)))


def test_bounded_memory(tmp_path):
    """A line is as long as --max-input says or is refused, and what is refused takes little memory."""
    path = tmp_path / "file"
    line = json.dumps(GOOD)
    path.write_text(line + "\n", encoding="utf-8")
    assert run_bounded("--max-input", len(line), path).returncode == 0
    result = run_bounded("--max-input", len(line) - 1, path)
    assert result.returncode == FAILED
    check_complaint(result.stderr, f"{path}:1:", "--max-input")
    result = run_bounded("/dev/zero")
    assert result.returncode == FAILED
    check_complaint(result.stderr, "/dev/zero:1:", "--max-input")
    path.write_text(line.replace('"histograms": []', '"histograms": [{}' + ",{}" * 3_300_000 + "]"), encoding="utf-8")
    result = run_bounded(path)
    assert result.returncode == FAILED
    check_complaint(result.stderr, f"{path}:1:", "'metric'")


@pytest.mark.parametrize("size", ["0", "", "K", "1T", "-1", "64MB", "99999999999G"])
def test_max_input_refused(size):
    result = synfin("merge", "--max-input", size, "-")
    assert result.returncode == USAGE
    check_complaint(result.stderr, "--max-input", "64M")


def test_many_lines(tmp_path):
    """A day in intervals of ten seconds is read in no time."""
    line = {"v": 1, "type": "hist", "time": "2026-01-02T03:04:05.000000006Z", "interval_ns": 7, "by": ["lport"],
            "histograms": [], "lower_bounds": 1, "folded": 0,
            "counters": [{"key": "", "by": {"lport": "80"}, "other": False, "metric": "retransmits",
                          "labels": {"segment": "syn"}, "count": 3}],
            "lost": {"dropped": 0, "missed": 0, "evicted": 0, "unattributed": 0}}
    path = tmp_path / "day"
    path.write_text((json.dumps(line) + "\n") * 8640, encoding="utf-8")
    begin = time.monotonic()
    merged = json.loads(synfin("merge", "--json", path).stdout)
    assert time.monotonic() - begin < settings.PATIENCE / 6
    assert find(merged, "counters", "retransmits", segment="syn")["count"] == 3 * 8640 == 3 * merged["lower_bounds"]


def test_missing_files(tmp_path):
    result = synfin("merge", tmp_path / "none")
    assert result.returncode == USAGE
    check_complaint(result.stderr, str(tmp_path / "none"), "no such file")
    result = synfin("merge")
    assert result.returncode == USAGE
    check_complaint(result.stderr, "hist --json")
