/* SPDX-License-Identifier: GPL-2.0-only */
/* http/server: what clients cannot do to it, over real sockets, with deadlines of some ten milliseconds. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/listen.h"
#include "http/server.h"

#define MS	 1000000ULL
#define FOREVER	 (60000 * MS)
#define PATIENCE (20000 * MS)
#define MUCH	 (8 << 20) /* more than sockets take */

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define GZIP	     "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
#define METRICS	     GET("/metrics")
#define METRICS_ONCE "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#define HEALTHZ	     GET("/healthz")
#define IS_OK(text)  (!strncmp((text), "HTTP/1.1 200 ", 13))

static struct {
	struct server *server;
	struct host_list hosts;
	struct listen_addr addr;
	int listen_fd;
	size_t page_sz;
	useconds_t takes_us;
	int err;
	atomic_int renderings;
	atomic_bool is_rendering;
} world;

/* Of 64 characters at random: a quarter is what compression takes off. */
static void append_noise(struct pieces *to, size_t sz)
{
	uint32_t seed = 1;

	while (sz--) {
		seed = seed * 1664525 + 1013904223;
		str__append_char(&to->text, (char)(';' + (seed >> 26)), 1);
		pieces__pass(to);
	}
}

static int render(void *ctx, enum http_form form, struct pieces *to, uint64_t *ret_read_ns)
{
	(void)ctx;
	(void)form;
	atomic_store(&world.is_rendering, true);
	*ret_read_ns = clock__mono_ns();
	usleep(world.takes_us);
	str__appendf(&to->text, "%d\n", atomic_fetch_add(&world.renderings, 1) + 1);
	append_noise(to, world.page_sz);
	atomic_store(&world.is_rendering, false);
	return world.err;
}

static bool is_alive(void *ctx)
{
	(void)ctx;
	return true;
}

static void start(const char *listen, const struct server_limits *limits)
{
	struct parse_error err;
	struct server_config config = {.fds = &world.listen_fd,
				       .fd_cnt = 1,
				       .hosts = &world.hosts,
				       .limits = *limits,
				       .render = render,
				       .is_alive = is_alive};

	assert_int_equal(listen__parse("--listen", listen, &world.addr, &err), 0);
	world.listen_fd = listen__open(&world.addr, &world.addr);
	assert_true(world.listen_fd >= 0);
	assert_int_equal(server__start(&config, &world.server), 0);
}

static void start_default(void)
{
	start("127.0.0.1:0", &server_default_limits);
}

static int stop(void **state)
{
	(void)state;
	server__stop(world.server);
	close(world.listen_fd);
	memset(&world, 0, sizeof(world));
	return 0;
}

static int dial(void)
{
	int fd = socket(world.addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
	const struct timeval patience = {.tv_sec = (time_t)(PATIENCE / 1000 / MS)};

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(connect(fd, &world.addr.any, sizeof(world.addr.un)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static int ask(const char *request)
{
	int fd = dial();

	say(fd, request);
	return fd;
}

/* What comes next, at most sz - 1 bytes; "" at the end or after a reset. */
static const char *hear(int fd, char *buf, size_t sz)
{
	ssize_t len = recv(fd, buf, sz - 1, 0);

	if (len < 0 && errno != ECONNRESET)
		fail_msg("no answer: %s", strerror(errno));
	buf[len > 0 ? len : 0] = '\0';
	return buf;
}

/* All that comes until the end. */
static const char *hear_out(int fd, char *buf, size_t sz)
{
	size_t len = 0;

	while (*hear(fd, buf + len, sz - len))
		len += strlen(buf + len);
	return buf;
}

static bool is_closed(int fd)
{
	char c;
	ssize_t len = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	return !len || (len < 0 && errno == ECONNRESET);
}

/* Everything up to the end that the server makes; how many bytes. */
static size_t hear_all(int fd)
{
	static char buf[1 << 16];
	size_t total = 0;
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0)
		total += (size_t)len;
	if (len < 0 && errno != ECONNRESET)
		fail_msg("no end: %s", strerror(errno));
	return total;
}

static void expect_answer(const char *request, const char *status)
{
	char buf[512], want[32];
	int fd = ask(request);

	snprintf(want, sizeof(want), "HTTP/1.1 %s ", status);
	if (strncmp(hear(fd, buf, sizeof(buf)), want, strlen(want)) != 0)
		fail_msg("%s\n-> %s", request, buf);
	close(fd);
}

/* Activity does not help: a byte of a header each 10 ms. */
static void test_request_deadline(void **state)
{
	struct server_limits limits = server_default_limits;
	uint64_t begin;
	int idle, slow;

	(void)state;
	limits.request_ns = 100 * MS;
	start("127.0.0.1:0", &limits);
	begin = clock__mono_ns();
	idle = dial();
	slow = ask("GET /metrics HTTP/1.1\r\nHost: ");
	while (!is_closed(slow)) {
		assert_true(clock__mono_ns() - begin < PATIENCE);
		(void)send(slow, "x", 1, MSG_NOSIGNAL);
		usleep(10000);
	}
	assert_true(clock__mono_ns() - begin >= 100 * MS);
	assert_int_equal(hear_all(idle), 0);
	close(idle);
	close(slow);
}

/* Nor does reading a little now and then. */
static void test_answer_deadline(void **state)
{
	struct server_limits limits = server_default_limits;
	char buf[1024];
	size_t total = 0;
	int slow;

	(void)state;
	world.page_sz = MUCH;
	limits.answer_ns = 200 * MS;
	start("127.0.0.1:0", &limits);
	slow = ask(METRICS);
	for (const char *part; *(part = hear(slow, buf, sizeof(buf)));) {
		total += strlen(part);
		assert_true(total < MUCH);
		usleep(10000);
	}
	close(slow);
}

/* An answer in time is not cut, and the connection can be used again after it. */
static void test_keep_alive(void **state)
{
	struct server_limits limits = server_default_limits;
	char buf[512];
	int fd;

	(void)state;
	limits.request_ns = limits.answer_ns = 1000 * MS;
	start("127.0.0.1:0", &limits);
	fd = dial();
	for (int i = 0; i < 4; i++) {
		usleep(400000);
		say(fd, HEALTHZ);
		assert_true(IS_OK(hear(fd, buf, sizeof(buf))));
	}
	close(fd);
}

static void test_bodies(void **state)
{
	(void)state;
	start_default();
	expect_answer("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx", "413");
	expect_answer(
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		"413");
	expect_answer("HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n",
		      "413");
	expect_answer("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", "405");
	expect_answer("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "200");
}

/* The newest gets in, the oldest has to leave, and only one who does the same. */
static void test_crowd(void **state)
{
	struct server_limits limits = server_default_limits;
	int idle[6], slow[6];
	char buf[512];

	(void)state;
	world.page_sz = MUCH;
	limits.asking = limits.answering = 3;
	start("127.0.0.1:0", &limits);
	for (int i = 0; i < 6; i++) {
		slow[i] = ask(METRICS_ONCE);
		assert_true(IS_OK(hear(slow[i], buf, sizeof(buf))));
	}
	for (int i = 0; i < 6; i++)
		idle[i] = dial();
	expect_answer(HEALTHZ, "200");
	for (int i = 0; i < 6; i++) {
		/* Three at most stay, and one more has come to ask. */
		if (i < 4)
			assert_int_equal(hear_all(idle[i]), 0);
		else
			assert_false(is_closed(idle[i]));
		assert_int_equal(hear_all(slow[i]) < MUCH - sizeof(buf), i < 3);
		close(idle[i]);
		close(slow[i]);
	}
}

/* All who ask at once are told the same, and nobody what is old. */
static void test_shared_page(void **state)
{
	char first[4096], other[4096];
	int fds[8];

	(void)state;
	world.takes_us = 50000;
	start_default();
	for (int i = 0; i < 8; i++)
		fds[i] = ask(i % 2 ? GZIP : METRICS);
	for (int i = 0; i < 8; i++) {
		hear(fds[i], i < 2 ? first : other, sizeof(first));
		close(fds[i]);
	}
	assert_true(atomic_load(&world.renderings) <= 4);
	usleep(150000);
	atomic_store(&world.renderings, 41);
	fds[0] = ask(METRICS_ONCE);
	assert_non_null(strstr(hear_out(fds[0], other, sizeof(other)), "\r\n\r\n42\n"));
	close(fds[0]);
}

static void test_healthz_meanwhile(void **state)
{
	char buf[512];
	int scrape, health;

	(void)state;
	world.takes_us = 1000000;
	start_default();
	scrape = ask(METRICS);
	while (!atomic_load(&world.is_rendering))
		usleep(1000);
	health = ask(HEALTHZ);
	assert_true(IS_OK(hear(health, buf, sizeof(buf))));
	assert_true(atomic_load(&world.is_rendering));
	assert_true(IS_OK(hear(scrape, buf, sizeof(buf))));
	close(health);
	close(scrape);
}

/* Of pages that are being read there are never more than fit: for the next one whoever reads the oldest is cut off. */
static void test_held(void **state)
{
	struct server_limits limits = server_default_limits;
	char buf[512];
	int slow[4];

	(void)state;
	world.page_sz = MUCH;
	limits.held_bytes = (2 * MUCH + MUCH / 2) / 4 * 3;
	start("127.0.0.1:0", &limits);
	for (int i = 0; i < 4; i++) {
		slow[i] = ask(METRICS_ONCE);
		assert_true(IS_OK(hear(slow[i], buf, sizeof(buf))));
		usleep(120000); /* a page for each */
	}
	assert_true(hear_all(slow[0]) < MUCH - sizeof(buf));
	assert_true(hear_all(slow[1]) < MUCH - sizeof(buf));
	assert_true(hear_all(slow[3]) >= MUCH - sizeof(buf));
	for (int i = 0; i < 4; i++)
		close(slow[i]);
}

static void test_failure(void **state)
{
	(void)state;
	world.err = -EIO;
	start_default();
	expect_answer(METRICS, "500");
	expect_answer(HEALTHZ, "200");
	world.err = 0;
	usleep(150000);
	expect_answer(METRICS, "200");
}

static void test_hosts(void **state)
{
	struct parse_error err;

	(void)state;
	assert_int_equal(host__parse("--allow-host", "a.example", &world.hosts, &err), 0);
	start_default();
	expect_answer("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421");
	expect_answer("GET /healthz HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", "421");
	expect_answer("GET /healthz HTTP/1.1\r\nHost: A.Example:80\r\n\r\n", "200");
	expect_answer("GET /healthz HTTP/1.1\r\n\r\n", "400");
	expect_answer("GET /healthz HTTP/1.0\r\n\r\n", "200");
}

/* No browser comes by a Unix socket; and whoever is waiting when it stops is let go. */
static void test_unix(void **state)
{
	char dir[] = "/tmp/synfin-server-XXXXXX", text[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(text, sizeof(text), "unix:%s/s", dir);
	start(text, &server_default_limits);
	expect_answer("GET /healthz HTTP/1.1\r\nHost: anything\r\n\r\n", "200");
	expect_answer(METRICS, "200");
	world.takes_us = 200000;
	usleep(150000);
	fd = ask(METRICS);
	while (!atomic_load(&world.is_rendering))
		usleep(1000);
	server__stop(world.server);
	world.server = NULL;
	assert_int_equal(hear_all(fd), 0);
	close(fd);
	assert_int_equal(unlink(world.addr.un.sun_path) | rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_request_deadline, stop),
		cmocka_unit_test_teardown(test_answer_deadline, stop),
		cmocka_unit_test_teardown(test_keep_alive, stop),
		cmocka_unit_test_teardown(test_bodies, stop),
		cmocka_unit_test_teardown(test_crowd, stop),
		cmocka_unit_test_teardown(test_shared_page, stop),
		cmocka_unit_test_teardown(test_healthz_meanwhile, stop),
		cmocka_unit_test_teardown(test_held, stop),
		cmocka_unit_test_teardown(test_failure, stop),
		cmocka_unit_test_teardown(test_hosts, stop),
		cmocka_unit_test_teardown(test_unix, stop),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
