# SPDX-License-Identifier: GPL-2.0-only
"""The load (race.c) in a network namespace of its own, and what must be told of it."""
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/net"))

from netns import Netns  # noqa: E402
from process import wait_until  # noqa: E402

PROGRAM = os.environ.get("RACE", str(ROOT / "build/tests/race"))
PATIENCE = 60  # seconds until the kernel's timers have ended all connections
PORTS = "1024 65535"
TIME_WAIT, CLOSE, LISTEN = 6, 7, 10


class LoadFailed(Exception):
    """The load was not what it was meant to be: that says nothing about synfin."""


@dataclass
class Truth:
    """What there was, by the load's own counts and the kernel's."""
    opens: Counter  # (role, outcome) -> connections; TCP Fast Open: outcome of a server is not known
    accepted: int
    estab_resets: int
    fastopen: bool
    alive: Counter  # state -> connections that the kernel has at the end

    def __str__(self):
        opens = ", ".join(f"{n} {role} {outcome}" for (role, outcome), n in sorted(self.opens.items()))
        return f"{opens}; {self.accepted} accepted; {self.estab_resets} reset when established; " \
               f"{self.alive.total()} alive"


class Field:
    """
    The namespace. TIME_WAITs give their ports to connect() again after a second, and none ends for want of room. Who waits
    for a FIN that was lost with a reset peer gives up after some seconds, not a minute.
    """

    def __init__(self):
        self.netns = Netns()
        for name, value in (("tcp_tw_reuse", 1), ("tcp_max_tw_buckets", 200_000), ("tcp_max_syn_backlog", 65535),
                            ("tcp_fin_timeout", 5), ("tcp_fastopen", 0x207)):
            self.netns.sysctl(f"ipv4/{name}", value)
        self.netns.sysctl("core/somaxconn", 65535)

    def alive(self):
        """State, as the kernel numbers it, -> connections, those in TIME_WAIT left out."""
        with self.netns.entered():
            lines = Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        states = Counter(int(line.split()[3], 16) for line in lines)
        return Counter({state: n for state, n in states.items() if state not in (TIME_WAIT, CLOSE, LISTEN)})

    def prepare(self, words, ports=PORTS):
        """
        A process that becomes the load at a line on stdin. `words` as for a shell, `ports`: first and last of the clients'.
        """
        self.netns.sysctl("ipv4/ip_local_port_range", ports)
        argv = ["nsenter", f"--net={self.netns.path}", "--", "sh", "-c", 'read -r line && exec "$@"', "sh", PROGRAM]
        return subprocess.Popen(argv + shlex.split(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, load):
        """Runs it to its end and waits for that of its connections. Truth."""
        out, err = load.communicate("go\n")
        if load.returncode:
            raise LoadFailed(err.strip() or f"{load.args}: status {load.returncode}")
        counts = json.loads(out)
        check_load(counts)
        wait_until(lambda: not self.alive(), PATIENCE, every=0.2)
        return read_truth(counts, "--fastopen" in load.args, self.alive())

    def run(self, words, ports=PORTS):
        return self.finish(self.prepare(words, ports))

    def delete(self):
        self.netns.delete()


def check_load(counts):
    """Loopback loses nothing, so what a client has opened the server has accepted."""
    opened = counts["connected"] + counts["reset_early"] + counts["refused"]
    if counts["failed"] or not opened == counts["ActiveOpens"] == counts["PassiveOpens"] == counts["accepted"]:
        raise LoadFailed(f"the load failed in part: {counts}")


def read_truth(counts, fastopen, alive):
    opens = Counter({("client", "established"): counts["connected"] + counts["reset_early"],
                     ("client", "refused"): counts["refused"], ("client", "no_port"): counts["no_port"],
                     ("server", "any" if fastopen else "established"): counts["PassiveOpens"]})
    return Truth(+opens, counts["accepted"], counts["EstabResets"], fastopen, alive)
