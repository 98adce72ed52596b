# SPDX-License-Identifier: GPL-2.0-only
"""What the matrix is made of (kernels.conf) and where the unpacked kernels lie (the cache).

A kernel's directory is named after its package and is written once, by `fetch`:
    image       what QEMU boots
    base.cpio   the part of the initrd that hangs on the kernel: busybox and the modules that reach the host's root
    modules     its /lib/modules/RELEASE
"""

import os
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(
    os.environ.get("SYNFIN_VM_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "synfin-vm"
).absolute()


def read_conf(name, columns):
    """Yields the lines of a file of this folder, split into `columns` words (the last takes what remains)."""
    for line in (HERE / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            words = line.split(None, columns - 1)
            yield words + [""] * (columns - len(words))


@dataclass(frozen=True)
class Kernel:
    name: str
    suite: str
    image: str  # vmlinuz or vmlinux
    package: str  # regular expression

    @property
    def home(self):
        """The newest of this kernel's directories in the cache, None when it was never fetched."""
        found = [path for path in CACHE.glob("linux-*") if re.fullmatch(self.package, path.name)]
        return max(found, key=lambda path: version_key(path.name), default=None)


def version_key(package):
    return [int(number) for number in re.findall(r"\d+", package)]


KERNELS = {words[0]: Kernel(*words) for words in read_conf("kernels.conf", 4)}


def fetch_missing(names):
    if not all(KERNELS[name].home for name in names) and subprocess.run([HERE / "fetch", *names]).returncode:
        sys.exit(1)
