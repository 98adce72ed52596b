# SPDX-License-Identifier: GPL-2.0-only
"""As much of io_uring as it takes to connect and to accept, by bare system calls: one request at a time."""
import ctypes
import mmap
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SETUP, _ENTER = 425, 426
_SQPOLL, _IOSQE_ASYNC = 1 << 1, 1 << 4
_GETEVENTS, _SQ_WAKEUP = 1 << 0, 1 << 1
_ACCEPT, _CONNECT = 13, 16
_AT_SQ, _AT_CQ, _AT_SQES = 0, 0x8000000, 0x10000000
_SQE, _CQE, _ENTRIES = 64, 16, 4


def _call(*args):
    result = _LIBC.syscall(*(ctypes.c_long(arg) for arg in args))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Ring:
    """`how`: inline, worker (a thread of the ring does it) or sqpoll (another one submits it). OSError: there is none here."""

    def __init__(self, how):
        params = (ctypes.c_uint32 * 30)()
        params[2] = _SQPOLL if how == "sqpoll" else 0
        params[4] = 1000  # ms until the thread of sqpoll sleeps
        self.flags = _IOSQE_ASYNC if how == "worker" else 0
        self.fd = _call(_SETUP, _ENTRIES, ctypes.addressof(params))
        self.sq_off, self.cq_off = params[10:20], params[20:30]
        self.sq = mmap.mmap(self.fd, self.sq_off[6] + 4 * params[0], offset=_AT_SQ)
        self.cq = mmap.mmap(self.fd, self.cq_off[5] + _CQE * params[1], offset=_AT_CQ)
        self.sqes = mmap.mmap(self.fd, _SQE * params[0], offset=_AT_SQES)

    def _do(self, opcode, fd, addr=0, addr2=0):
        """The result of a request that is done."""
        tail, = struct.unpack_from("I", self.sq, self.sq_off[1])
        nth = tail % _ENTRIES
        struct.pack_into("BBHiQQ32x", self.sqes, _SQE * nth, opcode, self.flags, 0, fd, addr2, addr)
        struct.pack_into("I", self.sq, self.sq_off[6] + 4 * nth, nth)
        struct.pack_into("I", self.sq, self.sq_off[1], tail + 1)
        _call(_ENTER, self.fd, 1, 1, _GETEVENTS | _SQ_WAKEUP, 0, 0)
        head, = struct.unpack_from("I", self.cq, self.cq_off[0])
        _, result = struct.unpack_from("Qi", self.cq, self.cq_off[5] + _CQE * (head % (2 * _ENTRIES)))
        struct.pack_into("I", self.cq, self.cq_off[0], head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def connect(self, sock, addr, port):
        raw = ctypes.create_string_buffer(struct.pack("=HH4s8x", 2, ((port & 0xff) << 8) | port >> 8, bytes(map(int, addr.split(".")))), 16)
        self._do(_CONNECT, sock.fileno(), ctypes.addressof(raw), 16)

    def accept(self, listener):
        """A descriptor."""
        return self._do(_ACCEPT, listener.fileno())

    def close(self):
        os.close(self.fd)
