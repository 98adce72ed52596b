/* SPDX-License-Identifier: GPL-2.0-only */
/* How many connections there is room for at a time, and what that takes of the kernel's memory. */
#ifndef SYNFIN_KERNEL_ROOM_H
#define SYNFIN_KERNEL_ROOM_H

#include <stdint.h>

struct synfin_bpf;

/* Besides those of the array `pairs`, which is always there. */
struct room {
	uint64_t conns;
	uint64_t bytes_now;  /* taken at load */
	uint64_t bytes_full; /* ... and when all are there */
};

/* Before load. 0 or -errno. */
int room__set(struct synfin_bpf *skel, uint64_t conns);

/*
 * By the sizes of the kernel's own structures (kernel/bpf/hashtab.c). From 6.1 on an element is a kmalloc() of its own: of one in `conns`
 * /proc/slabinfo of a 6.18 says 511.6 bytes, in 60,000 of them.
 */
struct room room__of(const struct synfin_bpf *skel);

#endif
