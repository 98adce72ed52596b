/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where records go: one interface, several forms. Text is collected and written when the caller flushes
 * (once for each batch of the ring buffer) or enough has come together. Every call returns 0 or -errno;
 * a failed write (EPIPE, ENOSPC) is final and is returned by each call from then on.
 */
#ifndef SYNFIN_OUT_OUT_H
#define SYNFIN_OUT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "model/census.h"
#include "model/record.h"
#include "model/series.h"

struct out;

/*
 * `fd` and `clk` are borrowed and must outlive the output. The caller keeps `clk` in sync.
 * table: aligned columns, one line for each record; the header comes with the first line.
 * jsonl: one JSON object for each record.
 * histtext, histjson: histograms of the records, at each out__tick(), for the time since the last one.
 */
int out__new_table(int fd, const struct clock *clk, struct out **ret_out);
int out__new_jsonl(int fd, const struct clock *clk, struct out **ret_out);
int out__new_histtext(int fd, const struct clock *clk, size_t max_sets, const struct by *by,
		      struct out **ret_out);
int out__new_histjson(int fd, const struct clock *clk, size_t max_sets, const struct by *by,
		      struct out **ret_out);

int out__record(struct out *o, const struct record *rec);
/* What was lost since the last call, by enum sf_lost; all zero writes nothing. */
int out__lost(struct out *o, uint64_t mono_ns, const uint64_t delta[__SF_LOST_MAX]);
/* Whether the form shows what is alive; then it wants a census just before each tick, which it borrows until that returns. */
bool out__wants_census(const struct out *o);
void out__census(struct out *o, struct census *census);
/* An interval is over: histograms are written and begin anew, other forms have nothing to do. Flushes. */
int out__tick(struct out *o, uint64_t mono_ns);
int out__flush(struct out *o);
/* Does not flush. NULL is fine. */
void out__free(struct out *o);

#endif
