# SPDX-License-Identifier: GPL-2.0-only
"""`synfin export` as a child process, a client for it, and a reader of the classic text format."""
import gzip
import http.client
import re
from collections import namedtuple

import settings
from process import Process, wait_until
from tracer import tier_args

Answer = namedtuple("Answer", "status headers body")
_SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? ([0-9.]+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """{(name, frozenset of labels): value} of all samples."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = _SAMPLE.fullmatch(line).groups()
        key = name, frozenset(_LABEL.findall(labels or ""))
        assert key not in found, f"twice: {line}"
        found[key] = float(value)
    return found


class Samples(dict):
    def value(self, name, **labels):
        return self.get((name, frozenset(labels.items())), 0)

    def sum(self, name, **labels):
        """Of all samples that have these labels."""
        return sum(value for (n, have), value in self.items() if n == name and labels.items() <= dict(have).items())


class Exporter:
    def __init__(self, *args, netns=(), under=(), **popen):
        argv = [*under, settings.SYNFIN, "export", *tier_args()]
        for one in netns:
            argv += ["--netns", one.path]
        if not any(arg in ("--listen", "--textfile", "--config") for arg in args):
            argv += ["--listen", "127.0.0.1:0"]
        self.process = Process(argv + list(args), **popen)
        self.process.wait_for("synfin: ready")
        if "--textfile" not in args:
            self.process.wait_for("/metrics\n")
            if "serving http:" in self.process.stderr:
                self.find_port()

    def find_port(self):
        """Where it serves, as it said last."""
        host, port = re.findall(r"serving http://(.+):(\d+)/metrics", self.process.stderr)[-1]
        self.host, self.port = host.strip("[]"), int(port)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def request(self, path="/metrics", method="GET", body=None, **headers):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=settings.PATIENCE)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            body = response.read()
            if response.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return Answer(response.status, response.headers, body)
        finally:
            connection.close()

    def samples(self):
        answer = self.request()
        assert answer.status == 200, answer
        return Samples(parse(answer.body.decode()))

    def wait_for(self, name, value, **labels):
        """The samples once a sum has reached a value; after a while those that there are."""
        wait_until(lambda: self.samples().sum(name, **labels) >= value, 5, every=0.05)
        return self.samples()
