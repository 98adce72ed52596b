/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source from which outputs read sums whenever they show them. It consists of callbacks, so that nothing
 * here depends on the kernel.
 */
#ifndef SYNFIN_OUT_SOURCE_H
#define SYNFIN_OUT_SOURCE_H

#include "model/census.h"
#include "model/losses.h"
#include "model/sums.h"

/* All return 0 or -errno, and may be called in any thread, one at a time. */
struct out_source {
	void *ctx;
	/*
	 * Replaces the contents of `sums`. The losses, since the start, are no older than the sums, so they
	 * include everything that the sums lack.
	 */
	int (*read_sums)(void *ctx, struct sums *sums, struct losses *ret_losses);
	int (*read_census)(void *ctx, struct census *census);
	/* May remove sets to which nothing was added for `idle_ns`. */
	int (*expire)(void *ctx, uint64_t idle_ns);
};

#endif
