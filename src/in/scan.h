/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cuts JSON into pieces without building anything of it: the members of one object, the elements of one array. What is in a
 * piece is checked by whoever parses it; here only brackets, strings and what lies between pieces count.
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
	const char *at; /* where it stands, which is where a mistake is */
	const char *end;
	char close; /* the bracket that ends it */
	int is_first;
};

/* `open` is { or [. What follows give 1 for a piece, 0 at the end; or -EINVAL, -ENODATA the text ends too early, -E2BIG too deep. */
int scan__begin(struct scan *s, const char *text, size_t len, char open);
/* The name with its quotes. */
int scan__member(struct scan *s, struct piece *ret_name, struct piece *ret_value);
int scan__element(struct scan *s, struct piece *ret_value);

#endif
