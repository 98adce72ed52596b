# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the exact tests. Each test is for each tier: with SYNFIN_TIER that one, else all there are."""
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import race  # noqa: E402  (finds tests/net)
import settings  # noqa: E402
from process import reset_signals  # noqa: E402
from told import watch  # noqa: E402
import witness  # noqa: E402

TIERS = ("tracepoint", "kprobe", "full")


def pytest_configure(config):
    reset_signals()


@functools.cache
def tiers():
    """A guest is told which ones it must have."""
    if settings.TIER:
        return [settings.TIER]
    if "SYNFIN_TIERS" in os.environ:
        return os.environ["SYNFIN_TIERS"].split(",")
    check_programs()
    return [tier for tier in TIERS
            if subprocess.run([settings.SYNFIN, "check", f"--tier={tier}"], capture_output=True).returncode == 0]


def check_programs():
    """Root and the programs are no reason to skip: without them nothing at all would be tested."""
    if os.geteuid():
        pytest.exit("the exact tests need root", returncode=2)
    for path in (settings.SYNFIN, race.PROGRAM, *(() if settings.VM else (witness.PROGRAM,))):
        if not os.access(path, os.X_OK):
            pytest.exit(f"{path} is missing: run make first", returncode=2)


@functools.cache
def commands_of(module):
    """pytest keeps a fixture for the next test only if its parameter is the very same object."""
    return [f"{command} --tier={tier}" for tier in tiers() for command in module.commands_on(tier)]


def pytest_generate_tests(metafunc):
    """Once for each tier, and for each command that watches all loads."""
    if "watched" in metafunc.fixturenames:
        commands = commands_of(metafunc.module)
        ids = [command.replace(" --tier=", "-") for command in commands]
        metafunc.parametrize("watched", commands, ids=ids, indirect=True, scope="module")
    elif "tier" in metafunc.fixturenames:
        metafunc.parametrize("tier", tiers())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Those of one synfin stand together, in their order: it is started once. In some guests there are no filters."""
    def param_of(item, name, default):
        return item.callspec.params.get(name, default) if hasattr(item, "callspec") else default
    items[:] = [item for item in items if isinstance(param_of(item, "name", ""), str)]
    items.sort(key=lambda item: param_of(item, "watched", "~"))


def pytest_report_header():
    return f"kernel {os.uname().release}, {os.cpu_count()} CPUs, tiers {' '.join(tiers())}"


@pytest.fixture(scope="session", autouse=True)
def needs():
    check_programs()


@pytest.fixture(scope="session")
def field():
    """The namespace that all loads run in."""
    one = race.Field()
    yield one
    one.delete()


@pytest.fixture(scope="session", name="witness")
def call_witness():
    """Who says what the kernel has hidden from BPF; in a guest it hides nothing."""
    if settings.VM:
        yield witness.Blind()
        return
    one = witness.Witness()
    one.start()
    yield one
    one.end()


@pytest.fixture(scope="module")
def watched(request, field):
    """synfin by one command, ready, for all loads."""
    one = watch(request.param, field.netns)
    yield one
    one.kill()
