# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel tells of a process with BPF programs and of the whole machine: times, memory, runs of programs."""
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Busy:
    """
    CPU time that the whole machine spent on something, from now on. Idle time is what the kernel measures exactly; the
    rest of /proc/stat is sampled by its tick.
    """

    def __init__(self):
        self.cpus = os.cpu_count()
        self.began = time.monotonic_ns(), self._idle_ns()

    @staticmethod
    def _idle_ns():
        words = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=6)
        return (int(words[4]) + int(words[5])) * TICK_NS

    def ns(self):
        return (time.monotonic_ns() - self.began[0]) * self.cpus - (self._idle_ns() - self.began[1])


def cpu_ns(pid):
    """CPU time of all threads of a process, in the kernel and outside."""
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir())


def rss_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _fdinfos(pid):
    """Every descriptor's /proc/PID/fdinfo as a dictionary of words."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = path.read_text(encoding="ascii")
        except OSError:  # closed meanwhile
            continue
        yield dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def map_bytes(pid):
    """
    Kernel memory of a process's maps. Since 6.4 the kernel tells what a map uses at the moment; before, what it was
    laid out for.
    """
    maps = {info["map_id"]: int(info["memlock"]) for info in _fdinfos(pid) if "map_id" in info and "memlock" in info}
    return sum(maps.values())


def prog_runs(pid):
    """{program's id: (runs, ns)} of a process; they advance only while the kernel's statistics are on."""
    return {int(info["prog_id"]): (int(info["run_cnt"]), int(info["run_time_ns"]))
            for info in _fdinfos(pid) if "prog_id" in info and "run_cnt" in info}


def prog_name(prog_id):
    done = subprocess.run([BPFTOOL, "-j", "prog", "show", "id", str(prog_id)], capture_output=True, text=True)
    return json.loads(done.stdout).get("name", str(prog_id)) if done.returncode == 0 else str(prog_id)


def prog_names():
    """{program's id: name} of all that are loaded, at the price of one prog_name()."""
    done = subprocess.run([BPFTOOL, "-j", "prog", "show"], capture_output=True, text=True, check=True)
    return {prog["id"]: prog.get("name", str(prog["id"])) for prog in json.loads(done.stdout)}


@contextmanager
def bpf_stats():
    """The kernel counts runs and times of BPF programs, at some 40 ns a run; then as it was before."""
    before = STATS.read_text(encoding="ascii")
    STATS.write_text("1\n", encoding="ascii")
    try:
        yield
    finally:
        STATS.write_text(before, encoding="ascii")
