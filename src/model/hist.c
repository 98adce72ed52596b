/* SPDX-License-Identifier: GPL-2.0-only */
/* Filling, merging and asking a histogram. */
#include "model/hist.h"

static void add_extremes(struct hist *h, uint64_t least, uint64_t most)
{
	if (!h->count || least < h->min_ns)
		h->min_ns = least;
	if (!h->count || most > h->max_ns)
		h->max_ns = most;
}

/* The least value that falls in a bucket. */
static uint64_t lower_end(uint32_t bucket)
{
	return bucket ? sf_hist_upper(bucket - 1) + 1 : 0;
}

/* `value`, if it lies in the bucket; else the bucket's end that is next to what the value should be. */
static uint64_t narrow(uint64_t value, uint32_t bucket, bool is_least)
{
	uint64_t above = lower_end(bucket), upper = sf_hist_upper(bucket);

	if (value >= above && value <= upper)
		return value;
	return is_least || bucket == SF_HIST_BUCKETS - 1 ? above : upper;
}

/* What samples add up to, at least and at most. */
struct span {
	hist_sum least, most;
};

/* `count` samples in a bucket, of a histogram with these extremes. */
static void widen(struct span *s, uint32_t bucket, uint64_t count, uint64_t min_ns, uint64_t max_ns)
{
	uint64_t lower = lower_end(bucket), upper = sf_hist_upper(bucket);

	s->least += (hist_sum)count * (min_ns > lower ? min_ns : lower);
	s->most += (hist_sum)count * (max_ns < upper ? max_ns : upper);
}

/*
 * The sum of which 64 bits are left. Of the last bucket, which has no upper end, a single sample may be as long as all others together: there
 * it is the least that can be.
 */
static hist_sum restore_sum(uint64_t sum_ns, const struct span *s, bool is_open)
{
	const hist_sum half = is_open ? ((hist_sum)1 << 64) - 1 : (hist_sum)1 << 63,
		       near = is_open ? s->least : s->least + (s->most - s->least) / 2;
	hist_sum sum = sum_ns;

	if (near + half > sum)
		sum += (near + half - sum) >> 64 << 64;
	return sum < s->least ? s->least : sum > s->most ? s->most : sum;
}

/* From 2^64 on a sum may have been rounded to a double, as the JSON form has it. */
static bool is_sum_of(hist_sum sum, const struct span *s)
{
	if (sum >> 64)
		return (double)s->least <= (double)sum && (double)sum <= (double)s->most;
	return s->least <= sum && sum <= s->most;
}

void hist__add_row(struct hist *h, uint32_t number, const struct sf_row *r)
{
	uint32_t first = 0, last = 0;
	uint64_t count = 0, min_ns, max_ns;
	struct span span = {0};

	for (uint32_t i = 0; i < SF_ROW_CNT; i++) {
		uint32_t bucket = sf_hist_bucket(number, i);

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
	min_ns = narrow(~r->least_ns, first, true);
	max_ns = narrow(r->most_ns, last, false);
	if (min_ns > max_ns) { /* one bucket, and an extreme that is being written */
		uint64_t least = max_ns;

		max_ns = min_ns;
		min_ns = least;
	}
	for (uint32_t i = 0; i < SF_ROW_CNT; i++) {
		if (r->counts[i] && sf_hist_bucket(number, i) < SF_HIST_BUCKETS)
			widen(&span, sf_hist_bucket(number, i), r->counts[i], min_ns, max_ns);
	}
	add_extremes(h, min_ns, max_ns);
	h->count += count;
	h->sum_ns += restore_sum(r->sum_ns, &span, last == SF_HIST_BUCKETS - 1);
}

bool hist__is_sound(const struct hist *h)
{
	uint32_t first = SF_HIST_BUCKETS, last = 0;
	struct span span = {0};
	uint64_t count = 0;

	for (uint32_t i = 0; i < SF_HIST_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		if (__builtin_add_overflow(count, h->buckets[i], &count))
			return false;
		first = first == SF_HIST_BUCKETS ? i : first;
		last = i;
		widen(&span, i, h->buckets[i], h->min_ns, h->max_ns);
	}
	return count && count == h->count && h->min_ns <= h->max_ns && sf_hist_index(h->min_ns) == first &&
	       sf_hist_index(h->max_ns) == last && is_sum_of(h->sum_ns, &span);
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
