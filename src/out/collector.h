/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output of `export`: records are added up from the start on, and may be asked for at any time and from
 * another thread. The lock is held while text is made from the sums, never while any of it is sent.
 */
#ifndef SYNFIN_OUT_COLLECTOR_H
#define SYNFIN_OUT_COLLECTOR_H

#include "out/families.h"
#include "out/out.h"

/* The hooks are borrowed. Of the outputs of out.h this one has nothing to flush. */
int collector__new(const struct clock *clk, size_t max_sets, const struct by *by,
		   const struct metrics_hook *hooks, size_t hook_cnt, struct out **ret_out);

/* Calls `fn` with the sums, locked. */
void collector__read(struct out *o, void (*fn)(void *ctx, const struct metrics *m), void *ctx);

#endif
