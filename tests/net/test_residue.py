# SPDX-License-Identifier: GPL-2.0-only
"""Killed at whatever step of its start or its end, synfin leaves nothing in the kernel and no child behind."""
import collections
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import settings
from process import Process, wait_until
from tracer import tier_args

pytestmark = pytest.mark.native

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
# What takes something of the kernel, gives it back, or begins and ends processes.
STEPS = ("bpf", "perf_event_open", "mount", "umount2", "unshare", "setns", "clone", "clone3", "vfork", "fork", "socket", "bind",
         "listen", "prctl", "landlock_restrict_self", "seccomp", "capset", "munmap", "rename", "exit_group")
POINTS = 4  # of each call, spread over all times that it is made


def held():
    """By the descriptors of any process."""
    found = set()
    for path in glob.iglob("/proc/[0-9]*/fdinfo/*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path, encoding="ascii", errors="replace") as file:
            found.update((kind, int(number)) for kind, number in re.findall(r"^(prog|map|link)_id:\s+(\d+)$", file.read(), re.M))
    return found


def orphans():
    """Objects of BPF that no process holds, nor what it holds. Other tracers of the host may come and go."""
    shown = {kind: json.loads(subprocess.run([BPFTOOL, "-j", kind, "show"], capture_output=True, check=True).stdout or "[]")
             for kind in ("map", "prog", "link")}
    alive = held()
    alive.update(("prog", one["prog_id"]) for one in shown["link"] if ("link", one["id"]) in alive)
    alive.update(("map", number) for one in shown["prog"] if ("prog", one["id"]) in alive for number in one.get("map_ids", []))
    return {(kind, one["id"]) for kind in shown for one in shown[kind]} - alive


def pins():
    return {os.path.join(path, name) for path, _, names in os.walk("/sys/fs/bpf") for name in names}


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return sorted(line for line in file if " /run/netns/" not in line)  # which any test makes


def processes(word):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                if word in file.read():
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def run(argv, report, *injected):
    """From the start to the end that we ask for, of the parent where there is one, or to where it is killed."""
    strace = Process(["strace", "-f", "-q", "-o", report, "-e", "trace=" + ",".join(STEPS), "-e", "signal=none", *injected, "--",
                      settings.SYNFIN, *argv])
    wait_until(lambda: "ready: " in strace.stderr or strace.status is not None)
    for pid in sorted(processes(argv[-1])):
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            if file.read() == "synfin\n":
                os.kill(pid, signal.SIGTERM)
                break
    strace.wait()
    return strace


@pytest.mark.parametrize("command", ["trace", "export"])
def test_killed(netns, tmp_path, command):
    conf, report = tmp_path / f"synfin.conf-{netns.inode}", tmp_path / "calls"
    conf.write_text(f"netns = {netns.path}\nlisten = 127.0.0.1:0\n", encoding="ascii")
    argv = [command, *tier_args(), *(["--config", str(conf)] if command == "export" else ["--netns", netns.path])]
    before = orphans(), pins(), mounts()

    def is_clean():
        return not processes(argv[-1]) and orphans() <= before[0] and (pins(), mounts()) == before[1:]

    assert run(argv, report).stderr.count("ready: ") == 1
    calls = collections.Counter()
    for thread in set(re.findall(r"^(\d+) ", report.read_text(), re.M)):  # strace counts by thread
        made = collections.Counter(re.findall(rf"^{thread} +(\w+)\(", report.read_text(), re.M))
        calls |= made
    assert calls["bpf"] > 50 and wait_until(is_clean), calls
    killed = 0
    for name, cnt in calls.items():
        for nth in sorted({1 + i * (cnt - 1) // (POINTS - 1) for i in range(POINTS)}):
            run(argv, report, "-e", f"inject={name}:signal=SIGKILL:when={nth}")
            killed += name != "exit_group" and bool(re.search(rf" {name}\(.*= \?$", report.read_text(), re.M))
            assert wait_until(is_clean), (name, nth, processes(argv[-1]), orphans() - before[0], report.read_text())
    assert killed > 20
