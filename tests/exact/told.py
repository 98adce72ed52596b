# SPDX-License-Identifier: GPL-2.0-only
"""synfin beside the load, and what it tells: `hist`, `export` and `trace` in the same words."""
import http.client
import json
import os
import re
import shlex
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import race  # noqa: F401  (finds tests/net)
import settings
from exporter import Samples, parse
from process import Process, wait_until

SUMMARY = re.compile(r"(\d+) closed, (\d+) alive(?:, \d+ in time_wait)?; lost: (\d+) dropped, (\d+) missed, (\d+) evicted")
LOST = ("dropped", "missed", "evicted")
INTERVAL_S = 0.3
CENSUS_S = 1.1  # what is alive is counted anew then
LOST_S = 1.1  # what was lost is told by then


def minus(one, other):
    """The difference of two Counters, also where it is negative; what is 0 is left out."""
    difference = Counter(one)
    difference.subtract(other)
    return Counter({key: count for key, count in difference.items() if count})


@dataclass
class Told:
    opens: Counter = field(default_factory=Counter)  # (role, outcome) -> connections
    closed: int = 0
    accepted: int = 0  # whose wait is known
    estab_resets: int = 0  # `trace` alone tells them
    alive: Counter = field(default_factory=Counter)  # state -> connections, those in TIME_WAIT left out
    lost: Counter = field(default_factory=Counter)
    missed_by: Counter = field(default_factory=Counter)  # what showed that something was missed -> how often
    by: Counter = field(default_factory=Counter)  # with --by: key -> opens
    orphans: int = 0  # records of connections without an `open`
    faults: list = field(default_factory=list)  # what the records say against each other

    def since(self, before):
        return Told(minus(self.opens, before.opens), self.closed - before.closed, self.accepted - before.accepted,
                    self.estab_resets - before.estab_resets, minus(self.alive, before.alive),
                    minus(self.lost, before.lost), minus(self.missed_by, before.missed_by),
                    minus(self.by, before.by), self.orphans - before.orphans, self.faults[len(before.faults):])

    def __str__(self):
        opens = ", ".join(f"{n} {role} {outcome}" for (role, outcome), n in sorted(self.opens.items()))
        lost = ", ".join(f"{self.lost[name]} {name}" for name in LOST)
        by = " ".join(f"{cause}={n}" for cause, n in sorted(self.missed_by.items()) if n)
        return f"{opens or 'no opens'}; {self.closed} closed; {self.accepted} accepted; {self.alive.total()} alive; " \
               f"lost: {lost}{f' (missed: {by})' if by else ''}"


def without_time_wait(alive):
    return Counter({state: count for state, count in alive.items() if state != "time_wait" and count})


class Watch:
    """
    synfin, ready, on one namespace. `command` is as for a shell, without what is added here. told() is all there was
    since the start, stop() likewise.
    """

    def __init__(self, command, netns, synfin=settings.SYNFIN):
        name, *options = shlex.split(command)
        self.read = 0  # bytes of its output
        self.judged = Told()  # what it had told when it was last held against a load
        self.hidden = 0  # events that were hidden until then, as far as nothing was missed for them
        self.process = Process([synfin, name, *options, "--netns", netns.path, *self.OPTIONS])
        self.process.wait_for("synfin: ready")

    def stop(self):
        status = self.process.stop(signal.SIGINT)
        assert status == 0, (status, self.process.stderr)

    def kill(self):
        self.process.kill()

    def written(self):
        """Bytes of its output so far."""
        return os.fstat(self.process.out.fileno()).st_size

    def new_lines(self):
        """What it has written since the last time, parsed."""
        data = os.pread(self.process.out.fileno(), self.written() - self.read, self.read)
        complete = data[:data.rfind(b"\n") + 1]
        self.read += len(complete)
        return map(json.loads, complete.splitlines())

    def summary(self):
        """What it says at its end: (closed, alive, what was lost)."""
        closed, alive, *lost = map(int, SUMMARY.search(self.process.stderr).groups())
        return closed, alive, +Counter(dict(zip(LOST, lost)))

    def check_summary(self, told):
        closed, alive, lost = self.summary()
        if (closed, alive, lost) != (told.closed, told.alive.total(), +told.lost):
            told.faults.append(f"the summary has {closed} closed, {alive} alive, {dict(lost)} lost")


class HistWatch(Watch):
    OPTIONS = ["--json", "--interval", f"{INTERVAL_S}s"]

    def __init__(self, *args):
        super().__init__(*args)
        self.sum = Told()
        self.last_begin_ns = 0  # of its last interval

    def told(self):
        """With the first interval that has begun after now."""
        now = time.monotonic_ns()
        done = wait_until(lambda: self._read().last_begin_ns > now)
        assert done, f"no interval is told any more: {self.process.stderr}"
        return self.sum.since(Told())  # a copy

    def stop(self):
        super().stop()
        told = self._read().sum
        self.check_summary(told)
        return told

    def _read(self):
        for interval in self.new_lines():
            self._add(interval)
            self.last_begin_ns = interval["mono_ns"] - interval["interval_ns"]
        return self

    def _add(self, interval):
        told = self.sum
        for counter in interval["counters"]:
            if counter["metric"] == "opens":
                told.opens[counter["labels"]["role"], counter["labels"]["outcome"]] += counter["count"]
                told.by[counter["key"]] += counter["count"]
            elif counter["metric"] == "closes":
                told.closed += counter["count"]
        told.accepted += sum(h["count"] for h in interval["histograms"] if h["metric"] == "accept_wait")
        told.lost.update({name: interval["lost"][name] for name in LOST})
        told.missed_by.update(interval["lost"].get("missed_by", {}))
        told.alive = without_time_wait(interval["alive"])


class ExportWatch(Watch):
    OPTIONS = ["--listen", "127.0.0.1:0"]

    def __init__(self, *args):
        super().__init__(*args)
        self.process.wait_for("/metrics\n")

    def told(self):
        """What there is once a page shows what is alive now."""
        time.sleep(CENSUS_S)
        told, samples = Told(), self._scrape()
        for (name, labels), value in samples.items():
            labels, count = dict(labels), int(value)
            if name == "synfin_opens_total":
                told.opens[labels.pop("role"), labels.pop("outcome")] += count
                told.by[" ".join(f"{name}={value}" for name, value in labels.items())] += count
            elif name == "synfin_connections":
                told.alive[labels["state"]] += count
            elif name == "synfin_lost_total" and labels["class"] in LOST:
                told.lost[labels["class"]] += count
            elif name == "synfin_missed_total":
                told.missed_by[labels["cause"]] += count
        told.closed = int(samples.sum("synfin_closes_total"))
        told.accepted = int(samples.sum("synfin_accept_wait_seconds_count"))
        told.alive = without_time_wait(told.alive)
        return told

    def stop(self):
        told = self.told()
        super().stop()
        self.check_summary(told)
        return told

    def _scrape(self):
        host, port = re.findall(r"serving http://(.+):(\d+)/metrics", self.process.stderr)[-1]
        connection = http.client.HTTPConnection(host, int(port), timeout=settings.PATIENCE)
        try:
            connection.request("GET", "/metrics")
            return Samples(parse(connection.getresponse().read().decode()))
        finally:
            connection.close()


def is_estab_reset(close):
    """What the kernel counts as EstabResets: from ESTABLISHED or CLOSE_WAIT to CLOSE."""
    states = close["states"]
    return close["outcome"] not in ("fin", None) and states["fin_wait1_ns"] is None and states["last_ack_ns"] is None


class TraceWatch(Watch):
    OPTIONS = ["--json"]

    def __init__(self, *args):
        super().__init__(*args)
        self.sum = Told()
        self.kinds, self.ends = Counter(), {}

    def told(self):
        """The records that are there once none has come for so long that no losses of them are untold."""
        length = -1
        while length != self.written():
            length = self.written()
            time.sleep(LOST_S)
        return self._read()

    def stop(self):
        super().stop()
        told = self._read()
        self.check_summary(told)
        return told

    def _read(self):
        for record in self.new_lines():
            self._add(record)
        established = sum(n for (_, outcome), n in self.sum.opens.items() if outcome == "established")
        self.sum.alive = Counter({"any": established - self.sum.closed})
        return self.sum.since(Told())  # a copy

    def _add(self, record):
        told, kind = self.sum, record["type"]
        if kind == "lost":
            told.lost.update({name: record[name] for name in LOST})
            told.missed_by.update(record["missed_by"])
        elif kind == "open":
            told.opens[record["role"], record["outcome"]] += 1
        elif kind == "accept":
            told.accepted += 1
        elif kind == "close":
            told.closed += 1
            told.estab_resets += is_estab_reset(record)
        if kind in ("open", "accept", "close", "gone"):
            told.faults += self._find_faults(record, kind)

    def _find_faults(self, record, kind):
        """
        Each connection has one open, at most one accept, close and gone, all of the same ends. Only a TIME_WAIT can be
        older than synfin: the last load's.
        """
        conn, ends = record["id"], tuple(record[name] for name in ("laddr", "lport", "raddr", "rport"))
        self.kinds[conn, kind] += 1
        if self.kinds[conn, kind] > 1:
            yield f"{conn}: {self.kinds[conn, kind]} records {kind}"
        if not self.kinds[conn, "open"] and not (kind == "gone" and "late" in record["flags"]):
            self.sum.orphans += 1
        if self.ends.setdefault(conn, ends) != ends:
            yield f"{conn}: {kind} of {ends}, but before of {self.ends[conn]}"


WATCHES = {"hist": HistWatch, "export": ExportWatch, "trace": TraceWatch}


def watch(command, netns, synfin=settings.SYNFIN):
    return WATCHES[command.split()[0]](command, netns, synfin)
