/* SPDX-License-Identifier: GPL-2.0-only */
/* What an output that shows sums has read of its source; shared by the forms, nobody outside src/out/ includes this. */
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
	struct sums *before; /* of view__read_new() */
	struct losses lost_before;
};

/* 0 or -ENOMEM; then too view__fini() is to be called. */
int view__init(struct view *v, const struct out_source *source, size_t max_sets, const struct by *by);
void view__fini(struct view *v);

/* The series and the losses as of now: of all time, or of what came since the last call. 0 or -errno. */
int view__read_all(struct view *v);
int view__read_new(struct view *v);

/* The census as of now. The cost grows with the connections that there are. 0 or -errno. */
int view__read_alive(struct view *v);

#endif
