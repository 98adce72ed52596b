# SPDX-License-Identifier: GPL-2.0-only
"""Every filter against one table of connections built to differ: the exact set of ends comes out."""
import os
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

import settings
from expect import check


@dataclass(frozen=True)
class End:
    """One end of a connection of the table; `server` and `client` are the comms of its two processes."""
    row: int
    role: str
    pid: int
    comm: str
    lport: int
    rport: int
    netns: object
    version: int


ROWS = [  # namespace, version, server's port, client's port, server's comm, client's comm
    ("a", 4, 5001, 41001, "srv-one", "cli-alpha"),
    ("a", 6, 5002, 41002, "srv-two", "cli-beta"),
    ("b", 4, 5103, 41003, "srv-one", "cli-alpha"),
    ("b", 6, 5104, 41004, "srv-four", "cli-four"),
    ("b", 4, 5105, 5001, "srv-five", "cli-alpha"),
]


class Table:
    """The processes of all rows, listening or waiting for run()."""

    def __init__(self, spaces, serve, spawn, tmp_path):
        self.spaces, self.ends, self.servers, self.clients = spaces, [], [], []
        for row, (space, version, port, sport, server_comm, client_comm) in enumerate(ROWS):
            for comm in (server_comm, client_comm):
                if not (tmp_path / comm).exists():
                    (tmp_path / comm).symlink_to(settings.PEER)
            netns, addr = spaces[space], "127.0.0.1" if version == 4 else "::1"
            server = serve(netns, "--addr", addr, "--port", port, program=tmp_path / server_comm)
            client = spawn([tmp_path / client_comm, "load", "--on-stdin", "--connect", f"[{addr}]:{port}",
                            "--source-ports", f"{sport}-{sport}", "--close-first"], netns=netns, stdin=subprocess.PIPE)
            self.servers.append(server)
            self.clients.append(client)
            self.ends += [End(row, "server", server.pid, server_comm, port, sport, netns, version),
                          End(row, "client", client.pid, client_comm, sport, port, netns, version)]

    def run(self):
        for client in self.clients:
            client.child.stdin.close()
        for process in self.clients + self.servers:
            assert process.wait() == 0, process.stderr

    def pid(self, row, role):
        return next(end.pid for end in self.ends if (end.row, end.role) == (row, role))

    def find(self, record):
        """The end that a record is about; None for what is not of the table."""
        found = [end for end in self.ends if (end.lport, end.rport, end.netns.inode, end.role) ==
                 (record["lport"], record["rport"], record["netns"], record["role"])]
        return found[0] if found else None


@pytest.fixture
def table(stack, serve, spawn, tmp_path):
    from netns import Netns
    spaces = {name: Netns() for name in "ab"}
    for netns in spaces.values():
        stack.callback(netns.delete)
    return Table(spaces, serve, spawn, tmp_path)


def path(table, name):
    return table.spaces[name].path


CASES = {  # name: (arguments made from the table, which ends they select)
    "none": (lambda t: [], lambda t, e: True),
    "pid of a client": (lambda t: ["-p", t.pid(0, "client")], lambda t, e: e.pid == t.pid(0, "client")),
    "pid of a server": (lambda t: ["-p", t.pid(1, "server")], lambda t, e: e.pid == t.pid(1, "server")),
    "pids by comma": (lambda t: ["--pid", f"{t.pid(0, 'client')},{t.pid(3, 'server')}"],
                      lambda t, e: e.pid in (t.pid(0, "client"), t.pid(3, "server"))),
    "pids by repetition": (lambda t: ["-p", t.pid(2, "client"), "-p", t.pid(4, "client")],
                           lambda t, e: e.pid in (t.pid(2, "client"), t.pid(4, "client"))),
    "comm": (lambda t: ["-c", "srv-one"], lambda t, e: e.comm == "srv-one"),
    "comm glob": (lambda t: ["--comm", "cli-*"], lambda t, e: fnmatchcase(e.comm, "cli-*")),
    "comm question mark": (lambda t: ["-c", "srv-f???"], lambda t, e: fnmatchcase(e.comm, "srv-f???")),
    "port": (lambda t: ["-P", "5001"], lambda t, e: 5001 in (e.lport, e.rport)),
    "port list": (lambda t: ["--port", "5002,41003"], lambda t, e: {5002, 41003} & {e.lport, e.rport}),
    "port range": (lambda t: ["-P", "5103-5104"], lambda t, e: {5103, 5104} & {e.lport, e.rport}),
    "port range and list": (lambda t: ["-P", "5103-5104,41001", "-P", "5002"],
                            lambda t, e: {5103, 5104, 41001, 5002} & {e.lport, e.rport}),
    "lport": (lambda t: ["--lport", "5001"], lambda t, e: e.lport == 5001),
    "lport range": (lambda t: ["--lport", "41000-41002"], lambda t, e: 41000 <= e.lport <= 41002),
    "rport": (lambda t: ["--rport", "5001"], lambda t, e: e.rport == 5001),
    "rport range": (lambda t: ["--rport", "5002-5103"], lambda t, e: 5002 <= e.rport <= 5103),
    "lport and rport": (lambda t: ["--lport", "5001", "--rport", "5105"],
                        lambda t, e: (e.lport, e.rport) == (5001, 5105)),
    "netns by path": (lambda t: ["--netns", path(t, "a")], lambda t, e: e.netns is t.spaces["a"]),
    "netns by inode": (lambda t: ["--netns", t.spaces["b"].inode], lambda t, e: e.netns is t.spaces["b"]),
    "netns by pid": (lambda t: ["--netns", t.pid(2, "server")], lambda t, e: e.netns is t.spaces["b"]),
    "netns, two": (lambda t: ["--netns", path(t, "a"), "--netns", path(t, "b")], lambda t, e: True),
    "IPv4": (lambda t: ["-4"], lambda t, e: e.version == 4),
    "IPv6": (lambda t: ["-6"], lambda t, e: e.version == 6),
    "client": (lambda t: ["--role", "client"], lambda t, e: e.role == "client"),
    "server": (lambda t: ["--role", "server"], lambda t, e: e.role == "server"),
    "netns and role": (lambda t: ["--netns", path(t, "a"), "--role", "client"],
                       lambda t, e: e.netns is t.spaces["a"] and e.role == "client"),
    "comm and family": (lambda t: ["-c", "cli-*", "-6"], lambda t, e: e.comm.startswith("cli-") and e.version == 6),
    "port and netns": (lambda t: ["-P", "5001", "--netns", path(t, "b")],
                       lambda t, e: e.netns is t.spaces["b"] and 5001 in (e.lport, e.rport)),
    "pid and port": (lambda t: ["-p", f"{t.pid(0, 'server')},{t.pid(2, 'server')}", "-P", "5103"],
                     lambda t, e: e.pid == t.pid(2, "server")),
    "nothing": (lambda t: ["-P", "5002", "-4"], lambda t, e: False),
}


# Whose connection it is is known from other hooks on each tier; addresses and ports are not.
BY_OWNER = ("none", "pid of a client", "pid of a server", "comm glob", "lport range", "server")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in BY_OWNER else pytest.mark.once_per_kernel)
                                  for name in CASES])
def test_exact_set(name, table, trace):
    make_args, selects = CASES[name]
    tracer = trace(args=make_args(table))
    table.run()
    wanted = {end for end in table.ends if selects(table, end)}
    tracer.wait_for("close", len(wanted))
    records = tracer.stop()
    for kind in ("open", "close"):
        told = [end for end in map(table.find, records.of(kind)) if end]
        assert sorted(told, key=str) == sorted(wanted, key=str), kind
    for record in records.of("close"):
        if end := table.find(record):
            assert (record["owner"]["pid"], record["owner"]["comm"]) == (end.pid, end.comm)


def test_listener_older_than_the_tracer(netns, trace):
    """Nobody accepts while it is traced; whose listener it is, is found among the files of the tasks."""
    with netns.listen() as listener:
        tracer = trace(netns, args=["-p", os.getpid(), "--role", "server"])
        with netns.connect(*listener.getsockname()):
            tracer.wait_for("open")
            records = tracer.stop()
    check(records.conn().open, outcome="established", role="server")
    check(records.conn().open["owner"], pid=os.getpid(), source="iterator")
