/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields by which histograms are kept apart (--by), and the key that a record has for them: one text,
 * its values in order with BY_SEPARATOR between them. A value is valid UTF-8 without control characters, so
 * that no value holds a separator and no two keys look the same once written.
 */
#ifndef SYNFIN_MODEL_BY_H
#define SYNFIN_MODEL_BY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/parse.h"
#include "base/str.h"
#include "model/record.h"

#define BY_SEPARATOR '\x1f'

enum by_field { BY_COMM, BY_PID, BY_LPORT, BY_RPORT, BY_RADDR, BY_NETNS, BY_ROLE, __BY_MAX };

/* Zero-initialised: not kept apart, every key is "". */
struct by {
	enum by_field fields[__BY_MAX];
	unsigned int cnt;
};

/* "comm,rport", appended; a field that is there already is refused. 0 or -EINVAL. */
int by__parse(const char *what, const char *text, struct by *by, struct parse_error *err);
/* 0 or -EINVAL. */
int by__find(const char *name, enum by_field *ret_field);
const char *by__name(enum by_field field);

/* Append the key of a record. What is not known is "unknown". */
void by__append_key(const struct by *by, const struct record *rec, struct str *key);
/* Append the key made of these values. */
void by__append_values(const struct by *by, const char *const values[__BY_MAX], struct str *key);

/* A part of a key; not NUL-terminated. */
struct by_value {
	const char *at;
	size_t len;
};

/* The value of field number `i` of by->fields in a key. */
struct by_value by__value(const char *key, unsigned int i);

#endif
