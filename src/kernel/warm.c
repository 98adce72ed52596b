/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Iterators do their work while they are read; what they print is nothing.
 */
#include "kernel/warm.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel/netns.h"

/* One run of an iterator; that of sockets is bound to the network namespace it is made in (bpf_iter_init_seq_net). */
static int run(void *ctx)
{
	int fd = bpf_iter_create(bpf_link__fd(ctx)), err;
	char nothing[64];
	ssize_t got;

	if (fd < 0)
		return fd;
	do
		got = read(fd, nothing, sizeof(nothing));
	while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
	err = got < 0 ? -errno : 0;
	close(fd);
	return err;
}

int warm__find_sockets(const struct bpf_program *prog, const struct filter *filter)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int err;

	if (!link)
		return -errno;
	err = netns__visit(filter->netns, filter->netns_cnt, run, link);
	bpf_link__destroy(link);
	return err;
}

int warm__find(const struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int err;

	if (!link)
		return -errno;
	err = run(link);
	bpf_link__destroy(link);
	return err;
}
