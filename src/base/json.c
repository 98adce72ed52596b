/* SPDX-License-Identifier: GPL-2.0-only */
/* The streaming JSON writer. */
#include "base/json.h"

void json__init(struct json *j, struct str *out)
{
	*j = (struct json){.out = out};
}

static void begin_value(struct json *j)
{
	if (j->comma)
		str__append_char(j->out, ',', 1);
	j->comma = true;
}

void json__long_u64(struct json *j, uint64_t value)
{
	begin_value(j);
	str__append_u64(j->out, value);
}

void json__u128(struct json *j, unsigned __int128 value)
{
	if (value >> 64) {
		begin_value(j);
		str__appendf(j->out, "%.16e", (double)value);
	} else {
		json__u64(j, (uint64_t)value);
	}
}

void json__negative(struct json *j, int64_t value)
{
	begin_value(j);
	str__append_char(j->out, '-', 1);
	str__append_u64(j->out, -(uint64_t)value);
}

void json__string(struct json *j, const char *text)
{
	if (!text) {
		json__null(j);
		return;
	}
	begin_value(j);
	str__append_char(j->out, '"', 1);
	str__append_json(j->out, text, strlen(text));
	str__append_char(j->out, '"', 1);
}

void json__word(struct json *j, const char *word)
{
	size_t len;
	char *to;

	if (!word) {
		json__null(j);
		return;
	}
	len = strlen(word);
	begin_value(j);
	to = str__room(j->out, len + 2);
	if (!to)
		return;
	to[0] = '"';
	memcpy(to + 1, word, len);
	memcpy(to + 1 + len, "\"", 2);
	j->out->len += len + 2;
}
