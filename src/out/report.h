/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sums of some time as `hist` shows them: drawn for people, or as one line of JSON that `merge` reads again.
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
	struct census *census; /* NULL: none, of what is no more */
	uint64_t end_ns;       /* wall clock */
	uint64_t mono_ns;      /* the same on CLOCK_MONOTONIC; 0: not of one host */
	uint64_t interval_ns;
	uint64_t lost[__SF_LOST_MAX];
	const struct term *term; /* of report__write_lines() alone */
};

/* Appended to `s`: bars; a line for each histogram; JSON. */
void report__write_text(struct str *s, const struct report *r);
void report__write_lines(struct str *s, const struct report *r);
void report__write_json(struct str *s, const struct report *r);

/* What ends both forms for people: what is alive, what was lost. */
void report__put_tail(struct str *s, const struct report *r);

#endif
