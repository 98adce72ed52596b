/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output of `export`: the sums since the start, which are read when they are requested, from any thread.
 * The lock is held while text is made from the sums, never while any text is sent.
 */
#ifndef SYNFIN_OUT_COLLECTOR_H
#define SYNFIN_OUT_COLLECTOR_H

#include "out/families.h"
#include "out/out.h"

/* The hooks are borrowed. Unlike the outputs of out.h, this one needs no flush and accepts no records. */
int collector__new(const struct clock *clk, const struct out_source *source, size_t max_sets,
		   const struct by *by, const struct metrics_hook *hooks, size_t hook_cnt,
		   struct out **ret_out);

/* The maximum age of reported values: the time to read them grows with the number of sets and connections. */
#define COLLECTOR_SUMS_NS  100000000ULL
#define COLLECTOR_ALIVE_NS 1000000000ULL

/* Removes sets to which nothing was added for `idle_ns`, at the second call at the earliest. 0 or -errno. */
int collector__expire(struct out *o, uint64_t idle_ns);

/* Calls `fn` with the sums while they are locked. 0, or -errno if `fn` was not called. */
int collector__read(struct out *o, void (*fn)(void *ctx, const struct metrics *m), void *ctx);

#endif
