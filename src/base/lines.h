/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of a descriptor, one after the other, each of a bounded length. */
#ifndef SYNFIN_BASE_LINES_H
#define SYNFIN_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* All but `fd` and `max` zero-initialised. */
struct lines {
	int fd;	    /* borrowed */
	size_t max; /* bytes of a line, without its newline */
	struct str text;
	size_t begin;	/* of the next line in the text */
	size_t scanned; /* no newline before it */
	bool is_at_end;
};

/*
 * The next line without its newline, which the last one may lack; borrowed until the next call. 1, 0 at the end, -EFBIG it is
 * longer than `max`, or -errno.
 */
int lines__next(struct lines *l, const char **ret_line, size_t *ret_len);
void lines__fini(struct lines *l);

#endif
