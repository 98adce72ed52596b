/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/native.h"

#include <math.h>

#define NS_PER_SEC 1e9

double native__zero_threshold(void)
{
	return (double)sf_hist_upper(0) / NS_PER_SEC;
}

/* The last bucket has no upper bound; all that is certain is that its samples lie above its lower one. */
static int index_of(uint32_t bucket)
{
	double low = (double)sf_hist_upper(bucket - 1);
	double high = bucket < SF_HIST_BUCKETS - 1 ? (double)sf_hist_upper(bucket) : low;

	return (int)ceil(log2((low + high) / 2 / NS_PER_SEC) * (1 << NATIVE_SCHEMA));
}

void native__from_hist(const struct hist *h, struct native *ret_native)
{
	ret_native->zero_cnt = h->buckets[0];
	ret_native->cnt = 0;
	for (uint32_t i = 1; i < SF_HIST_BUCKETS; i++) {
		int index;

		if (!h->buckets[i])
			continue;
		index = index_of(i);
		if (!ret_native->cnt || ret_native->bucket[ret_native->cnt - 1].index != index) {
			ret_native->bucket[ret_native->cnt].index = index;
			ret_native->bucket[ret_native->cnt++].count = 0;
		}
		ret_native->bucket[ret_native->cnt - 1].count += h->buckets[i];
	}
}
