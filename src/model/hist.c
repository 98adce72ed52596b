/* SPDX-License-Identifier: GPL-2.0-only */
/* Filling, merging and asking a histogram. */
#include "model/hist.h"

#include <stdbool.h>

static void add_extremes(struct hist *h, uint64_t least, uint64_t most)
{
	if (!h->count || least < h->min_ns)
		h->min_ns = least;
	if (!h->count || most > h->max_ns)
		h->max_ns = most;
}

/* `value`, if it lies in the bucket; else the bucket's end that is next to what the value should be. */
static uint64_t narrow(uint64_t value, uint32_t bucket, bool is_least)
{
	uint64_t above = bucket ? sf_hist_upper(bucket - 1) + 1 : 0, upper = sf_hist_upper(bucket);

	if (value >= above && value <= upper)
		return value;
	return is_least || bucket == SF_HIST_BUCKETS - 1 ? above : upper;
}

void hist__add_row(struct hist *h, uint32_t number, const struct sf_row *r)
{
	uint32_t first = 0, last = 0;
	uint64_t count = 0;

	for (uint32_t i = 0; i < SF_ROW_CNT; i++) {
		uint32_t bucket = number * SF_ROW_CNT + i - (SF_ROW_CNT - 1);

		if (!r->counts[i] || bucket >= SF_HIST_BUCKETS)
			continue;
		if (!count)
			first = bucket;
		last = bucket;
		count += r->counts[i];
		h->buckets[bucket] += r->counts[i];
	}
	if (!count)
		return;
	add_extremes(h, narrow(~r->least_ns, first, true), narrow(r->most_ns, last, false));
	h->count += count;
	h->sum_ns += r->sum_ns;
}

void hist__merge(struct hist *into, const struct hist *from)
{
	unsigned int i;

	if (!from->count)
		return;
	add_extremes(into, from->min_ns, from->max_ns);
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	for (i = 0; i < SF_HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t hist__quantile(const struct hist *h, unsigned int ppm)
{
	/* ceil(count * ppm / 10^6) in two parts, so that no product overflows */
	uint64_t rank = h->count / 1000000 * ppm + (h->count % 1000000 * ppm + 999999) / 1000000;
	uint64_t seen = 0, upper;
	unsigned int i;

	if (!h->count)
		return 0;
	for (i = 0; i < SF_HIST_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen >= rank && seen)
			break;
	}
	upper = sf_hist_upper(i);
	return upper < h->max_ns ? upper : h->max_ns;
}
