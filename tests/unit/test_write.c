/* SPDX-License-Identifier: GPL-2.0-only */
/* base/write: a reader that stalls, and who is asked meanwhile. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/write.h"

static char bytes[1 << 20];

struct asked {
	int cnt;
	int limit;
	int reader; /* -1: nobody reads */
	uint64_t stalled_ns;
	const struct write_watch *within; /* a write within this */
	int within_err;
};

static bool gives_up(void *ctx, uint64_t stalled_ns)
{
	struct asked *a = ctx;
	char buf[4096];
	size_t done;

	a->stalled_ns = stalled_ns;
	if (a->reader >= 0)
		assert_true(read(a->reader, buf, sizeof(buf)) > 0);
	if (a->within) {
		int fds[2];

		assert_int_equal(pipe(fds), 0);
		a->within_err = write__all(fds[1], bytes, sizeof(bytes), a->within, &done);
		close(fds[0]);
		close(fds[1]);
	}
	return ++a->cnt >= a->limit;
}

static void check_given_up(struct asked *a, int flags)
{
	const struct write_watch watch = {.gives_up = gives_up, .ctx = a};
	size_t done = 0;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
	fcntl(fds[1], F_SETFL, flags);
	assert_int_equal(write__all(fds[1], bytes, sizeof(bytes), &watch, &done), -ECANCELED);
	assert_int_equal(a->cnt, a->limit);
	assert_int_equal(done, 4096);
	close(fds[0]);
	close(fds[1]);
}

static void test_stalled(void **state)
{
	struct asked a = {.limit = 3, .reader = -1};

	(void)state;
	check_given_up(&a, 0);
	assert_true(a.stalled_ns >= 50000000);
	a.cnt = 0;
	check_given_up(&a, O_NONBLOCK);
}

/* The ticks of the outer write go on after the inner one. */
static void test_stalled_within(void **state)
{
	struct asked inner = {.limit = 2, .reader = -1};
	const struct write_watch watch = {.gives_up = gives_up, .ctx = &inner};
	struct asked outer = {.limit = 3, .reader = -1, .within = &watch};

	(void)state;
	check_given_up(&outer, 0);
	assert_int_equal(outer.within_err, -ECANCELED);
}

/* One that reads on is waited for: what has moved is no stall. */
static void test_slow(void **state)
{
	struct asked a = {.limit = 1000};
	const struct write_watch watch = {.gives_up = gives_up, .ctx = &a};
	size_t done;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
	a.reader = fds[0];
	assert_int_equal(write__all(fds[1], bytes, 5 * 4096, &watch, &done), 0);
	assert_int_equal(done, 5 * 4096);
	assert_in_range(a.cnt, 4, 10);
	close(fds[0]);
	close(fds[1]);
}

/* Without a watch, and with one that is never asked. */
static void test_done_at_once(void **state)
{
	struct asked a = {.limit = 1, .reader = -1};
	const struct write_watch watch = {.gives_up = gives_up, .ctx = &a}, nobody = {0};
	size_t done;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write__all(fds[1], bytes, 100, NULL, &done), 0);
	assert_int_equal(write__all(fds[1], bytes, 100, &nobody, &done), 0);
	assert_int_equal(write__all(fds[1], bytes, 100, &watch, &done), 0);
	assert_int_equal(done, 100);
	assert_int_equal(a.cnt, 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(write__all(-1, bytes, 100, &watch, &done), -EBADF);
	assert_int_equal(done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_stalled_within),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
