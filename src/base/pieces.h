/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A text that is handed on piece by piece while it is written, so that a long one never lies in memory whole. Whoever writes
 * appends to `text` and calls pieces__pass() now and then.
 */
#ifndef SYNFIN_BASE_PIECES_H
#define SYNFIN_BASE_PIECES_H

#include <stddef.h>

#include "base/str.h"

/* Takes these bytes. 0 or -errno. */
typedef int pieces_fn(void *ctx, const char *bytes, size_t sz);

/* `take` and `ctx` are set, the rest is zero; pieces__fini() in the end. */
struct pieces {
	pieces_fn *take;
	void *ctx;
	struct str text; /* what has not been handed on */
	size_t done;	 /* bytes that were */
	int err;	 /* of `take`, which is not called any more then */
};

/* Hands on what there is, if it is enough for a piece. */
void pieces__pass(struct pieces *p);
/* Hands on the rest. 0, or -errno and what was handed on is not all. */
int pieces__end(struct pieces *p);
void pieces__fini(struct pieces *p);

static inline size_t pieces__len(const struct pieces *p)
{
	return p->done + p->text.len;
}

#endif
