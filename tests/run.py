#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the suites named (unit, net, exact, vm, budget, fuzz) and ends with the one line that sums them up. The line before says how
many of those that passed did so only when they were run once more.

The unit tests run twice, plain and with ASan and UBSan; the connection tests and the exact ones on the running kernel;
vm on the kernels of tests/vm; budget counts instructions on one of them; fuzz runs each target for ten seconds. Exit status 1 when anything failed or nothing ran.
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from junit import is_failed, read_verdicts

ROOT = Path(__file__).resolve().parents[1]


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0, again=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.again = again  # of those that passed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.again += other.again

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


def run_pytest(build, report, *args, tests="tests/net"):
    report.unlink(missing_ok=True)
    env = {**os.environ, "SYNFIN": os.environ.get("SYNFIN", str(build / "synfin")), "PEER": str(build / "tests/peer"),
           "LOAD": str(build / "tests/load"), "RACE": str(build / "tests/race"),
           "WITNESS": str(build / "tests/witness")}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-o", f"cache_dir={build / 'pytest'}",
                           f"--junitxml={report}", *args, tests], cwd=ROOT, env=env).returncode


def run_net(build):
    """
    A failed test is run once more, and named: on some hosts the kernel runs no BPF program while a softirq is served in
    the context of one of the host's own agents (docs/INTERNALS.md), and what comes in then is seen by nobody.
    """
    first, second = build / "net.xml", build / "net-again.xml"
    status = run_pytest(build, first)
    if not first.exists():
        return Counts(failed=1)
    if status == 1:
        run_pytest(build, second, "--last-failed")
    again = read_verdicts(second) if status == 1 and second.exists() else {}
    sums = Counts()
    for name, verdict in read_verdicts(first).items():
        if is_failed(verdict) and name in again and again[name] is None:
            print(f"passed when run once more: {name}", flush=True)
            sums.again += 1
            verdict = None
        sums.add(Counts(verdict is None, is_failed(verdict), verdict is not None and not is_failed(verdict)))
    if status not in (0, 1) and not sums.failed:
        sums.failed = 1
    return sums


def run_exact(build):
    """No second try: what the kernel hides, the witness has counted."""
    report = build / "exact.xml"
    status = run_pytest(build, report, tests="tests/exact")
    if not report.exists():
        return Counts(failed=1)
    sums = Counts()
    for verdict in read_verdicts(report).values():
        sums.add(Counts(verdict is None, is_failed(verdict), verdict is not None and not is_failed(verdict)))
    if status not in (0, 1) and not sums.failed:
        sums.failed = 1
    return sums


def run_summed(*argv, env=None):
    """A command whose last line is such a sum."""
    done = subprocess.run(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    last = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.M)
    if not last:
        return Counts(failed=1)
    sums = Counts(*map(int, last[-1]), again=len(re.findall("passed when run once more", done.stdout)))
    if done.returncode and not sums.failed:
        sums.failed = 1
    return sums


def run_vm(build):
    return run_summed(ROOT / "tests/vm/matrix", "--results", build / "vm")


def run_budget(build):
    env = {**os.environ, "SYNFIN": str(build / "static/synfin"), "LOAD": str(build / "tests/load")}
    return run_summed(ROOT / "tests/bench/insn.py", "--check", "--json", build / "insn.json", env=env)


def run_fuzz(build):
    """Briefly: `make fuzz` takes its time."""
    return run_summed(ROOT / "tests/fuzz/run.py", "--build", build / "fuzz", "--seconds", "10")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("suites", nargs="+", choices=["unit", "net", "exact", "vm", "budget", "fuzz"])
    args = parser.parse_args()
    build = args.build.resolve()
    sums = Counts()
    for suite in args.suites:
        sums.add({"unit": run_unit, "net": run_net, "exact": run_exact, "vm": run_vm, "budget": run_budget,
                  "fuzz": run_fuzz}[suite](build))
    print(f"{sums.again} at the second try\n{sums}")
    return 1 if sums.failed or not sums.passed else 0


if __name__ == "__main__":
    sys.exit(main())
