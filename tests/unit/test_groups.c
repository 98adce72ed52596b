/* SPDX-License-Identifier: GPL-2.0-only */
/* model/groups and model/roster: what is alive, counted by state and field, and one by one in order. */
#include "events.h"

#include <errno.h>
#include <netinet/tcp.h>

#include "model/groups.h"
#include "model/roster.h"
#include "out/grouplist.h"

static void add(struct groups *g, unsigned int state, uint16_t lport, const char *comm, int64_t age)
{
	struct record r = {
		.type = SF_EV_ALIVE, .state = state, .lport = lport, .owner.source = SF_SRC_ACCEPT};

	if (comm)
		strcpy(r.owner.comm, comm);
	else
		r.owner.source = SF_SRC_NONE;
	r.dur[REC_IN_STATE] = age;
	r.at_least = age == 700 ? 1U << REC_IN_STATE : 0;
	assert_int_equal(groups__add(g, &r), 0);
}

static void assert_group(const struct groups *g, const struct group *got, unsigned int state, const char *key,
			 uint64_t count, int64_t oldest_ns)
{
	assert_int_equal(got->state, state);
	assert_string_equal(groups__key(g, got), key);
	assert_int_equal(got->count, count);
	assert_true(got->oldest_ns == oldest_ns);
	assert_int_equal(got->at_least, oldest_ns == 700);
}

static void test_groups(void **state)
{
	const struct by by = {.fields = {BY_COMM, BY_LPORT}, .cnt = 2};
	const struct group *list;
	struct groups *g;
	size_t cnt;

	(void)state;
	assert_int_equal(groups__new(&by, &g), 0);
	assert_null(groups__list(g, &cnt));
	for (int i = 0; i < 1000; i++)
		add(g, TCP_CLOSE_WAIT, i % 2 ? 80 : 443, "leaky", i % 2 ? i % 50 : 600);
	add(g, TCP_CLOSE_WAIT, 80, "leaky", 700);
	add(g, TCP_ESTABLISHED, 80, NULL, SF_ABSENT);
	list = groups__list(g, &cnt);
	assert_int_equal(cnt, 3);
	assert_group(g, &list[0], TCP_ESTABLISHED,
		     "unknown\x1f"
		     "80",
		     1, SF_ABSENT);
	assert_group(g, &list[1], TCP_CLOSE_WAIT,
		     "leaky\x1f"
		     "80",
		     501, 700);
	assert_group(g, &list[2], TCP_CLOSE_WAIT,
		     "leaky\x1f"
		     "443",
		     500, 600);
	groups__free(g);
	groups__free(NULL);
}

/* A state that has no name is unknown, in both forms. */
static void test_list(void **state)
{
	const struct by by = {.fields = {BY_COMM}, .cnt = 1};
	const struct clock clk = {.offset_ns = 0};
	struct str text = {0};
	struct groups *g;

	(void)state;
	assert_int_equal(groups__new(&by, &g), 0);
	add(g, 0, 80, "nginx", SF_ABSENT);
	add(g, TCP_CLOSE_WAIT, 80, "a\xe2\x80\xae", 700);
	grouplist__write_text(&text, g);
	assert_string_equal(str__text(&text),
			    "STATE          COUNT   OLDEST BY\n"
			    "-                  1        - comm=nginx\n"
			    "close_wait         1   >700ns comm=a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
	str__reset(&text);
	grouplist__write_json(&text, g, &clk, 7);
	assert_int_equal(count_json_lines(str__text(&text)), 2);
	assert_non_null(strstr(str__text(&text), "\"state\":null,\"by\":{\"comm\":\"nginx\"},\"count\":1,"
						 "\"oldest_ns\":null,\"at_least\":[]}\n"));
	assert_non_null(
		strstr(str__text(&text), "\"count\":1,\"oldest_ns\":700,\"at_least\":[\"oldest_ns\"]}\n"));
	str__fini(&text);
	groups__free(g);
}

/* Ages are from ESTABLISHED on, which each has. */
static void test_roster(void **state)
{
	static const uint64_t begins[] = {500, 100, 900, 300}, order[] = {1, 3, 0, 2};
	struct sf_event ev = make_event(SF_EV_ALIVE, SF_OUT_NONE, 1000);
	struct roster *r;

	(void)state;
	assert_int_equal(roster__new(&r), 0);
	ev.conn.state = TCP_ESTABLISHED;
	for (int i = 0; i < 2000; i++) {
		ev.conn.est_ts = begins[i % 4];
		ev.conn.id = (uint64_t)i;
		assert_int_equal(roster__add(r, &ev, sizeof(ev)), 0);
	}
	assert_int_equal(roster__add(r, &ev, 3), -EINVAL);
	roster__sort(r);
	assert_int_equal(roster__cnt(r), 2000);
	for (size_t i = 0; i < 2000; i++) {
		const struct sf_event *got = roster__at(r, i);

		assert_int_equal(got->conn.est_ts, begins[order[i / 500]]);
		assert_int_equal(got->conn.id, 4 * (i % 500) + order[i / 500]);
	}
	roster__free(r);
	roster__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_roster),
	};

	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
