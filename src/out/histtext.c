/* SPDX-License-Identifier: GPL-2.0-only */
/* Histograms drawn as rows of bars, counters below them, for people. */
#include <inttypes.h>
#include <string.h>

#include "model/names.h"
#include "out/impl.h"
#include "out/interval.h"

#define ROWS_MAX   20
#define BAR_WIDTH  40
#define GROUPS_MAX 20

/* Buckets first ... last shown as one row. */
struct row {
	unsigned int first;
	unsigned int last;
	uint64_t count;
};

/* Which row a bucket falls in when `step` of the fine ones share a row; the two open ends stand alone. */
static unsigned int row_of(unsigned int bucket, unsigned int step)
{
	if (bucket == 0)
		return 0;
	if (bucket == SF_HIST_BUCKETS - 1)
		return 1 + (SF_HIST_BUCKETS - 3) / step + 1;
	return 1 + (bucket - 1) / step;
}

static unsigned int first_bucket(unsigned int row, unsigned int step)
{
	unsigned int bucket = row ? (row - 1) * step + 1 : 0;

	return bucket < SF_HIST_BUCKETS - 1 ? bucket : SF_HIST_BUCKETS - 1;
}

/*
 * The rows from the first to the last sample, in the finest of quarters of a power of two (step 4), halves,
 * whole ones, or pairs of them that gives ROWS_MAX rows or fewer. Pairs always do: 15 and the open ends.
 */
static unsigned int find_rows(const struct hist *h, struct row rows[ROWS_MAX])
{
	unsigned int lo = sf_hist_index(h->min_ns), hi = sf_hist_index(h->max_ns), step = 4, cnt, row, i;

	while (row_of(hi, step) - row_of(lo, step) + 1 > ROWS_MAX)
		step *= 2;
	cnt = row_of(hi, step) - row_of(lo, step) + 1;
	for (i = 0; i < cnt; i++) {
		row = row_of(lo, step) + i;
		rows[i] = (struct row){.first = first_bucket(row, step)};
		rows[i].last = row_of(SF_HIST_BUCKETS - 1, step) == row ? rows[i].first
									: first_bucket(row + 1, step) - 1;
	}
	for (i = lo; i <= hi; i++)
		rows[row_of(i, step) - row_of(lo, step)].count += h->buckets[i];
	return cnt;
}

/* A bound, right-aligned in 7 columns; "inf" above the last one. */
static void put_bound(struct str *s, uint64_t ns)
{
	struct str text = {0};

	if (ns == UINT64_MAX)
		str__append(&text, "inf");
	else
		str__append_duration(&text, ns);
	str__appendf(s, "%7s", str__text(&text));
	s->failed |= text.failed;
	str__fini(&text);
}

static void put_row(struct str *s, const struct row *row, uint64_t most)
{
	/* In floating point: the product of two counts may overflow. A row with a sample shows a mark. */
	size_t marks = (size_t)((double)row->count / (double)most * BAR_WIDTH + 0.5);

	str__append(s, "  (");
	put_bound(s, row->first ? sf_hist_upper(row->first - 1) : 0);
	str__append(s, ", ");
	put_bound(s, sf_hist_upper(row->last));
	str__appendf(s, "] %10" PRIu64 " |", row->count);
	marks = marks || !row->count ? marks : 1;
	str__append_char(s, '#', marks);
	str__append_char(s, ' ', BAR_WIDTH - marks);
	str__append(s, "|\n");
}

static void put_title(struct str *s, const struct by *by, const struct series_item *item)
{
	struct str key = {0};
	unsigned int i;

	out__append_key(&key, by, item->key);
	str__append_safe(s, str__text(&key), key.len, false);
	str__append(s, by->cnt ? ": " : "");
	s->failed |= key.failed;
	str__fini(&key);
	str__append(s, series__metric_name(item->metric));
	for (i = 0; i < 2 && item->label[i].name; i++)
		str__appendf(s, " %s=%s", item->label[i].name, item->label[i].value);
}

static void put_hist(struct str *s, const struct by *by, const struct series_item *item)
{
	static const struct {
		const char *name;
		unsigned int ppm;
	} quantiles[] = {{"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p99.9", 999000}};
	struct row rows[ROWS_MAX] = {0};
	unsigned int cnt = find_rows(item->hist, rows), i;
	uint64_t most = 0;

	for (i = 0; i < cnt; i++)
		most = rows[i].count > most ? rows[i].count : most;
	str__append_char(s, '\n', 1);
	put_title(s, by, item);
	str__append_char(s, '\n', 1);
	for (i = 0; i < cnt; i++)
		put_row(s, &rows[i], most);
	str__appendf(s, "  count %" PRIu64, item->count);
	for (i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		str__appendf(s, "  %s ", quantiles[i].name);
		str__append_duration(s, hist__quantile(item->hist, quantiles[i].ppm));
	}
	str__append(s, "  max ");
	str__append_duration(s, item->hist->max_ns);
	str__append_char(s, '\n', 1);
}

static void put_lost(struct str *s, const struct report *r)
{
	const struct series_totals *totals = series__totals(r->series);
	unsigned int i;

	for (i = 0; i < __SF_LOST_MAX; i++) {
		if (r->lost[i])
			str__appendf(s, "lost: %" PRIu64 " %s\n", r->lost[i], names__lost(i));
	}
	if (totals->bounds)
		str__appendf(s, "left out: %" PRIu64 " durations known only as lower bounds\n",
			     totals->bounds);
	if (totals->folded)
		str__appendf(s, "added to 'other': %" PRIu64 " records\n", totals->folded);
	if (totals->misplaced)
		str__appendf(s,
			     "added to 'other' because their set had no room: %" PRIu64
			     " counts and durations\n",
			     totals->misplaced);
}

static void put_group(struct str *s, const struct census_group *g)
{
	str__appendf(s, "  %" PRIu64 " in %s: ", g->count, census__state_name(g->state));
	if (g->pid) {
		str__append_safe(s, g->comm, strlen(g->comm), false);
		str__appendf(s, " (pid %" PRIu32 ")", g->pid);
	} else {
		str__append(s, "owner not known");
	}
	if (g->oldest_ns != SF_ABSENT) {
		str__append(s, g->at_least ? ", oldest >" : ", oldest ");
		str__append_duration(s, g->oldest_ns);
	}
	str__append_char(s, '\n', 1);
}

static void put_census(struct str *s, struct census *census)
{
	const struct census_group *groups;
	unsigned int state;
	size_t cnt, i;

	str__append(s, "\nalive:");
	for (state = 0; state < CENSUS_STATES; state++)
		if (census__count(census, state))
			str__appendf(s, " %" PRIu64 " %s", census__count(census, state),
				     census__state_name(state));
	str__append(s, census__is_empty(census) ? " none\n" : "\n");
	groups = census__groups(census, &cnt);
	for (i = 0; i < cnt && i < GROUPS_MAX; i++)
		put_group(s, &groups[i]);
	if (cnt > GROUPS_MAX)
		str__appendf(s, "  and %zu owners more\n", cnt - GROUPS_MAX);
}

static void put_counters(struct str *s, const struct series *series)
{
	struct series_iter it = {0};
	struct series_item item;
	bool is_first = true;

	while (series__next(series, &it, &item)) {
		if (SERIES_IS_HIST(item.metric))
			continue;
		if (is_first)
			str__append_char(s, '\n', 1);
		is_first = false;
		put_title(s, series__by(series), &item);
		str__appendf(s, " %" PRIu64 "\n", item.count);
	}
}

void report__put_tail(struct str *s, const struct report *r)
{
	struct series_iter it = {0};
	struct series_item item;

	if (!series__next(r->series, &it, &item))
		str__append(s, "no connection opened or closed\n");
	if (r->census)
		put_census(s, r->census);
	put_lost(s, r);
	str__append_char(s, '\n', 1);
}

void report__write_text(struct str *s, const struct report *r)
{
	struct series_iter it = {0};
	struct series_item item;
	char time[CLOCK_RFC3339_SZ];

	str__appendf(s, "--- %.19sZ, ", clock__rfc3339(r->end_ns, time));
	str__append_duration(s, r->interval_ns);
	str__append_char(s, '\n', 1);
	while (series__next(r->series, &it, &item)) {
		if (SERIES_IS_HIST(item.metric))
			put_hist(s, series__by(r->series), &item);
	}
	put_counters(s, r->series);
	report__put_tail(s, r);
}

int out__new_histtext(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out)
{
	return interval_out__new(fd, clk, source, max_sets, by, NULL, report__write_text, ret_out);
}
