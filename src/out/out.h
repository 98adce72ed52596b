/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output of records: one interface, several forms. Text is collected, and written when the caller flushes
 * (once for each batch of the ring buffer) or when there is enough of it. Every call returns 0 or -errno;
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
 * table: aligned columns with a header, one line for each record. The layout fits the terminal that `term`
 * describes (`term` is copied); if there is no terminal, the columns are always the same.
 * jsonl: one JSON object for each record.
 * histtext, histlines (for the terminal `term`), histjson: at each out__tick(), how much the sums of the
 * source have grown since the last one. These forms accept no records.
 */
int out__new_table(int fd, const struct clock *clk, const struct term *term, struct out **ret_out);
int out__new_jsonl(int fd, const struct clock *clk, struct out **ret_out);
int out__new_histtext(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out);
int out__new_histlines(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		       const struct by *by, const struct term *term, struct out **ret_out);
int out__new_histjson(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out);

/* `watch` is asked while a write stalls. If it gives up, the write has failed (-ECANCELED). */
void out__set_watch(struct out *o, const struct write_watch *watch);
/* The number of lines that are missing because a write was given up. */
size_t out__unwritten(const struct out *o);

int out__record(struct out *o, const struct record *rec);
/* Writes what was lost since the last call, if anything. Outputs of sums read the losses with the sums. */
int out__lost(struct out *o, uint64_t mono_ns, const struct losses *delta);
/* An interval is over: histograms are written and start again, other forms have nothing to do. Flushes. */
int out__tick(struct out *o, uint64_t mono_ns);
int out__flush(struct out *o);
/* The -errno of the write that failed; 0: no write has failed. */
int out__error(const struct out *o);
/* Does not flush. NULL is fine. */
void out__free(struct out *o);

#endif
