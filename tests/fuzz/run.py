#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs each fuzz target for some seconds, two at a time, from its corpus in tests/fuzz/corpus; what a run adds stays in the build
directory. The last line sums up; exit status 1 when a target found something or did not run.
"""
import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(program, build, seconds):
    name = program.name.removeprefix("fuzz_")
    grown, found = build / "corpus" / name, build / "found"
    grown.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    corpora = [grown, *[path for path in [HERE / "corpus" / name] if path.is_dir()]]
    words = HERE / "corpus" / f"{name}.dict"
    done = subprocess.run([program, f"-max_total_time={seconds}", "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048",
                           "-print_final_stats=1", "-close_fd_mask=3", f"-artifact_prefix={found}/{name}-",
                           *([f"-dict={words}"] if words.exists() else []), *corpora],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})
    runs = re.search(r"number_of_executed_units: *(\d+)", done.stdout)
    return name, done.returncode, int(runs[1]) if runs else 0, done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=30)
    args = parser.parse_args()
    programs = sorted(path for path in args.build.resolve().glob("fuzz_*") if os.access(path, os.X_OK) and not path.suffix)
    passed = failed = 0
    with ThreadPoolExecutor(2) as pool:
        for name, status, runs, text in pool.map(lambda program: run(program, args.build.resolve(), args.seconds), programs):
            print(f"fuzz/{name}: {runs} executions", flush=True)
            if status or not runs:
                failed += 1
                print(text[-4000:])
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
