/* SPDX-License-Identifier: GPL-2.0-only */
/* Asked of the descriptor and of the environment; no terminal database. */
#include "base/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int term__parse_color(const char *text, enum term_color *ret_color)
{
	static const char *const words[] = {"auto", "always", "never"};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			*ret_color = i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool wants_color(bool is_terminal)
{
	const char *refused = getenv("NO_COLOR"), *type = getenv("TERM");

	return is_terminal && !(refused && refused[0]) && !(type && !strcmp(type, "dumb"));
}

/* The first of these that is set decides, as for setlocale(), which a static build cannot rely on. */
static bool shows_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *locale = getenv(names[i]);

		if (locale && locale[0])
			return strcasestr(locale, "UTF-8") || strcasestr(locale, "UTF8");
	}
	return false;
}

bool term__update_size(int fd, struct term *term)
{
	struct winsize size;
	struct term before = *term;

	/* A serial line does not know its size: 0. */
	if (ioctl(fd, TIOCGWINSZ, &size))
		return false;
	term->columns = size.ws_col ? size.ws_col : 80;
	term->rows = size.ws_row ? size.ws_row : 24;
	return term->columns != before.columns || term->rows != before.rows;
}

void term__probe(int fd, enum term_color color, struct term *ret_term)
{
	bool is_terminal = isatty(fd);

	*ret_term = (struct term){
		.has_color =
			color == TERM_COLOR_ALWAYS || (color == TERM_COLOR_AUTO && wants_color(is_terminal)),
		.has_utf8 = shows_utf8(),
	};
	if (is_terminal)
		(void)term__update_size(fd, ret_term);
}
