/* SPDX-License-Identifier: GPL-2.0-only */
/* model/sums: what lies between two readings, and that a set finds its key. */
#include "unit.h"

#include <stdlib.h>

#include "model/sums.h"

static struct sums *make_sums(void)
{
	struct sums *s = NULL;

	assert_int_equal(sums__new(&s), 0);
	return s;
}

/* The counts of one slot's row: `n` times `ns`, and the extremes of all time. */
static void add_row(struct sums *s, uint64_t set, uint64_t ns, uint64_t n, uint64_t least, uint64_t most)
{
	struct sf_place place = sf_hist_place(SF_SLOT_ACCEPT_WAIT, sf_hist_index(ns));
	struct sf_row row = {.sum_ns = n * ns, .most_ns = most, .least_ns = ~least};

	row.counts[place.at] = n;
	assert_int_equal(sums__add_row(s, set, place.row, &row), 0);
}

static const struct hist *only_hist(const struct series *s, const char *key)
{
	static struct series_iter it; /* the histogram is in it */
	struct series_item item;

	it = (struct series_iter){0};
	while (series__next_of(s, SERIES_ACCEPT_WAIT, &it, &item)) {
		if (!strcmp(item.key, key))
			return item.hist;
	}
	return NULL;
}

static void test_difference(void **state)
{
	struct sums *before = make_sums(), *now = make_sums();
	struct series *s = NULL;
	const struct hist *h;

	(void)state;
	assert_int_equal(series__new(1, NULL, &s), 0);
	add_row(before, 0, 5000, 3, 5000, 5000);
	add_row(before, 0, 100000, 2, 100000, 100000);
	sums__set_totals(before, &(struct series_totals){1, 5, 10, 2});
	/* The larger row stays as it was, the smaller grows by one that is smaller than any before. */
	add_row(now, 0, 100000, 2, 100000, 100000);
	add_row(now, 0, 5000, 4, 4990, 5000);
	sums__set_totals(now, &(struct series_totals){4, 11, 12, 5});
	assert_int_equal(sums__add_to(now, before, s), 0);
	h = only_hist(s, "");
	assert_non_null(h);
	assert_true(h->count == 1 && h->sum_ns == 5000);
	assert_true(h->min_ns == 4990 && h->max_ns == 5000);
	assert_true(series__totals(s)->folded == 3 && series__totals(s)->misplaced == 6 &&
		    series__totals(s)->bounds == 2 && series__totals(s)->expired == 3);
	/* Nothing has come since. */
	series__reset(s);
	assert_int_equal(sums__add_to(now, now, s), 0);
	assert_null(only_hist(s, ""));
	series__free(s);
	sums__free(before);
	sums__free(now);
}

/* The extremes of all time lie in buckets that did not grow: the bounds of those that did stand in. */
static void test_extremes_elsewhere(void **state)
{
	struct sums *now = make_sums();
	struct series *s = NULL;
	const struct hist *h;
	uint32_t bucket = sf_hist_index(5000);

	(void)state;
	assert_int_equal(series__new(1, NULL, &s), 0);
	add_row(now, 0, 5000, 1, 4097, 8000);
	assert_int_equal(sums__add_to(now, NULL, s), 0);
	h = only_hist(s, "");
	assert_true(h->min_ns == sf_hist_upper(bucket - 1) + 1 && h->max_ns == sf_hist_upper(bucket));
	series__free(s);
	sums__free(now);
}

/* The kernel side publishes a row of a set before its first count: such a row says nothing yet. */
static void test_row_without_count(void **state)
{
	const struct by by = {.fields = {BY_COMM}, .cnt = 1};
	const struct by_set one = {.key = {.comm = "one"}}, two = {.key = {.comm = "two"}};
	struct sums *before = make_sums(), *now = make_sums();
	struct series *s = NULL;
	struct series_iter it = {0};
	struct series_item item;

	(void)state;
	assert_int_equal(series__new(5, &by, &s), 0);
	add_row(now, 1, 5000, 0, 5000, 5000);
	add_row(now, 2, 5000, 3, 5000, 5000);
	assert_int_equal(sums__add_set(now, 1, &one), 0);
	assert_int_equal(sums__add_set(now, 2, &two), 0);
	assert_int_equal(sums__add_to(now, NULL, s), 0);
	assert_true(series__next(s, &it, &item) && !strcmp(item.key, "two") && item.count == 3);
	assert_false(series__next(s, &it, &item));
	series__reset(s);
	assert_int_equal(sums__add_to(now, before, s), 0);
	it = (struct series_iter){0};
	assert_true(series__next(s, &it, &item) && !strcmp(item.key, "two"));
	assert_false(series__next(s, &it, &item));
	series__free(s);
	sums__free(before);
	sums__free(now);
}

/* However an empty histogram came into a series, no output sees it. */
static void test_empty_histogram(void **state)
{
	const struct sf_row empty = {0};
	const struct hist hist = {0};
	struct series_item item = {.key = "", .metric = SERIES_ACCEPT_WAIT, .hist = &hist};
	struct series_iter it = {0};
	struct series *s = NULL;

	(void)state;
	assert_int_equal(series__new(1, NULL, &s), 0);
	assert_int_equal(series__add_row(s, NULL, SF_SLOT_ACCEPT_WAIT * SF_HIST_ROWS, &empty), 0);
	assert_int_equal(series__put(s, &item), 0);
	assert_false(series__next(s, &it, &item));
	it = (struct series_iter){0};
	assert_false(series__next_of(s, SERIES_ACCEPT_WAIT, &it, &item));
	series__free(s);
}

static void test_sets(void **state)
{
	const struct by by = {.fields = {BY_COMM, BY_CGROUP}, .cnt = 2};
	const struct by_set one = {.key = {.comm = "one"}, .cgroup = "/a"}, two = {.key = {.comm = "two"}};
	struct sums *now = make_sums();
	struct series *s = NULL;

	(void)state;
	assert_int_equal(series__new(5, &by, &s), 0);
	add_row(now, 77, 5000, 1, 5000, 5000);
	add_row(now, 5, 5000, 2, 5000, 5000);
	add_row(now, 0, 5000, 4, 5000, 5000);
	assert_int_equal(sums__add_set(now, 77, &one), 0);
	assert_int_equal(sums__add_set(now, 5, &two), 0);
	assert_int_equal(sums__add_to(now, NULL, s), 0);
	assert_true(only_hist(s, "one\x1f/a")->count == 1);
	assert_true(only_hist(s, "two\x1funknown")->count == 2);
	assert_true(only_hist(s, "other\x1fother")->count == 4);
	series__free(s);
	sums__free(now);
}

/* Both readings have run over, and the interval is their difference. */
static void test_difference_run_over(void **state)
{
	const uint64_t minute = 60000000000ULL;
	struct sums *before = make_sums(), *now = make_sums();
	struct series *s = NULL;

	(void)state;
	assert_int_equal(series__new(1, NULL, &s), 0);
	add_row(before, 0, minute, 900000000, minute, minute);
	add_row(now, 0, minute, 900000007, minute, minute);
	assert_int_equal(sums__add_to(now, before, s), 0);
	assert_true(only_hist(s, "")->sum_ns == 7 * minute);
	series__reset(s);
	assert_int_equal(sums__add_to(now, NULL, s), 0);
	assert_true((double)only_hist(s, "")->sum_ns == 900000007.0 * 60e9);
	series__free(s);
	sums__free(before);
	sums__free(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_difference_run_over), cmocka_unit_test(test_difference),
		cmocka_unit_test(test_extremes_elsewhere),  cmocka_unit_test(test_row_without_count),
		cmocka_unit_test(test_empty_histogram),	    cmocka_unit_test(test_sets),
	};

	return cmocka_run_group_tests_name("sums", tests, NULL, NULL);
}
