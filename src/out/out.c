/* SPDX-License-Identifier: GPL-2.0-only */
/* Dispatch, buffering and the one place that writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "out/impl.h"

/* A batch of the ring buffer is written at once; an endless batch is not let grow without bounds. */
#define FLUSH_SZ (256 << 10)

static size_t count_lines(const char *text, size_t sz)
{
	size_t cnt = 0;

	for (size_t i = 0; i < sz; i++)
		cnt += text[i] == '\n';
	return cnt;
}

int out__flush(struct out *o)
{
	const struct str *text = &o->text;
	size_t done = 0;

	if (o->err)
		return o->err;
	o->err = str__error(text);
	if (!o->err && text->len)
		o->err = write__all(o->fd, text->buf, text->len, &o->watch, &done);
	if (o->err == -ECANCELED)
		o->unwritten = count_lines(text->buf + done, text->len - done);
	str__reset(&o->text);
	return o->err;
}

void out__set_watch(struct out *o, const struct write_watch *watch)
{
	o->watch = *watch;
}

size_t out__unwritten(const struct out *o)
{
	return o->unwritten;
}

int out__error(const struct out *o)
{
	return o->err;
}

static int flush_if_full(struct out *o)
{
	return o->text.len >= FLUSH_SZ ? out__flush(o) : o->err;
}

int out__record(struct out *o, const struct record *rec)
{
	int err = o->err;

	if (!err && o->ops->record)
		err = o->ops->record(o, rec);
	return err ? err : flush_if_full(o);
}

int out__lost(struct out *o, uint64_t mono_ns, const struct losses *delta)
{
	uint64_t any = 0;
	unsigned int i;

	for (i = 0; i < __SF_LOST_MAX; i++)
		any |= delta->lost[i];
	if (!o->err && any && o->ops->lost)
		o->ops->lost(o, mono_ns, delta);
	return flush_if_full(o);
}

int out__tick(struct out *o, uint64_t mono_ns)
{
	int err = !o->err && o->ops->tick ? o->ops->tick(o, mono_ns) : 0;

	return err ? err : out__flush(o);
}

void out__free(struct out *o)
{
	if (!o)
		return;
	if (o->ops->fini)
		o->ops->fini(o);
	str__fini(&o->text);
	free(o);
}

/* Without quotes nothing in the value can look like the next field. */
static bool is_plain(struct by_value value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (strchr(" =\"\\", value.at[i]))
			return false;
	}
	return true;
}

static void append_value(struct str *s, struct by_value value)
{
	if (is_plain(value)) {
		str__append_bytes(s, value.at, value.len);
		return;
	}
	str__append_char(s, '"', 1);
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] == '"' || value.at[i] == '\\')
			str__append_char(s, '\\', 1);
		str__append_char(s, value.at[i], 1);
	}
	str__append_char(s, '"', 1);
}

void out__append_key(struct str *s, const struct by *by, const char *key)
{
	for (unsigned int i = 0; i < by->cnt; i++) {
		str__appendf(s, "%s%s=", i ? " " : "", by__name(by->fields[i]));
		append_value(s, by__value(key, i));
	}
}

static const char *word_or_number(const char *word, const char *kind, int value, char buf[OUT_WORD_SZ])
{
	if (word)
		return word;
	snprintf(buf, OUT_WORD_SZ, "%s_%d", kind, value);
	return buf;
}

const char *out__error_word(int error, char buf[OUT_WORD_SZ])
{
	return error ? word_or_number(names__errno(error), "errno", error, buf) : NULL;
}

const char *out__reason_word(int rst_reason, char buf[OUT_WORD_SZ])
{
	return rst_reason >= 0 ? word_or_number(names__rst_reason(rst_reason), "reason", rst_reason, buf)
			       : NULL;
}
