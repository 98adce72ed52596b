/* SPDX-License-Identifier: GPL-2.0-only */
/* model/edges: every bound that is exported is one that is measured. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "model/edges.h"

static void test_default(void **state)
{
	struct edges e;

	(void)state;
	edges__default(&e);
	assert_int_equal(e.cnt, 26);
	for (unsigned int i = 0; i < e.cnt; i++) {
		static const uint64_t step[] = {1, 2, 5};
		uint64_t ns = sf_hist_upper(e.bucket[i]), want = i ? 10000 * step[(i - 1) % 3] : 5000;

		for (unsigned int decade = 0; i && decade < (i - 1) / 3; decade++)
			want *= 10;
		assert_true(ns > want - want / 30 && ns < want + want / 30);
		assert_true(!i || e.bucket[i] > e.bucket[i - 1]);
	}
}

static void test_exact(void **state)
{
	struct parse_error err;
	struct edges e;

	(void)state;
	assert_int_equal(edges__parse("--buckets", "exact", &e, &err), 0);
	assert_int_equal(e.cnt, SF_HIST_BUCKETS - 1);
	assert_int_equal(e.bucket[480], 480);
}

static void test_list(void **state)
{
	struct parse_error err;
	struct edges e;
	char bound[32];

	(void)state;
	assert_int_equal(edges__parse("--buckets", "16.777216ms,2097152ns,1024ns,2097152ns", &e, &err), 0);
	assert_int_equal(e.cnt, 3);
	assert_true(sf_hist_upper(e.bucket[0]) == 1024);
	assert_true(sf_hist_upper(e.bucket[2]) == 16777216);
	for (unsigned int i = 0; i < SF_HIST_BUCKETS - 1; i++) {
		snprintf(bound, sizeof(bound), "%lluns", (unsigned long long)sf_hist_upper(i));
		assert_int_equal(edges__parse("--buckets", bound, &e, &err), 0);
		assert_int_equal(e.bucket[0], i);
	}
}

/* What is refused, and the bound that is named instead. */
static void test_refused(void **state)
{
	static const char *const lists[][2] = {
		{"10ms", "9961472ns"},	 {"1024ns,1.05ms", "1048576ns"},
		{"1us", "1024ns"},	 {"1h", "1099511627776ns"},
		{"0ns", "1024ns"},	 {"", "duration"},
		{"1024ns,", "duration"}, {"exact,1024ns", "duration"},
		{"fine", "duration"},
	};
	struct parse_error err;
	struct edges e = {.cnt = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(edges__parse("--buckets", lists[i][0], &e, &err), -EINVAL);
		assert_non_null(strstr(err.text, lists[i][1]));
		assert_int_equal(e.cnt, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
