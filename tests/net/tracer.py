# SPDX-License-Identifier: GPL-2.0-only
"""synfin as a child process: start when it is ready, stop by SIGINT, and its records held to the contract."""
import json
import re
import signal
from dataclasses import dataclass, field

import settings
from process import Process, wait_until

ROLES = {"client", "server", "both"}
FLAGS = {"v4mapped", "fastopen", "syncookie", "mptcp", "defer_accept", "simultaneous_open", "simultaneous_close",
         "orphan", "late", "reuseport", "migrated"}
SOURCES = {"connect", "accept", "listener", "iterator", "none"}
OUTCOMES = {"open": {"established", "refused", "reset", "timed_out", "unreachable", "aborted", "no_port",
                     "syn_dropped", "synack_timed_out", "overflow"},
            "close": {"fin", "reset_local", "reset_remote", "timed_out", "aborted"}}
STATES = {"established_ns", "fin_wait1_ns", "fin_wait2_ns", "closing_ns", "close_wait_ns", "last_ack_ns"}
STAGES = {"connect", "syn", "synack", "established", "accept", "fin_sent", "fin_acked", "fin_rcvd", "close", "end",
          "gone"}
COMMON = {"v": int, "type": str, "id": int, "time": str, "mono_ns": int, "family": int, "laddr": str, "lport": int,
          "raddr": str, "rport": int, "service_port": int, "netns": int, "role": str, "flags": list, "owner": dict}
OWN = {"open": {"outcome", "handshake_ns", "attempt_ns", "stages", "syn_retrans", "synack_retrans", "isn", "peer_isn",
                "error"},
       "accept": {"accept_wait_ns"},
       "close": {"outcome", "closed_by", "states", "close_ns", "life_ns", "time_wait", "fin_retrans", "retrans",
                 "closer", "bytes_sent", "bytes_received"},
       "gone": {"time_wait_ns", "end", "how"},
       "stage": {"stage", "seq", "ack", "retrans"}}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def durations(record, path=""):
    """Every (path, value) of a `*_ns` field, nested ones too."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from durations(value, f"{path}{key}.")
        elif key.endswith("_ns"):
            yield path + key, value


def is_missed_end(record):
    """A `close` whose end nobody saw, which leaves all durations out."""
    return record["type"] == "close" and record["outcome"] is None and record["life_ns"] is record["close_ns"] is None


def check_record(record):
    """The common part of the contract, for any record of `trace --json`."""
    assert record["v"] == 1, record
    if record["type"] == "lost":
        return
    # It may have died before it had a local end: there was no port, or no route.
    absent = {"laddr", "lport"} if record.get("outcome") in ("no_port", "unreachable") else set()
    absent |= {"role"} if "late" in record["flags"] else set()
    absent |= {"service_port"} if record["role"] is None else set()
    for key, kind in COMMON.items():
        assert isinstance(record.get(key), kind) or key in absent and record[key] is None, (key, record)
    assert "cookie" in record, record
    service = {"server": record["lport"], None: None}.get(record["role"], record["rport"])
    assert record["service_port"] == service, record
    assert _RFC3339.fullmatch(record["time"]), record
    assert record["family"] in (4, 6), record
    for addr in (record["laddr"], record["raddr"]):
        assert addr is None or (":" in addr) == (record["family"] == 6), record
    assert record["role"] in {*ROLES, None} and set(record["flags"]) <= FLAGS, record
    assert record["owner"].get("source") in SOURCES, record
    assert OWN[record["type"]] <= record.keys(), (OWN[record["type"]] - record.keys(), record)
    if record["type"] in OUTCOMES:
        assert record["outcome"] in OUTCOMES[record["type"]] or is_missed_end(record), record
    if record["type"] == "close":
        assert record["closed_by"] in {"local", "remote", "both", None} and set(record["states"]) == STATES, record
    if record["type"] == "stage":
        assert record["stage"] in STAGES, record
    for path, value in durations(record):
        assert value is None or isinstance(value, int) and value >= 0, (path, record)


@dataclass
class Conn:
    """All records of one connection."""
    id: int
    records: list = field(default_factory=list)

    def _only(self, kind):
        found = [r for r in self.records if r["type"] == kind]
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def open(self):
        return self._only("open")

    @property
    def accept(self):
        return self._only("accept")

    @property
    def close(self):
        return self._only("close")

    @property
    def gone(self):
        return self._only("gone")

    @property
    def stages(self):
        return [r for r in self.records if r["type"] == "stage"]

    def __getitem__(self, key):
        return self.records[0][key]

    @property
    def ends(self):
        return (self["laddr"], self["lport"]), (self["raddr"], self["rport"])


class Records(list):
    def of(self, kind, **fields):
        return [r for r in self if r["type"] == kind and all(r[k] == v for k, v in fields.items())]

    def conns(self, **fields):
        """Connections whose first record has these fields, in order of birth."""
        found = {}
        for record in self:
            if record["type"] != "lost":
                found.setdefault(record["id"], Conn(record["id"])).records.append(record)
        return [c for c in found.values() if all(c[k] == v for k, v in fields.items())]

    def conn(self, **fields):
        found = self.conns(**fields)
        assert len(found) == 1, f"{len(found)} connections with {fields}: {json.dumps(self, indent=1)}"
        return found[0]


def tier_args():
    return ["--tier", settings.TIER] if settings.TIER else []


class Trace:
    """
    `synfin trace --json` on some namespaces. `args` may replace or add anything the command line takes. Without `wait`
    the caller has to call wait_ready(), so that many can start at once.
    """

    def __init__(self, *args, netns=(), command="trace", json_lines=True, wait=True, **popen):
        argv = [settings.SYNFIN, command, *(["--json"] if json_lines else []), *tier_args()]
        for one in netns:
            argv += ["--netns", getattr(one, "path", one)]
        self.process = Process(argv + list(args), **popen)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        self.process.wait_for("synfin: ready")

    def records(self):
        return Records(self.process.json_lines())

    def wait_for(self, kind, count=1, timeout=5, **fields):
        """Waits until so many records are written. It does not fail: the test's own assertions say more."""
        wait_until(lambda: len(self.records().of(kind, **fields)) >= count, timeout, every=0.05)

    def stop(self, signum=signal.SIGINT):
        """Checked records; the exit status must be 0 and the summary on stderr after the ready line."""
        status = self.process.stop(signum)
        stderr = self.process.stderr
        assert status == 0, (status, stderr)
        assert not CONTROL.search(stderr), repr(stderr)
        after = stderr.split("synfin: ready", 1)[1].splitlines()[1:]
        assert any(line.strip() for line in after), f"no summary: {stderr!r}"
        assert self.process.stdout.endswith("\n") or not self.process.stdout
        records = self.records()
        for record in records:
            check_record(record)
        return records

    def discard(self):
        self.process.kill()
