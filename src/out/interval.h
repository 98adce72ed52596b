/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms that show what an interval has added; no file outside src/out/ includes this. */
#ifndef SYNFIN_OUT_INTERVAL_H
#define SYNFIN_OUT_INTERVAL_H

#include "out/out.h"
#include "out/report.h"

/* Like out__new_histtext(); `render` appends text. `term` is copied; NULL: the terminal does not matter. */
int interval_out__new(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, const struct term *term,
		      void (*render)(struct str *s, const struct report *r), struct out **ret_out);

#endif
