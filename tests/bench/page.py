# SPDX-License-Identifier: GPL-2.0-only
"""docs/COST.md: what each measurement writes there between markers of its own, and on which machine it was."""
import datetime
import gzip
import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "COST.md"
HEADING = """# What synfin costs, and how exact it is

Every figure here was written by the command that measured it.
"""
CONFIG_BITS = ("PREEMPT_DYNAMIC", "PREEMPT_NONE", "PREEMPT_VOLUNTARY", "PREEMPT", "PREEMPT_LAZY", "PREEMPT_RT", "HZ",
               "KPROBES", "FPROBE", "BPF_JIT", "BPF_JIT_ALWAYS_ON", "MITIGATION_RETPOLINE", "VIRT_CPU_ACCOUNTING_GEN")


def _config():
    """The kernel's configuration as far as it matters to the figures; empty where the kernel does not tell."""
    release = os.uname().release
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{release}")):
        if path.exists():
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
            found = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE))
            return {bit: found.get(bit, "n") for bit in CONFIG_BITS}
    return {}


def _cpu_model():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else os.uname().machine


def facts():
    """The machine, for the JSON results."""
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    return {"kernel": os.uname().release, "machine": os.uname().machine, "cpus": os.cpu_count(), "cpu": _cpu_model(),
            "memory_kib": memory, "config": _config(), "date": str(datetime.date.today()),
            "loadavg": os.getloadavg()}


def machine_line():
    """The machine, for readers: the beginning of a sentence."""
    return f"Kernel {os.uname().release}, {os.cpu_count()} cores, {datetime.date.today()}"


def table(head, rows):
    """Lines of a Markdown table."""
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]


def publish(name, title, lines):
    """Replaces what stands between the markers of `name`, or appends a section of this title with them."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEADING
    block = "\n".join([begin, *lines, end])
    if begin in text:
        text = re.sub(f"{begin}.*{end}", lambda _: block, text, flags=re.DOTALL)
    else:
        text = f"{text.rstrip()}\n\n## {title}\n\n{block}\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
