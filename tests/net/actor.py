# SPDX-License-Identifier: GPL-2.0-only
"""
Processes that make connections on command, each with a name, a user, a cgroup and a parent of its own: forks of the test,
which cost next to nothing. An actor does one thing at a time and answers when it is done.
"""
import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import traceback

from netns import Netns

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NAME = 15
_LINGER0 = struct.pack("ii", 1, 0)


class Actor:
    """`home` is its network namespace; `parent` is the actor that forks this one, None the test itself."""

    def __init__(self, home, comm, cgroup=None, uid=0, parent=None):
        self.home, self.comm, self.cgroup, self.uid, self.parent = home, comm, cgroup, uid, parent
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(60)
        attributes = {"home": home.path, "comm": comm, "cgroup": cgroup, "uid": uid}
        if parent:
            parent._send({"do": "spawn", **attributes}, [theirs.fileno()])
        elif not os.fork():
            _live(theirs, **attributes)
        theirs.close()
        self.pid = self._answer()
        if parent:
            parent._answer()

    def _send(self, command, fds=()):
        socket.send_fds(self.channel, [json.dumps(command).encode()], fds)

    def _answer(self):
        answer = json.loads(self.channel.recv(65536) or '{"error": "it died"}')
        assert "error" not in answer, f"{self.comm}: {answer['error']}"
        return answer["value"]

    def do(self, what, fds=(), **details):
        self._send({"do": what, **details}, fds)
        return self._answer()

    def end(self):
        """Its children live on. A child of the test is reaped here, another by its parent or by init."""
        self.channel.close()
        if not self.parent:
            os.waitpid(self.pid, 0)


def _listen(addr, port, defer):
    sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if defer:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    if ":" in addr:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, addr != "::")
    sock.bind((addr, port))
    sock.listen()
    sock.settimeout(60)
    return sock


def _connect(addr, port, laddr, lport):
    sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    sock.settimeout(60)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((laddr, lport))
    return sock, sock.connect_ex((addr, port))


class _Hands:
    """The sockets that an actor has, by the keys that the test gives them."""

    def __init__(self):
        self.sockets = {}

    def listen(self, key, addr, port, defer=False, netns=None):
        with _within(netns):
            self.sockets[key] = _listen(addr, port, defer)

    def connect(self, key, addr, port, laddr, lport, netns=None):
        with _within(netns):
            self.sockets[key], error = _connect(addr, port, laddr, lport)
        return error

    def take(self, fd, key):
        """A listener of another process."""
        self.sockets[key] = socket.socket(fileno=fd)
        self.sockets[key].settimeout(60)

    def accept(self, key, listener):
        self.sockets[key] = self.sockets[listener].accept()[0]

    def write(self, key):
        self.sockets[key].sendall(b"x")

    def read(self, key):
        assert self.sockets[key].recv(1) == b"x"

    def half_close(self, key):
        self.sockets[key].shutdown(socket.SHUT_WR)

    def read_end(self, key):
        assert not self.sockets[key].recv(1)

    def close(self, key, reset=False):
        sock = self.sockets.pop(key)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER0)
        sock.close()

    def spawn(self, fd, **attributes):
        if not os.fork():
            _live(socket.socket(fileno=fd), **attributes)
        os.close(fd)


def _within(path):
    """The namespace of this path; None: the actor's own. Only root may go elsewhere."""
    if not path:
        return contextlib.nullcontext()
    there = Netns.__new__(Netns)
    there.path = path
    return there.entered()


def _serve(channel, hands):
    while True:
        data, fds, _, _ = socket.recv_fds(channel, 65536, 1)
        if not data:
            return
        command = json.loads(data)
        try:
            answer = {"value": getattr(hands, command.pop("do"))(*fds, **command)}
        except Exception:  # the test must know, whatever it was
            answer = {"error": traceback.format_exc()}
        channel.send(json.dumps(answer).encode())


def _live(channel, home, comm, cgroup, uid):
    """The life of an actor, which ends with the channel. Nothing of whom it was forked from is left open."""
    try:
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, 4096)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        channel.settimeout(600)
        with open(home, "rb") as netns:
            Netns._setns(netns)
        if cgroup:
            with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
                file.write("0")
        _LIBC.prctl(_PR_SET_NAME, comm.encode(), 0, 0, 0)
        if uid:
            os.setresuid(uid, uid, uid)
        channel.send(json.dumps({"value": os.getpid()}).encode())
        _serve(channel, _Hands())
    finally:
        os._exit(0)
