# SPDX-License-Identifier: GPL-2.0-only
"""Boots one guest under emulation (QEMU TCG: no rights and no nested virtualisation needed) for one command.

The guest has the host's files read-only under an overlay that ends with it, runs the command as root in the same
working directory, and has no network but lo. The results directory is /run/vm in there; besides what the command
writes, it holds `command`, `status` and `console.log` (kernel messages of level warning and worse).
"""

import os
import re
import shlex
import shutil
import subprocess

from kernels import HERE

TIMED_OUT = 124
DIED = 125
KERNEL_OPTIONS = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic audit=0 mitigations=off random.trust_cpu=on"
    " tsc=reliable no_timer_check rcupdate.rcu_expedited=1"  # no calibrating against emulated timers
)
# Emulated, a "fast string" is a byte at a time: 5.10, which clears pages so, would run programs at half the speed.
CPU = "max,la57=off,erms=off"
SPLAT = re.compile(
    r"WARNING:|BUG:|Oops|KASAN|UBSAN|Kernel panic|general protection fault|possible recursive locking"
    r"|detected stalls|self-detected stall|blocked for more than \d+ seconds|soft lockup"
)


def boot(kernel, command, results, *, stdout, stderr, timeout, env=None, cpus=1, memory=2048, icount=False,
         systemd=False):
    """Runs the command (a list) in a guest and returns its status, TIMED_OUT or DIED.

    The kernel is in the cache. `results` is emptied first. `stdout` and `stderr` are open files with descriptors.
    With `icount`, which needs one CPU, the guest's clock counts instructions, one a nanosecond, and skips idle time.
    With `systemd` that is the guest's first process, and the command a service of it.
    """
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    (results / "command").write_text(guest_script(kernel, command, env or {}))
    initrd = results / "initrd"
    names = b"init\nsession\n"
    own = subprocess.run(["cpio", "--quiet", "-oH", "newc"], cwd=HERE, input=names, stdout=subprocess.PIPE, check=True)
    initrd.write_bytes((kernel.home / "base.cpio").read_bytes() + own.stdout)
    # QEMU opens its outputs anew, which only a pipe stands without a mix-up of file offsets.
    with (
        (results / "qemu.log").open("wb") as log,
        subprocess.Popen("cat", stdin=subprocess.PIPE, stdout=stdout) as out,
        subprocess.Popen("cat", stdin=subprocess.PIPE, stdout=stderr) as err,
    ):
        pipes = (out.stdin.fileno(), err.stdin.fileno())
        arguments = qemu_arguments(kernel, initrd, results, pipes, cpus, memory, icount, systemd)
        try:
            subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pipes, timeout=timeout)
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            initrd.unlink()
    status = results / "status"
    return int(status.read_text()) if status.exists() else DIED


def guest_script(kernel, command, env):
    exports = "".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in env.items())
    return (
        'modules="/lib/modules/$(uname -r)"\nmkdir -p "$modules"\n'
        f'mount --bind {shlex.quote(str(kernel.home / "modules"))} "$modules"\n'
        f"cd {shlex.quote(os.getcwd())} || exit 125\n"
        f"export VM_KERNEL={kernel.name}\n{exports}exec {shlex.join(map(str, command))}\n"
    )


def qemu_arguments(kernel, initrd, results, pipes, cpus, memory, icount, systemd=False):
    words = ["icount"] * icount + ["systemd"] * systemd
    append = " ".join([KERNEL_OPTIONS, "--", *words])  # what follows the dashes is for init

    def share(tag, path, *options):
        path = str(path).replace(",", ",,")  # a single one would begin an option
        common = f"local,id={tag},path={path},security_model=none,multidevs=remap"
        return ["-fsdev", ",".join((common, *options)), "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]

    def port(name, fd):
        chardev = f"file,id={name},path=/proc/self/fd/{fd}"
        return ["-chardev", chardev, "-device", f"virtserialport,chardev={name},name={name}"]

    return [
        *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35,accel=tcg,usb=off,sata=off,smbus=off,vmport=off,hpet=off", "-cpu", CPU),
        *("-smp", str(cpus), "-m", str(memory)),
        *("-kernel", kernel.home / "image", "-initrd", initrd, "-append", append),
        *(("-icount", "shift=0,sleep=off") if icount else ()),
        *("-serial", f"file:{results}/console.log"),
        *share("host", "/", "readonly=on"),
        *share("results", results),
        *("-device", "virtio-serial-pci"),
        *port("stdout", pipes[0]),
        *port("stderr", pipes[1]),
    ]


def read_console(results):
    """The lines of the guest's kernel log."""
    log = results / "console.log"
    return log.read_text(errors="replace").splitlines() if log.exists() else []
