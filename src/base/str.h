/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A growable byte buffer for building output. Appending never reports an error: when memory runs out the
 * buffer stops growing and remembers it, and the one place that uses the text asks str__error().
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

/* Gets more memory for `sz` bytes and a NUL. False: there is none, now or before. */
bool str__grow(struct str *s, size_t sz);

/* Where `sz` more bytes and a NUL go, for who then adds to `len` himself; NULL: no memory. */
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
 * The inside of a JSON string, without the quotes: `"`, `\` and what unicode__is_control() names are escaped, bytes that
 * are not valid UTF-8 become U+FFFD, one for each.
 */
void str__append_json(struct str *s, const char *bytes, size_t sz);

/* Valid UTF-8 without what unicode__is_control() names: every byte of that becomes U+FFFD. */
void str__append_clean(struct str *s, const char *bytes, size_t sz);

/*
 * Foreign bytes (a task name, say) for a terminal: printable UTF-8 passes, everything that could move the
 * cursor, change colours or reorder the line, and all that is not UTF-8, becomes \xNN for each byte. With
 * `word` so do blanks, so that the result is one word. Returns the columns that it takes on a terminal.
 */
size_t str__append_safe(struct str *s, const char *bytes, size_t sz, bool word);

/* The columns that text which is safe for a terminal takes there. */
size_t str__columns(const char *bytes, size_t sz);
/* How many bytes of it fit into so many columns; an escape of str__append_safe() is whole or left out. */
size_t str__fit(const char *bytes, size_t sz, size_t columns);

/* A duration in three significant digits and the unit that fits: 850ns 1.02us 45.1ms 3.00s 7201s. */
void str__append_duration(struct str *s, uint64_t ns);

/*
 * Write all of it to `fd`, waiting if the descriptor does not block, and empty the buffer.
 * -errno (EPIPE, ENOSPC, ...) when it could not be written, -ENOMEM when it is not complete.
 */
int str__write(struct str *s, int fd);

#endif
