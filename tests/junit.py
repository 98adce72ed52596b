# SPDX-License-Identifier: GPL-2.0-only
"""What pytest's JUnit report says of each test."""
import xml.etree.ElementTree


def read_verdicts(junit):
    """Name of each test -> its failure, error or skip, None if it passed."""
    verdicts = {}
    for case in xml.etree.ElementTree.parse(junit).iter("testcase"):
        name = f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"
        verdicts[name] = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
    return verdicts


def is_failed(verdict):
    return verdict is not None and verdict.tag != "skipped"
