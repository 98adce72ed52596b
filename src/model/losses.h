/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts of what was dropped or missed, since the start or since the last report. */
#ifndef SYNFIN_MODEL_LOSSES_H
#define SYNFIN_MODEL_LOSSES_H

#include <stdint.h>

#include "synfin.h"

struct losses {
	uint64_t lost[__SF_LOST_MAX];
	uint64_t missed[__SF_MISSED_MAX]; /* their sum is lost[SF_LOST_MISSED] */
};

/* Leaves in `l` only the losses since `before`. */
static inline void losses__subtract(struct losses *l, const struct losses *before)
{
	for (unsigned int i = 0; i < __SF_LOST_MAX; i++)
		l->lost[i] -= before->lost[i];
	for (unsigned int i = 0; i < __SF_MISSED_MAX; i++)
		l->missed[i] -= before->missed[i];
}

#endif
