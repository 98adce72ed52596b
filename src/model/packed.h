/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A histogram as it lies in memory: of most nearly all buckets are empty, and there are thousands of them (--by). Only the rows of
 * the kernel side (slots.h) that something fell into are kept. To be looked at it is unpacked.
 */
#ifndef SYNFIN_MODEL_PACKED_H
#define SYNFIN_MODEL_PACKED_H

#include "model/hist.h"

struct packed_row {
	uint32_t number; /* 0 .. SF_HIST_ROWS - 1 */
	uint64_t counts[SF_ROW_CNT];
};

/* Empty is NULL. To be freed with free(). */
struct packed {
	uint64_t count; /* as in struct hist */
	hist_sum sum_ns;
	uint64_t min_ns;
	uint64_t max_ns;
	uint32_t row_cnt;
	struct packed_row rows[]; /* by number */
};

/* As hist__add_row(), and hist__merge(). 0, or -ENOMEM and nothing is added. */
int packed__add_row(struct packed **p, uint32_t number, const struct sf_row *r);
int packed__add(struct packed **p, const struct hist *from);

void packed__unpack(const struct packed *p, struct hist *ret_hist);

#endif
