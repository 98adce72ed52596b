/* SPDX-License-Identifier: GPL-2.0-only */
/* Compresses and decompresses gzip piece by piece. */
#ifndef SYNFIN_HTTP_GZIP_H
#define SYNFIN_HTTP_GZIP_H

#include <sys/types.h>

#include "base/str.h"

struct gzip;

/* Prefers speed to size. 0 or -ENOMEM. */
int gzip__new(struct gzip **ret_gzip);
/* A pieces_fn: `ctx` is the struct gzip. 0 or -ENOMEM. */
int gzip__take(void *ctx, const char *bytes, size_t sz);
/*
 * Returns the compressed form of all bytes that were added, unless `ret_text` is NULL. Frees `g`, also on
 * failure. 0 or -ENOMEM.
 */
int gzip__end(struct gzip *g, struct str *ret_text);

struct gunzip;

/* `text` is complete gzip data, borrowed until gunzip__free(). 0 or -ENOMEM. */
int gunzip__new(const struct str *text, struct gunzip **ret_gunzip);
void gunzip__free(struct gunzip *g);
/* Reads at most `sz` bytes. Returns how many, 0 at the end, or -EINVAL. */
ssize_t gunzip__read(struct gunzip *g, char *buf, size_t sz);

#endif
