/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hands on a text piece by piece while it is written, so that a long text never lies in memory whole. The
 * writer appends to `text` and calls pieces__pass() now and then.
 */
#ifndef SYNFIN_BASE_PIECES_H
#define SYNFIN_BASE_PIECES_H

#include <stddef.h>

#include "base/str.h"

/* Takes these bytes. 0 or -errno. */
typedef int pieces_fn(void *ctx, const char *bytes, size_t sz);

/* The caller sets `take` and `ctx`, leaves the rest zero, and calls pieces__fini() in the end. */
struct pieces {
	pieces_fn *take;
	void *ctx;
	struct str text; /* not handed on yet */
	size_t done;	 /* bytes that have been handed on */
	int err;	 /* 0, or the first error; `take` is not called after it */
};

/* Hands on the text if it is long enough for a piece. */
void pieces__pass(struct pieces *p);
/* Hands on the rest. 0, or -errno, and a part of the text was not handed on. */
int pieces__end(struct pieces *p);
void pieces__fini(struct pieces *p);

static inline size_t pieces__len(const struct pieces *p)
{
	return p->done + p->text.len;
}

#endif
