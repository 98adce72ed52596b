/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A histogram in the exponential buckets of Prometheus' native histograms, schema 3: bucket k counts the
 * samples in (2^((k-1)/8), 2^(k/8)] seconds. Our buckets have other bounds. Each of them is added whole to
 * the native bucket that contains its middle, which moves a sample by less than the width of our bucket (6.25
 * %).
 */
#ifndef SYNFIN_MODEL_NATIVE_H
#define SYNFIN_MODEL_NATIVE_H

#include <stdint.h>

#include "model/hist.h"

#define NATIVE_SCHEMA 3
#define NATIVE_MAX    SF_HIST_BUCKETS

struct native {
	uint64_t zero_cnt; /* our first bucket, exactly: up to native__zero_threshold() */
	unsigned int cnt;  /* of buckets that are not empty, ascending */
	struct {
		int index;
		uint64_t count;
	} bucket[NATIVE_MAX];
};

/* In seconds. */
double native__zero_threshold(void);
void native__from_hist(const struct hist *h, struct native *ret_native);

#endif
