# SPDX-License-Identifier: GPL-2.0-only
"""
One `synfin trace --json` for many tests. In a guest it takes several seconds to start one, most of them the kernel's
verifier at work, and a connection a few milliseconds; so a test that asks for nothing but the records of its own
namespaces gets a view of a synfin that watches all of them from the first such test to the last.
"""
import json
import os
import re

from netns import Netns
from process import wait_until
from tracer import Records, Trace, check_record


class SharedTrace:
    def __init__(self):
        self.trace = Trace()
        self.marks = Netns()  # where nobody else makes connections
        self.ids, self.searched = set(), 0

    def written(self):
        """Bytes of its output so far."""
        return os.fstat(self.trace.process.out.fileno()).st_size

    def records_from(self, offset):
        data = os.pread(self.trace.process.out.fileno(), self.written() - offset, offset)
        return [json.loads(line) for line in data[:data.rfind(b"\n") + 1].splitlines()]

    def ids_before(self, offset):
        """Of all connections that were written of by then."""
        data = os.pread(self.trace.process.out.fileno(), offset - self.searched, self.searched)
        whole = data.rfind(b"\n") + 1
        self.ids.update(map(int, re.findall(rb'"id":(\d+)', data[:whole])))
        self.searched += whole
        return frozenset(self.ids)

    def catch_up(self):
        """Waits until all that has happened is written: the records come in order, and this one is the last."""
        offset, inode = self.written(), self.marks.inode
        with self.marks.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", 1)), "somebody listens where nobody should"
        done = wait_until(lambda: any(record.get("netns") == inode for record in self.records_from(offset)), every=0.05)
        assert done, f"no record comes any more: {self.trace.process.stderr}"

    def stop(self):
        """Of the whole run: its exit status, its summary and each record are checked."""
        self.marks.delete()
        self.trace.stop()

    def discard(self):
        self.trace.discard()


class View:
    """
    What a Trace of these namespaces would have, from now on. The kernel gives the inode of a namespace that is gone to the next one,
    while the last TIME_WAITs of the old one are still being told.
    """

    def __init__(self, shared, netns):
        self.shared, self.begin, self.end = shared, shared.written(), None
        self.inodes = {one.inode for one in netns}
        self.older = shared.ids_before(self.begin)

    def _is_mine(self, record):
        """What was lost is everybody's."""
        return record["type"] == "lost" or (record["netns"] in self.inodes and record["id"] not in self.older)

    @property
    def process(self):
        """Everybody's."""
        return self.shared.trace.process

    def records(self):
        found = self.shared.records_from(self.begin) if self.end is None else self.end
        return Records(filter(self._is_mine, found))

    wait_for = Trace.wait_for

    def stop(self):
        self.shared.catch_up()
        self.end = self.shared.records_from(self.begin)
        records = self.records()
        for record in records:
            check_record(record)
        return records

    def discard(self):
        """The others go on."""
