# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests with real connections. Everything they make, they take away again."""
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import settings  # noqa: E402
from capture import Capture  # noqa: E402
from exporter import Exporter  # noqa: E402
from netns import Netns, Pair, dial  # noqa: E402
from process import Process, reset_signals  # noqa: E402
from shared import SharedTrace, View  # noqa: E402
from tracer import Trace  # noqa: E402
from wire import Wire  # noqa: E402


def pytest_configure(config):
    reset_signals()
    config.addinivalue_line("markers", "once_per_kernel: the same on every tier")
    config.addinivalue_line("markers", "native: not in a guest: the same on every kernel, or too slow there")


def pytest_report_header():
    return f"kernel {os.uname().release}, {'guest' if settings.VM else 'native'}, tier {settings.TIER or 'best'}"


# What does not depend on how the kernel is watched runs once for a kernel, on its best tier.
ONCE_PER_KERNEL = ("test_filters.py", "test_harness.py", "test_warm_start.py")
# What does not depend on the kernel at all.
NATIVE = ("test_cli.py", "test_command.py", "test_contrib.py", "test_docs.py", "test_export.py", "test_merge.py",
          "test_export_http.py", "test_signals.py", "test_terminal.py")


# What asks of a kernel only that it has maps of some kinds, or that it adds up: a third of a guest's time.
ONLY_ON = {"test_filters.py": ("5.10",), "test_sums.py": ("5.10", "7.2"), "test_warm_start.py": ("5.10", "6.12", "7.2")}


def is_left_out(item):
    if not settings.VM:
        return False
    if settings.VM not in ONLY_ON.get(item.path.name, (settings.VM,)):
        return True
    again = settings.TIER not in (None, "full") and (item.path.name in ONCE_PER_KERNEL or
                                                     item.get_closest_marker("once_per_kernel"))
    return again or item.path.name in NATIVE or item.get_closest_marker("native")


def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[item for item in items if is_left_out(item)])
    items[:] = [item for item in items if not is_left_out(item)]


@pytest.fixture(scope="session", autouse=True)
def needs():
    """Root and the two programs are no reason to skip: without them nothing at all would be tested."""
    if os.geteuid():
        pytest.exit("the connection tests need root", returncode=2)
    for path in (settings.SYNFIN, settings.PEER):
        if not os.access(path, os.X_OK):
            pytest.exit(f"{path} is missing: run make first", returncode=2)


@pytest.fixture(scope="session")
def aged():
    """(Trace, Netns) of a TIME_WAIT."""
    netns = Netns()
    tracer = Trace(netns=[netns])
    for sock in dial(netns, netns):
        sock.close()
    yield tracer, netns
    tracer.discard()
    netns.delete()


@pytest.fixture(scope="session", autouse=True)
def aging(request, needs):
    """Begins it before the first test, so that its 60 s pass while the others run."""
    if any("aged" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("aged")


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def netns(stack):
    """A namespace with lo up."""
    one = Netns()
    stack.callback(one.delete)
    return one


@pytest.fixture
def pair(stack):
    """Two namespaces joined by veth."""
    both = Pair()
    stack.callback(both.delete)
    return both


@pytest.fixture
def wire(stack, pair):
    """The client's side of `pair`, played by the test."""
    one = Wire(pair)
    stack.callback(one.close)
    return one


@pytest.fixture
def spawn(stack):
    """spawn(argv, netns=...) -> Process, killed at the end of the test."""
    def start(*args, **kwargs):
        process = Process(*args, **kwargs)
        stack.callback(process.kill)
        return process
    return start


@pytest.fixture
def serve(spawn):
    """serve(netns, "--port", 1, ...) -> a listening `peer serve`."""
    def start(netns, *args, program=settings.PEER, **kwargs):
        process = spawn([program, "serve", *args], netns=netns, **kwargs)
        process.wait_for('"listening"', "stdout")
        return process
    return start


@pytest.fixture
def load(spawn):
    """load(netns, "--connect", ...) -> the lines of a `peer load` that has ended."""
    def start(netns, *args):
        process = spawn([settings.PEER, "load", *args], netns=netns)
        assert process.wait() == 0, process.stderr
        return [line for line in process.json_lines() if line["event"] == "conn"]
    return start


@pytest.fixture(scope="session")
def shared_trace():
    """In a guest: one SharedTrace for all that want no other, from the first of them on."""
    made = []

    def get():
        if not made:
            made.append(SharedTrace())
        return made[0]
    yield get
    for one in made:
        try:
            one.stop()
        finally:
            one.discard()


@pytest.fixture
def export(stack):
    """export(args..., netns=[...]) -> a ready Exporter."""
    def start(*args, **kwargs):
        one = Exporter(*args, **kwargs)
        stack.callback(one.process.kill)
        return one
    return start


@pytest.fixture
def trace(stack, shared_trace):
    """
    trace(netns..., args=[...]) -> a ready Trace of these namespaces alone; in a guest perhaps a View of one, unless `alone`.
    """
    def start(*netns, args=(), alone=False, **kwargs):
        if settings.VM and netns and not (args or alone or kwargs):
            return View(shared_trace(), netns)
        one = Trace(*args, netns=netns, **kwargs)
        stack.callback(one.discard)
        return one
    return start


@pytest.fixture
def capture(stack):
    """capture(netns) -> a running Capture."""
    def start(netns):
        one = Capture(netns)
        stack.callback(one.discard)
        return one
    return start
