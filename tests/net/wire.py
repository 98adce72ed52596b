# SPDX-License-Identifier: GPL-2.0-only
"""
A TCP peer played by the test, segment by segment, at addresses of the client's side that no kernel answers for.
So a socket of the server's namespace meets what no real peer does on demand, after exactly the time it should
take: SYNs that cross, an ACK that never comes, a RST in any state.
"""
import contextlib
import errno
import itertools
import socket
import struct
import time

from capture import ACK, FIN, RST, SYN, parse_segment
from netns import Pair
from process import wait_until

HOSTS = {4: Pair.nobody4, 6: Pair.nobody6}
SERVERS = {4: Pair.server4, 6: Pair.server6}
_ETH_P = {4: 0x0800, 6: 0x86DD}
_ports = itertools.count(20000)


def _checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The test's end of the veth: where Peers send and receive. All waits are a test's own."""

    def __init__(self, pair):
        self.pair = pair
        self.sockets = {}
        with pair.client.entered():
            for version in HOSTS:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P[version]))
                sock.bind((pair.dev, _ETH_P[version]))
                sock.setblocking(False)
                self.sockets[version] = sock
        self.seen = []  # segments from the server's side, in order

    def close(self):
        for sock in self.sockets.values():
            sock.close()

    def send(self, version, packet):
        mac = bytes.fromhex(self.pair.server_mac.replace(":", ""))
        self.sockets[version].sendto(packet, (self.pair.dev, _ETH_P[version], 0, 0, mac))

    def poll(self):
        for sock in self.sockets.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet, address = sock.recvfrom(65536)
                    if address[2] == socket.PACKET_HOST and (segment := parse_segment(time.monotonic_ns(), packet)):
                        self.seen.append(segment)

    def peer(self, version, port):
        """A peer for a socket at `port` of the server's side; its own port is new."""
        return Peer(self, version, port, next(_ports))

    def client_of(self, listener):
        """A peer for a listener of the server's side."""
        return self.peer(6 if listener.family == socket.AF_INET6 else 4, listener.getsockname()[1])

    def dial(self, listener):
        """(Peer, accepted socket) of a new connection."""
        peer = self.client_of(listener)
        peer.establish()
        return peer, listener.accept()[0]

    def call(self, version, sock=None):
        """(Peer, socket) once the socket has sent its SYN to the peer."""
        sock = sock or self.pair.server.socket(socket.AF_INET6 if version == 6 else socket.AF_INET)
        sock.bind((SERVERS[version], 0))
        peer = self.peer(version, sock.getsockname()[1])
        sock.setblocking(False)
        assert sock.connect_ex(peer.here) == errno.EINPROGRESS
        peer.expect(SYN)
        return peer, sock


class Peer:
    def __init__(self, wire, version, port, here):
        self.wire, self.version = wire, version
        self.here, self.there = (HOSTS[version], here), (SERVERS[version], port)
        self.isn = self.seq = 1_000_000 * (here - 19999)
        self.ack = 0
        self.next = 0  # of wire.seen

    def send(self, flags, payload=b"", seq=None, ack=None):
        """With the next sequence numbers unless told; these move on with what was sent."""
        seq = self.seq if seq is None else seq
        ack = (self.ack if ack is None else ack) if flags & ACK else 0
        header = struct.pack(">HHIIBBHHH", self.here[1], self.there[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        source, target = (socket.inet_pton(family, end[0]) for end in (self.here, self.there))
        length = len(header) + len(payload)
        check = _checksum(source + target + struct.pack(">IHH", length, 0, 6) + header + payload)
        segment = header[:16] + struct.pack(">H", check) + header[18:] + payload
        if self.version == 4:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 6, 0) + source + target
            packet = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:] + segment
        else:
            packet = struct.pack(">IHBB", 6 << 28, length, 6, 64) + source + target + segment
        self.seq = (seq + len(payload) + bool(flags & (SYN | FIN))) % 2**32
        self.wire.send(self.version, packet)

    def expect(self, flags, timeout=None):
        """The next segment with at least these flags. What comes before is passed over; what we send next acks it."""
        found = None

        def is_there():
            nonlocal found
            self.wire.poll()
            while self.next < len(self.wire.seen):
                segment = self.wire.seen[self.next]
                self.next += 1
                if (segment.src, segment.dst) == (self.there, self.here) and segment.flags & flags == flags:
                    found = segment
                    return True
            return False

        assert wait_until(is_there, timeout, every=0.001), f"no segment with flags {flags:#x} to {self.here}"
        self.ack = (found.seq + found.length + bool(found.flags & (SYN | FIN))) % 2**32
        return found

    def request(self):
        """SYN, and the SYN-ACK to it."""
        self.send(SYN)
        return self.expect(SYN | ACK)

    def establish(self):
        """A whole handshake from this side."""
        self.request()
        self.send(ACK)

    def answer(self):
        """The rest of a handshake whose SYN has come."""
        self.send(SYN | ACK)
        self.expect(ACK)

    def reset(self):
        self.send(RST | ACK)
