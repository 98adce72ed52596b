# SPDX-License-Identifier: GPL-2.0-only
"""
Nothing is counted that was not, and nothing that was is missing: what synfin tells beside a load that races with itself
is what the load did and what the kernel counted. There is no second try and no allowance: where the kernel itself hides
events from BPF (natively, on some hosts), the witness says how many there were.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import race
import settings
from judge import compare
from told import watch

COUNT = 200 if settings.VM else 1500  # connections of each of two clients
SWEEP_S = 63  # until synfin has held its table against the kernel's twice and its sums say so, natively
FEW_PORTS = "1024 1223"
PROG_ARRAY = "3"  # BPF_MAP_TYPE_PROG_ARRAY
ONE_GUARD = ("2", "5")  # BPF_PROG_TYPE_KPROBE, _TRACEPOINT: while one runs on a CPU, or user space reads a map, none is run there
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
BOTH = ("client", "server")


@dataclass(frozen=True)
class Load:
    words: str
    ports: str = race.PORTS


def load(endings, clients=2, servers=2, window_ns=200_000, options="", **kwargs):
    return Load(f"{endings} {clients} {servers} {2 * COUNT // clients} {window_ns} {options}", **kwargs)


LOADS = {
    "mixed": load("csrRbn"),
    "client-first": load("c"), "server-first": load("s"), "client-resets": load("r"), "server-resets": load("R"),
    "both-close": load("b"), "half-then-reset": load("n"),
    "one-by-one": load("csrRbn", clients=1, servers=1),
    "four-threads": load("csrRbn", clients=4, servers=4),
    "late-accept": load("crbn", options="--delay 1000"),
    "fast-open": load("csrRbn", options="--fastopen"),
    "reuseport": load("csrRbn", servers=4, options="--reuseport --listeners 4"),
    "few-ports": load("srRn", options="--sources 0", ports=FEW_PORTS),
}


def commands_on(tier):
    """
    What watches all loads. In a guest it takes longer to start synfin than to make a thousand connections, and by a
    clock that jumps whenever the guest is idle a program that wakes up every interval does nothing else.
    """
    if not settings.VM:
        return ["hist", "trace", "export"]
    return ["trace", "export"] if os.cpu_count() > 1 or tier == "full" else ["trace"]



@dataclass(frozen=True)
class Filter:
    """`command` may name {pid}, the load's, {parent}, the test's, and {cgroup}, where the load is."""
    command: str
    roles: tuple = BOTH


LATE_USER = load("csrRbn", options="--delay 1000 --uid 65534")
FILTERS = {
    "uid": Filter("hist --by=comm --uid=65534"),  # the accepter's alone, also of what was reset before
    "uid-trace": Filter("trace --uid=65534"),
    "listener-uid": Filter("trace --uid=0", ("server",)),
    "client-comm": Filter("trace --comm=race-client", ("client",)),
    "server-comm": Filter("trace --comm=race-server", ("server",)),
    "pid": Filter("trace --pid={pid}"),
    "tree": Filter("trace --tree={parent}"),
    "cgroup": Filter("trace --cgroup={cgroup}"),
    "role": Filter("hist --by=comm --role=client", ("client",)),
}
if settings.VM:
    FILTERS = {"uid": FILTERS["uid"]} if os.cpu_count() > 1 else {}


def skipped_runs(pid):
    """
    How often the kernel says that it skipped a program: a kprobe or a classic tracepoint program while another of these
    runs on the CPU, and natively, where devices interrupt, any that interrupts itself. Not of twins, each of which makes up
    for the other.
    """
    skipped = {info["prog_id"]: int(info["recursion_misses"]) for info in fdinfo_of(pid)
               if "recursion_misses" in info and (info["prog_type"] in ONE_GUARD or not settings.VM)}
    if not any(skipped.values()):
        return 0
    shown = json.loads(subprocess.run([BPFTOOL, "-j", "prog", "show"], capture_output=True, check=True).stdout)
    runs = {prog["name"]: skipped[str(prog["id"])] for prog in shown if str(prog["id"]) in skipped}
    return sum(count for name, count in runs.items()
               if f"{name}_again" not in runs and name.removesuffix("_again") not in set(runs) - {name})


def judge(watched, skipped, truth, roles, witness):
    """
    Holds what was told since the last load against this one. `skipped`: runs before it. What is hidden leaves ghosts, which
    the sweep finds, or whoever uses their memory next.
    """
    hidden = witness.hidden + skipped_runs(watched.process.pid) - skipped
    watched.hidden += witness.hidden_between
    before = watched.judged
    told = watched.told()
    complaints = compare(truth, told.since(before), roles, hidden, watched.hidden)
    if complaints and hidden:
        time.sleep(SWEEP_S)
        told = watched.told()
        complaints = compare(truth, told.since(before), roles, hidden, watched.hidden)
    watched.judged, told = told, told.since(before)
    watched.hidden = max(watched.hidden + hidden - told.lost.total(), 0)
    assert not complaints, (f"there was: {truth}\ntold: {told}\nhidden by the kernel: {hidden} {witness.details}\n"
                            f"and before, not missed yet: {watched.hidden}")


def fdinfo_of(pid):
    """What the kernel says of each open file of a process; some may be closed meanwhile."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield dict(re.findall(r"^(\w+):\s*(.*)$", path.read_text(), re.M))


def check_tail_calls(pid):
    """
    A program that is reached by tail call is not covered by the kernel's recursion guard: a softirq can run it inside
    itself, and where the JIT gives it a stack per CPU (6.13 on x86) the inner run overwrites what the outer has there.
    Asked of the kernel is what is loaded: a program can be reached by tail call only through a prog array.
    """
    infos = list(fdinfo_of(pid))
    assert any("prog_id" in info for info in infos), "synfin holds no programs"
    arrays = [info["map_id"] for info in infos if info.get("map_type") == PROG_ARRAY]
    assert not arrays, f"programs are reached by tail call, through the maps {arrays}"


def test_no_tail_calls(watched):
    check_tail_calls(watched.process.pid)


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_load(watched, field, witness, load):
    skipped = skipped_runs(watched.process.pid)
    with witness:
        truth = field.run(f"{load.words} --port {witness.port}", load.ports)
    judge(watched, skipped, truth, BOTH, witness)


def test_end(watched):
    """At the end synfin sums up what it has told all the time, and nothing is left over."""
    told = watched.told()
    last = watched.stop().since(told)
    assert not last.opens and not last.closed and not last.faults and not told.alive, (told, last)


@contextlib.contextmanager
def cgroup_of(pid):
    """A cgroup with this process; None where there is no such hierarchy."""
    with open("/proc/self/mounts", encoding="ascii") as file:
        mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    if not mounts:
        yield None
        return
    path = f"{mounts[0]}/sfx{pid}"
    os.mkdir(path)
    try:
        with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(pid))
        yield path
    finally:
        os.rmdir(path)


@pytest.mark.parametrize("name", FILTERS)
def test_filter(tier, field, witness, name):
    """A filter by owner, beside servers that accept late, so that much is over before anybody knows whose it is."""
    chosen = FILTERS[name]
    with contextlib.ExitStack() as stack:
        prepared = field.prepare(f"{LATE_USER.words} --port {witness.port}")
        stack.callback(prepared.kill)
        cgroup = stack.enter_context(cgroup_of(prepared.pid))
        if not cgroup and "{cgroup}" in chosen.command:
            pytest.skip("no cgroup hierarchy of version 2 is mounted")
        command = chosen.command.format(pid=prepared.pid, parent=os.getpid(), cgroup=cgroup)
        one = watch(f"{command} --tier={tier}", field.netns)
        stack.callback(one.kill)
        skipped = skipped_runs(one.process.pid)
        with witness:
            truth = field.finish(prepared)
        judge(one, skipped, truth, chosen.roles, witness)
        check_tail_calls(one.process.pid)
        if "--by=comm" in command:
            check_names(one.told(), truth, chosen.roles)


def check_names(told, truth, roles):
    """A client belongs to the thread that connects, a server to the one that accepts, before to the one that listens."""
    clients = sum(n for (role, _), n in truth.opens.items() if role == "client") if "client" in roles else 0
    assert told.by["comm=race-client"] == clients
    assert set(told.by) <= {"comm=race-client", "comm=race-server", "comm=race"}
    assert told.by.total() == told.opens.total()
