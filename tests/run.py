#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites named (unit, net, vm) and ends with the one line that sums them up.

The unit tests run twice, plain and with ASan and UBSan; the connection tests on the running kernel; vm on the
kernels of tests/vm. Exit status 1 when anything failed or nothing ran.
"""
import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_unit(build):
    """Each program speaks TAP; one that dies before its end has failed once more."""
    sums = Counts()
    for program in sorted([*build.glob("tests/test_*"), *build.glob("sanitized/tests/test_*")]):
        if program.suffix:
            continue
        done = subprocess.run([program], env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        one = Counts(len(re.findall(r"^ok ", done.stdout, re.M)), len(re.findall(r"^not ok ", done.stdout, re.M)),
                     len(re.findall(r"^ok .*# SKIP", done.stdout, re.M)))
        if done.returncode and not one.failed or not one.passed + one.failed:
            one.failed += 1
        print(f"{program.relative_to(build)}: {one}", flush=True)
        if one.failed:
            print(done.stdout)
        sums.add(one)
    return sums


def run_net(build):
    report = build / "net.xml"
    report.unlink(missing_ok=True)
    env = {**os.environ, "SYNFIN": os.environ.get("SYNFIN", str(build / "synfin")), "PEER": str(build / "tests/peer")}
    status = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={report}",
                             "tests/net"], cwd=ROOT, env=env).returncode
    if not report.exists():
        return Counts(failed=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    total, failed, errors, skipped = (int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped"))
    bad = failed + errors
    return Counts(total - bad - skipped, bad if bad or not status else 1, skipped)


def run_vm(build):
    done = subprocess.run([ROOT / "tests/vm/matrix", "--results", build / "vm"], cwd=ROOT, stdout=subprocess.PIPE,
                          text=True)
    print(done.stdout, end="", flush=True)
    last = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.M)
    if not last:
        return Counts(failed=1)
    sums = Counts(*map(int, last[-1]))
    if done.returncode and not sums.failed:
        sums.failed = 1
    return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("suites", nargs="+", choices=["unit", "net", "vm"])
    args = parser.parse_args()
    build = args.build.resolve()
    sums = Counts()
    for suite in args.suites:
        sums.add({"unit": run_unit, "net": run_net, "vm": run_vm}[suite](build))
    print(sums)
    return 1 if sums.failed or not sums.passed else 0


if __name__ == "__main__":
    sys.exit(main())
