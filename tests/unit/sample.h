/* SPDX-License-Identifier: GPL-2.0-only */
/* A histogram filled as the kernel side's rows fill one: by one row with one sample. */
#ifndef SYNFIN_TESTS_SAMPLE_H
#define SYNFIN_TESTS_SAMPLE_H

#include "model/hist.h"

static inline void add_sample(struct hist *h, uint64_t ns)
{
	struct sf_place place = sf_hist_place(0, sf_hist_index(ns));
	struct sf_row row = {.sum_ns = ns, .most_ns = ns, .least_ns = ~ns};

	row.counts[place.at] = 1;
	hist__add_row(h, place.row, &row);
}

#endif
