/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms that show what an interval brought; nobody outside src/out/ includes this. */
#ifndef SYNFIN_OUT_INTERVAL_H
#define SYNFIN_OUT_INTERVAL_H

#include "out/out.h"
#include "out/report.h"

/* As out__new_histtext(); `render` appends what it shows. `term` is copied; NULL: it does not matter. */
int interval_out__new(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, const struct term *term,
		      void (*render)(struct str *s, const struct report *r), struct out **ret_out);

#endif
