/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel side's sums: how much room they have, and reading them. */
#ifndef SYNFIN_KERNEL_SUMS_H
#define SYNFIN_KERNEL_SUMS_H

#include <stdint.h>

#include "model/sums.h"

struct cgroups;
struct expiry;
struct synfin_bpf;

/* Before load: kept apart by these fields (by__mask()), in at most `max_sets` sets. 0 or -errno. */
int sums__configure(struct synfin_bpf *skel, uint32_t by, uint64_t max_sets);

/*
 * What is there now, added to `sums`, which is empty. `cgroups` is for sets by cgroup, else NULL; `expiry` for sets that
 * leave, else NULL. 0 or -errno.
 */
int sums__read(const struct synfin_bpf *skel, int cpu_cnt, struct cgroups *cgroups,
	       const struct expiry *expiry, struct sums *sums);

#endif
