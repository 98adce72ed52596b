#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Many connections held open by one process, until a line or the end of stdin:

crowd.py serve PORT...        accepts on 127.0.0.1 and closes what its peer has closed
crowd.py dial COUNT PORT...   connects to the ports in turn, prints a line with its own ports, closes all on the line
"""
import resource
import selectors
import socket
import sys


def serve(ports):
    events = selectors.DefaultSelector()
    for port in ports:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        events.register(listener, selectors.EVENT_READ, True)
    events.register(sys.stdin, selectors.EVENT_READ)
    print("listening", flush=True)
    while True:
        for key, _ in events.select():
            if key.fileobj is sys.stdin:
                return
            if key.data:
                events.register(key.fileobj.accept()[0], selectors.EVENT_READ)
            else:
                events.unregister(key.fileobj)
                key.fileobj.close()


def dial(count, ports):
    socks = [socket.create_connection(("127.0.0.1", ports[i % len(ports)])) for i in range(count)]
    print(*(sock.getsockname()[1] for sock in socks), flush=True)
    sys.stdin.read(1)
    for sock in socks:
        sock.close()


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
if sys.argv[1] == "serve":
    serve([int(arg) for arg in sys.argv[2:]])
else:
    dial(int(sys.argv[2]), [int(arg) for arg in sys.argv[3:]])
