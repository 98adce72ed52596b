/* SPDX-License-Identifier: GPL-2.0-only */
/* Raw records added to a series as the kernel side would have added them up. */
#ifndef SYNFIN_TESTS_SUMMING_H
#define SYNFIN_TESTS_SUMMING_H

#include "events.h"
#include "model/series.h"
#include "out/source.h"
#include "tally.h"

/* Where the functions below add to: a series, or as the kernel side does. */
static struct {
	struct series *series;
	const struct by_set *set;
	struct sf_row rows[SF_ROWS];
	struct losses losses;
} tally_into;

/* `row` has one count, at place.at. */
static void add_row(struct sf_place place, const struct sf_row *row)
{
	struct sf_row *sum = &tally_into.rows[place.row];

	if (tally_into.series) {
		assert_int_equal(series__add_row(tally_into.series, tally_into.set, place.row, row), 0);
		return;
	}
	sum->counts[place.at] += row->counts[place.at];
	sum->sum_ns += row->sum_ns;
	sum->most_ns = row->most_ns > sum->most_ns ? row->most_ns : sum->most_ns;
	sum->least_ns = row->least_ns > sum->least_ns ? row->least_ns : sum->least_ns;
}

int sf_add_count(__u64 set, __u32 slot, __u32 n)
{
	struct sf_place place = sf_counter_place(slot);
	struct sf_row row = {0};

	(void)set;
	row.counts[place.at] = n;
	if (n)
		add_row(place, &row);
	return 0;
}

int sf_add_duration(__u64 set, __u32 slot, __u64 from, __u64 to, enum sf_certainty certainty)
{
	struct sf_row row = {.sum_ns = to - from, .most_ns = to - from, .least_ns = ~(to - from)};
	struct sf_place place;

	(void)set;
	if (sf_duration(from, to, certainty) != SF_KNOWN || slot >= SF_FIRST_COUNTER)
		return 0;
	if (certainty != SF_EXACT)
		return series__put_totals(tally_into.series, &(struct series_totals){.bounds = 1});
	place = sf_hist_place(slot, sf_hist_index(to - from));
	row.counts[place.at] = 1;
	add_row(place, &row);
	return 0;
}

static inline struct by_set make_set(const struct by *by, const struct sf_conn *c)
{
	struct by_set set = {0};

	sf_fill_set_key(&set.key, c, by__mask(by));
	return set;
}

static inline void tally(struct series *s, const struct sf_event *ev)
{
	struct by_set set = make_set(series__by(s), &ev->conn);

	tally_into.series = s;
	tally_into.set = &set;
	sf_tally(0, &ev->conn, &ev->conn.opening, ev->type, ev->outcome, ev->ts);
}

/* What is read by tally_source. */
static inline void tally_row(const struct sf_event *ev)
{
	tally_into.series = NULL;
	sf_tally(0, &ev->conn, &ev->conn.opening, ev->type, ev->outcome, ev->ts);
}

static inline int read_tally(void *ctx, struct sums *sums, struct losses *ret_losses)
{
	(void)ctx;
	*ret_losses = tally_into.losses;
	sums__reset(sums);
	for (uint32_t i = 0; i < SF_ROWS; i++) {
		const __u64 *n = tally_into.rows[i].counts;
		uint64_t any = 0;

		for (unsigned int k = 0; k < SF_ROW_CNT; k++)
			any |= n[k];
		if (any)
			assert_int_equal(sums__add_row(sums, 0, i, &tally_into.rows[i]), 0);
	}
	return 0;
}

static inline int read_nobody(void *ctx, struct census *census)
{
	(void)ctx;
	census__reset(census);
	return 0;
}

static const struct out_source tally_source
	__attribute__((unused)) = {.read_sums = read_tally, .read_census = read_nobody};

#endif
