/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A growable byte buffer for building output. Appending never reports an error: when memory runs out, the
 * buffer stops growing and records the failure, and the one place that uses the text checks str__error().
 */
#ifndef SYNFIN_BASE_STR_H
#define SYNFIN_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised is empty and valid. `buf` is NUL-terminated once something was appended, else NULL. */
struct str {
	char *buf;
	size_t len;
	size_t cap;
	bool failed;
};

void str__fini(struct str *s);
/* Empty it and forget an earlier failure; the memory is kept. */
void str__reset(struct str *s);
/* 0, or -ENOMEM when anything appended since the last reset is missing. */
int str__error(const struct str *s);
/* The text, never NULL. */
const char *str__text(const struct str *s);

/* Allocates memory for `sz` more bytes and a NUL. False: this or an earlier allocation failed. */
bool str__grow(struct str *s, size_t sz);

/* Returns where to put `sz` more bytes and a NUL; the caller then adds to `len`. NULL: no memory. */
static inline char *str__room(struct str *s, size_t sz)
{
	return !s->failed && (sz < s->cap - s->len || str__grow(s, sz)) ? s->buf + s->len : NULL;
}

void str__append(struct str *s, const char *text);
void str__append_bytes(struct str *s, const void *bytes, size_t sz);
void str__append_char(struct str *s, char c, size_t cnt);
void str__append_u64(struct str *s, uint64_t value);
__attribute__((format(printf, 2, 3))) void str__appendf(struct str *s, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void str__vappendf(struct str *s, const char *fmt, va_list ap);

/*
 * Appends the contents of a JSON string, without the quotes. `"`, `\` and the characters of
 * unicode__is_control() are escaped. Each byte that is not valid UTF-8 becomes one U+FFFD.
 */
void str__append_json(struct str *s, const char *bytes, size_t sz);

/*
 * Appends valid UTF-8 without the characters of unicode__is_control(): each byte of those, and each byte that
 * is not valid UTF-8, becomes one U+FFFD.
 */
void str__append_clean(struct str *s, const char *bytes, size_t sz);

/*
 * Appends foreign bytes (for example a task name) for a terminal. Printable UTF-8 is kept. Characters that
 * could move the cursor, change colours or reorder the line, and bytes that are not UTF-8, are written as
 * \xNN for each byte. With `word`, so are blanks, and the result is one word. Returns its width on a
 * terminal, in columns.
 */
size_t str__append_safe(struct str *s, const char *bytes, size_t sz, bool word);

/* The width on a terminal, in columns, of text that is safe for one. */
size_t str__columns(const char *bytes, size_t sz);
/* How many bytes of such text fit into `columns`. An escape of str__append_safe() is never split. */
size_t str__fit(const char *bytes, size_t sz, size_t columns);

/* A duration in three significant digits and the unit that fits: 850ns 1.02us 45.1ms 3.00s 7201s. */
void str__append_duration(struct str *s, uint64_t ns);

/*
 * Writes the whole text to `fd`, waiting if the descriptor does not block, and empties the buffer. 0; -errno
 * (EPIPE, ENOSPC, ...) when it could not be written; -ENOMEM when the text is incomplete.
 */
int str__write(struct str *s, int fd);

#endif
