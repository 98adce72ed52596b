/* SPDX-License-Identifier: GPL-2.0-only */
/* base/str: growth, escaping, terminal safety, durations, writing. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define BAD "\xef\xbf\xbd"

static void test_empty(void **state)
{
	struct str s = {0};

	(void)state;
	assert_string_equal(str__text(&s), "");
	str__append(&s, "");
	str__append_bytes(&s, NULL, 0);
	str__append_char(&s, 'x', 0);
	str__appendf(&s, "%s", "");
	assert_int_equal(s.len, 0);
	assert_int_equal(str__error(&s), 0);
	str__fini(&s);
	str__fini(&s);
}

static void test_growth(void **state)
{
	struct str s = {0};
	size_t i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		str__append_char(&s, (char)('a' + i % 26), 1);
		assert_int_equal(s.len, i + 1);
		assert_int_equal(s.buf[s.len], '\0');
	}
	for (i = 0; i < 10000; i++)
		assert_int_equal(s.buf[i], 'a' + i % 26);
	str__appendf(&s, "%05d|%s", 42, "tail");
	assert_string_equal(s.buf + 10000, "00042|tail");
	str__reset(&s);
	assert_string_equal(str__text(&s), "");
	str__fini(&s);
}

static void test_out_of_memory(void **state)
{
	struct str s = {0};

	(void)state;
	str__append(&s, "kept");
	str__append_char(&s, 'x', SIZE_MAX / 2);
	assert_int_equal(str__error(&s), -ENOMEM);
	str__append(&s, "ignored");
	assert_string_equal(str__text(&s), "kept");
	assert_int_equal(str__write(&s, -1), -ENOMEM);
	str__append(&s, "anew");
	assert_int_equal(str__error(&s), 0);
	assert_string_equal(str__text(&s), "anew");
	str__fini(&s);
}

struct escape_case {
	const char *in;
	size_t sz;
	const char *out;
};

#define ESCAPE(in, out)                 \
	{                               \
		in, sizeof(in) - 1, out \
	}

static void test_json_escape(void **state)
{
	static const struct escape_case cases[] = {
		ESCAPE("plain", "plain"),
		ESCAPE("a\"b\\c", "a\\\"b\\\\c"),
		ESCAPE("\n\t\r\x01\x1f\x7f", "\\n\\t\\u000d\\u0001\\u001f\\u007f"),
		ESCAPE("\0x", "\\u0000x"),
		ESCAPE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		ESCAPE("\xff", BAD),
		ESCAPE("\xc0\xaf", BAD BAD),	     /* overlong */
		ESCAPE("\xe0\x80\xaf", BAD BAD BAD), /* overlong */
		ESCAPE("\xf0\x80\x80\xaf", BAD BAD BAD BAD),
		ESCAPE("\xed\xa0\x80", BAD BAD BAD),	     /* surrogate */
		ESCAPE("\xf4\x90\x80\x80", BAD BAD BAD BAD), /* beyond U+10FFFF */
		ESCAPE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),
		ESCAPE("\xe2\x82", BAD BAD), /* cut, as a task name may be */
		ESCAPE("\xe2\x82z", BAD BAD "z"),
		ESCAPE("a\xc2\x9b"
		       "31m",
		       "a\\u009b31m"), /* C1 CSI */
		ESCAPE("\xe2\x80\xae"
		       "exe",
		       "\\u202eexe"), /* right-to-left override */
		ESCAPE("\xe2\x81\xa6\xd8\x9c\xe2\x80\x8b\xef\xbb\xbf", "\\u2066\\u061c\\u200b\\ufeff"),
		ESCAPE("\xe2\x80\xa8", "\\u2028"),	      /* line separator */
		ESCAPE("\xf3\xa0\x81\x81", "\\udb40\\udc41"), /* a tag, which nobody sees */
	};
	struct str s = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		str__reset(&s);
		str__append_json(&s, cases[i].in, cases[i].sz);
		assert_string_equal(str__text(&s), cases[i].out);
	}
	str__fini(&s);
}

static void test_json_escape_random(void **state)
{
	struct str s = {0};
	uint64_t seed = 1, word;
	char bytes[64];
	size_t i, k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < sizeof(bytes); k++) {
			word = next_random(&seed);
			bytes[k] = (char)(word & 1 ? word >> 8 : (word >> 8 & 0x3f) | 0x80);
		}
		str__reset(&s);
		str__append_char(&s, '"', 1);
		str__append_json(&s, bytes, i % sizeof(bytes));
		str__append(&s, "\"\n");
		assert_int_equal(count_json_lines(str__text(&s)), 1);
	}
	str__fini(&s);
}

static void test_safe(void **state)
{
	static const struct {
		struct escape_case text;
		bool word;
		size_t columns;
	} cases[] = {
		{ESCAPE("nginx", "nginx"), true, 5},
		{ESCAPE("a b", "a b"), false, 3},
		{ESCAPE("a b", "a\\x20b"), true, 6},
		{ESCAPE("\x1b[2J", "\\x1b[2J"), false, 7},
		{ESCAPE("a\nb\x7f", "a\\x0ab\\x7f"), false, 10},
		{ESCAPE("\xc2\x9b"
			"31m",
			"\\xc2\\x9b31m"),
		 false, 11},						/* C1 CSI */
		{ESCAPE("\xe2\x80\xae", "\\xe2\\x80\\xae"), false, 12}, /* right-to-left override */
		{ESCAPE("caf\xc3\xa9", "caf\xc3\xa9"), true, 4},
		{ESCAPE("\xff\xfe", "\\xff\\xfe"), false, 8},
		{ESCAPE("\xc2\xa0", "\\xc2\\xa0"), true, 8},
		{ESCAPE("\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac"), true, 4}, /* wide */
		{ESCAPE("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"), true, 2},
		{ESCAPE("e\xcc\x81", "e\xcc\x81"), true, 1},	       /* combining */
		{ESCAPE("\xef\xb8\x8f", "\\xef\\xb8\\x8f"), true, 12}, /* variation selector */
	};
	struct str s = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		str__reset(&s);
		assert_int_equal(str__append_safe(&s, cases[i].text.in, cases[i].text.sz, cases[i].word),
				 cases[i].columns);
		assert_string_equal(str__text(&s), cases[i].text.out);
	}
	str__fini(&s);
}

static void test_clean(void **state)
{
	static const struct escape_case cases[] = {
		ESCAPE("caf\xc3\xa9 \xe6\x97\xa5", "caf\xc3\xa9 \xe6\x97\xa5"),
		ESCAPE("a\x1b\xff", "a" BAD BAD),
		ESCAPE("\xe2\x80\xae"
		       "exe",
		       BAD BAD BAD "exe"),		  /* right-to-left override */
		ESCAPE("a\xe2\x80\x8b", "a" BAD BAD BAD), /* zero width */
	};
	struct str s = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		str__reset(&s);
		str__append_clean(&s, cases[i].in, cases[i].sz);
		assert_string_equal(str__text(&s), cases[i].out);
	}
	str__fini(&s);
}

static void test_safe_all_bytes(void **state)
{
	struct str s = {0};
	unsigned int c;
	size_t i;

	(void)state;
	for (c = 0; c < 256; c++) {
		char byte = (char)c;

		str__append_safe(&s, &byte, 1, false);
	}
	for (i = 0; i < s.len; i++)
		assert_in_range((unsigned char)s.buf[i], 0x20, 0x7e);
	str__fini(&s);
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0ns"},
		{999, "999ns"},
		{1000, "1.00us"},
		{1024, "1.02us"},
		{1235, "1.24us"},
		{9994, "9.99us"},
		{9995, "10.0us"},
		{99949, "99.9us"},
		{99950, "100us"},
		{999499, "999us"},
		{999500, "1.00ms"},
		{1230000, "1.23ms"},
		{999500000, "1.00s"},
		{3000000000, "3.00s"},
		{127100000000, "127s"},
		{7201000000000, "7201s"},
		{INT64_MAX, "9223372037s"},
		{UINT64_MAX, "18446744074s"},
	};
	struct str s = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		str__reset(&s);
		str__append_duration(&s, cases[i].ns);
		assert_string_equal(str__text(&s), cases[i].text);
	}
	str__fini(&s);
}

static void test_write(void **state)
{
	char got[16] = {0};
	struct str s = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	str__append(&s, "hello\n");
	assert_int_equal(str__write(&s, fds[1]), 0);
	assert_int_equal(s.len, 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), 6);
	assert_string_equal(got, "hello\n");

	signal(SIGPIPE, SIG_IGN);
	close(fds[0]);
	str__append(&s, "gone");
	assert_int_equal(str__write(&s, fds[1]), -EPIPE);
	close(fds[1]);

	fds[0] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (fds[0] >= 0) {
		str__append(&s, "full");
		assert_int_equal(str__write(&s, fds[0]), -ENOSPC);
		close(fds[0]);
	}
	str__fini(&s);
}

/* More than a pipe holds, to a descriptor that does not wait. */
static void test_write_nonblocking(void **state)
{
	struct str s = {0};
	int fds[2], status;
	char buf[4096];
	size_t total = 0;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[1]);
		while ((n = read(fds[0], buf, sizeof(buf))) > 0)
			total += (size_t)n;
		_exit(total == 1000000 ? 0 : 1);
	}
	close(fds[0]);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	str__append_char(&s, 'x', 1000000);
	assert_int_equal(str__write(&s, fds[1]), 0);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	str__fini(&s);
}

static void check_number(uint64_t value)
{
	char text[32];
	struct str s = {0};

	snprintf(text, sizeof(text), "%" PRIu64, value);
	str__append_u64(&s, value);
	assert_string_equal(str__text(&s), text);
	assert_int_equal(s.len, strlen(text));
	str__fini(&s);
}

/* Around each power of ten, and what printf() says. */
static void test_numbers(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 100000; value++)
		check_number(value);
	for (uint64_t ten = 100000;; ten *= 10) {
		check_number(ten - 1);
		check_number(ten);
		check_number(ten + 1);
		if (ten > UINT64_MAX / 10)
			break;
	}
	/* Each group of four digits that there is, in each of the places that a group has. */
	for (uint64_t four = 0; four < 10000; four++) {
		check_number(four * 10000 + 9999 - four);
		check_number(four * 1000000000000 + four * 10000);
		check_number(four % 1000 * 10000000000000000 + four * 100000000 + four);
	}
	check_number(UINT64_MAX);
}

static void test_fit(void **state)
{
	static const struct {
		const char *text;
		size_t columns, bytes;
	} cases[] = {
		{"", 3, 0},
		{"abc", 3, 3},
		{"abcd", 3, 3},
		{"a\xe4\xb8\xadz", 2, 1},
		{"a\xe4\xb8\xadz", 3, 4},
		{"e\xcc\x81z", 1, 3},
		{"a\\x1bz", 1, 1},
		{"a\\x1bz", 4, 1},
		{"a\\x1bz", 5, 5},
		{"a\\x1bz", 6, 6},
		{"a\\x1", 3, 3},
		{"a\\xyz", 4, 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(str__fit(cases[i].text, strlen(cases[i].text), cases[i].columns),
				 cases[i].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_json_escape),
		cmocka_unit_test(test_json_escape_random),
		cmocka_unit_test(test_safe),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_safe_all_bytes),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_nonblocking),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
