/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Latency histograms: the buckets of bpf/hist.h with count, sum and exact extremes. Merging loses nothing.
 */
#ifndef SYNFIN_MODEL_HIST_H
#define SYNFIN_MODEL_HIST_H

#include <stdbool.h>
#include <stdint.h>

/* In angle brackets, since with quotes this file would include itself. */
#include <hist.h>

#include "slots.h"

/* 64 bits would overflow after 3.5 days of 1,000 connections a second that live for a minute. */
typedef unsigned __int128 hist_sum;

/* Zero-initialised is empty. */
struct hist {
	uint64_t count;
	hist_sum sum_ns;
	uint64_t min_ns; /* meaningless while count is 0 */
	uint64_t max_ns;
	uint64_t buckets[SF_HIST_BUCKETS];
};

/*
 * Adds row `number` (0 .. SF_HIST_ROWS - 1) of a histogram. The extremes of the row may cover more samples
 * than it has, or be missing, since a row is read while it is written; they are narrowed to the bounds of the
 * outermost buckets that are not empty. The sum of the row may be off by the samples that are being added; it
 * is narrowed to the bounds of all buckets. The result is sound.
 *
 * A row has its sum modulo 2^64. How often the sum has overflowed follows from the buckets, which allow a
 * range of sums: the candidate nearest to the middle of that range is used. This is exact until the range is
 * some 2^64 ns wide, which takes at least 16 times as much as an overflow does; after that the result is one
 * of the sums that these buckets can have, less than 6.25 % off. The last row has no upper bound, and its
 * smallest possible sum is used: this is exact until its samples are together 2^64 ns longer than if each
 * were the shortest.
 */
void hist__add_row(struct hist *h, uint32_t number, const struct sf_row *r);

/*
 * True if samples exist that would make this histogram: the count is the sum of the buckets and not 0, the
 * extremes lie in the outermost buckets that are not empty, and the sum is one that samples in these buckets
 * and between the extremes can have.
 */
bool hist__is_sound(const struct hist *h);
void hist__merge(struct hist *into, const struct hist *from);

/*
 * The value that `ppm` millionths of the samples do not exceed (990000: p99): the upper bound of the bucket
 * in which that sample lies, clipped to the maximum. Never below the true sample, above it by at most
 * 6.25 % (by up to 1.024 us in the first bucket; in the last one it is the maximum). 0 when empty.
 */
uint64_t hist__quantile(const struct hist *h, unsigned int ppm);

#endif
