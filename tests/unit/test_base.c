/* SPDX-License-Identifier: GPL-2.0-only */
/* base/addr, base/clock and base/log. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pieces.h"

static void test_addr(void **state)
{
	char text[ADDR_TEXT_SZ];
	uint8_t bytes[16] = {192, 0, 2, 1, 0xff};
	uint8_t zero[16] = {0};

	(void)state;
	assert_string_equal(addr__format(AF_INET, bytes, text), "192.0.2.1");
	inet_pton(AF_INET6, "2001:db8::1", bytes);
	assert_string_equal(addr__format(AF_INET6, bytes, text), "2001:db8::1");
	memset(bytes, 0xff, sizeof(bytes));
	assert_string_equal(addr__format(AF_INET6, bytes, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_true(addr__is_unset(AF_INET, zero) && addr__is_unset(AF_INET6, zero));
	zero[15] = 1;
	assert_true(addr__is_unset(AF_INET, zero));
	assert_false(addr__is_unset(AF_INET6, zero));
}

static struct network parsed(const char *text)
{
	struct network n = {0};

	if (addr__parse_network(text, &n))
		fail_msg("'%s' is refused", text);
	return n;
}

/* Every value of an octet, each place, and what inet_ntop() says. */
static void test_addr4(void **state)
{
	char text[ADDR_TEXT_SZ], expected[ADDR_TEXT_SZ];

	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t bytes[16] = {i, 255 - i, i ^ 0x55, i / 3};

		inet_ntop(AF_INET, bytes, expected, sizeof(expected));
		assert_string_equal(addr__format(AF_INET, bytes, text), expected);
	}
}

static void test_networks(void **state)
{
	static const struct {
		const char *text;
		int af;
		const char *addr;
		unsigned int len;
	} good[] = {
		{"0.0.0.0/0", AF_INET, "0.0.0.0", 0},
		{"10.0.0.0/8", AF_INET, "10.0.0.0", 8},
		{"172.16.0.0/12", AF_INET, "172.16.0.0", 12},
		{"127.0.0.1", AF_INET, "127.0.0.1", 32},
		{"255.255.255.255/32", AF_INET, "255.255.255.255", 32},
		{"::/0", AF_INET6, "::", 0},
		{"fe80::/10", AF_INET6, "fe80::", 10},
		{"::1", AF_INET6, "::1", 128},
		{"::ffff:10.1.0.0/112", AF_INET, "10.1.0.0", 16},
		{"::ffff:127.0.0.1", AF_INET, "127.0.0.1", 32},
		{"::ffff:0:0/96", AF_INET, "0.0.0.0", 0},
		{"::fffe:0:0/96", AF_INET6, "::fffe:0:0", 96},
	};
	char text[ADDR_TEXT_SZ];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		struct network n = parsed(good[i].text);

		assert_int_equal(n.af, good[i].af);
		assert_int_equal(n.len, good[i].len);
		assert_string_equal(addr__format(n.af, n.bytes, text), good[i].addr);
	}
}

static void test_networks_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} bad[] = {
		{"", -EINVAL},
		{"/8", -EINVAL},
		{"10.0.0.0/", -EINVAL},
		{"10.0.0/8", -EINVAL},
		{"10.0.0.0/8/8", -EINVAL},
		{"10.0.0.0/-1", -EINVAL},
		{"10.0.0.0/ 8", -EINVAL},
		{" 10.0.0.0/8", -EINVAL},
		{"10.0.0.0/0x8", -EINVAL},
		{"10.0.0.256", -EINVAL},
		{"localhost", -EINVAL},
		{"!10.0.0.0/8", -EINVAL},
		{":::", -EINVAL},
		{"fe80::1%lo", -EINVAL},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", -EINVAL},
		{"10.0.0.0/33", -ERANGE},
		{"10.0.0.0/0008", -ERANGE},
		{"::/129", -ERANGE},
		{"::/99999999999999999999", -ERANGE},
		{"10.0.0.1/31", -EDOM},
		{"10.0.0.0/6", -EDOM},
		{"fd00::/7", -EDOM},
		{"::ffff:10.0.0.0/90", -EDOM},
	};
	struct network n = {.len = 77};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(addr__parse_network(bad[i].text, &n), bad[i].code);
	assert_int_equal(n.len, 77);
}

static void test_network_covers(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} cases[] = {
		{"10.0.0.0/8", "10.0.0.0/8", true},
		{"10.0.0.0/8", "10.255.0.0/16", true},
		{"10.0.0.0/8", "11.0.0.0/16", false},
		{"10.255.0.0/16", "10.0.0.0/8", false},
		{"172.16.0.0/12", "172.31.0.0/16", true},
		{"172.16.0.0/12", "172.32.0.0/16", false},
		{"0.0.0.0/0", "10.0.0.1", true},
		{"::/0", "10.0.0.1", false},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "::1", true},
		{"fe80::/10", "febf::/16", true},
		{"fe80::/10", "fec0::/16", false},
		{"::1", "::1", true},
		{"::1", "::2", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct network outer = parsed(cases[i].outer), inner = parsed(cases[i].inner);

		assert_int_equal(network__covers(&outer, &inner), cases[i].covers);
	}
}

static void test_rfc3339(void **state)
{
	char text[CLOCK_RFC3339_SZ], time[CLOCK_TIME_SZ];

	(void)state;
	assert_string_equal(clock__rfc3339(0, text), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(clock__rfc3339(951827696000000007, text), "2000-02-29T12:34:56.000000007Z");
	assert_string_equal(clock__rfc3339(1763712000999999999, text), "2025-11-21T08:00:00.999999999Z");
	assert_string_equal(clock__rfc3339(UINT64_MAX, text), "2554-07-21T23:34:33.709551615Z");
	assert_string_equal(clock__time_of_day(1763712000999999999, time), "08:00:00.999999");
}

static void test_offset(void **state)
{
	struct clock c = {.offset_ns = 100}, back = {.offset_ns = -100}, lowest = {.offset_ns = INT64_MIN};
	uint64_t before = clock__mono_ns();

	(void)state;
	assert_true(clock__real_ns(&c, 5) == 105);
	assert_true(clock__real_ns(&back, 500) == 400);
	assert_true(clock__real_ns(&back, 5) == 0);
	assert_true(clock__real_ns(&lowest, 5) == 0);
	assert_int_equal(clock__sync(&c), 0);
	assert_true(clock__real_ns(&c, before) > 1500000000000000000);
	assert_true(clock__mono_ns() >= before);
}

/* What a call writes to stderr. */
static size_t capture(void (*fn)(void), char *buf, size_t sz)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fds[0], buf, sz - 1);
	close(fds[0]);
	assert_true(n >= 0);
	buf[n] = '\0';
	return (size_t)n;
}

static void log_each(void)
{
	errno = EBUSY;
	log__error("broken: %s", "\x1b[31mred\nnew line");
	log__warn("take care\n");
	log__info("ready, %d hooks", 3);
	log__debug("detail");
	assert_int_equal(errno, EBUSY);
}

/* As a service manager would say it, of the stderr that there is now. */
static void name_journal(int offset)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + offset);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void log_to_journal(void)
{
	name_journal(0);
	log_each();
	name_journal(1);
	log__info("not there any more");
	unsetenv("JOURNAL_STREAM");
}

static void test_log(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(log__level(), LOG_LEVEL_INFO);
	capture(log_each, text, sizeof(text));
	assert_string_equal(text, "synfin: error: broken: \\x1b[31mred\\x0anew line\n"
				  "synfin: warning: take care\n"
				  "synfin: ready, 3 hooks\n");
	log__set_level(LOG_LEVEL_WARN);
	capture(log_each, text, sizeof(text));
	assert_null(strstr(text, "ready"));
	assert_non_null(strstr(text, "take care"));
	log__set_level(LOG_LEVEL_DEBUG);
	capture(log_each, text, sizeof(text));
	assert_non_null(strstr(text, "synfin: debug: detail\n"));
	capture(log_to_journal, text, sizeof(text));
	assert_string_equal(text, "<3>synfin: error: broken: \\x1b[31mred\\x0anew line\n"
				  "<4>synfin: warning: take care\n"
				  "<6>synfin: ready, 3 hooks\n"
				  "<7>synfin: debug: detail\n"
				  "synfin: not there any more\n");
	log__set_level(LOG_LEVEL_INFO);
}

/* A link, say /dev/stdout, keeps its place: with rename() a file would take it. */
static void test_file(void **state)
{
	char dir[] = "/tmp/synfin-test-XXXXXX", path[64], link[64], back[8] = "";
	struct str text = {0};
	struct stat st;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(link, sizeof(link), "%s/b", dir);
	assert_int_equal(symlink(path, link), 0);
	for (int i = 0; i < 2; i++) {
		str__append(&text, i ? "new" : "older");
		assert_int_equal(file__replace(path, &text, i ? 0600 : 0644), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, i ? 0600 : 0644);
	}
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fread(back, 1, sizeof(back), file), 3);
	fclose(file);
	assert_string_equal(back, "new");
	assert_true(file__is_replaceable(path));
	str__append(&text, "x");
	assert_int_equal(file__replace(link, &text, 0600), -EOPNOTSUPP);
	assert_int_equal(file__replace(dir, &text, 0600), -EOPNOTSUPP);
	assert_int_equal(file__check_replace(path), 0);
	assert_int_equal(file__check_replace(link), -EOPNOTSUPP);
	assert_int_equal(file__check_replace(""), -EINVAL);
	assert_int_equal(file__check_replace("/nonexistent/x"), -ENOENT);
	assert_int_equal(file__check_replace("/nonexistent/"), -EISDIR);
	str__fini(&text);
	/* nothing temporary is left */
	assert_int_equal(unlink(link) | unlink(path) | rmdir(dir), 0);
}

#ifndef __SANITIZE_ADDRESS__ /* its allocator ends the program instead */
/* A read that stops halfway is an error, not the end of the file. */
static int read_without_memory(const char *path)
{
	const struct rlimit none = {0};
	struct str text = {0};
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(setrlimit(RLIMIT_AS, &none) ? 0 : -file__read(path, 1 << 20, &text));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return -WEXITSTATUS(status);
}
#endif

static void test_read(void **state)
{
	char path[] = "/tmp/synfin-test-XXXXXX";
	struct str text = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	str__append_char(&text, 'x', 1 << 20);
	assert_int_equal(str__write(&text, fd), 0);
	assert_int_equal(file__read(path, (1 << 20) - 1, &text), -EFBIG);
	assert_int_equal(text.len, 0);
	assert_int_equal(file__read(path, 1 << 20, &text), 0);
	assert_int_equal(text.len, 1 << 20);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(read_without_memory(path), -ENOMEM);
#endif
	assert_int_equal(file__read("/dev/zero", 1 << 20, &text), -EOPNOTSUPP);
	close(fd);
	unlink(path);
	assert_int_equal(file__read(path, 1 << 20, &text), -ENOENT);
	str__fini(&text);
}

struct taken {
	struct str all;
	unsigned int times;
	int err;
};

static int take(void *ctx, const char *bytes, size_t sz)
{
	struct taken *t = ctx;

	t->times++;
	str__append_bytes(&t->all, bytes, sz);
	return t->err;
}

/* Little is kept back for long, nothing is left out; after an error nothing is handed on. */
static void test_pieces(void **state)
{
	struct taken t = {0};
	struct pieces p = {.take = take, .ctx = &t};

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		str__appendf(&p.text, "%06u\n", i);
		pieces__pass(&p);
		assert_true(p.text.len < 100 << 10);
		assert_int_equal(pieces__len(&p), (i + 1) * 7);
	}
	assert_int_equal(pieces__end(&p), 0);
	assert_int_equal(t.all.len, 700000);
	assert_true(t.times > 5 && t.times < 100);
	for (unsigned int i = 0; i < 100000; i += 99)
		assert_int_equal(strtoul(t.all.buf + 7 * i, NULL, 10), i);
	t.err = -ENOSPC;
	for (unsigned int i = 0; i < 2; i++) {
		str__append_char(&p.text, 'x', 1 << 20);
		pieces__pass(&p);
	}
	assert_int_equal(pieces__end(&p), -ENOSPC);
	assert_int_equal(t.all.len, 700000 + (1 << 20));
	pieces__fini(&p);
	str__fini(&t.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_addr4),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_networks_refused),
		cmocka_unit_test(test_network_covers),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_offset),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
