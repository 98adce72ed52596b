# SPDX-License-Identifier: GPL-2.0-only
"""Whose connection it is: the process that answered, however it came by the socket."""
import array
import os
import socket
import subprocess
import sys
import threading

import pytest

import settings
from process import wait_until

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
            os.close(array.array("i", rights[0][2][:4])[0])
            os._exit(0)
        near.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [taken.fileno()]))])
        taken.close()
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
