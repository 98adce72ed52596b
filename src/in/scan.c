/* SPDX-License-Identifier: GPL-2.0-only */
#include "in/scan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
		s->at++;
}

/* The next byte, 0 at the end: a NUL in the text is no JSON either. */
static char peek(struct scan *s)
{
	skip_blanks(s);
	return s->at < s->end ? *s->at : '\0';
}

static int refuse(const struct scan *s)
{
	return s->at < s->end ? -EINVAL : -ENODATA;
}

/* json-c lets control characters pass. */
static int skip_string(struct scan *s)
{
	for (s->at++; s->at < s->end; s->at++) {
		if ((unsigned char)*s->at < 0x20)
			return -EINVAL;
		if (*s->at == '"') {
			s->at++;
			return 0;
		}
		if (*s->at == '\\' && s->at + 1 < s->end && (unsigned char)s->at[1] >= 0x20)
			s->at++;
	}
	return -ENODATA;
}

/* As 007, which json-c takes within brackets. What is behind a point, an exponent or other digits is none. */
static bool is_leading_zero(const struct scan *s)
{
	return s->at[0] == '0' && s->at + 1 < s->end && s->at[1] >= '0' && s->at[1] <= '9' &&
	       !strchr("0123456789.eE+-", s->at[-1]);
}

static int skip_nested(struct scan *s)
{
	unsigned int depth = 0;
	int err = 0;

	do {
		switch (*s->at) {
		case '"':
			err = skip_string(s);
			if (err)
				return err;
			continue;
		case '{':
		case '[':
			if (++depth > SCAN_MAX_DEPTH)
				return -E2BIG;
			break;
		case '}':
		case ']':
			depth--;
			break;
		case '0':
			if (is_leading_zero(s))
				return -EINVAL;
			break;
		}
		s->at++;
	} while (depth && s->at < s->end);
	return depth ? -ENODATA : 0;
}

static int skip_word(struct scan *s)
{
	const char *begin = s->at;

	while (s->at < s->end && *s->at && !strchr(" \t\r\n,:\"{}[]", *s->at))
		s->at++;
	return s->at > begin ? 0 : refuse(s);
}

static int take_value(struct scan *s, struct piece *ret_value)
{
	char first = peek(s);
	const char *begin = s->at;
	int err = first == '"'			 ? skip_string(s)
		  : first == '{' || first == '[' ? skip_nested(s)
						 : skip_word(s);

	*ret_value = (struct piece){begin, (size_t)(s->at - begin)};
	return err;
}

int scan__begin(struct scan *s, const char *text, size_t len, char open)
{
	*s = (struct scan){.at = text, .end = text + len, .close = open == '{' ? '}' : ']', .is_first = 1};
	if (peek(s) != open)
		return refuse(s);
	s->at++;
	return 0;
}

/* Behind the comma or, where there is none, the bracket. 1, or 0 at the end: then nothing may follow. */
static int pass_separator(struct scan *s)
{
	char next = peek(s);
	int is_first = s->is_first;

	s->is_first = 0;
	if (next == s->close) {
		s->at++;
		return peek(s) || s->at < s->end ? -EINVAL : 0;
	}
	if (is_first)
		return 1;
	if (next != ',')
		return refuse(s);
	s->at++;
	return 1;
}

int scan__element(struct scan *s, struct piece *ret_value)
{
	int res = pass_separator(s), err;

	if (res <= 0)
		return res;
	err = take_value(s, ret_value);
	return err ? err : 1;
}

int scan__member(struct scan *s, struct piece *ret_name, struct piece *ret_value)
{
	int res = pass_separator(s), err;

	if (res <= 0)
		return res;
	if (peek(s) != '"')
		return refuse(s);
	err = take_value(s, ret_name);
	if (err)
		return err;
	if (peek(s) != ':')
		return refuse(s);
	s->at++;
	err = take_value(s, ret_value);
	return err ? err : 1;
}
