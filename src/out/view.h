/* SPDX-License-Identifier: GPL-2.0-only */
/* Data that an output of sums has read from its source; shared by the forms. Only src/out/ includes this. */
#ifndef SYNFIN_OUT_VIEW_H
#define SYNFIN_OUT_VIEW_H

#include "model/series.h"
#include "out/source.h"

struct view {
	struct out_source source;
	struct series *series;
	struct census *census;
	struct losses losses; /* of the same time as the series */
	struct sums *now;
	struct sums *before; /* for view__read_new() */
	struct losses lost_before;
};

/* 0 or -ENOMEM; view__fini() must be called in either case. */
int view__init(struct view *v, const struct out_source *source, size_t max_sets, const struct by *by);
void view__fini(struct view *v);

/* Read the series and the losses as of now: since the start, or since the last call. 0 or -errno. */
int view__read_all(struct view *v);
int view__read_new(struct view *v);

/* Reads the census as of now. The cost grows with the number of connections. 0 or -errno. */
int view__read_alive(struct view *v);

#endif
