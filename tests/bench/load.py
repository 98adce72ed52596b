# SPDX-License-Identifier: GPL-2.0-only
"""The loads of tests/bench/load.c in a network namespace of their own."""
import json
import os
import subprocess

from page import ROOT
from netns import Netns

LOAD = os.environ.get("LOAD", str(ROOT / "build" / "tests" / "load"))


class Field:
    """
    The namespace. Ports do not run out although every connection leaves a TIME_WAIT: a connect() takes the ports of one
    that is older than a second, as every kernel since 4.19 does on loopback by itself. With 64,512 ports that is enough
    for 64,000 connections a second, and TIME_WAITs end while a run lasts.
    """

    def __init__(self):
        self.netns = Netns()
        self.netns.sysctl("ipv4/ip_local_port_range", "1024 65535")
        self.netns.sysctl("ipv4/tcp_tw_reuse", 1)
        self.netns.sysctl("core/somaxconn", 65535)
        self.netns.sysctl("ipv4/tcp_max_syn_backlog", 65535)
        self.netns.ip("route", "add", "198.18.0.0/15", "dev", "lo")  # where the answers to a SYN flood get lost

    def delete(self):
        self.netns.delete()

    def start(self, load, **options):
        """Popen of a load; options are those of load.c."""
        argv = ["nsenter", "--net=" + self.netns.path, "--", LOAD, load]
        for name, value in options.items():
            argv += ["--" + name, str(value)]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def result(child):
        """What a load that ends by itself did."""
        out, _ = child.communicate()
        if child.returncode:
            raise RuntimeError(f"{child.args}: exit status {child.returncode}")
        return json.loads(out)

    def run(self, load, **options):
        return self.result(self.start(load, **options))

    def crowd(self, ends, seconds=600):
        """That many live connections (each end of a loopback connection is one) until close() of what is returned."""
        return Crowd(self, ends, seconds)


class Crowd:
    PER_SOURCE = 20_000

    def __init__(self, field, ends, seconds):
        pairs = ends // 2
        self.child = field.start("crowd", count=pairs, seconds=seconds, sources=pairs // self.PER_SOURCE + 2)
        if not self.child.stdout.readline():
            raise RuntimeError(f"{self.child.args}: exit status {self.child.wait()}")

    def close(self):
        self.child.stdin.close()
        self.child.wait()
