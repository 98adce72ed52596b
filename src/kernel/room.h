/* SPDX-License-Identifier: GPL-2.0-only */
/* How many connections there is room for at a time, and how much kernel memory they need. */
#ifndef SYNFIN_KERNEL_ROOM_H
#define SYNFIN_KERNEL_ROOM_H

#include <stdint.h>

struct synfin_bpf;

/* Not counting the array `pairs`, which is always allocated. */
struct room {
	uint64_t conns;
	uint64_t bytes_now;  /* allocated at load */
	uint64_t bytes_full; /* ... and when all connections exist */
};

/* Before load. 0 or -errno. */
int room__set(struct synfin_bpf *skel, uint64_t conns);

/*
 * Computed from the sizes of the kernel's own structures (kernel/bpf/hashtab.c). From 6.1 on, each element is
 * a kmalloc() of its own: with 60,000 elements in `conns`, /proc/slabinfo of a 6.18 shows 511.6 bytes for
 * each.
 */
struct room room__of(const struct synfin_bpf *skel);

#endif
