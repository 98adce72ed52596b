/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cuts JSON into pieces, which are the members of one object or the elements of one array, without building
 * any objects. Only brackets, strings and the text between pieces are examined here; the parser of a piece
 * checks its contents.
 */
#ifndef SYNFIN_IN_SCAN_H
#define SYNFIN_IN_SCAN_H

#include <stddef.h>

#define SCAN_MAX_DEPTH 16 /* of brackets in a piece */

/* Bytes of the text. */
struct piece {
	const char *at;
	size_t len;
};

struct scan {
	const char *at; /* the current position; after an error, where the error is */
	const char *end;
	char close; /* the bracket that ends it */
	int is_first;
};

/*
 * `open` is { or [. 0, or an error as below.
 *
 * The functions after it return 1 for a piece, 0 at the end, or an error: -EINVAL; -ENODATA the text ends too
 * early; -E2BIG it is nested too deeply.
 */
int scan__begin(struct scan *s, const char *text, size_t len, char open);
/* *ret_name includes the quotes. */
int scan__member(struct scan *s, struct piece *ret_name, struct piece *ret_value);
int scan__element(struct scan *s, struct piece *ret_value);

#endif
