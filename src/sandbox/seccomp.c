/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls that are left, by name. All others fail with EPERM, and the kernel's log (type=1326) tells the first
 * of them. Files that are there already are never opened: not even where the kernel has no Landlock.
 */
#include "sandbox/parts.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ALWAYS	    0
#define FOR_FILES   (1U << 30) /* with struct sandbox's files */
#define FOR_REMOVED (1U << 29) /* ... and `removed` */
#define MAX_NUMBER  64

static const struct {
	unsigned int need;
	int numbers
		[MAX_NUMBER]; /* 0 ends it: the one call of that number, of x86-64, is the first in its list */
} calls[] = {
	{ALWAYS,
	 {SCMP_SYS(read),
	  SCMP_SYS(write),
	  SCMP_SYS(writev),
	  SCMP_SYS(pread64),
	  SCMP_SYS(lseek),
	  SCMP_SYS(close),
	  SCMP_SYS(fcntl),
	  SCMP_SYS(fstat),
	  SCMP_SYS(stat),
	  SCMP_SYS(lstat),
	  SCMP_SYS(newfstatat),
	  SCMP_SYS(statx),
	  SCMP_SYS(poll),
	  SCMP_SYS(ppoll),
	  SCMP_SYS(munmap),
	  SCMP_SYS(mremap),
	  SCMP_SYS(madvise),
	  SCMP_SYS(brk),
	  SCMP_SYS(futex),
	  SCMP_SYS(sched_yield),
	  SCMP_SYS(sched_getaffinity),
	  SCMP_SYS(clock_gettime),
	  SCMP_SYS(clock_nanosleep),
	  SCMP_SYS(nanosleep),
	  SCMP_SYS(gettimeofday),
	  SCMP_SYS(time),
	  SCMP_SYS(rt_sigaction),
	  SCMP_SYS(rt_sigprocmask),
	  SCMP_SYS(rt_sigreturn),
	  SCMP_SYS(sigaltstack),
	  SCMP_SYS(restart_syscall),
	  SCMP_SYS(exit),
	  SCMP_SYS(exit_group),
	  SCMP_SYS(getpid),
	  SCMP_SYS(gettid),
	  SCMP_SYS(getrandom),
	  SCMP_SYS(getrusage),
	  SCMP_SYS(sysinfo),
	  SCMP_SYS(uname),
	  SCMP_SYS(timer_create), /* of base/write.c */
	  SCMP_SYS(timer_settime),
	  SCMP_SYS(sendto) /* sd_notify(3) */}},
	{SANDBOX_CGROUPS, {SCMP_SYS(readlink), SCMP_SYS(readlinkat)}},
	{SANDBOX_SERVES,
	 {SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	  SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(recvfrom),
	  SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendfile), SCMP_SYS(eventfd2),
	  SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	  SCMP_SYS(set_robust_list), SCMP_SYS(rseq)}},
	{SANDBOX_COMMAND,
	 {SCMP_SYS(kill), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid)}},
	{FOR_FILES, {SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(fsync)}},
	{FOR_FILES | FOR_REMOVED, {SCMP_SYS(unlink), SCMP_SYS(unlinkat)}},
};

/* Those of which one argument decides: (argument & mask) == value. */
static const struct {
	unsigned int need;
	int number;
	unsigned int arg;
	scmp_datum_t mask;
	scmp_datum_t value;
} calls_by_arg[] = {
	{ALWAYS, SCMP_SYS(mmap), 2, PROT_EXEC, 0},
	{ALWAYS, SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
	{ALWAYS, SCMP_SYS(prctl), 0, UINT32_MAX, PR_SET_NAME},
	{ALWAYS, SCMP_SYS(prctl), 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS},
	{ALWAYS, SCMP_SYS(prctl), 0, UINT32_MAX, PR_GET_SECCOMP},
	{ALWAYS, SCMP_SYS(ioctl), 1, UINT32_MAX, TCGETS},
#ifdef TCGETS2 /* isatty(3) of glibc 2.42 */
	{ALWAYS, SCMP_SYS(ioctl), 1, UINT32_MAX, TCGETS2},
#endif
	{ALWAYS, SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCGWINSZ},
	{ALWAYS, SCMP_SYS(ioctl), 1, UINT32_MAX, PERF_EVENT_IOC_DISABLE}, /* of links that end */
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_LOOKUP_ELEM},
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_LOOKUP_BATCH},
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_GET_NEXT_KEY},
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_OBJ_GET_INFO_BY_FD},
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_UPDATE_ELEM}, /* of the sweep, */
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_PROG_TEST_RUN},   /* and to run it */
	{SANDBOX_MAPS, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_DELETE_ELEM}, /* of sets that leave */
	{SANDBOX_CGROUPS, SCMP_SYS(open_by_handle_at), 2, UINT32_MAX, O_PATH | O_CLOEXEC},
	{SANDBOX_SERVES, SCMP_SYS(ioctl), 1, UINT32_MAX, FIONBIO},
	{SANDBOX_SERVES, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD},
	{SANDBOX_COMMAND, SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCGPGRP}, /* whose the terminal is */
	{SANDBOX_COMMAND, SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCSPGRP},
	{FOR_FILES, SCMP_SYS(fchmod), 1, 07000, 0},
	{FOR_FILES, SCMP_SYS(open), 1, O_CREAT | O_EXCL, O_CREAT | O_EXCL},
	{FOR_FILES, SCMP_SYS(openat), 2, O_CREAT | O_EXCL, O_CREAT | O_EXCL},
};

static bool has_files(const struct sandbox *box)
{
	for (int i = 0; i < SANDBOX_MAX_FILES; i++)
		if (box->files[i])
			return true;
	return false;
}

static int add_calls(scmp_filter_ctx filter, unsigned int needs)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].need && !(calls[i].need & needs))
			continue;
		for (size_t n = 0; !err && n < MAX_NUMBER && (!n || calls[i].numbers[n]); n++)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].numbers[n], 0);
	}
	return err;
}

static int add_calls_by_arg(scmp_filter_ctx filter, unsigned int needs)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(calls_by_arg) / sizeof(calls_by_arg[0]); i++)
		if (!calls_by_arg[i].need || calls_by_arg[i].need & needs)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls_by_arg[i].number, 1,
					       SCMP_CMP(calls_by_arg[i].arg, SCMP_CMP_MASKED_EQ,
							calls_by_arg[i].mask, calls_by_arg[i].value));
	return err;
}

/* Its flags lie in memory, where no filter sees them; libc then takes clone(). */
static int hide_clone3(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* What abort() does. */
static int allow_own_end(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

int seccomp__restrict(const struct sandbox *box)
{
	unsigned int needs = box->needs | (has_files(box) ? FOR_FILES : 0) | (box->removed ? FOR_REMOVED : 0);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	/* Kernels before 4.14 cannot, and none of these loads our programs. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	err = add_calls(filter, needs);
	if (!err)
		err = add_calls_by_arg(filter, needs);
	if (!err)
		err = hide_clone3(filter);
	if (!err)
		err = allow_own_end(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
