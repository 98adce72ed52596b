/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the outputs that show sums get them, when they show them. Callbacks, so that nothing here knows of a kernel.
 */
#ifndef SYNFIN_OUT_SOURCE_H
#define SYNFIN_OUT_SOURCE_H

#include "model/census.h"
#include "model/losses.h"
#include "model/sums.h"

/* All return 0 or -errno, and may be called in any thread, one at a time. */
struct out_source {
	void *ctx;
	/* Replaces the contents; the losses, since the start, are no older than the sums: what these lack is among them. */
	int (*read_sums)(void *ctx, struct sums *sums, struct losses *ret_losses);
	int (*read_census)(void *ctx, struct census *census);
	/* Sets to which nothing was added for so long may leave. */
	int (*expire)(void *ctx, uint64_t idle_ns);
};

#endif
