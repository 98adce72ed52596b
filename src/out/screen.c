/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nothing is lost to a narrow terminal without a sign: columns are left out in a fixed order, a long name is cut with
 * a `+`, and what does not fit into the line goes on in the next one.
 */
#include <string.h>

#include "out/line.h"

/* A column is shown in this order, all but the last at a place of its own. */
static const enum column shown[] = {COL_TIME,  COL_EVENT, COL_ROLE,    COL_PID, COL_COMM,
				    COL_LADDR, COL_RADDR, COL_OUTCOME, COL_TOOK};
#define SHOWN_CNT (sizeof(shown) / sizeof(shown[0]))

#define LEAST_ROWS 6 /* a smaller window would show little but headers */
#define PORT_WIDTH 5 /* COL_LADDR of that width shows the port alone */

/* Until the line fits: the time to ms, names cut, the own address, the role, the PID left out, the time to s. */
static const struct {
	enum column col;
	size_t width;
} savings[] = {{COL_TIME, 12}, {COL_COMM, 10}, {COL_LADDR, PORT_WIDTH}, {COL_ROLE, 0}, {COL_PID, 0},
	       {COL_TIME, 8},  {COL_COMM, 9}};
#define SAVING_CNT (sizeof(savings) / sizeof(savings[0]))

static size_t line_width(const struct screen *screen)
{
	size_t sum = 0;

	for (size_t i = 0; i < SHOWN_CNT; i++)
		sum += screen->width[shown[i]] ? screen->width[shown[i]] + 1 : 0;
	return sum - 1;
}

/* Sets the widths as if there were room for all. */
static void set_full_widths(struct screen *screen)
{
	static const size_t full[COL_CNT] = {
		[COL_TIME] = 15, [COL_EVENT] = 6,    [COL_ROLE] = 6, [COL_PID] = 7,
		[COL_COMM] = 15, [COL_OUTCOME] = 11, [COL_TOOK] = 7,
	};

	memcpy(screen->width, full, sizeof(full));
	screen->width[COL_LADDR] = screen->width[COL_RADDR] = screen->endpoint_width;
}

/* `mask` has a bit for each saving that is applied. */
static bool fits(struct screen *screen, unsigned int mask)
{
	set_full_widths(screen);
	for (size_t i = 0; i < SAVING_CNT; i++) {
		if (mask & 1U << i)
			screen->width[savings[i].col] = savings[i].width;
	}
	return line_width(screen) <= screen->term.columns;
}

/* As few savings as will do; the later ones may have made room for what the first ones left out. */
static void choose_widths(struct screen *screen)
{
	unsigned int mask = 0;

	for (size_t i = 0; i < SAVING_CNT && !fits(screen, mask); i++)
		mask |= 1U << i;
	for (size_t i = 0; i < SAVING_CNT; i++) {
		if (fits(screen, mask & ~(1U << i)))
			mask &= ~(1U << i);
	}
	fits(screen, mask);
}

/* The text of a line while it is laid out. */
struct pen {
	struct str *s;
	const struct screen *screen;
	size_t at;    /* the column where the next character goes */
	size_t start; /* where the next cell of the header's order begins */
	unsigned int rows;
};

static void go_to(struct pen *pen, size_t column)
{
	if (column > pen->at) {
		str__append_char(pen->s, ' ', column - pen->at);
		pen->at = column;
	}
}

/* Place for a word of so many columns at `column` or behind what is there already; in a new line where it does not fit. */
static void make_room(struct pen *pen, size_t column, size_t columns)
{
	size_t at = pen->at && pen->at + 1 > column ? pen->at + 1 : column,
	       indent = pen->screen->width[COL_TIME] + 1;

	if (at + columns > pen->screen->term.columns && pen->at > indent) {
		str__append_char(pen->s, '\n', 1);
		pen->at = 0;
		pen->rows++;
		pen->start = at = indent;
	}
	go_to(pen, at);
}

/* What stands above a column. */
static const char *head_of(const struct screen *screen, enum column col)
{
	static const char *const heads[COL_CNT] = {
		[COL_TIME] = "TIME(UTC)", [COL_EVENT] = "EVENT",     [COL_ROLE] = "ROLE",
		[COL_PID] = "PID",	  [COL_COMM] = "COMM",	     [COL_LADDR] = "LOCAL",
		[COL_RADDR] = "REMOTE",	  [COL_OUTCOME] = "OUTCOME", [COL_TOOK] = "TOOK",
	};

	if (col == COL_LADDR && screen->width[col] == PORT_WIDTH)
		return "LPORT";
	return strlen(heads[col]) > screen->width[col] ? "TIME" : heads[col];
}

/* Where the line is broken all lines are, the header among them: by the widths of the columns, not of what is in them. */
static size_t room_for(const struct pen *pen, enum column col, size_t columns)
{
	bool is_broken = line_width(pen->screen) > pen->screen->term.columns;

	return is_broken && columns < pen->screen->width[col] ? pen->screen->width[col] : columns;
}

static void put_cell(struct pen *pen, enum column col, struct cell cell, enum ink ink)
{
	size_t columns = str__columns(cell.at, cell.len);

	make_room(pen, pen->start, room_for(pen, col, columns));
	cell__put(pen->s, cell, ink, pen->screen->term.has_color);
	pen->at += columns;
	pen->start += pen->screen->width[col] + 1;
}

/* Cut to the width of its column. */
static void put_name(struct pen *pen, enum column col, struct cell cell)
{
	size_t width = pen->screen->width[col];
	struct str cut = {0};

	if (str__columns(cell.at, cell.len) > width) {
		str__append_bytes(&cut, cell.at, str__fit(cell.at, cell.len, width - 1));
		str__append_char(&cut, '+', 1);
		cell = (struct cell){.at = str__text(&cut), .len = cut.len};
	}
	put_cell(pen, col, cell, INK_PLAIN);
	pen->s->failed |= cut.failed;
	str__fini(&cut);
}

/* 192.0.2.1:443 [2001:db8::1]:443 */
static void append_endpoint(struct str *s, struct cell addr, struct cell port)
{
	bool is_v6 = memchr(addr.at, ':', addr.len);

	if (cell__is_unknown(addr) && !cell__is_unknown(port))
		addr.at = "*";
	str__append(s, is_v6 ? "[" : "");
	str__append_bytes(s, addr.at, addr.len);
	str__append(s, is_v6 ? "]" : "");
	if (cell__is_unknown(port))
		return;
	str__append_char(s, ':', 1);
	str__append_bytes(s, port.at, port.len);
}

static void put_endpoint(struct pen *pen, enum column col, const struct line *line)
{
	struct cell addr = line__cell(line, col), port = line__cell(line, col + 1);
	struct str text = {0};

	if (pen->screen->width[col] == PORT_WIDTH) {
		put_cell(pen, col, port, INK_PLAIN);
		return;
	}
	append_endpoint(&text, addr, port);
	put_cell(pen, col, (struct cell){.at = str__text(&text), .len = text.len}, INK_PLAIN);
	pen->s->failed |= text.failed;
	str__fini(&text);
}

static void put_words(struct pen *pen, struct cell cell)
{
	size_t len, i;

	for (i = 0; i < cell.len && !cell__is_unknown(cell); i += len + 1) {
		const char *word = cell.at + i, *blank = memchr(word, ' ', cell.len - i);
		size_t columns;

		len = blank ? (size_t)(blank - word) : cell.len - i;
		columns = str__columns(word, len);
		make_room(pen, pen->start, columns);
		str__append_bytes(pen->s, word, len);
		pen->at += columns;
		pen->start = 0;
	}
}

static void put_column(struct pen *pen, const struct line *line, enum column col)
{
	struct cell cell = line__cell(line, col);

	if (!pen->screen->width[col])
		return;
	if (col == COL_TIME && cell.len > pen->screen->width[col])
		cell.len = pen->screen->width[col];
	if (col == COL_LADDR || col == COL_RADDR)
		put_endpoint(pen, col, line);
	else if (col == COL_COMM)
		put_name(pen, col, cell);
	else
		put_cell(pen, col, cell, line->alarm == col ? INK_ALARM : INK_PLAIN);
}

/* The columns of the longer of the two ends. */
static size_t endpoint_width(const struct line *line)
{
	static const enum column addrs[] = {COL_LADDR, COL_RADDR};
	size_t most = 0;

	for (unsigned int i = 0; i < 2; i++) {
		struct str text = {0};

		append_endpoint(&text, line__cell(line, addrs[i]), line__cell(line, addrs[i] + 1));
		most = text.len > most ? text.len : most;
		str__fini(&text);
	}
	return most;
}

/* In steps, so that the columns do not change with each address. */
static void set_endpoint_width(struct screen *screen, size_t need)
{
	static const size_t steps[] = {21, 28, 47};

	screen->endpoint_width = need <= steps[0] ? steps[0] : need <= steps[1] ? steps[1] : steps[2];
	choose_widths(screen);
}

/* With its header where one is due: a line takes two rows or three, and the last row is the cursor's. */
static void begin_line(struct screen *screen, struct str *s, const struct line *line)
{
	size_t need = endpoint_width(line);
	bool is_full =
		screen->rows + 3 > screen->term.rows && screen->rows > 1 && screen->term.rows > LEAST_ROWS;

	if (need > screen->longest_end)
		screen->longest_end = need;
	if (!is_full && need <= screen->endpoint_width)
		return;
	set_endpoint_width(screen, screen->longest_end);
	screen__put_header(screen, s);
	if (is_full)
		screen->longest_end = need;
}

void screen__init(struct screen *screen, const struct term *term)
{
	*screen = (struct screen){.term = *term};
	set_endpoint_width(screen, 0);
}

void screen__put_header(struct screen *screen, struct str *s)
{
	struct pen pen = {.s = s, .screen = screen};

	for (size_t i = 0; i < SHOWN_CNT; i++) {
		const char *head = head_of(screen, shown[i]);

		if (screen->width[shown[i]])
			put_cell(&pen, shown[i], (struct cell){.at = head, .len = strlen(head)}, INK_HEAD);
	}
	str__append_char(s, '\n', 1);
	screen->rows = 1 + pen.rows;
}

void screen__update(struct screen *screen, struct str *s, int fd)
{
	if (!term__update_size(fd, &screen->term))
		return;
	choose_widths(screen);
	screen__put_header(screen, s);
}

void screen__put_line(struct screen *screen, struct str *s, const struct line *line)
{
	struct pen pen = {.s = s, .screen = screen, .rows = 1};

	begin_line(screen, s, line);
	for (size_t i = 0; i < SHOWN_CNT; i++)
		put_column(&pen, line, shown[i]);
	put_words(&pen, line__cell(line, COL_DETAIL));
	str__append_char(s, '\n', 1);
	screen->rows += pen.rows;
}
