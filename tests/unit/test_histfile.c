/* SPDX-License-Identifier: GPL-2.0-only */
/* in/histfile: what report__write_json() wrote comes back whole, adds up, and nothing else gets in. */
#include "summing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "in/histfile.h"
#include "out/report.h"

static struct series *make_series(void)
{
	struct by by = {.fields = {BY_COMM}, .cnt = 1};
	static const char *const comms[] = {"one", "two", "a\"\\\xff", "four"};
	struct series *s = NULL;

	assert_int_equal(series__new(2, &by, &s), 0);
	for (unsigned int i = 0; i < 40; i++) {
		struct sf_event open = make_open();
		struct sf_event close = make_close(SF_OUT_FIN, 1000, 2000, 2100, 2500, 2500 + 777 * i);
		open.conn.est_ts = open.ts = 1500 + 12345 * i;
		memset(open.conn.comm, 0, sizeof(open.conn.comm));
		memcpy(open.conn.comm, comms[i % 4], strlen(comms[i % 4]));
		tally(s, &open);
		tally(s, &close);
	}
	assert_int_equal(series__put_totals(s, &(struct series_totals){.misplaced = 7}), 0);
	return s;
}

static char *write_line(const struct series *s, uint64_t end_ns, uint64_t interval_ns)
{
	struct report r = {.series = s, .end_ns = end_ns, .interval_ns = interval_ns, .lost = {1, 2, 3, 4}};
	struct str text = {0};

	report__write_json(&text, &r);
	return text.buf;
}

static void test_round_trip(void **state)
{
	struct series *s = make_series();
	char *line = write_line(s, 1700000000000000000, 5000000000), *again;
	struct histsum sum = {0};
	struct histfile_error err;

	(void)state;
	assert_int_equal(histfile__add_line(&sum, line, strlen(line), &err), 0);
	assert_true(sum.end_ns == 1700000000000000000 && sum.begin_ns == 1699999995000000000);
	again = write_line(sum.series, 1700000000000000000, 5000000000);
	assert_string_equal(again, line);
	free(again);
	free(line);
	histsum__fini(&sum);
	series__free(s);
}

/* Three times the same, at different times: every number threefold, from the first begin to the last end. */
static void test_sum(void **state)
{
	struct series *s = make_series();
	struct histsum sum = {0};
	struct histfile_error err;
	struct series_iter it = {0}, sum_it = {0};
	struct series_item item, sum_item;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		char *line = write_line(s, 1700000000000000000 - i * 1000, 500);

		assert_int_equal(histfile__add_line(&sum, line, strlen(line), &err), 0);
		free(line);
	}
	assert_true(sum.end_ns == 1700000000000000000 && sum.begin_ns == 1699999999999997500);
	assert_true(sum.lost[0] == 3 && sum.lost[3] == 12);
	assert_true(series__totals(sum.series)->folded == 3 * series__totals(s)->folded);
	assert_true(series__totals(sum.series)->misplaced == 3 * 7);
	while (series__next(s, &it, &item)) {
		assert_true(series__next(sum.series, &sum_it, &sum_item));
		assert_string_equal(item.key, sum_item.key);
		assert_int_equal(item.metric, sum_item.metric);
		assert_int_equal(item.is_other, sum_item.is_other);
		assert_true(sum_item.count == 3 * item.count);
		if (!item.hist)
			continue;
		assert_true(sum_item.hist->sum_ns == 3 * item.hist->sum_ns);
		assert_true(sum_item.hist->max_ns == item.hist->max_ns);
		for (unsigned int b = 0; b < SF_HIST_BUCKETS; b++)
			assert_true(sum_item.hist->buckets[b] == 3 * item.hist->buckets[b]);
	}
	assert_false(series__next(sum.series, &sum_it, &sum_item));
	histsum__fini(&sum);
	series__free(s);
}

#define HEAD \
	"{\"v\":1,\"type\":\"hist\",\"time\":\"2026-01-02T03:04:05.000000006Z\",\"interval_ns\":7,\"by\":[]"
#define TAIL                                                                                   \
	",\"lower_bounds\":0,\"folded\":0,\"lost\":{\"dropped\":0,\"missed\":0,\"evicted\":0," \
	"\"unattributed\":0}}"
#define HIST(fields)                                                                                        \
	HEAD ",\"histograms\":[{\"by\":{},\"other\":false,\"metric\":\"accept_wait\",\"labels\":{}," fields \
	     "}],\"counters\":[]" TAIL
#define COUNTER(fields) HEAD ",\"histograms\":[],\"counters\":[{\"by\":{},\"other\":false," fields "}]" TAIL

static const struct {
	const char *line;
	const char *why; /* NULL: nothing is wrong */
} lines[] = {
	{HEAD ",\"histograms\":[],\"counters\":[]" TAIL, NULL},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]]"),
	 NULL},
	{HIST("\"count\":1,\"sum_ns\":2000000000000,\"min_ns\":2000000000000,\"max_ns\":2000000000000,"
	      "\"buckets\":[[null,1]]"),
	 NULL},
	{COUNTER("\"metric\":\"opens\",\"labels\":{\"role\":\"client\",\"outcome\":\"unknown\"},\"count\":5"),
	 NULL},
	/* An interval's extremes may be the bounds of their buckets, so that the sum is less than the largest. */
	{HIST("\"count\":1,\"sum_ns\":1500,\"min_ns\":1473,\"max_ns\":1536,\"buckets\":[[1536,1]]"), NULL},
	{HIST("\"count\":2,\"sum_ns\":8800,\"min_ns\":4300,\"max_ns\":4608,\"buckets\":[[4352,1],[4608,1]]"),
	 NULL},
	{HIST("\"count\":3,\"sum_ns\":6000,\"min_ns\":1900,\"max_ns\":2100,\"buckets\":[[1024,1],[1920,1],["
	      "2176,"
	      "1]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":1000,\"buckets\":[[1024,1],[2048,1]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":2000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1],["
	      "4096,0]]"),
	 "no sample"},
	{COUNTER("\"metric\":\"opens\",\"labels\":{\"role\":\"client\",\"outcome\":\"refused\"},\"count\":0"),
	 "'count' is 0"},
	{COUNTER("\"metric\":\"retransmits\",\"labels\":{\"segment\":\"syn\"},\"count\":1},{\"by\":{},"
		 "\"other\":"
		 "false,\"metric\":\"retransmits\",\"labels\":{\"segment\":\"syn\"},\"count\":1"),
	 "twice"},
	{HEAD
	 ",\"histograms\":[],\"counters\":[{\"by\":{},\"other\":true,\"metric\":\"retransmits\",\"labels\":{"
	 "\"segment\":\"syn\"},\"count\":1}]" TAIL,
	 "'other'"},
	{"{\"v\":1,\"type\":\"hist\",\"time\":\"2026-01-02T03:04:05.000000006Z\",\"interval_ns\":7,\"by\":["
	 "\"comm\"],\"histograms\":[],\"counters\":[{\"by\":{\"comm\":\"curl\"},\"other\":true,\"metric\":"
	 "\"retransmits\",\"labels\":{\"segment\":\"syn\"},\"count\":1}]" TAIL,
	 "'other'"},
	{"", "within the JSON"},
	{"{", "within the JSON"},
	{"{}x", "byte 3"},
	{"[1]", "byte 1"},
	{"{}", "'v' is missing"},
	{"{\"v\":1,}", "byte 8"},
	{"{\"v\":1 \"type\":\"hist\"}", "byte 8"},
	{"{\"v\":01}", "byte 8"},
	{"{\"v\":1,\"\\x\":1}", "byte 10"},
	{"{\"v\":1,\"x\":\"a\tb\"}", "byte 14"},
	{"{\"v\":1,\"x\":[{\"a\x01\":1}]}", "byte 16"},
	{"{\"v\":1,\"x\":\"a\\", "within the JSON"},
	{"{\"v\":1,\"x\":{\"y\":00}}", "byte 17"},
	{"{\"v\":1,\"x\":[10,100,0,1.00,1e00]}", "'type' is missing"},
	{"{\"v\":1,\"v\":1}", "twice"},
	{"{\"v\":1,\"x\":[{},{},tru]}", "byte 22"},
	{"{\"v\":1,\"x\":\"\\u12\"}", "byte"},
	{"{\"v\":1,\"x\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", "brackets"},
	{HEAD ",\"histograms\":[],\"counters\":[{},{}]" TAIL, "'metric' is missing"},
	{"{\"v\":1,\"type\":\"check\"}", "no output of hist"},
	{"{\"v\":2,\"type\":\"hist\"}", "no output of hist"},
	{HEAD "}", "'histograms' is missing"},
	{HIST("\"count\":3,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]]"),
	 "sum of the buckets"},
	{HIST("\"count\":0,\"sum_ns\":0,\"min_ns\":0,\"max_ns\":0,\"buckets\":[]"), "sum of the buckets"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":9000,\"buckets\":[[1024,1],[2048,1]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":9000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1000,1],[2048,1]]"),
	 "not one of synfin's"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[2048,1],[1024,1]]"),
	 "not in order"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[1024,1]]"),
	 "not in order"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1,1],[2048,1]"
	      "]"),
	 "no pair"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,-1],[2048,3]]"),
	 "no number"},
	{HIST("\"count\":2,\"sum_ns\":3000,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1.5],[2048,0.5]"
	      "]"),
	 "no number"},
	{HIST("\"count\":2,\"sum_ns\":99999999999999999999999,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[["
	      "1024,1],[2048,1]]"),
	 "no number"},
	{HIST("\"count\":400000000,\"sum_ns\":2.4e+19,\"min_ns\":60000000000,\"max_ns\":60000000000,"
	      "\"buckets\":[[60129542144,400000000]]"),
	 NULL},
	{HIST("\"count\":400000000,\"sum_ns\":2.5e+19,\"min_ns\":60000000000,\"max_ns\":60000000000,"
	      "\"buckets\":[[60129542144,400000000]]"),
	 "does not fit"},
	{HIST("\"count\":2,\"sum_ns\":3000.5,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]"
	      "]"),
	 "no number"},
	{HIST("\"count\":2,\"sum_ns\":1e+300,\"min_ns\":1000,\"max_ns\":2000,\"buckets\":[[1024,1],[2048,1]"
	      "]"),
	 "no number"},
	{HIST("\"count\":\"2\""), "'count' is missing, or no int"},
	{COUNTER("\"metric\":\"opens\",\"labels\":{\"role\":\"client\",\"outcome\":\"abducted\"},\"count\":"
		 "5"),
	 "not known"},
	{COUNTER("\"metric\":\"opens\",\"labels\":{\"role\":\"client\"},\"count\":5"),
	 "'outcome' is missing"},
	{COUNTER("\"metric\":\"accept_wait\",\"labels\":{},\"count\":5"), "no metric of this kind"},
	{COUNTER("\"metric\":\"opens\\u0000\",\"labels\":{},\"count\":5"), "NUL"},
	{"{\"v\":1,\"type\":\"hist\",\"by\":[\"colour\"]}", "'by'"},
	{"{\"v\":1,\"type\":\"hist\",\"by\":[],\"time\":\"yesterday\",\"interval_ns\":1}", "'time'"},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct histsum sum = {0};
		struct histfile_error err = {"-"};
		int code = histfile__add_line(&sum, lines[i].line, strlen(lines[i].line), &err);

		if (code != (lines[i].why ? -EINVAL : 0) || (lines[i].why && !strstr(err.text, lines[i].why)))
			fail_msg("%s: %d %s", lines[i].line, code, err.text);
		assert_true(!lines[i].why == (sum.series != NULL));
		histsum__fini(&sum);
	}
}

static void test_other_fields(void **state)
{
	struct series *s = make_series();
	char *line = write_line(s, 1700000000000000000, 1);
	struct histsum sum = {0};
	struct histfile_error err;

	(void)state;
	assert_int_equal(histfile__add_line(&sum, lines[0].line, strlen(lines[0].line), &err), 0);
	assert_int_equal(histfile__add_line(&sum, line, strlen(line), &err), -EINVAL);
	assert_non_null(strstr(err.text, "--by"));
	histsum__fini(&sum);
	free(line);
	series__free(s);
}

/*
 * json-c takes hundreds of bytes for the two of an empty object: however many there are, where nothing is read of them, too, they
 * are not all built.
 */
static void test_memory(void **state)
{
	static const char *const ends[] = {"]}", "],"
						 "\"v\":1}"};
	enum { CNT = 1 << 20 };
	struct rusage before, after;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct histfile_error err = {"-"};
		struct histsum sum = {0};
		struct str line = {0};

		str__append(&line, i == 0   ? HEAD ",\"counters\":[],\"histograms\":[{}"
				   : i == 1 ? "{\"x\":[{}"
					    : "[{}");
		for (unsigned int n = 0; n < CNT; n++)
			str__append(&line, ",{}");
		str__append(&line, ends[i == 1]);
		assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
		assert_int_equal(histfile__add_line(&sum, line.buf, line.len, &err), -EINVAL);
		assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
#ifndef __SANITIZE_ADDRESS__ /* which does not give back what is freed at once */
		assert_true(after.ru_maxrss - before.ru_maxrss < 64 << 10);
#endif
		histsum__fini(&sum);
		str__fini(&line);
	}
}

/* Whatever has become of a line, it is refused or is counted consistently; the sanitizers watch. */
static void test_damaged(void **state)
{
	struct series *s = make_series();
	char *line = write_line(s, 1700000000000000000, 1);
	size_t len = strlen(line);
	uint64_t random = 42;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		size_t at = next_random(&random) % len;
		struct histsum sum = {0};
		struct histfile_error err;
		char was = line[at];

		line[at] = (char)next_random(&random);
		(void)histfile__add_line(&sum, line, next_random(&random) % 4 ? len : at, &err);
		histsum__fini(&sum);
		line[at] = was;
	}
	free(line);
	series__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_sum),
		cmocka_unit_test(test_lines),	   cmocka_unit_test(test_other_fields),
		cmocka_unit_test(test_damaged),	   cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("histfile", tests, NULL, NULL);
}
