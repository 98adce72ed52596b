/* SPDX-License-Identifier: GPL-2.0-only */
/* What was read and not yet given out lies at the front of the text before more is read. */
#include "base/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int read_more(struct lines *l)
{
	char part[1 << 16];
	ssize_t n;

	if (l->begin) {
		l->text.len -= l->begin;
		memmove(l->text.buf, l->text.buf + l->begin, l->text.len);
		l->begin = 0;
	}
	l->scanned = l->text.len;
	do
		n = read(l->fd, part, sizeof(part));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	l->is_at_end = !n;
	str__append_bytes(&l->text, part, (size_t)n);
	return str__error(&l->text);
}

/* NULL: the line goes on. */
static const char *find_end(const struct lines *l)
{
	const char *text = str__text(&l->text);
	const char *end = memchr(text + l->scanned, '\n', l->text.len - l->scanned);

	return end || !l->is_at_end || l->begin == l->text.len ? end : text + l->text.len;
}

int lines__next(struct lines *l, const char **ret_line, size_t *ret_len)
{
	const char *end;
	size_t len;
	int err = 0;

	while (!(end = find_end(l))) {
		if (l->is_at_end)
			return 0;
		if (l->text.len - l->begin > l->max)
			return -EFBIG;
		err = read_more(l);
		if (err)
			return err;
	}
	*ret_line = str__text(&l->text) + l->begin;
	len = (size_t)(end - *ret_line);
	if (len > l->max)
		return -EFBIG;
	*ret_len = len;
	l->begin += len;
	if (l->begin < l->text.len)
		l->begin++;
	l->scanned = l->begin;
	return 1;
}

void lines__fini(struct lines *l)
{
	str__fini(&l->text);
}
