/* SPDX-License-Identifier: GPL-2.0-only */
/* A record as the cells of a line, and the two ways to lay it out; only for table.c and screen.c. */
#ifndef SYNFIN_OUT_LINE_H
#define SYNFIN_OUT_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/term.h"

enum column {
	COL_TIME,
	COL_EVENT,
	COL_ROLE,
	COL_PID,
	COL_COMM,
	COL_LADDR,
	COL_LPORT,
	COL_RADDR,
	COL_RPORT,
	COL_OUTCOME,
	COL_TOOK,
	COL_DETAIL,
	COL_CNT
};

struct line {
	struct str text;     /* the cells, one after the other, nothing between them */
	size_t end[COL_CNT]; /* of each cell in `text` */
	enum column alarm;   /* the cell that shows a failure; COL_CNT: none */
};

struct cell {
	const char *at;
	size_t len;
};

struct cell line__cell(const struct line *line, enum column col);
/* "-": not known. */
bool cell__is_unknown(struct cell cell);

/* How a cell is shown: SGR of a terminal. */
enum ink { INK_PLAIN, INK_ALARM, INK_HEAD };

/* Appends a cell, in this ink if there are colours. */
void cell__put(struct str *s, struct cell cell, enum ink ink, bool has_color);

/*
 * The layout for a terminal: an address and its port in one column, as many columns as there is room for, and
 * the details wrapped at words. The header is repeated after each screenful and when the columns change.
 */
struct screen {
	struct term term;
	size_t endpoint_width; /* of an address with its port */
	size_t longest_end;    /* the longest since the last screenful */
	size_t width[COL_CNT]; /* 0: not shown; COL_LADDR and COL_RADDR stand for address and port */
	unsigned int rows;     /* since the last header */
};

void screen__init(struct screen *screen, const struct term *term);
/* Append the header. */
void screen__put_header(struct screen *screen, struct str *s);
/* Asks `fd` for the size of the terminal, which may have changed. */
void screen__update(struct screen *screen, struct str *s, int fd);
/* Append a line. */
void screen__put_line(struct screen *screen, struct str *s, const struct line *line);

#endif
