/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output of `export`: what was added up from the start on, read when it is asked for, from any thread. The lock is held
 * while text is made of the sums, never while any of it is sent.
 */
#ifndef SYNFIN_OUT_COLLECTOR_H
#define SYNFIN_OUT_COLLECTOR_H

#include "out/families.h"
#include "out/out.h"

/* The hooks are borrowed. Of the outputs of out.h this one has nothing to flush and takes no records. */
int collector__new(const struct clock *clk, const struct out_source *source, size_t max_sets,
		   const struct by *by, const struct metrics_hook *hooks, size_t hook_cnt,
		   struct out **ret_out);

/* How old at most what is told may be: reading it takes time that grows with sets and connections. */
#define COLLECTOR_SUMS_NS  100000000ULL
#define COLLECTOR_ALIVE_NS 1000000000ULL

/* Lets go the sets to which nothing was added for so long, with the second call at the earliest. 0 or -errno. */
int collector__expire(struct out *o, uint64_t idle_ns);

/* Calls `fn` with the sums, locked. 0, or -errno and it was not called. */
int collector__read(struct out *o, void (*fn)(void *ctx, const struct metrics *m), void *ctx);

#endif
