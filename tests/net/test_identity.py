# SPDX-License-Identifier: GPL-2.0-only
"""
Nothing is inherited from whoever had the ports, the socket or the memory before: thousands of short connections
through four ports, each with a payload of its own size and the peer's own stamps.
"""
import json
import time
from collections import defaultdict

import pytest

import settings

PORTS = range(40000, 40004)
END_SLACK_NS = 20 * settings.SLACK_NS  # the last ACK may wait for ksoftirqd


def lives(file):
    """{(role, client's port): [(open, close), ...]}, each in the order of opens; `lost` records; opens without end."""
    opens, found, lost = {}, defaultdict(list), []
    file.seek(0)
    for line in file:
        record = json.loads(line)
        if record["type"] == "open":
            opens[record["id"]] = record
        elif record["type"] == "close":
            port = record["lport"] if record["role"] == "client" else record["rport"]
            found[record["role"], port].append((opens.pop(record["id"]), record))
        elif record["type"] == "lost":
            lost.append(record)
    for same in found.values():
        same.sort(key=lambda life: life[0]["mono_ns"])
    return found, lost, opens


def mismatch(role, opened, close, line):
    """What of one connection is not its own, if anything."""
    begin, established, closing, end, sent, received = line
    if role == "server":
        sent, received = received, sent
    checks = {
        "open": begin <= opened["mono_ns"] <= (established if role == "client" else closing),
        "syn": opened["mono_ns"] - opened["handshake_ns"] >= begin - 1000,
        "close": closing <= close["mono_ns"] <= end + END_SLACK_NS,
        "life": close["life_ns"] == close["mono_ns"] - opened["mono_ns"],
        "bytes": (close["bytes_sent"], close["bytes_received"]) == (sent, received),
        "retrans": not close["retrans"],
    }
    return [name for name, holds in checks.items() if not holds]


@pytest.mark.parametrize("addr", ["127.0.0.1", "::1"])
def test_every_record_is_its_own(netns, trace, spawn, addr):
    """Even rounds end by the server's FIN, whose TIME_WAIT the next SYN takes; odd ones by the client's RST."""
    target, count = f"[{addr}]:5001" if ":" in addr else f"{addr}:5001", settings.CHURN // 2
    tracer = trace(netns, alone=True)
    churn = spawn([settings.PEER, "churn", "--connect", target, "--source-ports", f"{PORTS[0]}-{PORTS[-1]}",
                   "--count", count, "--addr", addr], netns=netns)
    assert churn.wait() == 0, churn.stderr
    time.sleep(1)
    assert tracer.process.stop() == 0
    told = defaultdict(list)
    for line in churn.stdout.splitlines():
        port, *rest = map(int, line.split())
        told[port].append(rest)
    found, lost, unfinished = lives(tracer.process.out)
    assert not lost and not unfinished, tracer.process.stderr
    wrong = []
    for (role, port), same in found.items():
        assert len(same) == len(told[port]) == count // len(PORTS)
        for (opened, close), line in zip(same, told[port]):
            if what := mismatch(role, opened, close, line):
                wrong.append((what, line, opened, close))
    assert len(found) == 2 * len(PORTS)
    assert not wrong, f"{len(wrong)} of {2 * count}, the first: {wrong[0]}"
