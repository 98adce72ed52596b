#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""workers.py shared|reuseport COUNT PORT: processes that accept() and answer with their PID, until the end of stdin.

shared: one listener, inherited by all; reuseport: one listener each.
"""
import os
import signal
import socket
import sys

how, count, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def listen():
    return socket.create_server(("127.0.0.1", port), backlog=1024, reuse_port=how == "reuseport")


def work(listener):
    while True:
        with listener.accept()[0] as sock:
            sock.sendall(str(os.getpid()).encode())


shared = listen() if how == "shared" else None
workers = []
for _ in range(count):
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        mine = shared or listen()
        os.close(tell)
        work(mine)
    workers.append(pid)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
print("ready", flush=True)
sys.stdin.read()
for pid in workers:
    os.kill(pid, signal.SIGKILL)
