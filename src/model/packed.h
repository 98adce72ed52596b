/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The form in which histograms are kept in memory. There are thousands of them (--by), and in most of them
 * nearly all buckets are empty. Therefore only the rows of the kernel side (slots.h) that are not empty are
 * kept. A histogram is unpacked before it is read.
 */
#ifndef SYNFIN_MODEL_PACKED_H
#define SYNFIN_MODEL_PACKED_H

#include "model/hist.h"

struct packed_row {
	uint32_t number; /* 0 .. SF_HIST_ROWS - 1 */
	uint64_t counts[SF_ROW_CNT];
};

/* An empty histogram is NULL. The owner frees it with free(). */
struct packed {
	uint64_t count; /* as in struct hist */
	hist_sum sum_ns;
	uint64_t min_ns;
	uint64_t max_ns;
	uint32_t row_cnt;
	struct packed_row rows[]; /* sorted by number */
};

/* Like hist__add_row() and hist__merge(). 0, or -ENOMEM and nothing is added. */
int packed__add_row(struct packed **p, uint32_t number, const struct sf_row *r);
int packed__add(struct packed **p, const struct hist *from);

void packed__unpack(const struct packed *p, struct hist *ret_hist);

#endif
