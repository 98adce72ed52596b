# SPDX-License-Identifier: GPL-2.0-only
"""What docs/RECORDS.md describes is what is written: every field of every type, and words that were wrong once."""
import json
import re
import subprocess
import time

import pytest

import settings
from netns import dial
from process import wait_until
from test_cli import synfin

TEXT = (settings.ROOT / "docs" / "RECORDS.md").read_text(encoding="utf-8")


def section(title):
    """The text below `## title`."""
    (text,) = [part.split("\n", 1)[1] for part in TEXT.split("\n## ")[1:] if part.split("\n", 1)[0] == title]
    return text


def described(title):
    """The fields of a section's tables: the words of each first column. `a.b` is the field `a`."""
    rows = re.findall(r"^\|([^|]*)\|", section(title), re.M)
    return {word.split(".")[0] for row in rows for word in re.findall(r"[a-z_][a-z_0-9.]*", row)}


@pytest.fixture(scope="module")
def records():
    """A record of each type that does not take a minute, by type."""
    from netns import Netns
    from tracer import Trace
    netns = Netns()
    try:
        tracer = Trace("--stages", netns=[netns])
        client, server = dial(netns, netns)
        found = [line for by in ((), ("--by", "comm"))
                 for line in synfin("trace", "--alive", *by, "--json", "--netns", netns.path).stdout.splitlines()]
        client.close()
        server.close()
        tracer.wait_for("close", 2)
        found = [json.loads(line) for line in found] + tracer.stop()
    finally:
        netns.delete()
    return {record["type"]: record for record in found}


@pytest.mark.parametrize("kind", ["open", "accept", "close", "stage", "alive", "alive_by"])
def test_every_field(records, kind):
    fields = {key for key in records[kind]}
    known = described(kind) | described("All types but `lost` and `alive_by`")
    assert fields <= known, fields - known


def test_merge(netns, trace, tmp_path):
    """It has what `hist` has but for what is of one moment and one host, and the text says so."""
    hist = trace(netns, command="hist")
    assert hist.process.stop() == 0
    path = tmp_path / "hist.json"
    path.write_text(hist.process.stdout, encoding="utf-8")
    line, merged = json.loads(hist.process.stdout), json.loads(synfin("merge", "--json", path).stdout)
    missing = line.keys() - merged.keys()
    assert missing == {"alive", "piled_up"}
    (told,) = re.findall(r"`merge --json` writes .*?\n\n", section("hist --json") + "\n\n", re.S)
    assert all(f"`{name}`" in told for name in missing), told


def test_killed(netns, trace):
    """`ss -K` ends the connection without its owner, by a RST, with the words that the text has for it."""
    tracer = trace(netns)
    client, _ = dial(netns, netns)
    port = client.getsockname()[1]
    subprocess.run(["ip", "netns", "exec", netns.name, "ss", "-K", "sport", "=", f":{port}"], capture_output=True,
                   check=True)
    wait_until(lambda: tracer.records().of("close"), 2)
    time.sleep(0.1)
    closes = tracer.stop().of("close", lport=port)
    if not closes:
        pytest.skip("this kernel has no CONFIG_INET_DIAG_DESTROY")
    (close,) = closes
    assert (close["outcome"], close["closed_by"], close["error"]) == ("aborted", "local", "ECONNABORTED")
    (row,) = [row for row in section("close").splitlines() if row.startswith("| outcome ")]
    assert "`ss -K`" in row and "RST" in row.split("`aborted`")[1] and "ECONNABORTED" in row


def test_reason_on_the_minisock():
    """Data after close() in FIN_WAIT2 is answered by the minisock: test_ends sees it, since 6.10 by name."""
    assert "`tcp_timewait_socket`" in section("close")


def test_needed_rights():
    for name in ("README.md", "docs/synfin.8"):
        text = (settings.ROOT / name).read_text(encoding="utf-8").replace("\\", "")
        assert all(right in text for right in ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN")), name
