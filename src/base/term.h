/* SPDX-License-Identifier: GPL-2.0-only */
/* Properties of the terminal that text is written to. */
#ifndef SYNFIN_BASE_TERM_H
#define SYNFIN_BASE_TERM_H

#include <stdbool.h>

enum term_color { TERM_COLOR_AUTO, TERM_COLOR_ALWAYS, TERM_COLOR_NEVER };

struct term {
	unsigned int columns; /* 0: not a terminal */
	unsigned int rows;
	bool has_color; /* colours may be written; also set where it is not a terminal */
	bool has_utf8;	/* the locale says that it shows UTF-8 */
};

/* "auto", "always" or "never". 0 or -EINVAL. */
int term__parse_color(const char *text, enum term_color *ret_color);

/* TERM_COLOR_AUTO: colours on a terminal, unless NO_COLOR is set or TERM is dumb. */
void term__probe(int fd, enum term_color color, struct term *ret_term);

/* Reads the size again. Returns true if it has changed. */
bool term__update_size(int fd, struct term *term);

#endif
