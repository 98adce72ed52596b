/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/hist.h and model/hist: bounds, monotony, quantiles, merging. */
#include "unit.h"

#include <stdlib.h>

#include "model/hist.h"
#include "model/packed.h"
#include "sample.h"

#define LAST (SF_HIST_BUCKETS - 1)

static void test_powers(void **state)
{
	unsigned int pow;

	(void)state;
	for (pow = 0; pow < 64; pow++) {
		uint64_t v = 1ULL << pow;

		assert_int_equal(sf_hist_log2(v), pow);
		assert_int_equal(sf_hist_log2(v | (v - 1)), pow);
		if (pow <= SF_HIST_MIN_POW) {
			assert_int_equal(sf_hist_index(v), 0);
			continue;
		}
		if (pow > SF_HIST_MAX_POW) {
			assert_int_equal(sf_hist_index(v), LAST);
			continue;
		}
		/* A power of two ends its bucket, exactly. */
		assert_int_equal(sf_hist_index(v), (pow - SF_HIST_MIN_POW) * 16);
		assert_true(sf_hist_upper(sf_hist_index(v)) == v);
		assert_int_equal(sf_hist_index(v - 1), sf_hist_index(v));
		assert_int_equal(sf_hist_index(v + 1), sf_hist_index(v) + 1);
	}
}

static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(SF_HIST_BUCKETS, 482);
	assert_int_equal(sf_hist_index(0), 0);
	assert_int_equal(sf_hist_index(1), 0);
	assert_int_equal(sf_hist_index(1024), 0);
	assert_int_equal(sf_hist_index(1025), 1);
	assert_int_equal(sf_hist_index(1ULL << 40), LAST - 1);
	assert_int_equal(sf_hist_index((1ULL << 40) + 1), LAST);
	assert_int_equal(sf_hist_index(UINT64_MAX), LAST);
	assert_true(sf_hist_upper(0) == 1024);
	assert_true(sf_hist_upper(LAST) == UINT64_MAX);
	assert_true(sf_hist_upper(LAST + 100) == UINT64_MAX);
}

/* Every bucket: its bounds fall on either side of it, and it is at most 1/16 of its lower bound wide. */
static void test_every_bucket(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i < LAST; i++) {
		uint64_t lower = sf_hist_upper(i - 1), upper = sf_hist_upper(i);

		assert_true(upper > lower);
		assert_int_equal(sf_hist_index(lower), i - 1);
		assert_int_equal(sf_hist_index(lower + 1), i);
		assert_int_equal(sf_hist_index(upper), i);
		assert_int_equal(sf_hist_index(upper + 1), i + 1);
		assert_true((upper - lower) * 16 <= lower);
	}
}

static void test_monotony(void **state)
{
	uint64_t v, seed = 2;
	unsigned int last = 0, i, index;

	(void)state;
	for (v = 0; v < 1 << 20; v++) {
		index = sf_hist_index(v);
		assert_in_range(index, last, last + 1);
		last = index;
	}
	for (i = 0; i < 1000000; i++) {
		v = next_random(&seed) >> (next_random(&seed) & 63);
		index = sf_hist_index(v);
		assert_in_range(index, 0, LAST);
		assert_true(v <= sf_hist_upper(index));
		assert_true(!index || v > sf_hist_upper(index - 1));
	}
}

static void test_empty(void **state)
{
	struct hist h = {0}, other = {0};

	(void)state;
	assert_int_equal(hist__quantile(&h, 500000), 0);
	hist__merge(&h, &other);
	assert_int_equal(h.count, 0);
	add_sample(&other, 5);
	hist__merge(&h, &other);
	assert_memory_equal(&h, &other, sizeof(h));
}

static void test_extremes(void **state)
{
	struct hist h = {0};

	(void)state;
	add_sample(&h, 0);
	assert_int_equal(hist__quantile(&h, 1000000), 0);
	add_sample(&h, 5000);
	assert_true(hist__quantile(&h, 500000) == 1024);
	assert_true(hist__quantile(&h, 500001) == 5000);
	add_sample(&h, 1ULL << 50);
	assert_true(hist__quantile(&h, 1000000) == 1ULL << 50);
	assert_true(h.min_ns == 0 && h.max_ns == 1ULL << 50 && h.sum_ns == 5000 + (1ULL << 50));
	assert_int_equal(hist__quantile(&h, 0), 1024);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the sorted samples: never below, at most a sixteenth above. */
static void test_quantiles(void **state)
{
	static const unsigned int ppms[] = {1, 1000, 100000, 500000, 900000, 990000, 999000, 999999, 1000000};
	enum { N = 20000 };
	uint64_t *samples = calloc(N, sizeof(*samples)), seed = 3, exact, got;
	unsigned int i, round;

	(void)state;
	for (round = 0; round < 8; round++) {
		struct hist h = {0};

		for (i = 0; i < N; i++) {
			samples[i] = 1024 + (next_random(&seed) >> (26 + round * (next_random(&seed) % 5)));
			add_sample(&h, samples[i]);
		}
		qsort(samples, N, sizeof(*samples), compare_u64);
		for (i = 0; i < ARRAY_SIZE(ppms); i++) {
			exact = samples[((uint64_t)N * ppms[i] + 999999) / 1000000 - 1];
			got = hist__quantile(&h, ppms[i]);
			assert_true(got >= exact);
			assert_true(got - exact <= exact / 16);
		}
	}
	free(samples);
}

static void test_huge_counts(void **state)
{
	struct hist h = {.count = UINT64_MAX / 2 * 2, .min_ns = 1, .max_ns = 3000};

	(void)state;
	h.buckets[0] = UINT64_MAX / 2;
	h.buckets[sf_hist_index(3000)] = UINT64_MAX / 2;
	assert_int_equal(hist__quantile(&h, 499999), 1024);
	assert_int_equal(hist__quantile(&h, 500000), 1024);
	assert_int_equal(hist__quantile(&h, 500001), 3000);
}

static void test_merge(void **state)
{
	struct hist parts[4] = {0}, all = {0}, sum = {0};
	uint64_t seed = 4, v;
	unsigned int i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		v = next_random(&seed) >> (20 + next_random(&seed) % 40);
		add_sample(&parts[i % 4], v);
		add_sample(&all, v);
	}
	for (i = 0; i < 4; i++)
		hist__merge(&sum, &parts[i]);
	assert_memory_equal(&sum, &all, sizeof(all));
}

/* Row by row or all at once, in any order: unpacked it is the histogram of the same samples. */
static void test_packed(void **state)
{
	struct hist parts[4] = {0}, all = {0}, got;
	struct packed *by_row = NULL, *sum = NULL;
	uint64_t seed = 6;

	(void)state;
	packed__unpack(NULL, &got);
	assert_memory_equal(&got, &all, sizeof(all));
	assert_int_equal(packed__add(&sum, &all), 0);
	assert_null(sum);
	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t v = i ? next_random(&seed) >> (20 + next_random(&seed) % 40) : UINT64_MAX / 2;
		struct sf_place place = sf_hist_place(0, sf_hist_index(v));
		struct sf_row row = {.sum_ns = v, .most_ns = v, .least_ns = ~v};

		row.counts[place.at] = 1;
		assert_int_equal(packed__add_row(&by_row, place.row, &row), 0);
		hist__add_row(&parts[i % 4], place.row, &row);
		hist__add_row(&all, place.row, &row);
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(packed__add(&sum, &parts[i]), 0);
	packed__unpack(by_row, &got);
	assert_memory_equal(&got, &all, sizeof(all));
	packed__unpack(sum, &got);
	assert_memory_equal(&got, &all, sizeof(all));
	assert_true(by_row->row_cnt <= SF_HIST_ROWS);
	free(by_row);
	free(sum);
}

/* Rows are read while they are written: whatever is read, what comes of it is what samples in the buckets can have. */
static void test_torn_rows(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		struct hist h = {0};

		for (unsigned int i = 0; i < 4; i++) {
			uint32_t number = (uint32_t)(next_random(&seed) % SF_HIST_ROWS);
			struct sf_row row = {.sum_ns = next_random(&seed) >> (8 + next_random(&seed) % 56),
					     .most_ns = next_random(&seed) >> (8 + next_random(&seed) % 56),
					     .least_ns =
						     ~(next_random(&seed) >> (8 + next_random(&seed) % 56))};

			for (unsigned int k = 0; k < SF_ROW_CNT; k++)
				row.counts[k] = next_random(&seed) % 3;
			hist__add_row(&h, number, &row);
		}
		if (h.count && !hist__is_sound(&h))
			fail_msg("round %u: count %lu sum %lu min %lu max %lu", round, h.count,
				 (uint64_t)h.sum_ns, h.min_ns, h.max_ns);
	}
}

/* In an interval the largest of all time may be another: 1,500 ns are counted as up to 1,536 then. */
static void test_rounded_extreme(void **state)
{
	struct sf_place place = sf_hist_place(0, sf_hist_index(1500));
	struct sf_row row = {.sum_ns = 1500, .most_ns = 1900, .least_ns = ~1100ULL};
	struct hist h = {0};

	(void)state;
	row.counts[place.at] = 1;
	hist__add_row(&h, place.row, &row);
	assert_true(h.max_ns == 1536 && h.sum_ns == 1500);
	assert_true(hist__is_sound(&h));
	h.sum_ns = 1537;
	assert_false(hist__is_sound(&h));
	h.sum_ns = h.min_ns - 1;
	assert_false(hist__is_sound(&h));
}

/* `count` samples of 60 s: the kernel side's sum has run over 2^64 ns more than once. */
static void add_minutes(struct hist *h, uint64_t count)
{
	const uint64_t minute = 60000000000ULL;
	struct sf_place place = sf_hist_place(0, sf_hist_index(minute));
	struct sf_row row = {.sum_ns = count * minute, .most_ns = minute, .least_ns = ~minute};

	row.counts[place.at] = count;
	hist__add_row(h, place.row, &row);
}

/* The buckets say how often a sum has run over. */
static void test_sum_run_over(void **state)
{
	struct hist h = {0}, twice = {0};

	(void)state;
	for (uint64_t count = 1; count < 1ULL << 40; count *= 7) {
		struct hist one = {0};

		add_minutes(&one, count);
		assert_true((double)one.sum_ns == 60e9 * (double)count);
		assert_true(hist__is_sound(&one));
	}
	add_minutes(&h, 1000000000);
	assert_true(h.sum_ns / 1000000000 == 60000000000ULL && h.sum_ns % 1000000000 == 0);
	hist__merge(&twice, &h);
	hist__merge(&twice, &h);
	assert_true(twice.sum_ns == 2 * h.sum_ns && hist__is_sound(&twice));
	twice.sum_ns = h.sum_ns;
	assert_false(hist__is_sound(&twice));
}

/* Samples all over a row, 27 times over 2^64: the sum is far from the bounds of its buckets, and exact. */
static void test_spread_sum_run_over(void **state)
{
	const struct sf_place place = sf_hist_place(0, sf_hist_index(60000000000ULL));
	struct sf_row row = {.most_ns = 0};
	unsigned __int128 sum = 0;
	struct hist h = {0};
	uint64_t seed = 7;

	(void)state;
	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t ns = 40000000000ULL + next_random(&seed) % 25000000000ULL;
		struct sf_place at = sf_hist_place(0, sf_hist_index(ns));

		if (at.row != place.row)
			continue;
		row.counts[at.at] += 1000000;
		row.sum_ns += 1000000 * ns;
		sum += (unsigned __int128)1000000 * ns;
		row.most_ns = ns > row.most_ns ? ns : row.most_ns;
		row.least_ns = ~ns > row.least_ns ? ~ns : row.least_ns;
	}
	hist__add_row(&h, place.row, &row);
	assert_true(sum >> 64 > 20 && h.sum_ns == sum);
}

/* Nothing has run over, though one is so long that with 10,000 like it something would. */
static void test_sum_of_the_last_row(void **state)
{
	const uint64_t hour = 3600000000000ULL, month = 720 * hour;
	const struct sf_place place = sf_hist_place(0, sf_hist_index(hour));
	struct sf_row row = {.sum_ns = 10000 * hour + month, .most_ns = month, .least_ns = ~hour};
	struct hist h = {0};

	(void)state;
	assert_int_equal(place.row, sf_hist_place(0, sf_hist_index(month)).row);
	row.counts[place.at] = 10001;
	hist__add_row(&h, place.row, &row);
	assert_true(h.sum_ns == 10000 * hour + month && hist__is_sound(&h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum_run_over),
		cmocka_unit_test(test_spread_sum_run_over),
		cmocka_unit_test(test_sum_of_the_last_row),
		cmocka_unit_test(test_powers),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_every_bucket),
		cmocka_unit_test(test_monotony),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_huge_counts),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_torn_rows),
		cmocka_unit_test(test_rounded_extreme),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
