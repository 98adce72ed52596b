# SPDX-License-Identifier: GPL-2.0-only
"""
contrib/systemd as an operator installs it, under systemd as the first process of a guest. Each test begins with the unit
running, and synfin told by nobody but systemd what to do.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import settings
from netns import Netns
from process import wait_until

UNIT = "synfin-export.service"
CONTRIB = settings.ROOT / "contrib" / "systemd"
CONFIG = Path("/etc/synfin.conf")
COMM = Path("/proc/self/comm")
DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/test.conf")
PATIENCE_S = 60
OLDER = 5
ERROR = "3"  # syslog's
CAP_BPF = 1 << 39

pytestmark = pytest.mark.skipif(not os.readlink("/proc/1/exe").endswith("systemd"), reason="systemd is not the first process")


def systemctl(*args, check=True):
    return subprocess.run(["systemctl", *args], check=check, capture_output=True, text=True).stdout


def state(name):
    return systemctl("show", "-P", name, UNIT).strip()


def main_pid():
    return int(state("MainPID"))


def journal(since):
    """What synfin has said from then on: (priority, text)."""
    shown = subprocess.run(["journalctl", "-u", UNIT, "-o", "json", "--since", f"@{since:.6f}"], check=True, capture_output=True,
                           text=True)
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    return [(line["PRIORITY"], line["MESSAGE"]) for line in lines if line.get("SYSLOG_IDENTIFIER") == "synfin"]


def wait_for_text(since, text, priority=None):
    assert wait_until(lambda: any(text in message and priority in (None, level) for level, message in journal(since)),
                      PATIENCE_S, every=0.5), (text, journal(since))


def scrape():
    with urllib.request.urlopen("http://127.0.0.1:9842/metrics", timeout=PATIENCE_S) as answer:
        return answer.read().decode()


def total(page, name, **labels):
    found = 0
    for line in page.splitlines():
        given = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if re.match(rf"{name}[{{ ]", line) and labels.items() <= given.items():
            found += float(line.split()[-1])
    return found


def processes():
    """Of the unit: PIDs."""
    text = Path(f"/sys/fs/cgroup{state('ControlGroup')}/cgroup.procs").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


def programs():
    """How many sf_state programs the kernel has: one for each tracer."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True)
    return sum(one.get("name") == "sf_state" for one in json.loads(shown.stdout))


def configure(*lines):
    CONFIG.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def drop_in(*lines):
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("\n".join(("[Service]", *lines, "")), encoding="ascii")
    systemctl("daemon-reload")


@pytest.fixture(scope="module")
def older():
    """Connections that are there before the unit, in a network namespace of their own; how many ends. More than a scrape has itself."""
    netns = Netns()
    with netns.listen() as listener, contextlib.ExitStack() as stack:
        for _ in range(OLDER):
            stack.enter_context(netns.connect(*listener.getsockname()))
            stack.enter_context(listener.accept()[0])
        yield 2 * OLDER
    netns.delete()


@pytest.fixture(scope="module")
def installed(older):
    systemctl("stop", UNIT, check=False)  # of a first try
    shutil.copy(settings.SYNFIN, "/usr/local/sbin/synfin")
    shutil.copy(CONTRIB / "synfin-export.service", f"/etc/systemd/system/{UNIT}")
    configure("by = comm")
    systemctl("daemon-reload")


@pytest.fixture
def unit(installed):
    systemctl("reset-failed", UNIT, check=False)
    systemctl("start", UNIT)
    assert state("ActiveState") == "active"


def check_start(older):
    """It sees what is older, also in other network namespaces, nothing is missing, and the worker has given up its rights."""
    assert total(scrape(), "synfin_connections", state="established") >= older
    status = {pid: Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in processes()}
    kept = {pid: int(re.search(r"^CapEff:\t(\w+)$", text, re.M)[1], 16) for pid, text in status.items()}
    assert sum(rights in (0, CAP_BPF) for rights in kept.values()) == 1, status  # 5.10 asks for CAP_BPF
    assert all(int(re.search(r"^Seccomp_filters:\t(\d+)$", status[pid], re.M)[1]) > 1 for pid in kept if kept[pid] in (0, CAP_BPF))
    assert all(re.search(r"^NoNewPrivs:\t1$", text, re.M) for text in status.values())
    assert not any(re.search(r"^Uid:\t0\t", text, re.M) for text in status.values())


def test_start(unit, older):
    check_start(older)
    ready = [text for _, text in journal(0) if "ready: " in text]
    assert ready and "missing: nothing" in ready[0], ready


def test_tracepoint_tier(unit, older):
    """accept() needs tracefs there, which is root's, and the tracepoints of system calls."""
    since = time.time()
    configure("by = comm", "tier = tracepoint")
    systemctl("restart", UNIT)
    try:
        check_start(older)
        wait_for_text(since, "tier tracepoint, missing: syn")
        check_counts()
    finally:
        configure("by = comm")
        systemctl("restart", UNIT)


def counted():
    """Lives and waits for accept() of a name that no scrape has, for that is a connection too."""
    page = scrape()
    return [total(page, f"synfin_{metric}_seconds_count", comm="counted") for metric in ("life", "accept_wait")]


def check_counts():
    before, own, netns = counted(), COMM.read_text(encoding="ascii"), Netns()
    COMM.write_text("counted", encoding="ascii")
    try:
        with netns.listen() as listener, netns.connect(*listener.getsockname()), listener.accept()[0]:
            pass
    finally:
        COMM.write_text(own, encoding="ascii")
        netns.delete()
    right = [count + more for count, more in zip(before, (2, 1))]
    assert wait_until(lambda: counted() == right, PATIENCE_S, every=0.5), (counted(), right)


def test_connections_are_counted(unit):
    check_counts()


def test_reload(unit):
    pid = main_pid()
    since = time.time()
    configure("by = comm", "lport = 1-65535", "expire = 2h")
    systemctl("reload", UNIT)
    wait_for_text(since, "--lport 1-65535")
    assert state("ActiveState") == "active" and main_pid() == pid and scrape()
    since = time.time()
    configure("by = comm", "lprt = 1")
    systemctl("reload", UNIT, check=False)
    wait_for_text(since, "lprt", ERROR)
    assert state("ActiveState") == "active" and main_pid() == pid and scrape()
    configure("by = comm")


def test_levels(unit):
    """`ready` is no error, and is not shown where only errors are asked for."""
    assert all(level > ERROR for level, text in journal(0) if "ready: " in text)


def test_watchdog(unit):
    """Stopped, it says nothing, and systemd begins anew."""
    drop_in("WatchdogSec=10s", "RestartSec=1s")
    systemctl("restart", UNIT)
    time.sleep(15)  # longer: it does say that it is alive
    assert state("NRestarts") == "0" and state("ActiveState") == "active"
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: state("NRestarts") == "1" and state("ActiveState") == "active", PATIENCE_S, every=0.5)
    assert main_pid() != pid and programs() == 1 and scrape()


@pytest.mark.parametrize("whom", ["main", "all"])
def test_killed(unit, whom):
    """Nothing of it is left in the kernel, and it is there again."""
    drop_in("RestartSec=1s")
    systemctl("restart", UNIT)
    old = processes()
    for pid in old if whom == "all" else [main_pid()]:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: state("NRestarts") == "1" and state("ActiveState") == "active", PATIENCE_S, every=0.5)
    assert not set(processes()) & set(old)
    assert programs() == 1 and scrape()


def test_state(unit):
    """SIGUSR1 writes the sums where the unit lets it, for merge, and for root alone."""
    os.kill(main_pid(), signal.SIGUSR1)
    path = Path("/var/lib/synfin/state.json")
    assert wait_until(path.exists, PATIENCE_S, every=0.2)
    assert path.stat().st_mode & 0o777 == 0o600
    assert subprocess.run([settings.SYNFIN, "merge", path], capture_output=True).returncode == 0


def test_wrong_option_is_not_tried_again(installed):
    configure("by = nonsense")
    since = time.time()
    assert subprocess.run(["systemctl", "restart", UNIT], capture_output=True).returncode != 0
    configure("by = comm")
    assert state("ActiveState") == "failed" and state("NRestarts") == "0" and state("ExecMainStatus") == "2"
    wait_for_text(since, "nonsense", ERROR)


def test_textfile(unit):
    """As the unit's comment says: the directory named, and its owner the user."""
    home = Path("/var/lib/synfin-text")
    home.mkdir(exist_ok=True)
    shutil.chown(home, "daemon")
    drop_in("DynamicUser=no", "User=daemon", f"ReadWritePaths={home}")
    configure(f"textfile = {home}/synfin.prom", "interval = 1s")
    systemctl("restart", UNIT)
    try:
        assert wait_until((home / "synfin.prom").exists, PATIENCE_S, every=0.5)
        assert "synfin_build_info" in (home / "synfin.prom").read_text(encoding="utf-8")
    finally:
        DROP_IN.unlink()
        configure("by = comm")
        systemctl("daemon-reload")
        systemctl("restart", UNIT)


def test_exposure(unit):
    """As `systemd-analyze security` counts it: 0 is nothing, 10 is everything."""
    shown = subprocess.run(["systemd-analyze", "security", "--no-pager", UNIT], capture_output=True, text=True).stdout
    (level,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", shown)
    assert float(level) <= 2.9, shown


def test_stop(unit):
    begin = time.monotonic()
    systemctl("stop", UNIT)
    took = time.monotonic() - begin
    assert state("ActiveState") == "inactive" and state("Result") == "success" and not programs()
    assert took < 10, took  # a second, where a processor is not emulated
