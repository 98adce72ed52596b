/* SPDX-License-Identifier: GPL-2.0-only */
/* model/census: counts by state, and whose connections pile up. */
#include "unit.h"

#include <netinet/tcp.h>
#include <string.h>

#include "model/census.h"

static struct record make_alive(unsigned int state, uint32_t pid, int64_t age)
{
	struct record r = {
		.type = SF_EV_ALIVE, .state = state, .owner.source = SF_SRC_ACCEPT, .owner.pid = pid};

	memcpy(r.owner.comm, "leaky", 6);
	r.dur[REC_IN_STATE] = age;
	return r;
}

static void add(struct census *c, unsigned int state, uint32_t pid, int64_t age)
{
	struct record r = make_alive(state, pid, age);

	assert_int_equal(census__add(c, &r), 0);
}

static void test_groups(void **state)
{
	const struct census_group *g;
	struct record bound = make_alive(TCP_CLOSE_WAIT, 1, 500);
	struct census *c;
	size_t cnt;

	(void)state;
	assert_int_equal(census__new(&c), 0);
	for (int i = 0; i < 1000; i++)
		add(c, TCP_CLOSE_WAIT, i % 2 ? 1 : 2, i % 2 ? 100 : i);
	bound.at_least = 1U << REC_IN_STATE;
	assert_int_equal(census__add(c, &bound), 0);
	add(c, TCP_FIN_WAIT2, 1, SF_ABSENT);
	add(c, TCP_ESTABLISHED, 1, 9);
	assert_int_equal(census__count(c, TCP_CLOSE_WAIT), 1001);
	assert_int_equal(census__count(c, TCP_ESTABLISHED), 1);
	assert_int_equal(census__count(c, 99), 0);
	add(c, TCP_TIME_WAIT, 1, 9);
	census__add_waits(c, 7);
	assert_int_equal(census__count(c, TCP_TIME_WAIT), 8);
	g = census__groups(c, &cnt);
	assert_int_equal(cnt, 3);
	assert_true(g[0].state == TCP_FIN_WAIT2 && g[0].oldest_ns == SF_ABSENT && g[0].count == 1);
	assert_true(g[1].pid == 2 && g[1].count == 500 && g[1].oldest_ns == 998 && !g[1].at_least);
	assert_true(g[2].pid == 1 && g[2].count == 501 && g[2].oldest_ns == 500 && g[2].at_least);
	assert_string_equal(g[2].comm, "leaky");
	census__reset(c);
	census__groups(c, &cnt);
	assert_true(cnt == 0 && census__count(c, TCP_CLOSE_WAIT) == 0);
	census__free(c);
}

static void test_empty(void **state)
{
	struct census *c;
	size_t cnt = 1;

	(void)state;
	assert_int_equal(census__new(&c), 0);
	census__groups(c, &cnt);
	assert_int_equal(cnt, 0);
	census__free(c);
	census__free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
