/* SPDX-License-Identifier: GPL-2.0-only */
/* http/accept, host, listen, gzip: what the headers of a client mean, addresses, and that gzip is gzip. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/accept.h"
#include "http/gzip.h"
#include "http/host.h"
#include "http/listen.h"

static void test_form(void **state)
{
	static const struct {
		const char *accept;
		enum http_form form;
	} cases[] = {
		{NULL, HTTP_FORM_CLASSIC},
		{"", HTTP_FORM_CLASSIC},
		{"*/*", HTTP_FORM_CLASSIC},
		{"image/png", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text", HTTP_FORM_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0,application/"
		 "openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 HTTP_FORM_OPENMETRICS},
		{"application/openmetrics-text; version=0.0.1", HTTP_FORM_CLASSIC},
		{"Application/OpenMetrics-Text ; Version=1.0.0 ; charset=utf-8", HTTP_FORM_OPENMETRICS},
		{"text/plain;version=0.0.4, application/openmetrics-text;q=0.9", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=0, text/plain;q=0.001", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=2, text/plain;q=0.5", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=0.5x, text/plain;q=0.1", HTTP_FORM_CLASSIC},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
		 "application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1",
		 HTTP_FORM_PROTOBUF},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
		 HTTP_FORM_CLASSIC},
		{",,;;q=,;=, application/openmetrics-text", HTTP_FORM_OPENMETRICS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (accept__form(cases[i].accept) != cases[i].form)
			fail_msg("%s", cases[i].accept);
	}
}

static void test_encoding(void **state)
{
	(void)state;
	assert_true(accept__has_gzip("gzip"));
	assert_true(accept__has_gzip("deflate, gzip;q=1.0, *;q=0.5"));
	assert_true(accept__has_gzip("GZIP;q=0.1"));
	assert_false(accept__has_gzip(NULL));
	assert_false(accept__has_gzip(""));
	assert_false(accept__has_gzip("gzip;q=0"));
	assert_false(accept__has_gzip("gzip;q=0.000, deflate"));
	assert_false(accept__has_gzip("xgzip, gzipx"));
}

static void test_listen(void **state)
{
	static const char *const good[] = {"127.0.0.1:9842", "0.0.0.0:0",   "[::1]:9842",
					   "[::]:65535",     "unix:/run/x", "unix:/run/x,mode=0660",
					   "unix:a:80"};
	static const char *const bad[] = {"",
					  ":",
					  "9842",
					  "::1:9842",
					  "[::1]",
					  "[::1:80",
					  "127.0.0.1:",
					  "127.0.0.1:x",
					  "127.0.0.1:65536",
					  "host:80",
					  "[1.2.3.4]:80",
					  "[]:80",
					  "[localhost]:80",
					  "localhos:80",
					  "1.2.3.4:-1",
					  "unix:",
					  "unix:@x",
					  "unix:,mode=0600",
					  "unix:/run/x,mode=",
					  "unix:/run/x,mode=u+w",
					  "unix:/run/x,mode=0888",
					  "unix:/run/x,mode=4755",
					  "unix:/run/x,mode=00660",
					  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80"};
	struct listen_addr addr;
	struct parse_error err;
	char text[LISTEN_TEXT_SZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(listen__parse("--listen", good[i], &addr, &err), 0);
		assert_string_equal(listen__format(&addr, text), good[i]);
	}
	assert_int_equal(listen__parse("--listen", ":80", &addr, &err), 0);
	assert_string_equal(listen__format(&addr, text), "[::]:80");
	assert_int_equal(listen__parse("--listen", "localhost:80", &addr, &err), 0);
	assert_string_equal(listen__format(&addr, text), "127.0.0.1:80");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(listen__parse("--listen", bad[i], &addr, &err), -EINVAL);
}

static void test_hosts(void **state)
{
	static const char *const good[] = {
		"localhost",	 "LOCALHOST:9842", "localhost.",     "127.0.0.1:9842",
		"10.1.2.3",	 "[::1]",	   "[fd00::1]:9842", "box",
		"Box:9842",	 "box.lan.",	   "box.lan:9842",   "a.example",
		"A.EXAMPLE.:80", "b.example:9842", "x.c.example",    "x.y.c.example"};
	static const char *const bad[] = {"",
					  ":",
					  ":80",
					  "evil.example",
					  "localhost.evil.example",
					  "localhos",
					  "box.evil",
					  "lan",
					  "127.0.0.1.evil",
					  "[evil.example]",
					  "[127.0.0.1]",
					  "[::1",
					  "::1",
					  "[::1]x",
					  "localhost:80:80",
					  "localhost:x",
					  "c.example",
					  "evilc.example",
					  "a.example.evil",
					  "127.1",
					  "*",
					  "d.c.example.evil",
					  "localhost\x01",
					  "local host",
					  "2130706433"};
	struct host_list none = {0}, hosts = {0}, any = {0};
	struct parse_error err;
	char long_name[400];

	(void)state;
	assert_int_equal(host__parse("--allow-host", "a.example,b.example", &hosts, &err), 0);
	assert_int_equal(host__parse("--allow-host", "*.c.example", &hosts, &err), 0);
	assert_int_equal(host__parse("--allow-host", "*", &any, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (!host__is_allowed(good[i], "box.lan", &hosts))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (host__is_allowed(bad[i], "box.lan", &hosts))
			fail_msg("%s", bad[i]);
	}
	assert_false(host__is_allowed("a.example", "box", &none));
	assert_false(host__is_allowed("evil", "", &none));
	assert_true(host__is_allowed("evil.example", "box", &any));
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_false(host__is_allowed(long_name, "box", &any));
}

static void test_host_option(void **state)
{
	static const char *const bad[] = {"",	"a,",	       "a b",	  "a.example:80",
					  "*.", "a.*.example", "**",	  "http://a.example",
					  ".a", "a.",	       "\x1b[31m"};
	struct host_list hosts = {0};
	struct parse_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (host__parse("--allow-host", bad[i], &hosts, &err) != -EINVAL)
			fail_msg("%s", bad[i]);
		assert_null(strchr(err.text, 0x1b));
	}
	for (int i = 0; i < HOST_MAX_LISTS; i++)
		assert_int_equal(host__parse("--allow-host", "a", &hosts, &err), 0);
	assert_int_equal(host__parse("--allow-host", "a", &hosts, &err), -E2BIG);
}

/* Only what nobody listens on any more is replaced; the mode is there from the beginning. */
static void test_listen_unix(void **state)
{
	char dir[] = "/tmp/synfin-listen-XXXXXX", path[64], text[80];
	struct listen_addr addr, bound;
	struct parse_error err;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(text, sizeof(text), "unix:%s,mode=0622", path);
	assert_int_equal(listen__parse("--listen", text, &addr, &err), 0);
	for (int i = 0; i < 2; i++) {
		fd = listen__open(&addr, &bound);
		assert_true(fd >= 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0622);
		assert_int_equal(listen__open(&addr, &bound), -EADDRINUSE);
		close(fd);
	}
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(close(fd), 0);
	assert_int_equal(listen__open(&addr, &bound), -EADDRINUSE);
	assert_int_equal(unlink(path) | rmdir(dir), 0);
}

static int inherit(const char *pid, const char *cnt, struct parse_error *err)
{
	int fds[2];

	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", cnt, 1);
	setenv("LISTEN_FDNAMES", "x", 1);
	return listen__inherit(fds, ARRAY_SIZE(fds), err);
}

/* What is no socket, too many, or not for us; the next one finds nothing. */
static void test_inherit(void **state)
{
	struct parse_error err;
	char pid[16];
	int fds[2];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(inherit("1", "1", &err), 0);
	assert_int_equal(inherit("x", "1", &err), 0);
	assert_int_equal(inherit(pid, "0", &err), 0);
	assert_int_equal(inherit(pid, "x", &err), -EINVAL);
	assert_int_equal(inherit(pid, "3", &err), -E2BIG);
	assert_int_equal(inherit(pid, "1", &err), -EINVAL);
	assert_non_null(strstr(err.text, "descriptor 3"));
	assert_int_equal(listen__inherit(fds, ARRAY_SIZE(fds), &err), 0);
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

/* Bytes that hardly repeat, and are no text. */
static char noise(unsigned int i)
{
	return (char)((i * 2654435761U) >> 24);
}

/* Taken piece by piece and read likewise: it is what it was, and gzip for zlib, too. */
static void test_gzip(void **state)
{
	enum { N = 300000 };
	struct str all = {0}, packed = {0}, back = {0};
	struct gunzip *gunzip;
	struct gzip *gzip;
	char part[1000];
	ssize_t got;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		str__append_char(&all, i < N / 2 ? 'x' : noise(i), 1);
	assert_int_equal(gzip__new(&gzip), 0);
	for (size_t at = 0; at < all.len; at += 30000)
		assert_int_equal(gzip__take(gzip, all.buf + at, 30000), 0);
	assert_int_equal(gzip__end(gzip, &packed), 0);
	assert_true(packed.len < N * 2 / 3);
	assert_int_equal(gunzip__new(&packed, &gunzip), 0);
	while ((got = gunzip__read(gunzip, part, sizeof(part))) > 0)
		str__append_bytes(&back, part, (size_t)got);
	assert_int_equal(got, 0);
	gunzip__free(gunzip);
	assert_int_equal(back.len, N);
	assert_memory_equal(back.buf, all.buf, N);
	packed.buf[packed.len / 2] ^= 1;
	assert_int_equal(gunzip__new(&packed, &gunzip), 0);
	while ((got = gunzip__read(gunzip, part, sizeof(part))) > 0)
		;
	assert_int_equal(got, -EINVAL);
	gunzip__free(gunzip);
	assert_int_equal(gzip__new(&gzip), 0);
	assert_int_equal(gzip__end(gzip, NULL), 0);
	str__fini(&all);
	str__fini(&packed);
	str__fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),	    cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_listen),	    cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_host_option), cmocka_unit_test(test_listen_unix),
		cmocka_unit_test(test_inherit),	    cmocka_unit_test(test_gzip),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
