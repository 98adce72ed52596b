# SPDX-License-Identifier: GPL-2.0-only
"""
The witness: tcpdump in a namespace, its file read back as TCP segments with the kernel's nanosecond stamps.
The reader knows just what is needed here (a guest would spend most of its time in tshark's start-up);
test_harness.py holds it against tshark.
"""
import ipaddress
import os
import struct
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field

from process import Process, wait_until

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
_NANO_MAGIC = 0xA1B23C4D
_LINKTYPE_SLL2, _SLL2_SIZE, _OTHERHOST = 276, 20, 3


@dataclass(frozen=True)
class Segment:
    time_ns: int
    src: tuple  # (address, port)
    dst: tuple
    flags: int
    seq: int
    ack: int
    length: int  # payload


@dataclass
class Flow:
    """One connection as it went over the wire; the client is who sent the SYN without ACK."""
    client: tuple
    server: tuple
    segments: list = field(default_factory=list)

    def of(self, sender, flags=0, mask=None, payload=None):
        """Segments of one sender whose `mask` bits (default: the flags themselves) equal `flags`."""
        mask = flags if mask is None else mask
        return [s for s in self.segments if s.src == sender and s.flags & mask == flags
                and (payload is None or bool(s.length) == payload)]

    @property
    def syns(self):
        return self.of(self.client, SYN, SYN | ACK)

    @property
    def synacks(self):
        return self.of(self.server, SYN | ACK)

    @property
    def handshake_ack(self):
        """The client's first segment after the SYN-ACK."""
        return next((s for s in self.of(self.client, ACK, SYN | ACK) if s.time_ns > self.synacks[0].time_ns), None)

    @property
    def handshake_ns(self):
        """First SYN to the ACK that completes the handshake."""
        return self.handshake_ack.time_ns - self.syns[0].time_ns

    def fins(self, sender):
        return self.of(sender, FIN)

    def resets(self, sender):
        return self.of(sender, RST)


def parse_segment(time_ns, packet):
    """The TCP segment of an IP packet, or None."""
    if packet[0] >> 4 == 4 and packet[9] == 6:
        ihl = (packet[0] & 15) * 4
        end = struct.unpack_from(">H", packet, 2)[0]
        src, dst = packet[12:16], packet[16:20]
    elif packet[0] >> 4 == 6 and packet[6] == 6:
        ihl = 40
        end = 40 + struct.unpack_from(">H", packet, 4)[0]
        src, dst = packet[8:24], packet[24:40]
    else:
        return None
    sport, dport, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", packet, ihl)
    return Segment(time_ns, (str(ipaddress.ip_address(src)), sport), (str(ipaddress.ip_address(dst)), dport),
                   flags & 0x3F, seq, ack, end - ihl - (offset >> 4) * 4)


def _parse_frame(time_ns, frame):
    """None for what is no TCP, and for frames to another link-layer address, which the kernel drops."""
    proto, packet_type = struct.unpack_from(">H8xB", frame)
    if packet_type == _OTHERHOST or proto not in (0x0800, 0x86DD):
        return None
    return parse_segment(time_ns, frame[_SLL2_SIZE:])


def read_pcap(data):
    magic, linktype = struct.unpack_from("<I16xI", data)
    assert (magic, linktype) == (_NANO_MAGIC, _LINKTYPE_SLL2), (hex(magic), linktype)
    segments, at = [], 24
    while at + 16 <= len(data):
        seconds, nanos, caplen = struct.unpack_from("<III", data, at)
        at += 16
        if at + caplen > len(data):
            break
        if segment := _parse_frame(seconds * 10**9 + nanos, data[at:at + caplen]):
            segments.append(segment)
        at += caplen
    return sorted(segments, key=lambda s: s.time_ns)


class Capture:
    """tcpdump over all devices of a namespace, from its creation to stop()."""

    def __init__(self, netns):
        self.dir = tempfile.TemporaryDirectory(prefix="sft")
        self.path = os.path.join(self.dir.name, "pcap")
        self.process = Process(["tcpdump", "-i", "any", "-y", "LINUX_SLL2", "-nn", "-p", "-s", "128", "-B", "8192",
                                "--immediate-mode", "--time-stamp-precision=nano", "-U", "-Z", "root",
                                "-w", self.path, "tcp"], netns=netns)
        self.process.wait_for("listening on")

    def stop(self):
        """Segments in the order of their stamps, once nothing more arrives."""
        size = -1

        def is_quiet():
            nonlocal size
            before, size = size, os.path.getsize(self.path)
            return before == size

        wait_until(is_quiet, every=0.1)
        self.process.stop()
        assert "\n0 packets dropped by kernel" in self.process.stderr, self.process.stderr
        with open(self.path, "rb") as file:
            segments = read_pcap(file.read())
        self.discard()
        return segments

    def discard(self):
        self.process.kill()
        self.dir.cleanup()


def flows(segments):
    """
    The captured connections as {(client, server): [Flow, ...]}, in order. A SYN with another sequence number
    than the last one on the same four-tuple begins a new flow; what belongs to no SYN is left out.
    """
    found = defaultdict(list)
    for segment in segments:
        forth, back = (segment.src, segment.dst), (segment.dst, segment.src)
        if segment.flags & (SYN | ACK) == SYN:
            known = found.get(forth)
            if not known or known[-1].syns[0].seq != segment.seq:
                found[forth].append(Flow(*forth))
            found[forth][-1].segments.append(segment)
        elif found.get(forth):
            found[forth][-1].segments.append(segment)
        elif found.get(back):
            found[back][-1].segments.append(segment)
    return dict(found)
