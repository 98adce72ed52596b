/* SPDX-License-Identifier: GPL-2.0-only */
/* The output of `trace --alive --by`: a line for each group. */
#ifndef SYNFIN_OUT_GROUPLIST_H
#define SYNFIN_OUT_GROUPLIST_H

#include "base/clock.h"
#include "model/groups.h"

/* Appended to `s`. */
void grouplist__write_text(struct str *s, struct groups *groups);
/* A JSON object for each group; `mono_ns` is when the groups were counted. */
void grouplist__write_json(struct str *s, struct groups *groups, const struct clock *clk, uint64_t mono_ns);

#endif
