/* SPDX-License-Identifier: GPL-2.0-only */
/* The streaming JSON writer. */
#include "base/json.h"

#include <assert.h>
#include <string.h>

void json__init(struct json *j, struct str *out)
{
	*j = (struct json){.out = out};
}

static void begin_value(struct json *j)
{
	if (!j->after_key && j->comma & 1U << j->depth)
		str__append_char(j->out, ',', 1);
	j->comma |= 1U << j->depth;
	j->after_key = false;
}

static void open_level(struct json *j, char bracket)
{
	begin_value(j);
	str__append_char(j->out, bracket, 1);
	assert(j->depth < JSON_MAX_DEPTH);
	j->depth++;
	j->comma &= ~(1U << j->depth);
}

static void close_level(struct json *j, char bracket)
{
	assert(j->depth > 0 && !j->after_key);
	j->depth--;
	str__append_char(j->out, bracket, 1);
}

void json__begin_object(struct json *j)
{
	open_level(j, '{');
}

void json__end_object(struct json *j)
{
	close_level(j, '}');
}

void json__begin_array(struct json *j)
{
	open_level(j, '[');
}

void json__end_array(struct json *j)
{
	close_level(j, ']');
}

void json__key_of(struct json *j, const char *key, size_t len)
{
	assert(!j->after_key);
	str__append_key(j->out, j->comma & 1U << j->depth, key, len);
	j->comma |= 1U << j->depth;
	j->after_key = true;
}

void json__u64(struct json *j, uint64_t value)
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

void json__i64(struct json *j, int64_t value)
{
	begin_value(j);
	if (value < 0)
		str__append_char(j->out, '-', 1);
	str__append_u64(j->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json__bool(struct json *j, bool value)
{
	begin_value(j);
	str__append_bytes(j->out, value ? "true" : "false", value ? 4 : 5);
}

void json__null(struct json *j)
{
	begin_value(j);
	str__append_bytes(j->out, "null", 4);
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
