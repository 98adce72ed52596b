/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A streaming JSON writer on top of struct str. It writes commas and quotes; the caller is responsible for
 * the nesting (asserted). Absent values are always written as null.
 *
 * The functions that write a record are inline: `trace` writes fifty keys for each record, and a call for
 * each piece of it was most of what a record cost.
 */
#ifndef SYNFIN_BASE_JSON_H
#define SYNFIN_BASE_JSON_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct json {
	struct str *out;
	unsigned int depth;
	bool comma; /* is due before the next key or element */
};

/* `out` is borrowed and appended to. */
void json__init(struct json *j, struct str *out);

/* Inside an object, before each value. `key` must be plain ASCII without quotes. */
static inline void json__key(struct json *j, const char *key)
{
	size_t len = strlen(key);
	char *to = str__room(j->out, len + strlen(",\"\":"));

	if (!to)
		return;
	*to = ',';
	to += j->comma;
	*to++ = '"';
	memcpy(to, key, len);
	memcpy(to + len, "\":", sizeof("\":"));
	j->out->len = (size_t)(to + len + strlen("\":") - j->out->buf);
	j->comma = false;
}

/* Text that is JSON already. */
static inline void json__raw(struct json *j, const char *text, size_t len)
{
	char *to = str__room(j->out, len + strlen(","));

	if (!to)
		return;
	*to = ',';
	to += j->comma;
	memcpy(to, text, len);
	to[len] = '\0';
	j->out->len += j->comma + len;
	j->comma = true;
}

static inline void json__begin_object(struct json *j)
{
	json__raw(j, "{", 1);
	j->depth++;
	j->comma = false;
}

static inline void json__begin_array(struct json *j)
{
	json__raw(j, "[", 1);
	j->depth++;
	j->comma = false;
}

static inline void json__end_object(struct json *j)
{
	assert(j->depth > 0);
	j->depth--;
	j->comma = false;
	json__raw(j, "}", 1);
}

static inline void json__end_array(struct json *j)
{
	assert(j->depth > 0);
	j->depth--;
	j->comma = false;
	json__raw(j, "]", 1);
}

static inline void json__null(struct json *j)
{
	json__raw(j, "null", strlen("null"));
}

static inline void json__bool(struct json *j, bool value)
{
	if (value)
		json__raw(j, "true", strlen("true"));
	else
		json__raw(j, "false", strlen("false"));
}

/* Two digits or more. */
void json__long_u64(struct json *j, uint64_t value);

static inline void json__u64(struct json *j, uint64_t value)
{
	if (value < 10)
		json__raw(j, (const char[]){(char)('0' + value)}, 1);
	else
		json__long_u64(j, value);
}

void json__negative(struct json *j, int64_t value);

static inline void json__i64(struct json *j, int64_t value)
{
	if (value < 0)
		json__negative(j, value);
	else
		json__u64(j, (uint64_t)value);
}

/* A number from 2^64 on is written as a double, with an exponent: other readers than ours take it for one. */
void json__u128(struct json *j, unsigned __int128 value);
/* NULL is written as null. */
void json__string(struct json *j, const char *text);
/* A name of our own, in which nothing needs an escape. NULL is written as null. */
void json__word(struct json *j, const char *word);

/* Write a key and its value. */
static inline void json__key_u64(struct json *j, const char *key, uint64_t value)
{
	json__key(j, key);
	json__u64(j, value);
}

static inline void json__key_bool(struct json *j, const char *key, bool value)
{
	json__key(j, key);
	json__bool(j, value);
}

static inline void json__key_string(struct json *j, const char *key, const char *text)
{
	json__key(j, key);
	json__string(j, text);
}

static inline void json__key_word(struct json *j, const char *key, const char *word)
{
	json__key(j, key);
	json__word(j, word);
}

/* For values whose 0 means "unknown". */
static inline void json__key_nonzero(struct json *j, const char *key, uint64_t value)
{
	json__key(j, key);
	if (value)
		json__u64(j, value);
	else
		json__null(j);
}

#endif
