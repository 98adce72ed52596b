# SPDX-License-Identifier: GPL-2.0-only
"""The rights that are left after `ready`, as the kernel tells them, and what still works with these. What is in a guest, too, is what
a kernel may see differently.
"""
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import threading

import pytest

import settings
from netns import dial
from process import Process, wait_until
from tracer import tier_args

DAC_OVERRIDE, DAC_READ_SEARCH, KILL, BPF = (1 << bit for bit in (1, 2, 5, 39))
# kernel.unprivileged_bpf_disabled is for all of bpf(2) before 5.19 (c8644cd0efe7).
MAPS = BPF if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (5, 19) and \
    open("/proc/sys/kernel/unprivileged_bpf_disabled", encoding="ascii").read().strip() != "0" else 0


def status_of(path):
    with open(f"{path}/status", encoding="utf-8", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def caps(status, name="CapEff"):
    return int(status[name], 16)


OWN = status_of("/proc/self")


def check_dropped(pid, expected):
    """Of every thread."""
    tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        status = status_of(f"/proc/{pid}/task/{task}")
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status
        assert caps(status) == caps(status, "CapPrm") == expected, (hex(expected), status)
        assert caps(status, "CapInh") == caps(status, "CapAmb") == caps(status, "CapBnd") == 0, status
    return len(tasks)


@pytest.mark.parametrize("command, args, expected", [
    ("trace", [], MAPS | DAC_READ_SEARCH),
    pytest.param("trace", ["--stats"], MAPS | DAC_READ_SEARCH, marks=pytest.mark.native),
    ("hist", [], MAPS),
    pytest.param("hist", ["--by", "comm,cgroup", "-i", "100ms"], MAPS | DAC_READ_SEARCH, marks=pytest.mark.native),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_dropped(netns, trace, command, args, expected):
    tracer = trace(netns, command=command, args=args)
    assert check_dropped(tracer.process.pid, expected) == 1
    for sock in dial(netns, netns):
        sock.close()
    assert tracer.process.stop() == 0
    assert "Operation not permitted" not in tracer.process.stderr


@pytest.mark.once_per_kernel
def test_dropped_export(netns, export, tmp_path):
    exporter = export("--state", tmp_path / "state", netns=[netns])
    assert exporter.request().status == 200
    assert check_dropped(exporter.process.pid, MAPS) == 3
    exporter.process.child.send_signal(signal.SIGUSR1)
    assert wait_until((tmp_path / "state").exists)
    assert exporter.process.stop() == 0


@pytest.mark.native
def test_directory_of_another(netns, export, tmp_path):
    """Root without CAP_DAC_OVERRIDE could not write there."""
    directory = tmp_path / "theirs"
    directory.mkdir(mode=0o755)
    os.chown(directory, 65534, 65534)
    exporter = export("--textfile", directory / "prom", "-i", "20ms", netns=[netns])
    assert wait_until((directory / "prom").exists)
    check_dropped(exporter.process.pid, MAPS | DAC_OVERRIDE)
    assert exporter.process.stop() == 0


@pytest.mark.native
def test_dropped_merge(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    merge = Process([settings.SYNFIN, "merge", fifo])
    with open(fifo, "w", encoding="ascii") as file:
        assert wait_until(lambda: status_of(f"/proc/{merge.pid}")["Seccomp"] == "2")
        check_dropped(merge.pid, 0)
        file.write("{}\n")
    assert merge.wait() == 1 and f"{fifo}:1: " in merge.stderr


def check(*args):
    return subprocess.run([settings.SYNFIN, "check", *tier_args(), *args], capture_output=True, text=True, check=True).stdout


@pytest.mark.once_per_kernel
def test_check():
    names = {"trace": DAC_READ_SEARCH | MAPS, "trace -- CMD": DAC_READ_SEARCH | MAPS | KILL, "hist, export": MAPS,
             "with --by cgroup": DAC_READ_SEARCH | MAPS, "merge, check": 0}
    bits = {"CAP_DAC_READ_SEARCH": DAC_READ_SEARCH, "CAP_KILL": KILL, "CAP_BPF": BPF}
    rights = json.loads(check("--json"))["rights"]
    assert {name: sum(bits[cap] for cap in caps) for name, caps in rights["capabilities"].items()} == names
    assert rights["no_new_privs"] and rights["seccomp"]
    if settings.VM:
        assert (rights["landlock"] is None) == os.uname().release.startswith("5.10.")
    text = check()
    assert "no_new_privs: yes, seccomp: yes" in text and re.search(r"^merge, check +none$", text, re.M)
    assert "no_new_privs: no, seccomp: no, Landlock: no" in check("--no-sandbox")


@pytest.mark.native
def test_no_sandbox(netns, trace):
    tracer = trace(netns, args=["--no-sandbox"])
    assert re.search(r"ready: .*; all rights are kept \(--no-sandbox\)$", tracer.process.stderr, re.M)
    status = status_of(f"/proc/{tracer.process.pid}")
    assert (status["NoNewPrivs"], status["Seccomp"]) == (OWN["NoNewPrivs"], OWN["Seccomp"])
    assert caps(status) == caps(OWN)


@pytest.mark.native
def test_command(netns):
    """It runs as we were called: the rights of the caller, none of our descriptors, no signal blocked."""
    process = Process([settings.SYNFIN, "trace", *tier_args(), "--json", "--", "sh", "-c",
                       "cat /proc/self/status; ls /proc/$$/fd; echo; exec sleep 60"], netns=netns)
    assert wait_until(lambda: process.stdout.endswith("\n\n"))
    text = process.stdout
    told = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "NoNewPrivs", "Seccomp", "Uid"):
        assert told[name] == OWN[name], name
    assert int(told["SigBlk"], 16) == 0 and int(told["SigIgn"], 16) & ~int(OWN["SigIgn"], 16) == 0
    assert [line for line in text.splitlines() if re.fullmatch(r"\d+", line)] == ["0", "1", "2"]
    check_dropped(process.pid, MAPS | DAC_READ_SEARCH | KILL)
    assert process.stop() == 128 + signal.SIGINT


def end_twice(process):
    """Sooner, the second signal would be taken for the first one again."""
    process.child.send_signal(signal.SIGINT)
    wait_until(lambda: False, 0.4)
    process.child.send_signal(signal.SIGTERM)


@pytest.mark.native
def test_command_of_another_user(netns):
    """A command that has changed its user is ended all the same."""
    process = Process([settings.SYNFIN, "trace", *tier_args(), "--", "setpriv", "--reuid", "65534", "--clear-groups", "--regid",
                       "65534", "sh", "-c", "trap '' TERM INT; echo there; while :; do sleep 0.1; done"], netns=netns)
    process.wait_for("there", "stdout")
    end_twice(process)
    assert process.wait() == 128 + signal.SIGKILL


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_there(pid):
    return os.path.exists(f"/proc/{pid}") and status_of(f"/proc/{pid}")["State"][0] != "Z"


def bpf_programs(pid):
    found = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
            found.update(re.findall(r"^prog_id:\s+(\d+)$", file.read(), re.M))
    return found


def check_nobody(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        status = status_of(f"/proc/{pid}/task/{task}")
        assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4 and not status["Groups"].split(), status


@pytest.mark.once_per_kernel
def test_user(netns, trace, export):
    """Nothing that is shown is missing: a cgroup's path among it."""
    tracer = trace(netns, args=["--user", "nobody"])
    check_nobody(tracer.process.pid)
    check_dropped(tracer.process.pid, MAPS | DAC_READ_SEARCH)
    exporter = export("--user", "nobody", "--by", "cgroup", netns=[netns])
    check_nobody(exporter.process.pid)
    for sock in dial(netns, netns):
        sock.close()
    tracer.wait_for("close", 2)
    owner = tracer.stop().of("open", role="client")[0]["owner"]
    with open("/proc/self/cgroup", encoding="ascii") as file:
        own = [line.rstrip("\n").split("::", 1)[1] for line in file if line.startswith("0::")]
    assert [owner["cgroup"]] == own or not own, owner
    samples = exporter.wait_for("synfin_opens_total", 2)
    assert samples.sum("synfin_opens_total", **({"cgroup": own[0]} if own else {})) == 2
    assert exporter.process.stop() == 0


@pytest.mark.native
def test_user_of_command(netns):
    """The command is the caller's all the same, and is ended."""
    process = Process([settings.SYNFIN, "trace", *tier_args(), "--user", "nobody", "--", "sh", "-c",
                       "trap '' TERM INT; id -u; while :; do sleep 0.1; done"], netns=netns)
    process.wait_for("0\n", "stdout")
    check_nobody(process.pid)
    end_twice(process)
    assert process.wait() == 128 + signal.SIGKILL


@pytest.mark.native
@pytest.mark.parametrize("args, words", [
    (["--user", "no-such-user"], ["--user", "no-such-user"]),
    (["--user", "0"], ["--user"]),
    (["--user", ""], ["--user"]),
    (["--user", "nobody", "--no-sandbox"], ["--user", "--no-sandbox"]),
], ids=lambda value: " ".join(value))
def test_user_refused(args, words):
    result = subprocess.run([settings.SYNFIN, "check", *args], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result
    assert all(word in result.stderr for word in words), result


@pytest.fixture
def kept(netns, export, tmp_path):
    path = tmp_path / "synfin.conf"
    path.write_text(f"netns = {netns.path}\nlisten = 127.0.0.1:0\n", encoding="ascii")
    return export("--config", path), path


@pytest.mark.native
def test_kept(kept):
    """The parent alone can begin anew, and has nothing to do with the network or BPF."""
    exporter, _ = kept
    (worker,) = children(exporter.process.pid)
    assert check_dropped(worker, MAPS) == 3
    status = status_of(f"/proc/{exporter.process.pid}")
    assert status["NoNewPrivs"] == "1" and status["Threads"] == "1" and caps(status) == caps(OWN)
    assert not bpf_programs(exporter.process.pid) and bpf_programs(worker)
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert not is_there(worker)


@pytest.mark.native
@pytest.mark.parametrize("who", ["parent", "worker"])
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_kept_killed(netns, export, tmp_path, who, user):
    """Neither is left without the other."""
    path = tmp_path / "synfin.conf"
    path.write_text(f"netns = {netns.path}\nlisten = 127.0.0.1:0\nuser = {user}\n", encoding="ascii")
    exporter = export("--config", path)
    (worker,) = children(exporter.process.pid)
    if user != "root":
        check_nobody(worker)
    if who == "parent":
        exporter.process.kill()
        assert wait_until(lambda: not is_there(worker))
    else:
        os.kill(worker, signal.SIGKILL)
        assert exporter.process.wait() == 1
        assert "ended by signal 9" in exporter.process.stderr


@pytest.mark.native
def test_kept_fails(kept):
    """A reload that cannot load changes nothing; one that can replaces the worker, and nobody is refused meanwhile."""
    exporter, path = kept
    pid = exporter.process.pid
    (worker,) = children(pid)
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (12, limit[1]))
    exporter.process.child.send_signal(signal.SIGHUP)
    exporter.process.wait_for(f"{path} is not used: all stays as it was")
    assert wait_until(lambda: children(pid) == [worker])
    assert exporter.request("/healthz").status == 200
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    answers, stop = [], threading.Event()

    def scrape():
        while not stop.is_set():
            with contextlib.suppress(http.client.RemoteDisconnected, ConnectionResetError):  # cut off, but not refused
                answers.append(exporter.request("/healthz").status)

    thread = threading.Thread(target=scrape)
    thread.start()
    exporter.process.child.send_signal(signal.SIGHUP)
    assert wait_until(lambda: exporter.process.stderr.count("/metrics\n") == 2)
    stop.set()
    thread.join()
    assert answers and set(answers) == {200}
    assert wait_until(lambda: len(children(pid)) == 1) and children(pid) != [worker] and not is_there(worker)
    check_dropped(children(pid)[0], MAPS)
    assert exporter.process.stop(signal.SIGTERM) == 0


@pytest.mark.native
def test_kept_unix_socket(netns, export, tmp_path):
    """The parent removes it: when another takes its place, and at the end; and that of a configuration that fails."""
    path, first, second = tmp_path / "synfin.conf", tmp_path / "first", tmp_path / "second"

    def write(listen):
        path.write_text(f"netns = {netns.path}\nlisten = unix:{listen}\n", encoding="ascii")

    write(first)
    exporter = export("--config", path)
    pid = exporter.process.pid
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (12, limit[1]))
    write(second)
    exporter.process.child.send_signal(signal.SIGHUP)
    exporter.process.wait_for(f"{path} is not used: all stays as it was")
    assert wait_until(lambda: not second.exists()) and first.exists()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    exporter.process.child.send_signal(signal.SIGHUP)
    exporter.process.wait_for(f"serving on unix:{second}")
    assert wait_until(lambda: not first.exists()) and second.exists()
    assert wait_until(lambda: len(children(pid)) == 1)
    (worker,) = children(pid)
    with open("/proc/net/unix", encoding="ascii") as sockets:
        assert str(first) not in sockets.read()  # nor does the worker keep it open
    check_dropped(worker, MAPS)
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert not second.exists()


@pytest.mark.native
def test_kept_notifies(netns, export, tmp_path):
    """The service manager is told by the parent: it listens to nobody else (NotifyAccess=main)."""
    path, conf = str(tmp_path / "notify"), tmp_path / "synfin.conf"
    conf.write_text(f"netns = {netns.path}\nlisten = 127.0.0.1:0\n", encoding="ascii")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(settings.PATIENCE)
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

        def told():
            data, ancillary, _, _ = manager.recvmsg(100, socket.CMSG_SPACE(12))
            assert struct.unpack("iii", ancillary[0][2])[0] == exporter.process.pid
            return data

        def told_after_watchdogs():
            while (data := told()) == b"WATCHDOG=1":
                pass
            return data

        exporter = export("--config", conf, env={**os.environ, "NOTIFY_SOCKET": path})
        assert [told(), told()] == [b"READY=1", b"WATCHDOG=1"]
        exporter.process.child.send_signal(signal.SIGHUP)
        assert [told_after_watchdogs(), told_after_watchdogs(), told()] == [b"RELOADING=1", b"READY=1", b"WATCHDOG=1"]
        exporter.process.child.send_signal(signal.SIGTERM)
        assert told_after_watchdogs() == b"STOPPING=1"
        assert exporter.process.wait() == 0


@pytest.fixture
def handing_over(kept):
    """(exporter, old worker, new worker): the new one is attached, and the old one, which is stopped, told to end."""
    exporter, _ = kept
    (old,) = children(exporter.process.pid)
    os.kill(old, signal.SIGSTOP)
    exporter.process.child.send_signal(signal.SIGHUP)
    assert wait_until(lambda: len(children(exporter.process.pid)) == 2)
    (new,) = set(children(exporter.process.pid)) - {old}
    assert wait_until(lambda: int(status_of(f"/proc/{old}")["ShdPnd"], 16) & 1 << signal.SIGTERM - 1)
    return exporter, old, new


@pytest.mark.native
def test_kept_again(handing_over):
    """SIGHUP while one worker takes over from another: a third one does from that."""
    exporter, old, new = handing_over
    exporter.process.child.send_signal(signal.SIGHUP)
    wait_until(lambda: False, 0.2)
    os.kill(old, signal.SIGCONT)
    assert wait_until(lambda: exporter.process.stderr.count("/metrics\n") == 3)
    assert wait_until(lambda: len(children(exporter.process.pid)) == 1) and not is_there(old) and not is_there(new)
    assert exporter.request().status == 200
    assert exporter.process.stop(signal.SIGTERM) == 0


@pytest.mark.native
def test_kept_ending(kept):
    """SIGHUP after SIGTERM: nobody begins any more."""
    exporter, _ = kept
    (worker,) = children(exporter.process.pid)
    os.kill(worker, signal.SIGSTOP)
    exporter.process.child.send_signal(signal.SIGTERM)
    assert wait_until(lambda: int(status_of(f"/proc/{worker}")["ShdPnd"], 16) & 1 << signal.SIGTERM - 1)
    exporter.process.child.send_signal(signal.SIGHUP)
    assert not wait_until(lambda: len(children(exporter.process.pid)) > 1, 1)
    os.kill(worker, signal.SIGCONT)
    assert exporter.process.wait() == 0 and exporter.process.stderr.count("/metrics\n") == 1


@pytest.mark.native
def test_kept_lost(handing_over):
    """The new worker dies when the old one is already told to end: that is a failure, for whoever starts it again."""
    exporter, old, new = handing_over
    os.kill(new, signal.SIGKILL)
    assert wait_until(lambda: not is_there(new))
    os.kill(old, signal.SIGCONT)
    assert exporter.process.wait() == 1 and "nobody is left" in exporter.process.stderr
    assert not is_there(old)


@pytest.mark.native
def test_kept_hurried(kept):
    """SIGHUP again and again, and SIGTERM in the midst of it: one worker is left, and then none."""
    exporter, _ = kept
    pid = exporter.process.pid
    for _ in range(5):
        exporter.process.child.send_signal(signal.SIGHUP)
        wait_until(lambda: False, 0.05)
    assert wait_until(lambda: exporter.process.stderr.count("/metrics\n") >= 2 and len(children(pid)) == 1), \
        (exporter.process.status, children(pid), exporter.process.stderr)
    assert exporter.request("/healthz").status == 200
    exporter.process.child.send_signal(signal.SIGHUP)
    assert wait_until(lambda: len(children(pid)) == 2)
    workers = children(pid)
    assert exporter.process.stop(signal.SIGTERM) == 0
    assert not any(is_there(worker) for worker in workers)
