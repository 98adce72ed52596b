/* SPDX-License-Identifier: GPL-2.0-only */
/* base/parse: what is taken, what is refused, and whether the message helps. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "base/parse.h"

static void assert_message(const struct parse_error *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("'%s' does not say '%s'", err->text, part);
}

static void test_u64(void **state)
{
	static const char *const malformed[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "1.0", "a", "1\n"};
	static const char *const outside[] = {"4", "101", "18446744073709551616", "99999999999999999999999"};
	struct parse_error err = {0};
	uint64_t value = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(malformed); i++) {
		assert_int_equal(parse__u64("-n", malformed[i], 5, 100, &value, &err), -EINVAL);
		assert_message(&err, "-n: '");
		assert_message(&err, "is not a number: give a whole number from 5 to 100");
	}
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_int_equal(parse__u64("-n", outside[i], 5, 100, &value, &err), -ERANGE);
		assert_message(&err, "is out of range");
	}
	assert_int_equal(value, 7);
	assert_int_equal(parse__u64("-n", "5", 5, 100, &value, &err), 0);
	assert_int_equal(value, 5);
	assert_int_equal(parse__u64("-n", "0100", 5, 100, &value, &err), 0);
	assert_int_equal(value, 100);
	assert_int_equal(parse__u64("-n", "18446744073709551615", 0, UINT64_MAX, &value, &err), 0);
	assert_true(value == UINT64_MAX);
}

static void test_pids(void **state)
{
	struct parse_error err = {0};
	uint32_t pids[4] = {0};
	size_t cnt = 0;

	(void)state;
	assert_int_equal(parse__pids("-p", "1,4194304", pids, 4, &cnt, &err), 0);
	assert_int_equal(parse__pids("-p", "1,22", pids, 4, &cnt, &err), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(pids[1], 4194304);
	assert_int_equal(pids[2], 22);
	assert_int_equal(parse__pids("-p", "30,31", pids, 4, &cnt, &err), -E2BIG);
	assert_message(&err, "'31' is one too many: at most 4 processes");
	assert_int_equal(parse__pids("-p", "0", pids, 4, &cnt, &err), -ERANGE);
	assert_int_equal(parse__pids("-p", "4194305", pids, 4, &cnt, &err), -ERANGE);
	assert_int_equal(parse__pids("-p", "5,", pids, 4, &cnt, &err), -EINVAL);
	assert_int_equal(parse__pids("-p", ",5", pids, 4, &cnt, &err), -EINVAL);
	assert_int_equal(parse__pids("-p", "", pids, 4, &cnt, &err), -EINVAL);
	assert_int_equal(cnt, 3);
}

static void test_ports(void **state)
{
	struct parse_error err = {0};
	struct port_set set = {0};
	unsigned int port, cnt = 0;

	(void)state;
	assert_true(port_set__is_empty(&set));
	assert_int_equal(parse__ports("-P", "80,8000-8100,65535", &set, &err), 0);
	assert_int_equal(parse__ports("-P", "1", &set, &err), 0);
	assert_false(port_set__is_empty(&set));
	for (port = 0; port <= 65535; port++)
		cnt += port_set__has(&set, (uint16_t)port);
	assert_int_equal(cnt, 1 + 101 + 1 + 1);
	assert_true(port_set__has(&set, 8000) && port_set__has(&set, 8100) && port_set__has(&set, 65535));
	assert_false(port_set__has(&set, 7999) || port_set__has(&set, 8101) || port_set__has(&set, 0));
	assert_int_equal(parse__ports("-P", "1-65535", &set, &err), 0);
	assert_true(port_set__has(&set, 12345));
	assert_false(port_set__has(&set, 0));
}

static void test_ports_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{"", -EINVAL, "'' is not a port"},
		{"80a", -EINVAL, "--lport: '80a' is not a port or a range: write 80, or 80,8000-8100"},
		{"80,,81", -EINVAL, "'' is not a port"},
		{"80,", -EINVAL, "'' is not a port"},
		{"-80", -EINVAL, "'-80' is not a port"},
		{"80-", -EINVAL, "'80-' is not a port"},
		{"1-2-3", -EINVAL, "'1-2-3' is not a port"},
		{" 80", -EINVAL, "' 80' is not a port"},
		{"http", -EINVAL, "'http' is not a port"},
		{"0", -ERANGE, "ports are 1 to 65535"},
		{"0-10", -ERANGE, "ports are 1 to 65535"},
		{"65536", -ERANGE, "ports are 1 to 65535"},
		{"99999999999999999999", -ERANGE, "ports are 1 to 65535"},
		{"90-80", -ERANGE, "write the lower port first, 80-90"},
	};
	struct port_set set = {0};
	struct parse_error err = {0};
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse__ports("--lport", cases[i].text, &set, &err), cases[i].code);
		assert_message(&err, cases[i].says);
		snprintf(text, sizeof(text), "443,%s", cases[i].text);
		assert_int_equal(parse__ports("--lport", text, &set, &err), cases[i].code);
	}
	assert_true(port_set__is_empty(&set));
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"0s", 0},
		{"1ns", 1},
		{"1us", 1000},
		{"300ms", 300000000},
		{"2s", 2000000000},
		{"1.5us", 1500},
		{"0.000000001s", 1},
		{"1.50m", 90000000000},
		{"3h", 10800000000000},
		{"9223372036s", 9223372036000000000},
	};
	static const struct {
		const char *text;
		int code;
	} bad[] = {
		{"", -EINVAL},
		{"2", -EINVAL},
		{"s", -EINVAL},
		{".5s", -EINVAL},
		{"1.s", -EINVAL},
		{"-1s", -EINVAL},
		{"1 s", -EINVAL},
		{"1sec", -EINVAL},
		{"1S", -EINVAL},
		{"1s ", -EINVAL},
		{"1e3s", -EINVAL},
		{"1ms2", -EINVAL},
		{"0.1ns", -EINVAL},
		{"1.0001us", -EINVAL},
		{"9223372037s", -ERANGE},
		{"99999999999999999999s", -ERANGE},
		{"2562048h", -ERANGE},
	};
	struct parse_error err = {0};
	uint64_t ns = 0;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse__duration("--min-close", good[i].text, &ns, &err), 0);
		assert_true(ns == good[i].ns);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse__duration("--min-close", bad[i].text, &ns, &err), bad[i].code);
	assert_int_equal(parse__duration("--min-close", "5", &ns, &err), -EINVAL);
	assert_string_equal(
		err.text,
		"--min-close: '5' is not a duration with a unit: write 300ms, 2s or 1.5us (ns us ms s m h)");
}

static void test_globs(void **state)
{
	struct parse_error err = {0};

	(void)state;
	assert_int_equal(parse__comm_glob("-c", "nginx", &err), 0);
	assert_int_equal(parse__comm_glob("-c", "*", &err), 0);
	assert_int_equal(parse__comm_glob("-c", "fifteen-letters", &err), 0);
	assert_int_equal(parse__comm_glob("-c", "*f*i*f*t*e*e*n*", &err), 0);
	assert_int_equal(parse__comm_glob("-c", "", &err), -EINVAL);
	assert_int_equal(parse__comm_glob("-c", "sixteen-letters!", &err), -ERANGE);
	assert_message(&err, "-c: 'sixteen-letters!' can match no task");
	assert_int_equal(parse__comm_glob("-c", "????????????????", &err), -ERANGE);
	assert_int_equal(parse__comm_glob("-c", "********************************", &err), -ERANGE);
	assert_message(&err, "is too long: at most 31 characters");
}

static void test_network_lists(void **state)
{
	static const char *const bad[] = {"",		",",	  "10.0.0.0/8,", "10.0.0.0/8,,::1",
					  "10.0.0.1/8", "::/129", "example.org"};
	struct network networks[3] = {0};
	struct parse_error err = {0};
	size_t cnt = 0, i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(parse__networks("--addr", bad[i], networks, 3, &cnt, &err) < 0);
		assert_message(&err, "--addr: '");
	}
	assert_int_equal(cnt, 0);
	assert_int_equal(parse__networks("--addr", "10.0.0.0/8,::1", networks, 3, &cnt, &err), 0);
	assert_int_equal(parse__networks("--addr", "127.0.0.1", networks, 3, &cnt, &err), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(networks[1].len, 128);
	assert_int_equal(networks[2].bytes[0], 127);
	assert_int_equal(parse__networks("--addr", "::2", networks, 3, &cnt, &err), -E2BIG);
	assert_message(&err, "at most 3 networks");
	assert_int_equal(parse__networks("--addr", "10.0.0.1/8", networks, 3, &cnt, &err), -EINVAL);
	assert_message(&err, "'10.0.0.1/8' has bits set behind its prefix");
}

static void test_words(void **state)
{
	const char *rest = "one,three,,", *end = "x";
	struct parse_error err = {0};
	char word[6] = "";

	(void)state;
	assert_int_equal(parse__word("-w", &rest, word, sizeof(word), &err), 0);
	assert_string_equal(word, "one");
	assert_int_equal(parse__word("-w", &rest, word, 5, &err), -ERANGE);
	assert_message(&err, "-w: 'three' is too long: at most 4 characters");
	assert_int_equal(parse__word("-w", &rest, word, sizeof(word), &err), 0);
	assert_string_equal(word, "three");
	assert_int_equal(parse__word("-w", &rest, word, sizeof(word), &err), -EINVAL);
	assert_message(&err, "has an empty word");
	assert_int_equal(parse__word("-w", &end, word, sizeof(word), &err), 0);
	assert_null(end);
}

static void test_uids(void **state)
{
	static const char *const bad[] = {"",	 "-1", "4294967295", "99999999999999999999", "no such user",
					  "0x0", "1 "};
	struct parse_error err = {0};
	uint32_t uid = 7, gid = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(parse__uid("--uid", bad[i], &uid, &err) < 0);
		assert_message(&err, "--uid: '");
		assert_message(&err, "number");
	}
	assert_int_equal(uid, 7);
	assert_int_equal(parse__uid("--uid", "4294967294", &uid, &err), 0);
	assert_true(uid == 4294967294U);
	assert_int_equal(parse__uid("--uid", "root", &uid, &err), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(parse__user("--user", "nobody", &uid, &gid, &err), 0);
	assert_true(uid == 65534 && gid == 65534);
	assert_true(parse__user("--user", "65534", &uid, &gid, &err) < 0);
	assert_message(&err, "--user: '");
}

/* Whatever was typed, the message is one short printable line. */
static void test_message_safety(void **state)
{
	struct parse_error err = {0};
	char text[2000];
	uint64_t value;
	size_t i;

	(void)state;
	memset(text, '\x1b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse__u64("-n", text, 0, 1, &value, &err), -EINVAL);
	assert_in_range(strlen(err.text), 10, sizeof(err.text) - 1);
	for (i = 0; err.text[i]; i++)
		assert_in_range((unsigned char)err.text[i], 0x20, 0x7e);
	assert_int_equal(parse__u64("-n", "%s%n", 0, 1, &value, &err), -EINVAL);
	assert_message(&err, "'%s%n'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),	      cmocka_unit_test(test_pids),
		cmocka_unit_test(test_ports),	      cmocka_unit_test(test_ports_refused),
		cmocka_unit_test(test_durations),     cmocka_unit_test(test_globs),
		cmocka_unit_test(test_network_lists), cmocka_unit_test(test_words),
		cmocka_unit_test(test_uids),	      cmocka_unit_test(test_message_safety),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
