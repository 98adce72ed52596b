/* SPDX-License-Identifier: GPL-2.0-only */
/* Histograms as lines for a terminal: the numbers, the sketch on its common axis, sets and counters. */
#include "summing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "out/out.h"

static const struct clock unit_clock = {.offset_ns = 1763712000000000000};

/* One interval of what was tallied, as text. */
static const char *write_lines(const struct term *term, const struct by *by)
{
	static char text[65536];
	FILE *file = tmpfile();
	struct out *out;
	ssize_t n;

	assert_non_null(file);
	assert_int_equal(out__new_histlines(fileno(file), &unit_clock, &tally_source, 10, by, term, &out), 0);
	assert_int_equal(out__tick(out, 10000000000), 0);
	n = pread(fileno(file), text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	out__free(out);
	fclose(file);
	return text;
}

static void put_sample(uint64_t ns, enum sf_outcome outcome)
{
	struct sf_event ev = make_open();

	ev.conn.opening.connect_ts = 0;
	ev.conn.opening.synack_ts = 0;
	ev.conn.opening.syn_ts = 100;
	ev.outcome = outcome;
	ev.conn.est_ts = outcome == SF_OUT_ESTABLISHED ? 100 + ns : 0;
	ev.ts = 100 + ns;
	tally_row(&ev);
}

static void put_samples(void)
{
	memset(&tally_into, 0, sizeof(tally_into));
	for (unsigned int i = 0; i < 8; i++)
		put_sample(2000, SF_OUT_ESTABLISHED);
	put_sample(4000, SF_OUT_ESTABLISHED);
	put_sample(64000, SF_OUT_REFUSED);
}

static void test_lines(void **state)
{
	const char *text;

	(void)state;
	put_samples();
	text = write_lines(&(struct term){.columns = 80, .rows = 24}, NULL);
	assert_non_null(strstr(
		text, "; shapes from 2.00us to 64.0us\n"
		      "                             COUNT    P50    P90    P99  P99.9    MAX SHAPE\n"
		      "handshake client established     9 2.05us 4.00us 4.00us 4.00us 4.00us @:\n"
		      "handshake client refused         1 64.0us 64.0us 64.0us 64.0us 64.0us         @\n"));
	assert_non_null(strstr(text, "\nopens: 9 client established, 1 client refused\n\nalive: none\n"));
	assert_null(strstr(text, "\xe2\x96"));
	text = write_lines(&(struct term){.columns = 200, .rows = 24, .has_utf8 = true}, NULL);
	assert_non_null(strstr(text, " 4.00us \xe2\x96\x88 "));
	assert_non_null(strstr(text, " \xe2\x96\x82\n"));
}

/* Any width: no line is longer, but where not even the numbers fit. */
static void test_widths(void **state)
{
	(void)state;
	put_samples();
	for (unsigned int columns = 70; columns <= 220; columns++) {
		const char *text = write_lines(&(struct term){.columns = columns, .rows = 24}, NULL);

		for (; *text; text += strcspn(text, "\n") + 1)
			assert_true(strcspn(text, "\n") <= columns);
	}
}

/* The mark of the only sample of the slowest histogram is the last column of the axis. */
static void test_axis(void **state)
{
	const char *text, *line;

	(void)state;
	put_samples();
	put_sample(1ULL << 45, SF_OUT_TIMED_OUT);
	put_sample(0, SF_OUT_TIMED_OUT);
	text = write_lines(&(struct term){.columns = 120, .rows = 24}, NULL);
	line = strstr(text, "handshake client timed_out ");
	assert_non_null(line);
	line += 70; /* title, count and five numbers */
	assert_int_equal(line[0], '@');
	assert_int_equal(line[strcspn(line, "\n") - 1], '@');
	assert_in_range(strcspn(line, "\n"), 40, 50);
}

static void test_sets(void **state)
{
	struct by by = {.fields = {BY_COMM}, .cnt = 1};
	const char *text;

	(void)state;
	put_samples();
	text = write_lines(&(struct term){.columns = 80, .rows = 24}, &by);
	assert_non_null(strstr(text, "SHAPE\n\ncomm="));
	assert_non_null(strstr(text, ":\nhandshake client established "));
}

static void test_nothing(void **state)
{
	(void)state;
	memset(&tally_into, 0, sizeof(tally_into));
	assert_string_equal(strchr(write_lines(&(struct term){.columns = 80, .rows = 24}, NULL), '\n'),
			    "\nno connection opened or closed\n\nalive: none\n\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_widths),  cmocka_unit_test(test_axis),
		cmocka_unit_test(test_sets),  cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("histlines", tests, NULL, NULL);
}
