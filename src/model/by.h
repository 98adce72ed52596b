/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields by which histograms are kept apart (--by), and the key of a set. A key is one text: the values
 * of these fields in order, separated by BY_SEPARATOR. A value is valid UTF-8 without control characters, so
 * no value contains a separator, and no two keys look the same once written.
 */
#ifndef SYNFIN_MODEL_BY_H
#define SYNFIN_MODEL_BY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/str.h"
#include "slots.h"

#define BY_SEPARATOR '\x1f'

/* Zero-initialised: nothing is kept apart, and every key is "". */
struct by {
	enum by_field fields[__BY_MAX];
	unsigned int cnt;
};

/* Appends fields such as "comm,service"; a field that is already there is rejected. 0 or -EINVAL. */
int by__parse(const char *what, const char *text, struct by *by, struct parse_error *err);
/* Finds a field by its name. 0 or -EINVAL. */
int by__find(const char *name, enum by_field *ret_field);
const char *by__name(enum by_field field);

/* As bits 1 << enum by_field. */
uint32_t by__mask(const struct by *by);

/* The key of a set as the kernel side has it, and the part of it that only user space knows. */
struct by_set {
	struct sf_set_key key;
	const char *cgroup; /* path of key.cgroup_id; NULL: not known */
};

/* Append the key of a set. A value that is not known is written as "unknown". */
void by__append_key(const struct by *by, const struct by_set *set, struct str *key);
/* Append the key made of these values. */
void by__append_values(const struct by *by, const char *const values[__BY_MAX], struct str *key);

/* A part of a key; not NUL-terminated. */
struct by_value {
	const char *at;
	size_t len;
};

/* The value of by->fields[i] in a key. */
struct by_value by__value(const char *key, unsigned int i);

#endif
