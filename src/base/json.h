/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A streaming JSON writer on top of struct str. It owns commas and quoting; the caller owns the nesting
 * (asserted). Absent values are written as null, never left to the caller's taste.
 */
#ifndef SYNFIN_BASE_JSON_H
#define SYNFIN_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define JSON_MAX_DEPTH 31

struct json {
	struct str *out;
	unsigned int depth;
	uint32_t comma; /* bit n: level n has a member already */
	bool after_key; /* the next value belongs to a key */
};

/* `out` is borrowed and appended to. */
void json__init(struct json *j, struct str *out);

void json__begin_object(struct json *j);
void json__end_object(struct json *j);
void json__begin_array(struct json *j);
void json__end_array(struct json *j);

void json__key_of(struct json *j, const char *key, size_t len);

/* Inside an object, before each value. `key` must be plain ASCII without quotes. Inline, for most keys are literals. */
static inline void json__key(struct json *j, const char *key)
{
	json__key_of(j, key, strlen(key));
}

void json__u64(struct json *j, uint64_t value);
void json__i64(struct json *j, int64_t value);
/* A number that other readers than ours take for a double from 2^64 on: it is written as one, with an exponent. */
void json__u128(struct json *j, unsigned __int128 value);
void json__bool(struct json *j, bool value);
void json__null(struct json *j);
/* NULL is written as null. */
void json__string(struct json *j, const char *text);

/* Key and value in one. */
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
