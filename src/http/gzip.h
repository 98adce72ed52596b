/* SPDX-License-Identifier: GPL-2.0-only */
/* A text in its gzip form, made and read piece by piece. */
#ifndef SYNFIN_HTTP_GZIP_H
#define SYNFIN_HTTP_GZIP_H

#include <sys/types.h>

#include "base/str.h"

struct gzip;

/* Speed before size. 0 or -ENOMEM. */
int gzip__new(struct gzip **ret_gzip);
/* A pieces_fn: `ctx` is the struct gzip. 0 or -ENOMEM. */
int gzip__take(void *ctx, const char *bytes, size_t sz);
/* The gzip form of all that it took; ends it, also on failure. 0 or -ENOMEM. NULL `ret_text`: it is not wanted. */
int gzip__end(struct gzip *g, struct str *ret_text);

struct gunzip;

/* `text` is a whole gzip form, borrowed until gunzip__free(). 0 or -ENOMEM. */
int gunzip__new(const struct str *text, struct gunzip **ret_gunzip);
void gunzip__free(struct gunzip *g);
/* What comes next, at most `sz` bytes: how many, 0 at the end, or -EINVAL. */
ssize_t gunzip__read(struct gunzip *g, char *buf, size_t sz);

#endif
