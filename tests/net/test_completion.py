# SPDX-License-Identifier: GPL-2.0-only
"""
The completion in an interactive bash on a terminal, among names that other people chose: a name is inserted so that the
command line means that name, and nothing in it is ever run.
"""
import contextlib
import os
import pty
import select
import shlex
import subprocess
import sys
import time

import pytest

import settings
from process import wait_until

pytestmark = pytest.mark.native

COMPLETION = settings.ROOT / "contrib" / "completion" / "synfin"
PROMPT = b"ready> "

# What stands for synfin: it writes its words down, each ended by a NUL.
STUB = """#!/bin/sh
for word; do printf '%s\\0' "$word"; done >"$WORDS.new"
mv "$WORDS.new" "$WORDS"
"""

# Children of one process, which end with it: a hostile name each.
NAMED = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
for name in sys.argv[1:]:
    if not os.fork():
        libc.prctl(1, signal.SIGKILL)
        libc.prctl(15, os.fsencode(name))
        signal.pause()
signal.pause()
"""

# (name, what is typed of it). Each would leave a file if it were run.
HOSTILE = [
    ("$(>whole)", r"\$\(\>w"),
    ("`>tick`", r"\`"),
    ("$((a[$(>ar)]))", r"\$\(\("),
    ("Qa$(>inside)b", "Qa"),
    ("Qb`>ticks`b", "Qb"),
    ("Qc'$(>single)", "Qc"),
    ('Qd"$(>double)', "Qd"),
    ("Qe;>e1|>e2&>e3", "Qe"),
    ("Qf<(>process)", "Qf"),
    ("Qg${x:=1}$HOME", "Qg"),
    ("Qh it's  \"so\"", "Qh"),
    ("Qi*?[a-z]", "Qi"),
    ("Qj!!{a,b}~#", "Qj"),
    ("Qk\\$(>slash)\\", "Qk"),
    ("Ql:1@host=v,w", "Ql"),
    ("-qm", "-q"),
    ("--help=$(>qn)", "--h"),
    ("#qo", r"\#"),
    ("~root", r"\~"),
    ("*q", r"\*"),
]

# Names that could be written as $'...' alone, and so are not offered as tasks, users and programs.
UNPRINTABLE = ["Qu\n$(>newline)", "Qv\x1b[31m", "Qw'\x01$(>open)", "Qx\t", "Qy\x9b31m", "Qz\udc9b"]


class Shell:
    """bash on a terminal, in an empty directory where all that is run by mistake leaves a file."""

    def __init__(self, directory):
        self.home, programs = directory / "home", directory / "programs"
        self.home.mkdir()
        programs.mkdir()
        self.words = directory / "words"
        self.program(programs / "synfin", STUB)
        self.programs = programs
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8", "HOME": str(self.home),
               "INPUTRC": "/dev/null", "HISTFILE": "/dev/null", "WORDS": str(self.words)}
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.chdir(self.home)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], env)
        self.shown = b""
        self.wait_for(b"$ ", b"# ")
        # Everything is listed at once, and nobody is asked.
        self.send("bind 'set completion-query-items 0' 'set page-completions off' 'set bell-style none'\n")
        self.send(f"PS1='{PROMPT.decode()}'; . {shlex.quote(str(COMPLETION))}; PS2='open> '\n")
        self.wait_for(PROMPT)

    @staticmethod
    def program(path, text="#!/bin/sh\n"):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def send(self, text):
        os.write(self.terminal, os.fsencode(text))

    def wait_for(self, *ends):
        deadline = time.monotonic() + settings.PATIENCE
        while not self.shown.endswith(ends):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], self.shown
            self.shown += os.read(self.terminal, 65536)
        return self.shown

    def run(self, typed):
        """Types a command line, TABs in it, and Enter. Returns the words that reached the program."""
        self.words.unlink(missing_ok=True)
        self.shown = b""
        self.send(typed + "\n")
        if not wait_until(self.words.exists):
            raise AssertionError(f"{typed!r} ran nothing: {self.read_rest()!r}")
        self.wait_for(PROMPT)
        return self.words.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]

    def listed(self, typed):
        """What is shown for two TABs; the line is given up."""
        self.shown = b""
        self.send(typed + "\t\t")
        self.send("\x15synfin\n")  # kill the line
        self.wait_for(b"\n" + PROMPT)
        return self.shown

    def read_rest(self):
        with contextlib.suppress(OSError):
            while select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 65536)
        return self.shown

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def tasks():
    """Tasks of every one of these names."""
    names = [name for name, _ in HOSTILE] + UNPRINTABLE + ["Qt two words"]
    process = subprocess.Popen([sys.executable, "-c", NAMED, *names])

    def named():
        return {os.fsencode(name) for name in names} <= {name for _, name in task_names()}
    try:
        assert wait_until(named)
        yield
    finally:
        process.kill()
        process.wait()


def task_names():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
            yield pid, file.read()[:-1]


@pytest.fixture
def shell(stack, tmp_path):
    """Checked at the end: nothing was run."""
    one = Shell(tmp_path)
    stack.callback(one.close)
    yield one
    found = {path.name for path in one.home.iterdir()} - {"files"}
    assert not found, f"run: {found}"


def check_listing(shown):
    assert not set(shown) & (set(range(32)) - set(b"\a\b\t\n\r")) and b"\x9b" not in shown and b"\xc2\x9b" not in shown


@pytest.mark.usefixtures("tasks")
def test_task_names(shell):
    """Each is completed from its beginning, in each way of writing the option, and reaches the program as it is."""
    check_listing(shell.listed("synfin trace --comm "))
    for name, typed in HOSTILE:
        assert shell.run(f"synfin trace --comm {typed}\t") == ["trace", "--comm", name]
    for name, typed in HOSTILE[:6]:
        assert shell.run(f"synfin hist -c {typed}\t --json") == ["hist", "-c", name, "--json"]
        assert shell.run(f"synfin trace --comm={typed}\t") == ["trace", f"--comm={name}"]
    for name in UNPRINTABLE:
        assert shell.run(f"synfin trace --comm {name[:2]}\t") == ["trace", "--comm", name[:2]]


@pytest.mark.usefixtures("tasks")
def test_goes_on(shell):
    """The TAB works at every place of a name that has meaning to the shell."""
    for typed in ["Ql", "Ql\\:", "Ql\\:1\\@", "Ql\\:1\\@host\\=v\\,", "Qh\\ ", "Qh\\ it\\'"]:
        name = next(name for name, _ in HOSTILE if name.startswith(typed[:2]))
        assert shell.run(f"synfin trace --comm {typed}\t") == ["trace", "--comm", name]


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize("quote", "'\"")
def test_within_quotes(shell, quote):
    """A plain name is completed; no other is, for the shell may see the quotes end where readline does not."""
    assert shell.run(f"synfin trace --comm {quote}Qt\t") == ["trace", "--comm", "Qt two words"]
    for begin in ["Qa", "Qb", "Qc", "Qd", "Qe", "Qw"]:
        assert shell.run(f"synfin trace --comm {quote}{begin}\t{quote}") == ["trace", "--comm", begin]
        shell.run(f"synfin trace --comm a{quote}{begin}\t{quote}")
        shell.run(f"synfin trace --comm ${quote}{begin}\t{quote}")
    assert shell.run(f"synfin trace --name $'a\\' --comm 'Qe\t")[-1] == "a' --comm Qe"


def make_files(directory):
    """Files and directories of these names, as far as they can be names of files."""
    directory.mkdir(exist_ok=True)
    for name, typed in [*HOSTILE, *((name, name[:2]) for name in UNPRINTABLE)]:
        if "/" not in name:
            (directory / name).touch()
            yield name, typed


@pytest.mark.parametrize("before", [["trace", "--netns"], ["export", "--textfile"], ["export", "--state"],
                                    ["export", "--config"], ["merge"]])
def test_files(shell, before):
    files = list(make_files(shell.home / "files"))
    if before != ["merge"]:
        files = files[:3]  # it is readline's doing, and the same for each
    shell.listed(f"synfin {' '.join(before)} files/")
    for name, typed in files:
        assert shell.run(f"synfin {' '.join(before)} files/{typed}\t") == [*before, f"files/{name}"]


def test_directories(shell):
    """Of cgroups, and on the way to a file."""
    for name, typed in HOSTILE:
        (shell.home / "files" / name).mkdir(parents=True)
        (shell.home / "files" / name / "end").touch()
        assert shell.run(f"synfin trace --cgroup files/{typed}\t") == ["trace", "--cgroup", f"files/{name}/"]
        assert shell.run(f"synfin merge files/{typed}\te\t") == ["merge", f"files/{name}/end"]


def test_netns(stack, shell):
    """The names of /run/netns, which is where the option begins."""
    os.makedirs("/run/netns", exist_ok=True)
    mine = f"sft{os.getpid()}"
    names = [mine + name for name in ("a$(>netns)", "b`>netns`", "c'\"(>netns)", "d\n$(>netns)", "e two *", "f;>netns")]
    for name in names:
        path = f"/run/netns/{name}"
        with open(path, "x", encoding="ascii"):
            stack.callback(os.unlink, path)
    shell.listed("synfin trace --netns ")
    for name in names:
        begin = name[:len(mine) + 1]
        assert shell.run(f"synfin trace --netns /run/netns/{begin}\t") == ["trace", "--netns", f"/run/netns/{name}"]
        assert shell.run(f"synfin hist --netns=/run/netns/{begin}\t") == ["hist", f"--netns=/run/netns/{name}"]
        if "\n" not in name:
            assert shell.run(f"synfin trace --netns {begin}\t") == ["trace", "--netns", name]
    shell.listed("synfin trace --netns \t\t\t")
    # A single TAB leads there.
    assert shell.run(f"synfin trace --netns \t{mine}a\t") == ["trace", "--netns", f"/run/netns/{names[0]}"]


def test_users(shell):
    """Names of users come from a directory of the network, perhaps."""
    names = [name for name, _ in HOSTILE if ":" not in name and "," not in name]
    lines = "\n".join(f"{name}:x:0:0::/:/bin/sh" for name in names)
    (shell.programs / "passwd").write_text(lines + "\n", encoding="utf-8")
    shell.program(shell.programs / "getent", '#!/bin/sh\ncat "${0%/*}/passwd"\n')
    shell.listed("synfin trace --uid ")
    for name, typed in HOSTILE:
        if name in names:
            assert shell.run(f"synfin trace --uid {typed}\t") == ["trace", "--uid", name]
            assert shell.run(f"synfin trace -u 0,{typed}\t") == ["trace", "-u", f"0,{name}"]
    assert shell.run('synfin trace -u "0,-q\t') == ["trace", "-u", "0,-qm"]
    assert shell.run('synfin trace -u "0",Qe\t') == ["trace", "-u", "0,Qe"]


def test_programs(shell):
    """Behind --: programs of the path, then files."""
    for name, typed in HOSTILE[::2]:
        shell.program(shell.programs / name)
        if "/" not in name:
            assert shell.run(f"synfin trace -- {typed}\t") == ["trace", "--", name]
    for name, typed in list(make_files(shell.home / "files"))[:3]:
        assert shell.run(f"synfin trace -- cat files/{typed}\t") == ["trace", "--", "cat", f"files/{name}"]


@pytest.mark.parametrize("typed, words", [
    ("synfin tr\t", "trace"),
    ("synfin trace --stag\t", "trace --stages"),
    ("synfin hist --by comm,lp\t", "hist --by comm,lport"),
    ("synfin hist --by comm,c\t", "hist --by comm,cgroup"),
    ("synfin hist --role=cl\t", "hist --role=client"),
    ("synfin export --tier tr\t", "export --tier tracepoint"),
    ("synfin trace --outcome refused,timed\t", "trace --outcome refused,timed_out"),
    ("synfin trace --cgroup \tsystem.sl", "trace --cgroup /sys/fs/cgroup/system.sl"),
    (f"synfin trace -p {os.getpid()}\t", f"trace -p {os.getpid()}"),
])
def test_own_words(shell, typed, words):
    assert shell.run(typed) == words.split()
