/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/tally.h and model/series: what is counted where, what is kept out, keys and their bound. */
#include "summing.h"

#include <errno.h>
#include <stdio.h>

#include "model/series.h"

static struct series *make_series(size_t max_sets, const struct by *by)
{
	struct series *s = NULL;

	assert_int_equal(series__new(max_sets, by, &s), 0);
	return s;
}

static bool is_label(const struct series_item *item, unsigned int i, const char *value)
{
	return value ? item->label[i].value && !strcmp(item->label[i].value, value) : !item->label[i].name;
}

/* The count of one item, 0 when it is not there; *ret_hist may be NULL. */
static uint64_t find(const struct series *s, enum series_metric metric, const char *a, const char *b,
		     const struct hist **ret_hist)
{
	static struct series_iter it; /* the histogram is in it */
	struct series_item item;

	it = (struct series_iter){0};
	while (series__next(s, &it, &item)) {
		assert_true(item.count > 0);
		assert_true((item.hist != NULL) == SERIES_IS_HIST(item.metric));
		if (item.metric != metric || !is_label(&item, 0, a) || !is_label(&item, 1, b))
			continue;
		if (ret_hist)
			*ret_hist = item.hist;
		return item.count;
	}
	return 0;
}

static unsigned int count_items(const struct series *s)
{
	struct series_iter it = {0};
	struct series_item item;
	unsigned int cnt = 0;

	while (series__next(s, &it, &item))
		cnt++;
	return cnt;
}

static void test_open(void **state)
{
	struct series *s = make_series(1, NULL);
	struct sf_event ev = make_open();
	const struct hist *h = NULL;

	(void)state;
	assert_int_equal(count_items(s), 0);
	tally(s, &ev);
	ev.conn.syn_retrans = 4; /* no search for a port was measured then */
	tally(s, &ev);
	ev = make_event(SF_EV_OPEN, SF_OUT_REFUSED, 1700);
	ev.conn.opening.syn_ts = 1100;
	ev.conn.flags = SF_F_RST_IN;
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_OPENS, "client", "established", NULL), 2);
	assert_int_equal(find(s, SERIES_OPENS, "client", "refused", NULL), 1);
	assert_int_equal(find(s, SERIES_RETRANSMITS, "syn", NULL, NULL), 4);
	assert_int_equal(find(s, SERIES_RETRANSMITS, "synack", NULL, NULL), 0);
	assert_int_equal(find(s, SERIES_RESETS, "in", "unknown", NULL), 1);
	assert_int_equal(find(s, SERIES_HANDSHAKE, "client", "established", &h), 2);
	assert_true(h->sum_ns == 800);
	assert_int_equal(find(s, SERIES_HANDSHAKE, "client", "refused", &h), 1);
	assert_true(h->sum_ns == 600);
	assert_int_equal(find(s, SERIES_STAGE, "client", "connect", &h), 1);
	assert_true(h->sum_ns == 100);
	assert_int_equal(find(s, SERIES_STAGE, "client", "syn", &h), 2);
	assert_true(h->sum_ns == 600);
	assert_int_equal(find(s, SERIES_STAGE, "client", "synack", &h), 2);
	assert_true(h->sum_ns == 200);
	assert_int_equal(find(s, SERIES_ACCEPT_WAIT, NULL, NULL, NULL), 0);
	assert_int_equal(count_items(s), 9);
	series__free(s);
}

static void test_close_and_gone(void **state)
{
	struct series *s = make_series(1, NULL);
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 2500, 2500);
	const struct hist *h = NULL;

	(void)state;
	ev.conn.flags = SF_F_FIN_SENT_1ST;
	ev.conn.fin_retrans = 1;
	tally(s, &ev);
	ev = make_close(SF_OUT_RESET_LOCAL, 1000, 0, 0, 0, 3000);
	ev.conn.flags = SF_F_RST_OUT;
	ev.conn.closing.rst_reason = 12 + 1;
	tally(s, &ev);
	ev.conn.closing.rst_reason = 400;
	tally(s, &ev);
	ev = make_close(SF_OUT_TIMED_OUT, 1000, 0, 0, 0, 3000);
	ev.conn.role = SF_ROLE_NONE;
	tally(s, &ev);
	ev = make_event(SF_EV_GONE, SF_OUT_TW_TIMER, 9000);
	ev.conn.closing.fin_rcvd_ts = 3000;
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_CLOSES, "fin", "local", NULL), 1);
	assert_int_equal(find(s, SERIES_CLOSES, "reset_local", "local", NULL), 2);
	assert_int_equal(find(s, SERIES_CLOSES, "timed_out", "unknown", NULL), 1);
	assert_int_equal(find(s, SERIES_RETRANSMITS, "fin", NULL, NULL), 1);
	assert_int_equal(find(s, SERIES_RESETS, "out", "tcp_abort_on_linger", NULL), 1);
	assert_int_equal(find(s, SERIES_RESETS, "out", "unknown", NULL), 1);
	assert_int_equal(find(s, SERIES_CLOSE, "fin", "local", &h), 1);
	assert_true(h->sum_ns == 500);
	assert_int_equal(find(s, SERIES_CLOSE, "reset_local", "local", NULL), 0);
	assert_int_equal(find(s, SERIES_CLOSE, "timed_out", "unknown", NULL), 0);
	assert_int_equal(find(s, SERIES_STATE, "fin_wait1", NULL, &h), 1);
	assert_true(h->sum_ns == 100);
	assert_int_equal(find(s, SERIES_STATE, "fin_wait2", NULL, NULL), 1);
	assert_int_equal(find(s, SERIES_STATE, "closing", NULL, NULL), 0);
	assert_int_equal(find(s, SERIES_STATE, "time_wait", NULL, &h), 1);
	assert_true(h->sum_ns == 6000);
	assert_int_equal(find(s, SERIES_HALF_CLOSE, NULL, NULL, NULL), 1);
	assert_int_equal(find(s, SERIES_LIFE, "client", NULL, NULL), 3);
	assert_int_equal(find(s, SERIES_LIFE, "unknown", NULL, NULL), 1);
	series__free(s);
}

/* What has no length is counted, and has no place in a histogram. */
static void test_without_duration(void **state)
{
	struct series *s = make_series(1, NULL);
	struct sf_event ev = make_event(SF_EV_OPEN, SF_OUT_SYN_DROPPED, 1700);

	(void)state;
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.opening.syn_ts = 1700;
	tally(s, &ev);
	ev = make_close(SF_OUT_NONE, 1000, 2000, 0, 0, 9000);
	ev.conn.flags = SF_F_GAP;
	tally(s, &ev);
	ev = make_event(SF_EV_GONE, SF_OUT_TW_OVERFLOW, 9000);
	ev.conn.closing.fin_rcvd_ts = 9000;
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_OPENS, "server", "syn_dropped", NULL), 1);
	assert_int_equal(find(s, SERIES_CLOSES, "unknown", "local", NULL), 1);
	assert_int_equal(count_items(s), 2);
	series__free(s);
}

static void test_lower_bounds(void **state)
{
	struct series *s = make_series(1, NULL);
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 0, 2110);

	(void)state;
	ev.conn.flags = SF_F_TW_BLIND | SF_F_FIN_SENT_1ST;
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_CLOSES, "fin", "local", NULL), 1);
	assert_int_equal(find(s, SERIES_STATE, "fin_wait1", NULL, NULL), 1);
	assert_int_equal(find(s, SERIES_STATE, "fin_wait2", NULL, NULL), 0);
	assert_int_equal(find(s, SERIES_CLOSE, "fin", "local", NULL), 0);
	assert_int_equal(find(s, SERIES_LIFE, "client", NULL, NULL), 0);
	assert_int_equal(series__totals(s)->bounds, 4);
	series__reset(s);
	assert_int_equal(series__totals(s)->bounds, 0);
	assert_int_equal(count_items(s), 0);
	series__free(s);
}

static void test_accept_and_stage(void **state)
{
	struct series *s = make_series(1, NULL);
	struct sf_event ev = make_event(SF_EV_ACCEPT, SF_OUT_NONE, 2000);

	(void)state;
	ev.conn.est_ts = ev.ts - 300;
	tally(s, &ev);
	ev = make_event(SF_EV_STAGE, SF_OUT_NONE, 2000);
	ev.stage = SF_ST_SYN;
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_ACCEPT_WAIT, NULL, NULL, NULL), 1);
	assert_int_equal(count_items(s), 1);
	series__free(s);
}

static void test_keys(void **state)
{
	enum { MAX = 100, SEEN = 130 };
	struct series *s = make_series(MAX, &(struct by){.fields = {BY_RPORT}, .cnt = 1});
	struct sf_event ev = make_open();
	struct series_iter it = {0};
	struct series_item item;
	unsigned int round, port, opens = 0, others = 0;
	char key[16];

	(void)state;
	for (round = 0; round < 2; round++) {
		for (port = 0; port < SEEN; port++) {
			ev.conn.rport = (__u16)(1000 + port);
			tally(s, &ev);
		}
	}
	while (series__next(s, &it, &item)) {
		if (item.metric != SERIES_OPENS)
			continue;
		if (item.is_other) {
			others++;
			assert_string_equal(item.key, "other");
			assert_int_equal(item.count, 2 * (SEEN - MAX));
			continue;
		}
		assert_int_equal(item.count, 2);
		snprintf(key, sizeof(key), "%u", 1000 + opens++);
		assert_string_equal(item.key, key);
	}
	assert_int_equal(opens, MAX);
	assert_int_equal(others, 1);
	series__reset(s);
	tally(s, &ev);
	assert_int_equal(find(s, SERIES_OPENS, "client", "established", NULL), 1);
	series__free(s);
	series__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_close_and_gone),
		cmocka_unit_test(test_without_duration),
		cmocka_unit_test(test_lower_bounds),
		cmocka_unit_test(test_accept_and_stage),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
