/* SPDX-License-Identifier: GPL-2.0-only */
/* model/by: fields by name, keys of records, and that no foreign byte can forge one. */
#include "summing.h"

#include <errno.h>

#include "model/by.h"
#include "model/series.h"

static void expect_key(const struct by *by, const struct sf_event *ev, const char *want)
{
	struct by_set set = make_set(by, &ev->conn);
	struct str key = {0};

	by__append_key(by, &set, &key);
	assert_string_equal(str__text(&key), want);
	str__fini(&key);
}

static void test_parse(void **state)
{
	struct by by = {0};
	struct parse_error err;

	(void)state;
	assert_int_equal(by__parse("--by", "comm,service", &by, &err), 0);
	assert_int_equal(by__parse("--by", "role", &by, &err), 0);
	assert_int_equal(by.cnt, 3);
	assert_int_equal(by__parse("--by", "service", &by, &err), -EINVAL);
	assert_non_null(strstr(err.text, "twice"));
	assert_int_equal(by__parse("--by", "netns,", &by, &err), -EINVAL);
	assert_int_equal(by__parse("--by", "colour\x1b[31m", &by, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'colour\\x1b[31m'"));
	assert_int_equal(by.cnt, 3);
}

static void test_key(void **state)
{
	struct by by = {.fields = {BY_COMM, BY_PID, BY_LPORT, BY_RADDR, BY_ROLE}, .cnt = 5};
	struct sf_event ev = make_open();
	struct by_value v;

	(void)state;
	expect_key(&by, &ev,
		   "curl\x1f"
		   "1234\x1f"
		   "43210\x1f"
		   "198.51.100.9\x1f"
		   "client");
	v = by__value("a\x1f"
		      "bc\x1f",
		      1);
	assert_int_equal(v.len, 2);
	assert_memory_equal(v.at, "bc", 2);
	assert_int_equal(by__value("a\x1f"
				   "bc\x1f",
				   2)
				 .len,
			 0);
	memcpy(ev.conn.comm, "x\x1f\xff\xc3\xa4\n", 7);
	ev.conn.source = SF_SRC_NONE;
	expect_key(&by, &ev,
		   "unknown\x1funknown\x1f"
		   "43210\x1f"
		   "198.51.100.9\x1f"
		   "client");
	ev.conn.source = SF_SRC_CONNECT;
	by.cnt = 1;
	expect_key(&by, &ev, "x\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
}

/* The same for both ends of a connection. */
static void test_service(void **state)
{
	static const char *const want[__SF_ROLE_MAX] = {[SF_ROLE_NONE] = "unknown",
							[SF_ROLE_CLIENT] = "443",
							[SF_ROLE_SERVER] = "43210",
							[SF_ROLE_BOTH] = "443"};
	struct by by = {.fields = {BY_SERVICE}, .cnt = 1};
	struct sf_event ev = make_open();

	(void)state;
	for (unsigned int role = 0; role < __SF_ROLE_MAX; role++) {
		ev.conn.role = (__u8)role;
		expect_key(&by, &ev, want[role]);
	}
}

/* A task named as the set of the rest must not become a second set of that name. */
static void test_other_by_name(void **state)
{
	struct by by = {.fields = {BY_COMM}, .cnt = 1};
	struct sf_event ev = make_open();
	static const char *const comms[] = {"other", "one", "two", "three"};
	struct series *s = NULL;
	struct series_iter it = {0};
	struct series_item item;
	unsigned int others = 0, sets = 0;

	(void)state;
	assert_int_equal(series__new(2, &by, &s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(comms); i++) {
		memset(ev.conn.comm, 0, sizeof(ev.conn.comm));
		memcpy(ev.conn.comm, comms[i], strlen(comms[i]));
		tally(s, &ev);
	}
	while (series__next_of(s, SERIES_OPENS, &it, &item)) {
		sets++;
		others += item.is_other;
		assert_int_equal(item.count, item.is_other ? 2 : 1);
		assert_int_equal(item.metric, SERIES_OPENS);
	}
	assert_int_equal(sets, 3);
	assert_int_equal(others, 1);
	series__free(s);
}

/* The set of the rest says so in every field there is. */
static void test_other_in_every_field(void **state)
{
	struct by by = {.cnt = __BY_MAX};
	const struct sf_row row = {.counts = {1}};
	struct series *s = NULL;
	struct series_iter it = {0};
	struct series_item item;

	(void)state;
	for (unsigned int i = 0; i < __BY_MAX; i++)
		by.fields[i] = i;
	assert_int_equal(series__new(1, &by, &s), 0);
	assert_int_equal(series__add_row(s, NULL, SF_FIRST_COUNTER * SF_HIST_ROWS, &row), 0);
	assert_true(series__next(s, &it, &item) && item.is_other);
	for (unsigned int i = 0; i < __BY_MAX; i++) {
		struct by_value value = by__value(item.key, i);

		assert_int_equal(value.len, strlen("other"));
		assert_memory_equal(value.at, "other", value.len);
	}
	series__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_other_by_name),
		cmocka_unit_test(test_other_in_every_field),
	};

	return cmocka_run_group_tests_name("by", tests, NULL, NULL);
}
