#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
One load beside one command of synfin, by hand: prints what there was (TRUTH) and what synfin tells (TOLD). Exit status
1 when they disagree, 2 when the load itself failed. In a guest:

    make static build/tests/race && tests/vm/run 6.12 -- tests/exact/run.py --synfin build/static/synfin \\
        --cmd "hist --tier=full" --load "csrRbn 2 2 2500 200000"
"""
import argparse
import contextlib
import os
import sys
import time

from race import PORTS, Field, LoadFailed
from told import watch
from judge import compare

import settings


def run_once(args):
    with contextlib.ExitStack() as stack:
        field = Field()
        stack.callback(field.delete)
        one = watch(args.cmd, field.netns, args.synfin)
        stack.callback(one.kill)
        truth = field.run(args.load, args.ports)
        time.sleep(args.settle)
        told = one.stop()
    print(f"TRUTH {truth}\nTOLD  {told}")
    complaints = compare(truth, told, args.roles.split(","), args.hidden)
    for line in complaints:
        print(f"WRONG {line}")
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synfin", default=settings.SYNFIN, help="the program (%(default)s)")
    parser.add_argument("--cmd", default="hist", help="its command, without --json and --netns (%(default)s)")
    parser.add_argument("--load", default="csrRbn 2 2 2500 200000", help="words and options of race (%(default)s)")
    parser.add_argument("--roles", default="client,server", help="whose connections the filters want (%(default)s)")
    parser.add_argument("--ports", default=PORTS, help="first and last of the clients' ports (%(default)s)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--settle", type=float, default=0.5, metavar="S", help="pause before the end (%(default)s)")
    parser.add_argument("--hidden", type=int, default=0, metavar="N", help="events that the kernel may hide")
    args = parser.parse_args()
    print(f"RUN   {args.cmd} | {args.load} | {os.uname().release}, {os.cpu_count()} CPUs", flush=True)
    exact = 0
    for _ in range(args.repeat):
        try:
            exact += run_once(args)
        except LoadFailed as error:
            print(f"run.py: {error}", file=sys.stderr)
            return 2
    print(f"{exact} of {args.repeat} exact")
    return exact != args.repeat


if __name__ == "__main__":
    sys.exit(main())
