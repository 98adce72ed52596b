/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sums of a period as `hist` shows them: drawn for people, or as one line of JSON, which `merge` reads.
 */
#ifndef SYNFIN_OUT_REPORT_H
#define SYNFIN_OUT_REPORT_H

#include <stdint.h>

#include "base/str.h"
#include "base/term.h"
#include "model/census.h"
#include "model/series.h"
#include "synfin.h"

struct report {
	const struct series *series;
	struct census *census; /* NULL: none, the report is about the past */
	uint64_t end_ns;       /* wall clock */
	uint64_t mono_ns;      /* the same on CLOCK_MONOTONIC; 0: not from a single host */
	uint64_t interval_ns;
	uint64_t lost[__SF_LOST_MAX];
	const struct term *term; /* only for report__write_lines() */
};

/* Appended to `s`: bars; a line for each histogram; JSON. */
void report__write_text(struct str *s, const struct report *r);
void report__write_lines(struct str *s, const struct report *r);
void report__write_json(struct str *s, const struct report *r);

/* The end of both forms for people: what is alive and what was lost. */
void report__put_tail(struct str *s, const struct report *r);

#endif
