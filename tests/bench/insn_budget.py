# SPDX-License-Identifier: GPL-2.0-only
"""
tests/bench/budget: how many instructions synfin may take for each end of a connection. A line is KERNEL TIER MODE LOAD
WHAT INSTRUCTIONS, where WHAT is a BPF program, `process` (those of synfin's process, in the kernel and outside) or
`total` (those of the whole machine, less those of the bare load).
"""
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().with_name("budget")
HEADING = """# SPDX-License-Identifier: GPL-2.0-only
# What synfin may take: KERNEL TIER MODE LOAD WHAT INSTRUCTIONS, for each end of a connection. `make check-budget` fails
# when a program is 2 % and 10 over, a total or the process 2 % and 200. `make budget` lowers what has become less. To let a
# figure rise, remove its line before.
"""
KINDS = ("kernels", "tiers", "modes", "loads")
# What is checked: small enough for each run of the CI.
SHORT = {"kernels": ["6.12"], "tiers": ["full", "tracepoint"], "modes": ["hist", "trace"], "loads": ["client", "reset"]}
OVER = 0.02
NEGLIGIBLE = 10  # instructions: what chance, such as a timer between two connections, may add to a program
CHANCE = 200     # ... to a total, for the bare load differs a little between guests, and to a process that wakes at times


def slack(what):
    return CHANCE if what in ("total", "process") else NEGLIGIBLE


@dataclass(frozen=True)
class Verdict:
    key: tuple
    allowed: int | None  # None: not in the budget
    found: int | None    # None: not there any more

    def _exceeds(self, figure, limit):
        return (figure or 0) > (limit or 0) * (1 + OVER) + slack(self.key[-1])

    @property
    def is_over(self):
        return self._exceeds(self.found, self.allowed)

    @property
    def is_under(self):
        return self._exceeds(self.allowed, self.found)

    def __str__(self):
        name, found = " ".join(self.key), f"{self.found or 0:,} instructions"
        if self.allowed is None:
            return f"{name}: {found}, not in the budget"
        return f"{name}: {found}, the budget is {self.allowed:,} ({(self.found or 0) / (self.allowed or 1) - 1:+.1%})"


def read(path=FILE):
    """{(kernel, tier, mode, load, what): instructions}"""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return {tuple(key): int(number) for *key, number in words}


def write(budget, path=FILE):
    """Cell by cell in the order of SHORT, the dearest first."""
    def place(item):
        (kernel, tier, mode, load, what), number = item
        cell = [SHORT[kind].index(name) for kind, name in zip(KINDS, (kernel, tier, mode, load))]
        return cell, what not in ("total", "process"), -number

    lines = [" ".join((*key, str(number))) for key, number in sorted(budget.items(), key=place)]
    path.write_text(HEADING + "\n".join(lines) + "\n", encoding="ascii")


def taken(found):
    """What insn.py's figures come to, as read() has it. What is negligible is left out."""
    budget = {}
    for kernel, ones in found.items():
        for one in (one for one in ones if one["mode"] != "bare"):
            whole = {"total": one["more"], "process": one["own"]}
            programs = {name: prog["per_end"] for name, prog in one["programs"].items()}
            budget.update({(kernel, one["tier"], one["mode"], one["load"], what): round(number)
                           for what, number in {**whole, **programs}.items() if number > slack(what)})
    return budget


def judge(budget, found):
    """A verdict on each figure of the cells that were measured."""
    cells = {key[:-1] for key in found}
    return [Verdict(key, budget.get(key), found.get(key)) for key in {**budget, **found} if key[:-1] in cells]


def lowered(budget, found):
    """The budget from now on: what is new and, of what was measured, what is less."""
    cells = {key[:-1] for key in found}
    return {**{key: number for key, number in budget.items() if key[:-1] not in cells},
            **{key: min(number, budget.get(key, number)) for key, number in found.items()}}
