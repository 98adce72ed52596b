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
#include "base/term.h"
#include "base/write.h"
#include "model/by.h"
#include "model/losses.h"
#include "model/record.h"
#include "out/source.h"

struct out;

/*
 * `fd` and `clk` are borrowed and must outlive the output. The caller keeps `clk` in sync.
 * table: aligned columns, one line for each record, and their header; laid out for the terminal that `term` describes (it
 * is copied), or always with the same columns where that is none.
 * jsonl: one JSON object for each record.
 * histtext, histlines (for the terminal `term`), histjson: what the sums of the source grew by, at each out__tick(), since the last one; they take no records.
 */
int out__new_table(int fd, const struct clock *clk, const struct term *term, struct out **ret_out);
int out__new_jsonl(int fd, const struct clock *clk, struct out **ret_out);
int out__new_histtext(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out);
int out__new_histlines(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		       const struct by *by, const struct term *term, struct out **ret_out);
int out__new_histjson(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out);

/* Asked while a write stalls; when it gives up, that is a failed write (-ECANCELED). */
void out__set_watch(struct out *o, const struct write_watch *watch);
/* The lines that are missing because a write was given up. */
size_t out__unwritten(const struct out *o);

int out__record(struct out *o, const struct record *rec);
/* What was lost since the last call; all zero writes nothing. Outputs of sums read that with them. */
int out__lost(struct out *o, uint64_t mono_ns, const struct losses *delta);
/* An interval is over: histograms are written and begin anew, other forms have nothing to do. Flushes. */
int out__tick(struct out *o, uint64_t mono_ns);
int out__flush(struct out *o);
/* The write that failed, as -errno; 0: none has. */
int out__error(const struct out *o);
/* Does not flush. NULL is fine. */
void out__free(struct out *o);

#endif
