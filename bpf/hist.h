/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one bucket function, for the kernel and the C side: log-linear, 16 buckets to a power of two, for
 * durations in nanoseconds. Buckets are (lower, upper], so that an upper bound is a Prometheus `le`.
 *
 *   index 0         everything up to 2^10 ns (1.024 us)
 *   index 1 .. 480  2^10 .. 2^40 ns (18 min): each power of two in 16 equal parts, at most 1/16 = 6.25 % wide
 *   index 481       everything above
 *
 * Taking one off first makes the upper bound inclusive: of v - 1 the leading bit selects the power, the
 * four bits below it the part. 2048 gives 2047 = 11111111111b: power 10, part 15, the last one that ends
 * at 2^11. 2049 gives 2048 = 100000000000b: power 11, part 0.
 */
#ifndef SYNFIN_HIST_H
#define SYNFIN_HIST_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SF_HIST_SUB_BITS 4  /* 2^4 buckets to a power of two */
#define SF_HIST_MIN_POW	 10 /* the first bucket ends at 2^10 ns */
#define SF_HIST_MAX_POW	 40 /* the last one begins at 2^40 ns */
#define SF_HIST_BUCKETS	 (((SF_HIST_MAX_POW - SF_HIST_MIN_POW) << SF_HIST_SUB_BITS) + 2)

/* The position of the highest bit set; v is not 0. No loop and no builtin: the BPF back end has no clz. */
static inline __u32 sf_hist_log2(__u64 v)
{
	__u32 shift, pow;

	pow = (v > 0xffffffff) << 5;
	v >>= pow;
	shift = (v > 0xffff) << 4;
	v >>= shift;
	pow |= shift;
	shift = (v > 0xff) << 3;
	v >>= shift;
	pow |= shift;
	shift = (v > 0xf) << 2;
	v >>= shift;
	pow |= shift;
	shift = (v > 0x3) << 1;
	v >>= shift;
	pow |= shift;
	return pow | (__u32)(v >> 1);
}

/* The bucket of a duration, 0 .. SF_HIST_BUCKETS - 1. */
static inline __u32 sf_hist_index(__u64 ns)
{
	__u32 pow, part;

	if (ns <= 1ULL << SF_HIST_MIN_POW)
		return 0;
	if (ns > 1ULL << SF_HIST_MAX_POW)
		return SF_HIST_BUCKETS - 1;
	ns--;
	pow = sf_hist_log2(ns);
	part = (__u32)(ns >> (pow - SF_HIST_SUB_BITS)) & ((1 << SF_HIST_SUB_BITS) - 1);
	return 1 + ((pow - SF_HIST_MIN_POW) << SF_HIST_SUB_BITS) + part;
}

/* The inclusive upper bound in ns; of the last bucket, which has none, the largest number. */
static inline __u64 sf_hist_upper(__u32 index)
{
	__u32 pow, part;

	if (index == 0)
		return 1ULL << SF_HIST_MIN_POW;
	if (index >= SF_HIST_BUCKETS - 1)
		return ~0ULL;
	pow = SF_HIST_MIN_POW + ((index - 1) >> SF_HIST_SUB_BITS);
	part = (index - 1) & ((1 << SF_HIST_SUB_BITS) - 1);
	return (1ULL << pow) + ((__u64)(part + 1) << (pow - SF_HIST_SUB_BITS));
}

#endif
