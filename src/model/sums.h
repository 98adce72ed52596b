/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot of the sums that the kernel side has made since it was loaded: rows (slots.h) of sets. Sums only
 * grow, so the sums of an interval are the difference of two snapshots.
 */
#ifndef SYNFIN_MODEL_SUMS_H
#define SYNFIN_MODEL_SUMS_H

#include <stdint.h>

#include "model/series.h"
#include "slots.h"

struct sums;

/* 0 or -ENOMEM. */
int sums__new(struct sums **ret_sums);
/* NULL is fine. */
void sums__free(struct sums *s);
void sums__reset(struct sums *s);

/*
 * Each row of a set is added once, and all sets are added after all rows, since a set is always made before
 * its first row. 0 or -ENOMEM.
 */
int sums__add_row(struct sums *s, uint64_t set, uint32_t row, const struct sf_row *r);
int sums__add_set(struct sums *s, uint64_t set, const struct by_set *of);
void sums__set_totals(struct sums *s, const struct series_totals *totals);

/*
 * Adds to `series` what `now` has and `before` (NULL: nothing) had not. If a row is in both, its extremes are
 * exact where they moved, and otherwise off by less than the width of the outermost bucket that grew. 0 or
 * -ENOMEM or -EOVERFLOW.
 */
int sums__add_to(struct sums *now, struct sums *before, struct series *series);

#endif
