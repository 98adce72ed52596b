/* SPDX-License-Identifier: GPL-2.0-only */
/* Converts the kernel's CLOCK_MONOTONIC to wall-clock time, and that to text. */
#ifndef SYNFIN_BASE_CLOCK_H
#define SYNFIN_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_RFC3339_SZ sizeof("2001-02-03T04:05:06.123456789Z")
#define CLOCK_TIME_SZ	 sizeof("04:05:06.123456")

/* The offset from CLOCK_MONOTONIC to CLOCK_REALTIME, as of the last clock__sync(). */
struct clock {
	int64_t offset_ns;
};

/* Measures the offset; repeat it now and then, for the wall clock is stepped and slewed. 0 or -errno. */
int clock__sync(struct clock *c);

/* CLOCK_MONOTONIC now. */
uint64_t clock__mono_ns(void);

/* Length of the kernel's tick (1 / CONFIG_HZ), which no file reports; the resolution of the coarse clocks. */
uint64_t clock__tick_ns(void);

/* Nanoseconds since 1970; 0 for any earlier time. */
uint64_t clock__real_ns(const struct clock *c, uint64_t mono_ns);

/* UTC, "2001-02-03T04:05:06.123456789Z" with all nine digits. Returns `buf`. */
const char *clock__rfc3339(uint64_t real_ns, char buf[CLOCK_RFC3339_SZ]);
/* Parses the form that clock__rfc3339() writes. 0 or -EINVAL. */
int clock__parse_rfc3339(const char *text, uint64_t *ret_real_ns);
/* UTC, "04:05:06.123456", truncated. Returns `buf`. */
const char *clock__time_of_day(uint64_t real_ns, char buf[CLOCK_TIME_SZ]);

#endif
