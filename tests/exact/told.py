# SPDX-License-Identifier: GPL-2.0-only
"""synfin beside the load, by whichever command, and what it tells: `hist`, `export` and `trace` in the same words."""
import http.client
import json
import re
import shlex
import signal
from collections import Counter
from dataclasses import dataclass, field

import race  # noqa: F401  (finds tests/net)
import settings
from exporter import Samples, parse
from process import Process

SUMMARY = re.compile(r"(\d+) closed, (\d+) alive; lost: (\d+) dropped, (\d+) missed, (\d+) evicted")
LOST = ("dropped", "missed", "evicted")


@dataclass
class Told:
    opens: Counter = field(default_factory=Counter)  # (role, outcome) -> connections
    closed: int = 0
    accepted: int = 0  # whose wait is known
    estab_resets: int = None  # None: not told
    alive: Counter = field(default_factory=Counter)  # state -> connections, those in TIME_WAIT left out
    lost: Counter = field(default_factory=Counter)
    faults: list = field(default_factory=list)  # what the records say against each other
    by: Counter = field(default_factory=Counter)  # with --by: key -> opens

    def __str__(self):
        opens = ", ".join(f"{n} {role} {outcome}" for (role, outcome), n in sorted(self.opens.items()))
        lost = ", ".join(f"{self.lost[name]} {name}" for name in LOST)
        return f"{opens or 'no opens'}; {self.closed} closed; {self.accepted} accepted; {self.alive.total()} alive; " \
               f"lost: {lost}"


def without_time_wait(alive):
    return Counter({state: count for state, count in alive.items() if state != "time_wait" and count})


# --- hist ---------------------------------------------------------------------------------------------------

def read_hist(intervals):
    told = Told()
    for interval in intervals:
        for counter in interval["counters"]:
            if counter["metric"] == "opens":
                told.opens[counter["labels"]["role"], counter["labels"]["outcome"]] += counter["count"]
                told.by[counter["key"]] += counter["count"]
            elif counter["metric"] == "closes":
                told.closed += counter["count"]
        told.accepted += sum(h["count"] for h in interval["histograms"] if h["metric"] == "accept_wait")
        told.lost.update({name: interval["lost"][name] for name in LOST})
        told.alive = without_time_wait(interval["alive"])
    return told


# --- export -------------------------------------------------------------------------------------------------

def read_samples(samples):
    told = Told()
    for (name, labels), value in samples.items():
        labels = dict(labels)
        if name == "synfin_opens_total":
            told.opens[labels["role"], labels["outcome"]] += int(value)
            told.by[" ".join(f"{k}={v}" for k, v in sorted(labels.items()) if k not in ("role", "outcome"))] += int(value)
        elif name == "synfin_connections":
            told.alive[labels["state"]] += int(value)
        elif name == "synfin_lost_total" and labels["class"] in LOST:
            told.lost[labels["class"]] += int(value)
    told.closed = int(samples.sum("synfin_closes_total"))
    told.accepted = int(samples.sum("synfin_accept_wait_seconds_count"))
    told.alive = without_time_wait(told.alive)
    return told


def scrape(stderr):
    host, port = re.findall(r"serving http://(.+):(\d+)/metrics", stderr)[-1]
    connection = http.client.HTTPConnection(host, int(port), timeout=settings.PATIENCE)
    try:
        connection.request("GET", "/metrics")
        return Samples(parse(connection.getresponse().read().decode()))
    finally:
        connection.close()


# --- trace --------------------------------------------------------------------------------------------------

def is_estab_reset(close):
    """What the kernel counts as EstabResets: from ESTABLISHED or CLOSE_WAIT to CLOSE."""
    return close["outcome"] not in ("fin", None) and close["states"]["fin_wait1_ns"] is None \
        and close["states"]["last_ack_ns"] is None


def find_faults(records):
    """Each connection has one open, at most one accept and one close, all of the same ends."""
    kinds, ends = Counter(), {}
    for record in records:
        if record["type"] in ("open", "accept", "close", "gone"):
            kinds[record["id"], record["type"]] += 1
            end = tuple(record[name] for name in ("laddr", "lport", "raddr", "rport"))
            if ends.setdefault(record["id"], end) != end:
                yield f"{record['id']}: {record['type']} of {end}, after records of {ends[record['id']]}"
    for (conn, kind), count in kinds.items():
        if count > 1:
            yield f"{conn}: {count} records {kind}"
    for conn in ends:
        if not kinds[conn, "open"]:
            yield f"{conn}: no open, but {', '.join(kind for one, kind in kinds if one == conn)}"


def read_trace(records, stderr):
    told = Told(estab_resets=0)
    for record in records:
        if record["type"] == "open":
            told.opens[record["role"], record["outcome"]] += 1
        elif record["type"] == "accept":
            told.accepted += 1
        elif record["type"] == "close":
            told.closed += 1
            told.estab_resets += is_estab_reset(record)
        elif record["type"] == "lost":
            told.lost.update({name: record[name] for name in LOST})
    found = SUMMARY.search(stderr)
    closed, alive, *lost = map(int, found.groups())
    told.alive = Counter({"any": alive} if alive else {})
    told.faults = list(find_faults(records))
    if closed != told.closed:
        told.faults.append(f"the summary has {closed} closed, the records {told.closed}")
    if lost != [told.lost[name] for name in LOST]:
        told.faults.append(f"the summary has {lost} lost, the records {dict(told.lost)}")
    return told


# --- the program --------------------------------------------------------------------------------------------

class Watch:
    """synfin, ready, on one namespace; `command` as for a shell, without --json and --netns."""

    def __init__(self, command, netns, synfin=settings.SYNFIN):
        self.command, *options = shlex.split(command)
        argv = [synfin, self.command, *options, "--netns", netns.path]
        argv += ["--listen", "127.0.0.1:0"] if self.command == "export" else ["--json"]
        self.process = Process(argv)
        self.process.wait_for("synfin: ready")
        if self.command == "export":
            self.process.wait_for("/metrics\n")

    def stop(self):
        samples = scrape(self.process.stderr) if self.command == "export" else None
        status = self.process.stop(signal.SIGINT)
        assert status == 0, (status, self.process.stderr)
        if samples is not None:
            return read_samples(samples)
        lines = [json.loads(line) for line in self.process.stdout.splitlines()]
        return read_hist(lines) if self.command == "hist" else read_trace(lines, self.process.stderr)

    def kill(self):
        self.process.kill()
