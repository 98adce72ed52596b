/* SPDX-License-Identifier: GPL-2.0-only */
/* The sums of the kernel side: how much room they have, and how they are read. */
#ifndef SYNFIN_KERNEL_SUMS_H
#define SYNFIN_KERNEL_SUMS_H

#include <stdint.h>

#include "model/sums.h"

struct cgroups;
struct expiry;
struct synfin_bpf;

/* Before load: keep sums apart by these fields (by__mask()), in at most `max_sets` sets. 0 or -errno. */
int sums__configure(struct synfin_bpf *skel, uint32_t by, uint64_t max_sets);

/*
 * Adds the sums as they are now to `sums`, which must be empty. `cgroups` is for sets by cgroup, else NULL;
 * `expiry` is for sets that expire, else NULL. 0 or -errno.
 */
int sums__read(const struct synfin_bpf *skel, int cpu_cnt, struct cgroups *cgroups,
	       const struct expiry *expiry, struct sums *sums);

#endif
