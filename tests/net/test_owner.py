# SPDX-License-Identifier: GPL-2.0-only
"""Whose connection it is: the process that answered, however it came by the socket."""
import array
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

import settings
from actor import Actor
from process import wait_until
from tracer import tier_args
from uring import Ring

WORKERS = [sys.executable, settings.ROOT / "tests" / "net" / "workers.py"]


def answers(netns, port, count):
    """{local port of the client: PID that answered}"""
    told = {}
    for _ in range(count):
        with netns.connect("127.0.0.1", port) as sock:
            with sock.makefile("rb") as file:
                told[sock.getsockname()[1]] = int(file.read())
    return told


def test_each_worker_has_its_own(netns, spawn, trace):
    """Workers on one SO_REUSEPORT port, and as many that share a listener; the server says who it was."""
    tracer = trace(netns, args=["--role", "server"])
    for how, port in (("reuseport", 7401), ("shared", 7402)):
        workers = spawn([*WORKERS, how, settings.WORKERS, port], netns=netns, stdin=subprocess.PIPE)
        workers.wait_for("ready", "stdout")
        with netns.entered():
            told = answers(netns, port, settings.ANSWERS)
        tracer.wait_for("close", len(told), timeout=settings.PATIENCE, lport=port)
        assert len(set(told.values())) > settings.WORKERS // 4  # more than one was at work
        workers.child.stdin.close()
        workers.wait()
        seen = {r["rport"]: (r["owner"]["pid"], r["owner"]["source"])
                for r in tracer.records().of("close", lport=port)}
        assert seen == {rport: (pid, "accept") for rport, pid in told.items()}
    assert not tracer.stop().of("lost")


def test_passed_to_another_process(netns, trace):
    """SCM_RIGHTS: who accepted it owns it, who closes it is the closer."""
    tracer = trace(netns)
    near, far = socket.socketpair()
    with netns.listen() as listener, netns.connect(*listener.getsockname()) as client:
        taken = listener.accept()[0]
        child = os.fork()
        if not child:
            taken.close()
            _, rights, _, _ = far.recvmsg(1, socket.CMSG_SPACE(4))
            far.recv(1)  # it has nobody else's file any more
            os.close(array.array("i", rights[0][2][:4])[0])
            os._exit(0)
        near.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [taken.fileno()]))])
        taken.close()
        near.send(b"x")
        os.waitpid(child, 0)
        client.recv(1)
    tracer.wait_for("close", 2)
    server = tracer.stop().conn(role="server").close
    assert server["owner"]["pid"] == os.getpid() and server["closer"]["pid"] == child


def test_inherited_by_a_child(netns, trace):
    """fork() after accept(): the accepter owns it, the last one to close is the closer."""
    tracer = trace(netns)
    with netns.listen() as listener, netns.connect(*listener.getsockname()) as client:
        taken = listener.accept()[0]
        wait, go = os.pipe()
        child = os.fork()
        if not child:
            listener.close()
            client.close()
            os.read(wait, 1)
            os._exit(0)  # closes it
        taken.close()
        os.write(go, b"x")
        os.waitpid(child, 0)
        client.recv(1)
    tracer.wait_for("close", 2)
    server = tracer.stop().conn(role="server").close
    assert server["owner"]["pid"] == os.getpid() and server["closer"]["pid"] == child


def test_thread(netns, trace):
    """`pid` is the process, `tid` the thread that asked."""
    tracer = trace(netns, args=["--role", "client"])
    tids = []
    with netns.listen() as listener:
        def dial():
            tids.append(threading.get_native_id())
            netns.connect(*listener.getsockname()).close()
        thread = threading.Thread(target=dial)
        thread.start()
        thread.join()
        listener.accept()[0].close()
    tracer.wait_for("close")
    owner = tracer.stop().conn().close["owner"]
    assert (owner["pid"], owner["tid"]) == (os.getpid(), tids[0])
    assert tids[0] != os.getpid()


def test_non_blocking_connect(netns, trace):
    """The handshake ends in softirq, while anybody may run."""
    tracer = trace(netns)
    with netns.listen(addr="::", v6only=False) as listener:  # dual-stack
        client = netns.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", listener.getsockname()[1]))
        server = listener.accept()[0]
        server.close()
        client.close()
    tracer.wait_for("close", 2)
    records = tracer.stop()
    for role, source in (("client", "connect"), ("server", "accept")):
        owner = records.conn(role=role).close["owner"]
        assert (owner["pid"], owner["source"]) == (os.getpid(), source)


@pytest.fixture(params=["inline", "worker", "sqpoll"])
def ring(request):
    try:
        one = Ring(request.param)
    except OSError as error:
        pytest.skip(f"no io_uring here: {error}")
    yield one, request.param
    one.close()


def test_io_uring(netns, trace, ring):
    """Whose ring it is owns it; the ring's own threads, which do the work, are never named."""
    one, how = ring
    tracer = trace(netns)
    with netns.listen() as listener, netns.socket() as client:
        client.setblocking(True)
        listener.setblocking(True)
        one.connect(client, *listener.getsockname())
        with socket.socket(fileno=one.accept(listener)):
            pass
        client.recv(1)
    tracer.wait_for("close", 2)
    with open("/proc/self/comm", encoding="ascii") as file:
        comm = file.read().strip()
    tids = {"inline": {os.getpid()}, "worker": {None}, "sqpoll": {None}}[how]
    records = tracer.stop()
    client, server = (records.conn(role=role).close["owner"] for role in ("client", "server"))
    # before 5.12 a ring's threads could be the kernel's, which own nothing
    if client["source"] == "none" and how != "inline" and tuple(map(int, os.uname().release.split(".")[:2])) < (5, 12):
        return
    assert (client["pid"], client["comm"], client["source"]) == (os.getpid(), comm, "connect") and client["tid"] in tids, client
    # the system calls of accept(), which are all that the tracepoint tier has, were not used
    assert (server["pid"], server["comm"]) == (os.getpid(), comm) and server["source"] in ("accept", "listener"), server
    assert server["tid"] in tids | {os.getpid()}, server


def started_ns(stat):
    """Of a process, by its /proc/PID/stat: the begin of the tick in which it was started."""
    return int(stat.rpartition(")")[2].split()[19]) * settings.TICK_NS


RECYCLED = """
import json, os, signal, socket, subprocess, sys
tracer = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while "synfin: ready" not in tracer.stderr.readline():
    assert tracer.poll() is None
told = []
with socket.create_server(("127.0.0.1", 7001)) as listener:
    for _ in range(2):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write("4999")
        read_end, write_end = os.pipe()
        if not os.fork():
            with socket.create_connection(("127.0.0.1", 7001)) as sock, open("/proc/self/stat") as stat:
                os.write(write_end, json.dumps([sock.getsockname()[1], os.getpid(), stat.read()]).encode())
                sock.recv(1)
            os._exit(0)
        listener.accept()[0].close()
        told.append(json.loads(os.read(read_end, 4096)))
        os.wait()
tracer.send_signal(signal.SIGINT)
print(json.dumps({"told": told, "records": [json.loads(line) for line in tracer.communicate()[0].splitlines()]}))
"""


def test_recycled_pid(netns):
    """Two processes that had the same PID one after the other are told apart by when they were started."""
    argv = ["nsenter", f"--net={netns.path}", "unshare", "-p", "-f", "--mount-proc", sys.executable, "-c", RECYCLED, settings.SYNFIN,
            "trace", "--json", "--netns", netns.path, "--role", "client", *tier_args()]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=settings.PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    closes = {record["lport"]: record["owner"] for record in result["records"] if record["type"] == "close"}
    assert [pid for _, pid, _ in result["told"]] == [5000, 5000] and len(closes) == 2
    for port, pid, stat in result["told"]:
        owner = closes[port]
        assert owner["pid"] == pid and 0 <= owner["start_ns"] - started_ns(stat) < settings.TICK_NS, (owner, stat)
    first, second = (closes[port]["start_ns"] for port, _, _ in result["told"])
    assert second > first


def test_start_of_each_source(netns, trace):
    """Who listened before the tracer came, who accepted, who connected: the same process."""
    with open("/proc/self/stat", encoding="ascii") as file:
        begin = started_ns(file.read())
    with netns.listen() as listener:
        tracer = trace(netns, alone=True)
        with netns.connect(*listener.getsockname()) as client:
            listener.accept()[0].close()
            client.recv(1)
        tracer.wait_for("close", 2)
        records = tracer.stop()
    assert {record["owner"]["source"] for record in records} >= {"connect", "accept", "iterator"}
    for record in records:
        assert 0 <= record["owner"]["start_ns"] - begin < settings.TICK_NS, record


CONTAINER = "0123456789abcdef" * 4


@pytest.fixture
def cgroup():
    """cgroup(path) makes one of version 2 below one of our own."""
    with open("/proc/self/mounts", encoding="ascii") as file:
        mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    if not mounts:
        pytest.skip("no cgroup hierarchy of version 2 is mounted here")
    top, made = f"{mounts[0]}/sfo{os.getpid()}", []

    def make(path):
        there = top
        for part in ["", *path.split("/")]:
            there = os.path.join(there, part).rstrip("/")
            if not os.path.exists(there):
                os.mkdir(there)
                made.append(there)
        return there
    yield make
    for path in reversed(made):
        wait_until(lambda path=path: not os.path.exists(path) or not remove(path), 5)


def remove(path):
    """What is in the way; an exiting process leaves its cgroup a moment later."""
    try:
        os.rmdir(path)
    except OSError as error:
        return error
    return None


@pytest.mark.parametrize("path, container, unit", [
    (f"docker-{CONTAINER}.scope", CONTAINER, f"docker-{CONTAINER}.scope"), (f"docker/{CONTAINER}", CONTAINER, None),
    ("web.service/worker", None, "web.service"), ("plain", None, None)])
def test_cgroup(netns, trace, cgroup, path, container, unit):
    """Its number, and by that its path as the process itself sees it, and what the path says."""
    there = cgroup(path)
    tracer = trace(netns)
    with netns.listen() as listener:
        actor = Actor(netns, "actor", there)
        with open(f"/proc/{actor.pid}/cgroup", encoding="ascii") as file:
            seen, = [line.strip()[3:] for line in file if line.startswith("0::")]
        actor.do("connect", key=1, addr="127.0.0.1", port=listener.getsockname()[1], laddr="127.0.0.1", lport=0)
        listener.accept()[0].close()
        actor.end()
    tracer.wait_for("close", 2)
    owner = tracer.stop().conn(role="client").close["owner"]
    assert {key: owner[key] for key in ("cgroup_id", "cgroup", "container", "unit")} == \
        {"cgroup_id": os.stat(there).st_ino, "cgroup": seen, "container": container, "unit": unit}
    assert seen.endswith(path)


def test_cgroup_that_is_gone(netns, trace, cgroup):
    """Before anybody asked for its path: the number is what is left. Its name may be another's by then."""
    there = cgroup("gone.service")
    number = os.stat(there).st_ino
    tracer = trace(netns, args=["--role", "client"])
    tracer.process.child.send_signal(signal.SIGSTOP)
    with netns.listen() as listener:
        actor = Actor(netns, "actor", there)
        actor.do("connect", key=1, addr="127.0.0.1", port=listener.getsockname()[1], laddr="127.0.0.1", lport=0)
        actor.end()
        listener.accept()[0].close()
    assert wait_until(lambda: not remove(there), 5)
    os.mkdir(there)
    tracer.process.child.send_signal(signal.SIGCONT)
    tracer.wait_for("close")
    for record in tracer.stop():
        owner = record["owner"]
        assert (owner["cgroup_id"], owner["cgroup"], owner["unit"]) == (number, None, None), record


HOSTILE = [b"a\nb", b"\x1b[31mred\x07", b"\xff\xfe\xc3(", b'q"\\\t', b"\xc2\x9b2J"]


@pytest.mark.once_per_kernel
@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "table"])
def test_hostile_names(netns, spawn, trace, json_lines):
    """A process may call itself anything: the JSON is valid, and nothing that a terminal obeys gets through."""
    tracer = trace(netns, args=["--role", "client"], json_lines=json_lines)
    script = ("import ctypes, socket, sys\n"
              "ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)\n"
              "socket.create_connection(('127.0.0.1', int(sys.argv[2]))).close()\n")
    with netns.listen() as listener:
        for name in HOSTILE:
            one = spawn([sys.executable, "-c", script, name.hex(), listener.getsockname()[1]], netns=netns)
            assert one.wait() == 0, one.stderr
            listener.accept()[0].close()
    wait_until(lambda: tracer.process.stdout.count("\n") >= 2 * len(HOSTILE), timeout=5)
    if json_lines:
        names = [r["owner"]["comm"] for r in tracer.stop().of("close")]
        assert names == [name.decode("utf-8", "replace") for name in HOSTILE]
        return
    assert tracer.process.stop() == 0
    text = tracer.process.stdout
    assert not [c for c in text if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0], repr(text)
    assert len([line for line in text.splitlines() if " close " in line]) == len(HOSTILE)
