/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Latency histograms: the buckets of bpf/hist.h with count, sum and exact extremes. Merging loses nothing.
 */
#ifndef SYNFIN_MODEL_HIST_H
#define SYNFIN_MODEL_HIST_H

#include <stdbool.h>
#include <stdint.h>

/* In angle brackets, or this file would find itself. */
#include <hist.h>

#include "slots.h"

/* 2^64 ns are 3.5 days of 1,000 connections a second that live for a minute. */
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
 * Adds row `number` (0 .. SF_HIST_ROWS - 1) of a histogram. Its extremes may be those of more than is in it, or not be there
 * yet, for a row is read while it is written: the bounds of the outermost buckets that are not empty narrow them. So do the
 * bounds of all buckets the sum, which is off by the samples that are being added. The result is sound.
 *
 * The row's sum is what is left of the true one modulo 2^64. The buckets say how often it has run over: the nearest to the middle of
 * what they allow is meant. That is exact until a row's bounds are some 2^64 ns apart, which is at least 16 times as much as it
 * takes to run over; after that the sum is one that these buckets can have, by less than 6.25 % off. In the last row, which has no
 * upper bound, the least that can be is meant: exact until its samples are together 2^64 ns longer than if each were the shortest.
 */
void hist__add_row(struct hist *h, uint32_t number, const struct sf_row *r);

/*
 * There are samples that would make this histogram: the count is the sum of the buckets and not 0, the extremes lie in the
 * outermost buckets that are not empty, and the sum is one that samples in these buckets and between the extremes can have.
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
