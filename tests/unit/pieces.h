/* SPDX-License-Identifier: GPL-2.0-only */
/* Pieces that are put together again. */
#ifndef SYNFIN_TESTS_PIECES_H
#define SYNFIN_TESTS_PIECES_H

#include "base/pieces.h"

static int take(void *ctx, const char *bytes, size_t sz)
{
	str__append_bytes(ctx, bytes, sz);
	return str__error(ctx);
}

#endif
