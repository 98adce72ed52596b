# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces of the tests: alone, or two joined by a veth pair. Nothing here touches the host's own."""
import contextlib
import ctypes
import fcntl
import itertools
import os
import socket
import struct
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_serial = itertools.count()


def _call(function, *args):
    if function(*args):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


def run(*argv, check=True):
    return subprocess.run([str(arg) for arg in argv], check=check, capture_output=True, text=True)


class Netns:
    def __init__(self):
        self.name = f"sft{os.getpid()}-{next(_serial)}"
        self.path = f"/run/netns/{self.name}"
        if self.name.endswith("-0"):  # makes /run/netns what ip wants it to be
            run("ip", "netns", "add", self.name)
            self.ip("link", "set", "lo", "up")
        else:
            self._add()

    def _add(self):
        """As ip does, which as a program takes half a second in a guest."""
        with open(self.path, "xb"), open("/proc/thread-self/ns/net", "rb") as home:
            _call(_LIBC.unshare, _CLONE_NEWNET)
            try:
                _call(_LIBC.mount, b"/proc/thread-self/ns/net", self.path.encode(), b"none", _MS_BIND, None)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
            finally:
                self._setns(home)

    @property
    def inode(self):
        return os.stat(self.path).st_ino

    def ip(self, *args):
        return run("ip", "-n", self.name, *args)

    def ip_batch(self, *lines):
        """Commands of ip, a line each, at the price of one: starting a program is what takes time in a guest."""
        subprocess.run(["ip", "-n", self.name, "-batch", "-"], check=True, input="\n".join(lines), text=True)

    def sysctl(self, name, value):
        """`name` as a path below /proc/sys/net; that directory shows the namespace of the thread that looks."""
        with self.entered():
            with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
                file.write(str(value))

    def counters(self):
        """/proc/net/snmp and netstat of TCP, and `alive_tw`: how many TIME_WAIT minisocks there are."""
        found = {}
        with self.entered():
            for name in ("snmp", "netstat"):
                with open(f"/proc/thread-self/net/{name}", encoding="ascii") as file:
                    lines = [line.split() for line in file if line.startswith("Tcp")]
                for names, values in zip(lines[::2], lines[1::2]):
                    found.update(zip(names[1:], map(int, values[1:])))
            with open("/proc/thread-self/net/sockstat", encoding="ascii") as file:
                words = next(line for line in file if line.startswith("TCP:")).split()
        found["alive_tw"] = int(words[words.index("tw") + 1])
        return found

    @contextlib.contextmanager
    def entered(self):
        """Moves the calling thread into the namespace; sockets made inside stay there for good."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            self._setns(there)
            try:
                yield
            finally:
                self._setns(home)

    @staticmethod
    def _setns(file):
        _call(_LIBC.setns, file.fileno(), _CLONE_NEWNET)

    def socket(self, family=socket.AF_INET):
        with self.entered():
            sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(60)
        return sock

    def listen(self, addr="127.0.0.1", port=0, backlog=128, v6only=None):
        sock = self.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6only is not None:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        sock.bind((addr, port))
        sock.listen(backlog)
        return sock

    def connect(self, addr, port, lport=0):
        sock = self.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
        if lport:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("::" if ":" in addr else "0.0.0.0", lport))
        try:
            sock.connect((addr, port))
        except OSError:
            sock.close()
            raise
        return sock

    def delete(self):
        _LIBC.umount2(self.path.encode(), _MNT_DETACH)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def dial(client, server, addr="127.0.0.1", lport=0):
    """One accepted connection between two namespaces (or within one): (client's socket, server's socket)."""
    with server.listen(addr) as listener:
        near = client.connect(addr, listener.getsockname()[1], lport)
        return near, listener.accept()[0]


class Pair:
    """
    `client` and `server`, each with one end of a veth pair, fixed addresses and a way to lose packets. The
    addresses of `nobody` lead to the client's side, where no kernel answers for them.
    """
    client4, server4, nobody4 = "10.9.0.1", "10.9.0.2", "10.9.0.9"
    client6, server6, nobody6 = "fd09::1", "fd09::2", "fd09::9"
    client_mac, server_mac = "02:00:00:00:00:01", "02:00:00:00:00:02"

    def __init__(self):
        self.client, self.server = Netns(), Netns()
        self.dev = dev = "veth0"
        self.client.ip_batch(
            f"link add {dev} address {self.client_mac} type veth"
            f" peer name {dev} address {self.server_mac} netns {self.server.name}",
            *self._set_up((self.client4, self.client6), (self.server4, self.server6), self.server_mac))
        others = (self.client4, self.client6, self.nobody4, self.nobody6)
        self.server.ip_batch(*self._set_up((self.server4, self.server6), others, self.client_mac))

    def _set_up(self, own, others, mac):
        yield f"addr add {own[0]}/24 dev {self.dev}"
        yield f"addr add {own[1]}/64 dev {self.dev} nodad"
        yield f"link set {self.dev} up"
        for addr in others:
            yield f"neigh replace {addr} lladdr {mac} dev {self.dev} nud permanent"

    def _neighbour(self, netns, addr, mac):
        netns.ip("neigh", "replace", addr, "lladdr", mac, "dev", self.dev, "nud", "permanent")

    @contextlib.contextmanager
    def deaf(self, sender, addr):
        """
        While inside, what `sender` sends to `addr` is lost. The link-layer address is wrong for that time: the
        frames are sent, a capture at the sender sees them, and the other end drops them. It needs neither
        netem nor netfilter.
        """
        self._neighbour(sender, addr, "02:00:00:00:00:99")
        try:
            yield
        finally:
            self._neighbour(sender, addr, self.server_mac if sender is self.client else self.client_mac)

    def delay(self, ms, loss=0):
        """Delays (and loses, in per cent) what both ends send; skips the test where the kernel cannot."""
        for netns in (self.client, self.server):
            with netns.entered():
                result = run("tc", "qdisc", "replace", "dev", self.dev, "root", "netem", "delay", f"{ms}ms",
                             *(("loss", f"{loss}%") if loss else ()), check=False)
            if result.returncode:
                import pytest  # takes seconds where a clock counts instructions, and only tests have it
                pytest.skip(f"no sch_netem in this kernel ({os.uname().release}): {result.stderr.strip()}")

    def delete(self):
        self.client.delete()
        self.server.delete()
