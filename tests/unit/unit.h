/* SPDX-License-Identifier: GPL-2.0-only */
/* What the unit tests share: cmocka with what it needs before it, and a checker that knows JSON and nothing
 * else. */
#ifndef SYNFIN_TESTS_UNIT_H
#define SYNFIN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Past one value; NULL when it is not JSON. Strings may hold any byte that needs no escape. */
static inline const char *skip_json(const char *p, int depth);

static inline const char *skip_json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			if (strspn(p + 1, "0123456789abcdef") < 4)
				return NULL;
			p += 4;
		} else if (!*p || !strchr("\"\\/bfnrt", *p)) {
			return NULL;
		}
	}
	return p + 1;
}

static inline const char *skip_json_members(const char *p, char end, int depth)
{
	p++;
	if (*p == end)
		return p + 1;
	for (;; p++) {
		if (end == '}') {
			p = skip_json_string(p);
			if (!p || *p++ != ':')
				return NULL;
		}
		p = skip_json(p, depth + 1);
		if (!p)
			return NULL;
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
	}
}

static inline const char *skip_digits(const char *p)
{
	size_t digits = strspn(p, "0123456789");

	return digits ? p + digits : NULL;
}

/* Sums of 2^64 and more have a fraction and an exponent, nothing else has. */
static inline const char *skip_json_number(const char *p)
{
	const char *end;

	p += *p == '-';
	end = skip_digits(p);
	if (!end || (p[0] == '0' && end != p + 1))
		return NULL;
	if (*end != '.')
		return end;
	end = skip_digits(end + 1);
	return end && end[0] == 'e' && end[1] == '+' ? skip_digits(end + 2) : NULL;
}

static inline const char *skip_json(const char *p, int depth)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t i;

	if (depth > 32)
		return NULL;
	if (*p == '{' || *p == '[')
		return skip_json_members(p, *p == '{' ? '}' : ']', depth);
	if (*p == '"')
		return skip_json_string(p);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	}
	return skip_json_number(p);
}

/* Lines of one value each, every one ended. Returns their number, -1 when any is not JSON. */
static inline int count_json_lines(const char *text)
{
	int lines = 0;

	for (; *text; text++, lines++) {
		text = skip_json(text, 0);
		if (!text || *text != '\n')
			return -1;
	}
	return lines;
}

/* A fixed sequence (splitmix64): failures repeat. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

#endif
