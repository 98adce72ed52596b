# SPDX-License-Identifier: GPL-2.0-only
"""
Every filter, alone and in pairs, against a table of 64 connections that differ in one attribute each: exactly the records
that it selects come out. The table is made again for each dozen of filters, every one with a synfin of its own.
"""
import contextlib
import errno
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

import pytest

import settings
from actor import Actor
from expect import check
from netns import Netns, dial
from process import wait_until
from tracer import Trace, tier_args

AT_ONCE = 6 if settings.VM else 12  # synfins over one run of the table
SLOW_S, MINIMUM = 1.0, "500ms"  # a dozen tracers on two busy processors delay what is not meant to be slow by 200 ms
FIRST_PORT = 20000  # of the clients
USERS = 1234, 65534


@dataclass(frozen=True)
class Row:
    """How one connection is made; the actors by name."""
    how: str = "client_first"
    netns: str = "a"
    saddr: str = "127.0.0.1"
    caddr: str = "127.0.0.1"
    sport: int = 5000
    server: str = "srv"
    client: str = "cli"
    target: str = None  # what the client connects to, if that is written otherwise than saddr


@dataclass(frozen=True)
class End:
    """One end of a connection, and which records tell of it."""
    row: int
    role: str
    actor: Actor = field(repr=False)
    netns: Netns = field(repr=False)
    laddr: str
    raddr: str
    lport: int
    rport: int
    open: str
    close: str  # None: never
    gone: bool
    slow_handshake: bool
    slow_close: bool

    @property
    def version(self):
        return ip_address(self.laddr).version


V6 = {"saddr": "::1", "caddr": "::1"}
HOWS = "half_close", "reset", "reset_server", "refused", "slow_close", "slow_handshake"
HALVED = "half_close", "slow_close", "slow_handshake"
ROWS = [
    Row(), Row(), Row(), Row(), Row(), Row("server_first"), Row("server_first"),
    *(Row(saddr=addr) for addr in ("127.0.1.1", "127.0.1.2", "127.0.2.1", "127.128.0.1")),
    *(Row(caddr=addr) for addr in ("127.0.1.1", "127.0.3.1", "127.0.3.129", "127.128.0.1")),
    Row(**V6), Row(saddr="::1", caddr="fd00:1::2"), Row(saddr="fd00:1::1", caddr="::1"), Row(saddr="fd00:2::1", caddr="::1"),
    Row(server="dual", sport=5100), Row(target="::ffff:127.0.0.1"),
    *(Row(sport=port) for port in range(5001, 5007)),
    *(Row(server=name) for name in ("srv-one", "srv-two", "srv user", "srv outer", "srv inner", "srv child", "srv future")),
    *(Row(client=name) for name in ("cli-one", "cli-two", "[x] *?", "cli user", "cli nobody", "cli outer", "cli inner", "cli later",
                                    "tree", "tree child", "tree child two", "tree future", "tree orphan", "stray")),
    *(Row(how) for how in HOWS), *(Row(how, netns="b") for how in HOWS), *(Row(how, **V6) for how in HOWS[:4]),
]
assert len(ROWS) == 64
IN_TREE = "tree", "tree child", "tree child two", "tree future", "tree orphan", "srv child", "srv future"
IN_CGROUP = "srv outer", "srv inner", "cli outer", "cli inner", "cli later"
ENDINGS = {  # open, close of the client's end, of the server's; None: it has none
    "refused": ("refused", None, None), "reset": ("established", "reset_local", "reset_remote"),
    "reset_server": ("established", "reset_remote", "reset_local"),
}


@contextlib.contextmanager
def cgroups():
    """A cgroup of version 2 of our own, and one below it; None where there is no such hierarchy."""
    with open("/proc/self/mounts", encoding="ascii") as file:
        mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    if not mounts:
        yield None
        return
    outer = f"{mounts[0]}/sft{os.getpid()}"
    paths = [outer, f"{outer}/inner", f"{outer}/inner/later"]
    for path in paths[:2]:
        os.mkdir(path)
    try:
        yield outer
    finally:
        for path in reversed(paths):
            wait_until(lambda path=path: not os.path.exists(path) or not _rmdir(path), 5)


def _rmdir(path):
    """What is still in the way; an exiting process leaves its cgroup a moment later."""
    try:
        os.rmdir(path)
    except OSError as error:
        return error
    return None


class Table:
    """The actors, and the connections that they make, again and again."""

    def __init__(self, stack):
        self.spaces = {name: Netns() for name in "ab"}
        for netns in self.spaces.values():
            stack.callback(netns.delete)
            netns.ip_batch(*(f"addr add {addr}/128 dev lo nodad" for addr in ("fd00:1::1", "fd00:1::2", "fd00:2::1")))
        self.spaces["b"].sysctl("ipv4/tcp_max_tw_buckets", 0)  # a TIME_WAIT is gone as it begins
        self.spaces["a"].sysctl("ipv4/tcp_rfc1337", 1)  # and here not by the RST that a FIN sent twice by a slow machine draws
        self.cgroup = stack.enter_context(cgroups())
        self.first_port, self.ends, self.index, self.actors, self.listening = FIRST_PORT, [], {}, {}, {}
        stack.callback(self.end)
        for name in ("srv", "dual", "srv-one", "srv-two", "cli", "cli-one", "cli-two", "[x] *?", "stray"):
            self.cast(name)
        self.cast("srv user", uid=USERS[0])
        self.cast("cli user", uid=USERS[0])
        self.cast("cli nobody", uid=USERS[1])
        for name in ("srv outer", "cli outer"):
            self.cast(name, cgroup="")
        for name in ("srv inner", "cli inner"):
            self.cast(name, cgroup="inner")
        tree = self.cast("tree")
        child = self.cast("tree child", parent=tree)
        self.cast("tree child two", parent=child)
        self.cast("srv child", parent=child)
        self.cast("stray", parent=self.cast("parent", parent=tree))
        self.actors.pop("parent").end()
        wait_until(lambda: os.path.exists(f"/proc/{self.actors['stray'].pid}") and self.ppid("stray") != tree.pid, 2)
        for row in ROWS:
            if row.server in self.actors:
                self.listen(row)

    def cast(self, name, cgroup=None, **attributes):
        if cgroup is not None:
            cgroup = self.cgroup and os.path.join(self.cgroup, cgroup)
        self.actors[name] = Actor(self.spaces["a"], name[:15], cgroup, **attributes)
        return self.actors[name]

    def ppid(self, name):
        with open(f"/proc/{self.actors[name].pid}/stat", encoding="ascii") as file:
            return int(file.read().rpartition(")")[2].split()[1])

    def enter_late(self):
        """Who comes when the tracers are there already."""
        tree = self.actors["tree"]
        if self.cgroup:
            os.makedirs(f"{self.cgroup}/inner/later", exist_ok=True)
        self.cast("cli later", cgroup="inner/later")
        self.cast("tree future", parent=tree)
        self.cast("srv future", parent=tree)
        self.cast("tree orphan", parent=self.cast("parent", parent=self.actors["tree child"]))
        self.actors.pop("parent").end()

    def leave(self):
        for name in ("cli later", "tree future", "srv future", "tree orphan"):
            if name in self.actors:
                self.actors.pop(name).end()
        self.listening = {key: listener for key, listener in self.listening.items() if key[0] != "srv future"}

    def end(self):
        for actor in reversed(self.actors.values()):
            actor.end()

    def listen(self, row):
        """The listener of a row; each server has its own port if it is not told otherwise, so that they do not meet."""
        if row.how == "refused":
            return 5999, None
        defer = row.how == "slow_handshake"
        addr = "::" if row.server == "dual" else row.saddr
        key = row.server, row.netns, addr, row.sport, defer
        if key not in self.listening:
            port = row.sport + 500 * defer
            if row.server not in ("srv", "dual"):
                port += 50 + list(self.actors).index(row.server)
            name = f"listener {key}"
            self.actors[row.server].do("listen", key=name, addr=addr, port=port, defer=defer, **self.away(row))
            self.listening[key] = port, name
        return self.listening[key]

    def away(self, row):
        return {"netns": self.spaces[row.netns].path} if row.netns != "a" else {}

    def describe(self, nth, row, port):
        opened, at_client, at_server = ENDINGS.get(row.how, ("established", "fin", "fin"))
        lport, netns = self.first_port + nth, self.spaces[row.netns]
        for role in ("client", "server") if at_server else ("client",):
            ends = (row.caddr, row.saddr, lport, port), (row.saddr, row.caddr, port, lport)
            yield End(nth, role, self.actors[row.client if role == "client" else row.server], netns, *ends[role == "server"], opened,
                      at_client if role == "client" else at_server,
                      role == "client" and row.netns == "b" and row.how in HALVED,
                      role == "server" and row.how == "slow_handshake", row.how == "slow_close")

    def perform(self, nth, row, port, listener):
        """Step by step; it yields where time has to pass."""
        client, server = self.actors[row.client], self.actors[row.server]
        error = client.do("connect", key=nth, addr=row.target or row.saddr, port=port, lport=self.first_port + nth,
                          laddr="::" if row.target else row.caddr, **self.away(row))
        assert error == (errno.ECONNREFUSED if row.how == "refused" else 0), (row, error)
        if row.how == "slow_handshake":  # the listener waits for data
            yield
            client.do("write", key=nth)
        if listener:
            server.do("accept", key=nth, listener=listener)
        if row.how == "slow_handshake":
            server.do("read", key=nth)
        if row.how in HALVED:  # no socket is an orphan before both FINs have come
            client.do("half_close", key=nth)
            if row.how == "slow_close":
                yield
            server.do("close", key=nth)
            client.do("read_end", key=nth)
            client.do("close", key=nth)
            return
        order = [server, client] if "server" in row.how else [client, server]
        order[0].do("close", key=nth, reset=row.how.startswith("reset"))
        if listener:
            order[1].do("close", key=nth)

    def run(self):
        """All connections; those that take their time do so together."""
        steps = [self.perform(nth, row, *self.listen(row)) for nth, row in enumerate(ROWS)]
        waiting = [step for step in steps if next(step, "over") != "over"]
        time.sleep(SLOW_S)
        for step in waiting:
            assert next(step, "over") == "over"

    def begin(self):
        """Ports that no TIME_WAIT has; filters may ask for all that there is."""
        self.first_port += len(ROWS)

    def complete(self):
        """The tracers are there: what comes late, and what the ends will be."""
        self.enter_late()
        self.ends = []
        for nth, row in enumerate(ROWS):
            self.ends += self.describe(nth, row, self.listen(row)[0])
        self.index = {(end.lport, end.rport, end.netns.inode, end.role): end for end in self.ends}

    def find(self, record):
        """The end that a record is about; None for what is not of the table."""
        return self.index.get((record["lport"], record["rport"], record["netns"], record["role"]))


@pytest.fixture(scope="module")
def table():
    with contextlib.ExitStack() as stack:
        yield Table(stack)


@dataclass(frozen=True)
class Filter:
    """Its arguments made from the table; which ends, and which outcomes, it selects."""
    args: object
    ends: object = lambda table, end: True
    outcomes: object = lambda outcome: True
    min_handshake: bool = False
    min_close: bool = False


def pid(table, *names):
    return ",".join(str(table.actors[name].pid) for name in names)


def by_actor(option, *names):
    return Filter(lambda t: [option, pid(t, *names)], lambda t, e: e.actor in [t.actors[name] for name in names])


def by_comm(option, glob):
    return Filter(lambda t: [option, glob], lambda t, e: fnmatchcase(e.actor.comm, glob.replace("[", "[[]")))


def by_uid(*users):
    uids = [0 if user == "root" else 65534 if user == "nobody" else int(user) for user in users]
    return Filter(lambda t: ["-u", ",".join(users)], lambda t, e: e.actor.uid in uids)


def by_cgroup(below, make_path):
    return Filter(lambda t: ["--cgroup", make_path(t)],
                  lambda t, e: e.actor.cgroup is not None and f"{e.actor.cgroup}/".startswith(os.path.join(t.cgroup, below)))


def by_port(option, text, ports):
    return Filter(lambda t: [option, text], lambda t, e: any(port in ports for port in ports_of(option, e)))


def ports_of(option, end):
    service = end.lport if end.role == "server" else end.rport
    return {"--lport": [end.lport], "--rport": [end.rport], "--service": [service]}.get(option, [end.lport, end.rport])


def by_client_port(first, last):
    """Of the rows from first to last."""
    return Filter(lambda t: ["--lport", f"{t.first_port + first}-{t.first_port + last}"],
                  lambda t, e: e.role == "client" and first <= e.row <= last)


def by_addr(option, *nets):
    def selects(_, end):
        addrs = {"--laddr": [end.laddr], "--raddr": [end.raddr]}.get(option, [end.laddr, end.raddr])
        return any(ip_address(addr) in ip_network(net) for net in nets for addr in addrs)
    return Filter(lambda t: [option, ",".join(nets)], selects)


def by_netns(name, write):
    return Filter(lambda t: ["--netns", write(t, t.spaces[name])], lambda t, e: e.netns is t.spaces[name])


def by_version(version):
    return Filter(lambda t: [f"-{version}"], lambda t, e: e.version == version)


def by_role(role):
    return Filter(lambda t: ["--role", role], lambda t, e: e.role in role.split(","))


def by_outcome(words):
    return Filter(lambda t: ["--outcome", words], outcomes=lambda outcome: outcome in words.split(","))


def relative(table):
    return table.cgroup.rpartition("/")[2]


FAILED = Filter(lambda t: ["--failed"], outcomes=lambda outcome: outcome not in ("established", "fin"))
MIN_HANDSHAKE = Filter(lambda t: ["--min-handshake", MINIMUM], min_handshake=True)
MIN_CLOSE = Filter(lambda t: ["--min-close", MINIMUM], min_close=True)
TREE = Filter(lambda t: ["--tree", pid(t, "tree")], lambda t, e: e.actor in [t.actors[name] for name in IN_TREE])
CHILD_TREE = Filter(lambda t: ["--tree", pid(t, "tree child")], lambda t, e: e.actor in [
    t.actors[name] for name in ("tree child", "tree child two", "srv child", "tree orphan")])

KINDS = {  # one of each, for the pairs; those that select the more make the better pairs
    "pid": by_actor("-p", "cli", "srv"), "tree": TREE, "comm": by_comm("-c", "srv*"), "uid": by_uid("root"),
    "cgroup": by_cgroup("", lambda t: t.cgroup), "port": by_port("-P", "5000-5003", range(5000, 5004)),
    "lport": by_port("--lport", "5000", [5000]), "rport": by_port("--rport", "5000,5999", [5000, 5999]),
    "service": by_port("--service", "5000-5002,5100", [5000, 5001, 5002, 5100]),
    "addr": by_addr("--addr", "127.0.0.0/22", "fd00::/16"), "laddr": by_addr("--laddr", "127.0.0.1", "::1"),
    "raddr": by_addr("--raddr", "127.0.0.0/23"), "netns": by_netns("a", lambda t, netns: netns.path), "version": by_version(4),
    "role": by_role("client"), "outcome": by_outcome("established,refused,reset_local,fin"), "failed": FAILED,
    "min_handshake": MIN_HANDSHAKE, "min_close": MIN_CLOSE,
}
ALONE = {
    "none": Filter(lambda t: []), **KINDS,
    "pid of a server": by_actor("--pid", "srv-one"), "pid of a descendant": by_actor("-p", "tree child two", "srv child"),
    "tree below": CHILD_TREE,
    "comm glob": by_comm("--comm", "cli-*"), "comm question mark": by_comm("-c", "srv-???"), "comm of marks": by_comm("-c", "[x] ??"),
    "uid number": by_uid("1234"), "uids": by_uid("1234", "nobody"),
    "cgroup below": by_cgroup("inner/", lambda t: f"{t.cgroup}/inner"), "cgroup relative": by_cgroup("", relative),
    "cgroup as in proc": by_cgroup("inner/", lambda t: f"/{relative(t)}/inner"),
    "port of a client": by_client_port(3, 9), "service refused": by_port("--service", "5999", [5999]), "port of neither": by_port("-P", "4999,5007-5010", [4999, *range(5007, 5011)]),
    "rport range": by_port("--rport", "5001-5003,5100", [5001, 5002, 5003, 5100]),
    "laddr of three": by_addr("--laddr", "127.0.1.1", "127.0.3.0/25", "fd00:1::/32"),
    "raddr v6": by_addr("--raddr", "::/0"), "addr v4": by_addr("--addr", "0.0.0.0/0"), "addr one": by_addr("--addr", "127.0.3.129"),
    "addr nested": Filter(lambda t: ["--laddr", "127.0.0.0/8", "--raddr", "127.0.0.1,127.0.3.0/24"], lambda t, e: (
        e.laddr.startswith("127.") and e.raddr.startswith(("127.0.0.1", "127.0.3.")) and e.version == 4)),
    "addr half": by_addr("--laddr", "127.128.0.0/9"),
    "addr mapped": Filter(lambda t: ["--raddr", "::ffff:127.0.0.0/119"], by_addr("--raddr", "127.0.0.0/23").ends),
    "netns by inode": by_netns("b", lambda t, netns: netns.inode), "netns by pid": by_netns("a", lambda t, _: t.actors["srv"].pid),
    "IPv6": by_version(6), "server": by_role("server"), "both roles": by_role("client,server"),
    "outcome of a close": by_outcome("reset_remote"), "outcome of an open": by_outcome("refused"), "outcomes": by_outcome("refused,fin"),
}
# Whose connection it is is known from other hooks on each tier; addresses and ports are not.
BY_OWNER = ("none", "pid", "tree", "comm", "cgroup", "lport", "server", "min_handshake", "min_close", "failed", "addr", "uids")
ALL_PAIRS = {f"{one} + {two}": (KINDS[one], KINDS[two]) for one, two in itertools.combinations(KINDS, 2)}
# Each kind with eight others or more; LONG=1: with all others.
PAIRS = ALL_PAIRS if os.environ.get("LONG") else dict(itertools.islice(ALL_PAIRS.items(), 0, None, 2))


def wanted(table, filters):
    """Every (type, end) that these filters select."""
    for end in table.ends:
        if not all(one.ends(table, end) for one in filters) or any(one.min_handshake for one in filters) > end.slow_handshake:
            continue
        if all(one.outcomes(end.open) for one in filters):
            yield "open", end
            if end.role == "server":
                yield "accept", end
        if end.close and all(one.outcomes(end.close) for one in filters) and any(one.min_close for one in filters) <= end.slow_close:
            yield "close", end
            if end.gone:
                yield "gone", end


def check_close(record, end):
    assert record["outcome"] == end.close, record
    owner = record["owner"]
    assert (owner["pid"], owner["tid"], owner["comm"], owner["uid"]) == (end.actor.pid, end.actor.pid, end.actor.comm, end.actor.uid)
    if end.actor.cgroup:
        assert owner["cgroup_id"] == os.stat(end.actor.cgroup).st_ino


def run_at_once(table, cases):
    """`cases`: name -> filters, each with a tracer of its own over one run of the table."""
    table.begin()
    with contextlib.ExitStack() as stack:
        tracers = {}
        for name, filters in cases.items():
            args = [str(arg) for one in filters for arg in one.args(table)]
            # Of the rest of this host nobody wants to know.
            spaces = () if "--netns" in args else table.spaces.values()
            tracers[name] = Trace(*args, netns=spaces, wait=False)
            stack.callback(tracers[name].discard)
        for tracer in tracers.values():
            tracer.wait_ready()
        stack.callback(table.leave)
        table.complete()
        table.run()
        time.sleep(0.5 if settings.VM else 0.05)
        for tracer in tracers.values():
            tracer.process.child.send_signal(2)
        for name, filters in cases.items():
            records = [(record, table.find(record)) for record in tracers[name].stop() if record["type"] != "lost"]
            told = Counter((record["type"], end) for record, end in records if end)
            right = Counter(wanted(table, filters))
            surplus = [record for record, end in records if (record["type"], end) in told - right]
            assert told == right, f"{name}: too many {surplus}, missing {right - told}"
            for record, end in records:
                if end and record["type"] == "close":
                    check_close(record, end)
                if end and record["type"] == "open":
                    assert record["outcome"] == end.open, record


def batches(cases):
    names = list(cases)
    for first in range(0, len(names), AT_ONCE):
        yield {name: cases[name] for name in names[first:first + AT_ONCE]}


def without_cgroup(names):
    return [name for name in names if "cgroup" not in name]


def as_params(cases):
    """Batches by the first name in each."""
    return [pytest.param(batch, id=f"{next(iter(batch))}...") for batch in batches(cases)]


def only_possible(table, batch):
    possible = batch if table.cgroup else without_cgroup(batch)
    if not possible:
        pytest.skip("no cgroup hierarchy of version 2 is mounted here")
    return {name: batch[name] for name in possible}


@pytest.mark.parametrize("batch", as_params({name: (ALONE[name],) for name in BY_OWNER}))
def test_exact_set_of_each_tier(table, batch):
    run_at_once(table, only_possible(table, batch))


@pytest.mark.native
@pytest.mark.parametrize("batch", as_params({name: (one,) for name, one in ALONE.items() if name not in BY_OWNER}))
def test_exact_set(table, batch):
    run_at_once(table, only_possible(table, batch))


@pytest.mark.native
@pytest.mark.parametrize("batch", as_params(PAIRS))
def test_exact_set_of_pairs(table, batch):
    run_at_once(table, only_possible(table, batch))


@pytest.fixture
def home(table):
    """A namespace of the table for tests that make their own connections; no tracer but theirs runs then."""
    return table.spaces["a"]


def own_filters(table, actor):
    """One filter of each kind that asks for an actor, by itself."""
    yield ["-p", actor.pid]
    yield ["-u", actor.uid]
    yield ["--tree", (actor.parent or actor).pid]
    if table.cgroup:
        yield ["--cgroup", table.cgroup]


@pytest.fixture
def server(table):
    """Unlike the test in all that filters ask for."""
    parent = Actor(table.spaces["a"], "parent")
    actor = Actor(table.spaces["a"], "server", table.cgroup, USERS[0], parent)
    yield actor
    actor.end()
    parent.end()


def start_all(trace, filters, *args):
    tracers = [trace(args=[*map(str, one), *args], wait=False) for one in filters]
    for tracer in tracers:
        tracer.wait_ready()
    return tracers


@pytest.mark.native
def test_listener_older_than_the_tracer(table, home, server, trace):
    """Nobody accepts while it is traced; whose listener it is, is found among the files of the tasks."""
    server.do("listen", key="listener", addr="127.0.0.1", port=6001)
    tracers = start_all(trace, own_filters(table, server), "--lport", "6001")
    with home.connect("127.0.0.1", 6001):
        for tracer in tracers:
            tracer.wait_for("open")
            conn = tracer.stop().conn()
            check(conn.open, outcome="established", role="server")
            check(conn.open["owner"], pid=server.pid, uid=server.uid, source="iterator")
            assert not table.cgroup or conn.open["owner"]["cgroup_id"] == os.stat(table.cgroup).st_ino


@pytest.mark.native
def test_connection_older_than_the_tracer(table, home, server, trace):
    """Found open: each filter takes it and its other end apart, and `--alive` takes what trace takes."""
    server.do("listen", key="listener", addr="127.0.0.1", port=6004)
    ours = ["--port", "6004"]
    cases = [(one, {"server"}) for one in own_filters(table, server)] + [
        ([], {"client", "server"}), (["-p", os.getpid()], {"client"}), (["--comm", "serve?"], {"server"}),
        (["--lport", 6004], {"server"}), (["--addr", "127.0.0.0/24"], {"client", "server"}), (["--laddr", "127.0.0.1,::/0"], {"server"}),
        (["--raddr", "127.0.0.7"], {"server"}), (["--addr", "127.0.0.8"], set()), (["-6"], set()), (["--role", "client"], {"client"})]
    with home.entered(), socket.create_connection(("127.0.0.1", 6004), source_address=("127.0.0.7", FIRST_PORT)) as client:
        server.do("accept", key="conn", listener="listener")
        tracers = start_all(trace, [one for one, _ in cases], *ours)
        for args, roles in cases:
            found = subprocess.run([settings.SYNFIN, "trace", "--alive", "--json", "--netns", home.path, *tier_args(), *ours,
                                    *map(str, args)], check=True, capture_output=True, text=True).stdout.splitlines()
            told = [json.loads(line) for line in found]
            assert Counter(record["role"] for record in told) == Counter(roles), args
            for record in told:
                assert record["state"] == "established" and record["owner"]["pid"] == \
                    (server.pid if record["role"] == "server" else os.getpid()), record
        server.do("close", key="conn")
        assert client.recv(1) == b""
    for (args, roles), tracer in zip(cases, tracers):
        assert wait_until(lambda tracer=tracer, roles=roles: len(tracer.records().of("close")) >= len(roles), 5), args
        told = tracer.stop().of("close")
        assert Counter(record["role"] for record in told) == Counter(roles), args
        assert all(record["owner"]["source"] == "iterator" and "late" in record["flags"] for record in told), told


@pytest.mark.native
def test_records_of_an_older_connection(netns, trace):
    """What was over before the tracer came is taken for what it was, and a length that nobody knows for none."""
    cases = {(): ["accept", "close"], ("--failed",): [], ("--outcome", "established"): ["accept"], ("--outcome", "fin"): ["close"],
             ("--min-close", "1ns"): ["accept", "close"], ("--min-handshake", "1ns"): []}
    with netns.listen() as listener, netns.connect(*listener.getsockname()) as client:
        tracers = [trace(netns, args=["--role", "server", *args], wait=False) for args in cases]
        for tracer in tracers:
            tracer.wait_ready()
        listener.accept()[0].close()
        assert client.recv(1) == b""
    tracers[0].wait_for("close")
    for tracer, (args, types) in zip(tracers, cases.items()):
        records = tracer.stop()
        assert [record["type"] for record in records if record["type"] not in ("lost", "gone")] == types, args
        found = 0 if "--min-handshake" in args else 1
        assert f" {found} found open, 0 failed, {found} closed, 0 alive" in tracer.process.stderr, tracer.process.stderr


@pytest.mark.native
def test_time_wait_older_than_the_tracer(netns, trace):
    """Its `gone` goes with a `close` that was `fin`, of a length that nobody knows."""
    cases = {(): 1, ("--outcome", "fin"): 1, ("--failed",): 0, ("--min-close", "1ns"): 0, ("--laddr", "127.0.0.1"): 1,
             ("--role", "server"): 0, ("-p", str(os.getpid())): 0}
    port = FIRST_PORT
    with netns.listen() as listener:
        client = netns.connect(*listener.getsockname(), lport=port)
        with listener.accept()[0]:
            client.close()
        tracers = [trace(netns, args=["--lport", str(port), *args], wait=False) for args in cases]
        for tracer in tracers:
            tracer.wait_ready()
        netns.sysctl("ipv4/tcp_tw_reuse", 1)
        time.sleep(1.1)  # no sooner is it reused
        netns.connect(*listener.getsockname(), lport=port).close()
        listener.accept()[0].close()
    tracers[0].wait_for("gone")
    time.sleep(0.1)
    for tracer, (args, count) in zip(tracers, cases.items()):
        gone = [record for record in tracer.stop().of("gone") if "late" in record["flags"]]
        assert [record["end"] for record in gone] == ["reused"] * count, args


def accept_elsewhere(home, server, port):
    """The test's listener, and another process that accepts and is the first to close."""
    with home.listen(port=port) as listener, home.connect("127.0.0.1", port) as client:
        server.do("take", key="listener", fds=[listener.fileno()])
        server.do("accept", key="conn", listener="listener")
        server.do("close", key="conn")
        server.do("close", key="listener")
        assert client.recv(1) == b""


def test_accepter_is_not_the_listener(table, home, server, trace):
    """The listener's owner is not asked for: what was before accept() is told when it is seen who accepts."""
    tracers = start_all(trace, own_filters(table, server), "--lport", "6002")
    accept_elsewhere(home, server, 6002)
    for tracer in tracers:
        tracer.wait_for("close")
        conn = tracer.stop().conn()
        assert [record["type"] for record in conn.records] == ["open", "accept", "close"]
        check(conn.open["owner"], pid=server.pid, uid=server.uid, source="accept")


def test_listener_alone_is_asked_for(table, home, server, trace):
    """Its handshakes are selected, and stay so when another process accepts."""
    tracers = start_all(trace, [["-p", os.getpid()], ["-u", 0], ["--tree", os.getpid()]], "--lport", "6003", "--role", "server")
    accept_elsewhere(home, server, 6003)
    for tracer in tracers:
        tracer.wait_for("close")
        conn = tracer.stop().conn()
        check(conn.open["owner"], pid=os.getpid(), uid=0, source="listener")
        check(conn.close["owner"], pid=server.pid, uid=server.uid, source="accept")


SUMMARY = re.compile(r"(\d+) client and (\d+) server opens begun, (\d+) established, 0 found open, (\d+) failed, (\d+) closed, (\d+) alive(?:, \d+ in time_wait)?; "
                     r"lost: 0 dropped, 0 missed, 0 evicted")


@pytest.mark.parametrize("args, numbers", [
    (["--outcome", "reset_local"], (3, 2, 4, 1, 4, 0)),  # records are left out, connections are not
    (["--failed", "--min-close", "1h"], (3, 2, 4, 1, 4, 0)),
    (["--min-handshake", "1h"], (0, 0, 0, 0, 0, 0)),  # not followed
    (["--min-handshake", "1ns"], (2, 2, 4, 0, 4, 0)),
])
def test_summary_balances(netns, trace, args, numbers):
    tracer = trace(netns, args=args)
    with netns.listen() as listener:
        port = listener.getsockname()[1]
        for _ in range(2):
            client, server = netns.connect("127.0.0.1", port), listener.accept()[0]
            client.close()
            server.close()
    with pytest.raises(ConnectionRefusedError):
        netns.connect("127.0.0.1", port)
    tracer.stop()
    assert tuple(map(int, SUMMARY.search(tracer.process.stderr).groups())) == numbers


def test_hist_counts_what_passes(netns, trace):
    """A connection and a refused one, of which only the last failed: with the RST that refused it."""
    tracer = trace(netns, args=["--failed"], command="hist")
    with netns.listen() as listener:
        port = listener.getsockname()[1]
        client, server = netns.connect("127.0.0.1", port), listener.accept()[0]
        client.close()
        server.close()
    with pytest.raises(ConnectionRefusedError):
        netns.connect("127.0.0.1", port)
    assert tracer.process.stop() == 0
    told, = tracer.process.json_lines()
    assert [(one["metric"], one["labels"], one["count"]) for one in told["counters"]] == \
        [("opens", {"role": "client", "outcome": "refused"}, 1), ("resets", {"direction": "in", "reason": "unknown"}, 1)]
    assert {(one["metric"], one["count"]) for one in told["histograms"]} == {("handshake", 1), ("handshake_stage", 1)}


CONTAINER = """
import ctypes, json, os, socket, subprocess, sys
me, ready_r, ready_w, new_pidns = os.getpid(), int(os.environ["READY_R"]), int(os.environ["READY_W"]), 0x20000000
tracer = subprocess.Popen([arg.replace("ME", str(me)) for arg in sys.argv[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
said = ""
while "synfin: ready" not in said:
    line = tracer.stderr.readline()
    assert line, said
    said += line
assert not ctypes.CDLL(None).unshare(new_pidns)
child = os.fork()
if not child:
    assert os.getpid() == 1
    os.read(ready_r, 1)
    with socket.create_connection(("127.0.0.1", 7001)) as sock:
        sock.recv(1)
    os._exit(0)
with socket.create_server(("127.0.0.1", 7001)) as sock:
    os.write(ready_w, b"x")
    sock.accept()[0].close()
os.waitpid(child, 0)
tracer.send_signal(2)
records = [json.loads(line) for line in tracer.communicate()[0].splitlines()]
print(json.dumps({"me": me, "child": child, "records": records}))
"""


@pytest.mark.parametrize("args, roles", [
    ([], {"client", "server"}), (["-p", "ME"], {"server"}), (["--tree", "ME"], {"client", "server"}), (["-p", "1"], {"server"})])
def test_in_a_pid_namespace(netns, args, roles):
    """Numbers are those of where synfin runs, also of a client that is in a namespace below and 1 there itself."""
    ready_r, ready_w = os.pipe()
    argv = ["nsenter", f"--net={netns.path}", "unshare", "-p", "-f", "--mount-proc", sys.executable, "-c", CONTAINER, settings.SYNFIN,
            "trace", "--json", "--netns", netns.path, *tier_args(), *args]
    done = subprocess.run(argv, pass_fds=(ready_r, ready_w), env={**os.environ, "READY_R": str(ready_r), "READY_W": str(ready_w)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=settings.PATIENCE, check=False)
    os.close(ready_r)
    os.close(ready_w)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["me"] == 1 and 1 < told["child"] < 100
    closes = [record for record in told["records"] if record["type"] == "close"]
    assert {record["role"] for record in closes} == roles and len(closes) == len(roles)
    for record in closes:
        pid_here = told["me" if record["role"] == "server" else "child"]
        check(record["owner"], pid=pid_here, tid=pid_here)
        check(record["closer"], pid=pid_here)


def test_processes_outside_the_pid_namespace(netns, spawn):
    """They have no number in there: it is absent, and no filter finds it."""
    tracers = [spawn(["unshare", "-p", "-f", "--mount-proc", settings.SYNFIN, "trace", "--json", "--netns", netns.path, *tier_args(),
                      *args]) for args in ([], ["-p", "1"], ["--tree", "1"])]
    for tracer in tracers:
        tracer.wait_for("synfin: ready")
    for sock in dial(netns, netns):
        sock.close()
    wait_until(lambda: tracers[0].stdout.count('"close"') >= 2, 5)
    for tracer, count in zip(tracers, (2, 0, 0)):
        subprocess.run(["pkill", "-INT", "-P", str(tracer.pid)], check=True)
        assert tracer.wait() == 0, tracer.stderr
        closes = [record for record in tracer.json_lines() if record["type"] == "close"]
        assert len(closes) == count
        for record in closes:
            check(record["owner"], pid=None, tid=None, uid=0)
            check(record["closer"], pid=None, comm=None)


def programs(pid):
    """Names of the BPF programs that a process holds, as the kernel has them."""
    ids = set()
    for entry in os.scandir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(entry.path, encoding="ascii") as info:
            ids.update(int(line.split()[1]) for line in info if line.startswith("prog_id:"))
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return {prog["name"] for prog in json.loads(shown) if prog["id"] in ids}


@pytest.mark.native
def test_clients_alone(netns, trace):
    """Who asks for clients alone does not pay for what shows servers: above all not for the system calls' tracepoints."""
    both, clients = trace(netns), trace(netns, args=["--role", "client"])
    of_servers = {name for name in programs(both.process.pid) if name.startswith(("sf_accept", "sf_req", "sf_synack"))}
    assert of_servers and not of_servers & programs(clients.process.pid)
    for sock in dial(netns, netns):
        sock.close()
    assert [record["role"] for record in clients.stop().of("open")] == ["client"]
