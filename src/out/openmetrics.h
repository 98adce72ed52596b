/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metrics as text: OpenMetrics 1.0, and the classic text format 0.0.4 for scrapers that support no other.
 * Buckets are cumulative with inclusive bounds (`le`), and exact.
 */
#ifndef SYNFIN_OUT_OPENMETRICS_H
#define SYNFIN_OUT_OPENMETRICS_H

#include "base/pieces.h"
#include "model/edges.h"
#include "out/families.h"

/* Write to `to`; pieces__end() reports whether the output is complete. */
void openmetrics__write(struct pieces *to, const struct metrics *m, const struct edges *edges);
void openmetrics__write_classic(struct pieces *to, const struct metrics *m, const struct edges *edges);

#endif
