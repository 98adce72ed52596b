# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Prometheus and promtool, unpacked by make, as child processes of a test."""
import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import settings
from process import Process, wait_until

PROGRAMS = settings.ROOT / "build" / "prometheus" / "usr" / "bin"

CONFIG = """
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
scrape_configs:
  - job_name: synfin
    static_configs: [{{targets: ["{target}"]}}]
"""


def program(name):
    path = os.environ.get(name.upper()) or shutil.which(name) or PROGRAMS / name
    assert os.access(path, os.X_OK), f"{name} is missing: run make test-net, which unpacks it"
    return str(path)


def promtool(*args, text=None):
    """Its complaints: nothing when all is well."""
    result = subprocess.run([program("promtool"), *map(str, args)], input=text, capture_output=True, text=True,
                            timeout=settings.PATIENCE, check=False)
    return (result.stderr + result.stdout) if result.returncode else result.stderr


class Prometheus:
    def __init__(self, directory, target, *args):
        (directory / "prometheus.yml").write_text(CONFIG.format(target=target), encoding="utf-8")
        self.process = Process([program("prometheus"), f"--config.file={directory}/prometheus.yml",
                                f"--storage.tsdb.path={directory}/data", "--web.listen-address=127.0.0.1:0",
                                "--log.format=json", *args])
        self.process.wait_for("Server is ready")
        self.port = self._find_port()

    def _find_port(self):
        """The address it logs has the port it was told, which is none: the kernel knows better."""
        out = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        return int(re.search(rf"127\.0\.0\.1:(\d+)\s.*pid={self.process.pid},", out).group(1))

    def get(self, path, **params):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(params)}"
        with urllib.request.urlopen(url, timeout=settings.PATIENCE) as answer:
            return json.load(answer)["data"]

    def query(self, text):
        """{frozenset of labels without those of the target: value}."""
        found = {}
        for one in self.get("query", query=text)["result"]:
            labels = {k: v for k, v in one["metric"].items() if k not in ("job", "instance", "__name__")}
            found[frozenset(labels.items())] = float(one["value"][1])
        return found

    def value(self, text):
        """Of a query with one result; None while there is none."""
        values = list(self.query(text).values())
        assert len(values) <= 1, values
        return values[0] if values else None

    def wait_for(self, text, value):
        """Waits until a query has this value."""
        assert wait_until(lambda: self.value(text) == value, 15, every=0.1), (text, value, self.query(text),
                                                                              self.get("targets"))
