/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The upper bounds that a histogram is exported with. They are some of the bounds of bpf/hist.h, so the
 * cumulative counts at them are exact. The other bounds are left out, so that the scraper has less to store.
 */
#ifndef SYNFIN_MODEL_EDGES_H
#define SYNFIN_MODEL_EDGES_H

#include <stdint.h>

#include "base/parse.h"
#include "model/hist.h"

struct edges {
	uint16_t bucket[SF_HIST_BUCKETS -
			1]; /* these end at the bounds, ascending; the infinite bound is not among them */
	unsigned int cnt;
};

/* The bounds that are nearest to 1, 2 and 5 times each power of ten from 5 us to 1,000 s. */
void edges__default(struct edges *ret_edges);

/*
 * "default", "exact" (all bounds), or a list of durations, each of which must be a bound of bpf/hist.h:
 * "2097152ns,16.777216ms". 0 or -EINVAL; `err` then names the nearest bound.
 */
int edges__parse(const char *what, const char *text, struct edges *ret_edges, struct parse_error *err);

#endif
