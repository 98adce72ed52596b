/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracepoint's number stands in tracefs, which minimal hosts do not mount. A child mounts it in a mount
 * namespace of its own, reads the number and is gone, so that the host's mounts stay as they are.
 */
#include "kernel/syscall_tp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

static const char *const tracefs[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

static int read_id(const char *mount_point, const char *event)
{
	char path[256];
	FILE *f;
	int id, cnt;

	snprintf(path, sizeof(path), "%s/events/syscalls/%s/id", mount_point, event);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	cnt = fscanf(f, "%d", &id);
	fclose(f);
	return cnt == 1 ? id : -EPROTO;
}

/* In the child: the answer goes through the pipe. */
static _Noreturn void read_id_in_own_namespace(const char *event, int fd)
{
	int id = -EPERM;

	if (!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	    !mount("tracefs", tracefs[0], "tracefs", 0, NULL))
		id = read_id(tracefs[0], event);
	_exit(write(fd, &id, sizeof(id)) == sizeof(id) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int find_id(const char *event)
{
	int id, fds[2];
	pid_t child;

	for (size_t i = 0; i < sizeof(tracefs) / sizeof(tracefs[0]); i++) {
		id = read_id(tracefs[i], event);
		if (id >= 0)
			return id;
	}
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		read_id_in_own_namespace(event, fds[1]);
	close(fds[1]);
	if (child < 0 || read(fds[0], &id, sizeof(id)) != sizeof(id))
		id = -EIO;
	close(fds[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return id;
}

int syscall_tp__attach(struct bpf_program *prog, struct bpf_link **ret_link)
{
	struct perf_event_attr attr = {.size = sizeof(attr), .type = PERF_TYPE_TRACEPOINT};
	const char *event = strrchr(bpf_program__section_name(prog), '/') + 1;
	struct bpf_link *link;
	int id = find_id(event), fd;

	if (id < 0)
		return id;
	attr.config = id;
	attr.sample_period = 1;
	attr.wakeup_events = 1;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	link = bpf_program__attach_perf_event(prog, fd);
	if (!link) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_link = link;
	return 0;
}
