/* SPDX-License-Identifier: GPL-2.0-only */
/* Recording, merging and asking a histogram. */
#include "model/hist.h"

void hist__record(struct hist *h, uint64_t ns)
{
	if (!h->count || ns < h->min_ns)
		h->min_ns = ns;
	if (!h->count || ns > h->max_ns)
		h->max_ns = ns;
	h->count++;
	h->sum_ns += ns;
	h->buckets[sf_hist_index(ns)]++;
}

void hist__merge(struct hist *into, const struct hist *from)
{
	unsigned int i;

	if (!from->count)
		return;
	if (!into->count || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (!into->count || from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
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
