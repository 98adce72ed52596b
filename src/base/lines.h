/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a descriptor line by line. The length of a line is bounded. */
#ifndef SYNFIN_BASE_LINES_H
#define SYNFIN_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* `fd` and `max` are set by the caller, the rest is zero-initialised. */
struct lines {
	int fd;	    /* borrowed */
	size_t max; /* bytes in a line, without its newline */
	struct str text;
	size_t begin;	/* of the next line, in `text` */
	size_t scanned; /* there is no newline between `begin` and here */
	bool is_at_end;
};

/*
 * Returns the next line without its newline; the last line may lack one. The line is borrowed until the next
 * call. 1; 0 at the end; -EFBIG it is longer than `max`; or -errno.
 */
int lines__next(struct lines *l, const char **ret_line, size_t *ret_len);
void lines__fini(struct lines *l);

#endif
