/* SPDX-License-Identifier: GPL-2.0-only */
/* Clock offset and time formatting; the formatting is pure. */
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SEC 1000000000

static int64_t to_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NS_PER_SEC + ts->tv_nsec;
}

/*
 * The wall clock is read between two readings of the monotonic one; of a few tries the one counts that was
 * interrupted least, and its middle is right to half of its width.
 */
int clock__sync(struct clock *c)
{
	int64_t best = INT64_MAX, before_ns, width;
	struct timespec before, real, after;
	int i;

	for (i = 0; i < 5; i++) {
		if (clock_gettime(CLOCK_MONOTONIC, &before) || clock_gettime(CLOCK_REALTIME, &real) ||
		    clock_gettime(CLOCK_MONOTONIC, &after))
			return -errno;
		before_ns = to_ns(&before);
		width = to_ns(&after) - before_ns;
		if (width < best) {
			best = width;
			c->offset_ns = to_ns(&real) - (before_ns + width / 2);
		}
	}
	return 0;
}

uint64_t clock__mono_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)to_ns(&now);
}

uint64_t clock__tick_ns(void)
{
	struct timespec tick = {0};

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint64_t)to_ns(&tick);
}

uint64_t clock__real_ns(const struct clock *c, uint64_t mono_ns)
{
	uint64_t real_ns;

	return __builtin_add_overflow(mono_ns, c->offset_ns, &real_ns) ? 0 : real_ns;
}

static void split_time(uint64_t real_ns, struct tm *ret_tm)
{
	time_t sec = (time_t)(real_ns / NS_PER_SEC);

	gmtime_r(&sec, ret_tm);
}

const char *clock__rfc3339(uint64_t real_ns, char buf[CLOCK_RFC3339_SZ])
{
	/* Of the last second: thousands of records share one, and to find its date takes longer than all the rest of a line. */
	static _Thread_local struct {
		uint64_t sec;
		char text[CLOCK_RFC3339_SZ];
		size_t len;
	} last = {.sec = UINT64_MAX};
	uint64_t ns = real_ns % NS_PER_SEC;
	struct tm tm;

	if (last.sec != real_ns / NS_PER_SEC) {
		last.sec = real_ns / NS_PER_SEC;
		split_time(real_ns, &tm);
		last.len = strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
	}
	memcpy(buf, last.text, last.len + 1);
	for (char *digit = buf + last.len - 2; ns; ns /= 10)
		*digit-- = (char)('0' + ns % 10);
	return buf;
}

int clock__parse_rfc3339(const char *text, uint64_t *ret_real_ns)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t fraction = 0;
	time_t sec;

	if (!rest || *rest != '.' || strspn(rest + 1, "0123456789") != 9 || strcmp(rest + 10, "Z") != 0)
		return -EINVAL;
	for (int i = 1; i <= 9; i++)
		fraction = fraction * 10 + (uint64_t)(rest[i] - '0');
	sec = timegm(&tm);
	if (sec < 0 || (uint64_t)sec > UINT64_MAX / NS_PER_SEC - 1)
		return -EINVAL;
	*ret_real_ns = (uint64_t)sec * NS_PER_SEC + fraction;
	return 0;
}

const char *clock__time_of_day(uint64_t real_ns, char buf[CLOCK_TIME_SZ])
{
	struct tm tm;
	size_t len;

	split_time(real_ns, &tm);
	len = strftime(buf, CLOCK_TIME_SZ, "%H:%M:%S", &tm);
	snprintf(buf + len, CLOCK_TIME_SZ - len, ".%06" PRIu64, real_ns % NS_PER_SEC / 1000);
	return buf;
}
