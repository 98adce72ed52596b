/* SPDX-License-Identifier: GPL-2.0-only */
/* The growable buffer, and the two ways in which foreign bytes are let into output. */
#include "base/str.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"
#include "base/write.h"

#define ESCAPE_LEN 4 /* \x1b */

void str__fini(struct str *s)
{
	free(s->buf);
	*s = (struct str){0};
}

void str__reset(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->buf)
		s->buf[0] = '\0';
}

int str__error(const struct str *s)
{
	return s->failed ? -ENOMEM : 0;
}

const char *str__text(const struct str *s)
{
	return s->buf ? s->buf : "";
}

bool str__grow(struct str *s, size_t sz)
{
	size_t cap = s->cap ? s->cap : 256;
	char *buf;

	if (s->failed)
		return false;
	while (cap - s->len <= sz && cap <= SIZE_MAX / 2)
		cap *= 2;
	buf = cap - s->len > sz ? realloc(s->buf, cap) : NULL;
	if (!buf) {
		s->failed = true;
		return false;
	}
	s->buf = buf;
	s->cap = cap;
	return true;
}

void str__append_bytes(struct str *s, const void *bytes, size_t sz)
{
	if (!sz || !str__room(s, sz))
		return;
	memcpy(s->buf + s->len, bytes, sz);
	s->len += sz;
	s->buf[s->len] = '\0';
}

void str__append(struct str *s, const char *text)
{
	str__append_bytes(s, text, strlen(text));
}

void str__append_char(struct str *s, char c, size_t cnt)
{
	if (!cnt || !str__room(s, cnt))
		return;
	if (cnt == 1)
		s->buf[s->len] = c;
	else
		memset(s->buf + s->len, c, cnt);
	s->len += cnt;
	s->buf[s->len] = '\0';
}

#define U64_DIGITS 20

static size_t count_digits(uint64_t value)
{
	size_t cnt = 1;

	for (; value >= 10000; value /= 10000)
		cnt += 4;
	return cnt + (value >= 10) + (value >= 100) + (value >= 1000);
}

/*
 * Eight digits, the first in the lowest byte. Each step splits all groups at once: into fours, pairs, digits.
 * The multiplications divide by 100 and by 10. They are exact below 10^4 and 10^2.
 */
static uint64_t eight_digits(uint32_t value)
{
	uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007f0000007f;
	uint64_t pairs = hundreds | (fours - hundreds * 100) << 16;
	uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000f;

	return (tens | (pairs - tens * 10) << 8) + 0x3030303030303030;
}

/* Writes the last `cnt` of the eight digits, and overwrites what comes after them. */
static char *put_digits(char *to, uint32_t value, size_t cnt)
{
	uint64_t digits = htole64(eight_digits(value) >> 8 * (8 - cnt));

	memcpy(to, &digits, sizeof(digits));
	return to + cnt;
}

/* Several times faster than printf(), which shows where a scrape has 100,000 of them and a record thirty. */
void str__append_u64(struct str *s, uint64_t value)
{
	const uint64_t eight = 100000000;
	size_t cnt = count_digits(value);
	char *to = str__room(s, U64_DIGITS + sizeof(uint64_t));

	if (!to)
		return;
	if (cnt > 16) {
		to = put_digits(to, (uint32_t)(value / eight / eight), cnt - 16);
		to = put_digits(to, (uint32_t)(value / eight % eight), 8);
		to = put_digits(to, (uint32_t)(value % eight), 8);
	} else if (cnt > 8) {
		to = put_digits(to, (uint32_t)(value / eight), cnt - 8);
		to = put_digits(to, (uint32_t)(value % eight), 8);
	} else {
		to = put_digits(to, (uint32_t)value, cnt);
	}
	*to = '\0';
	s->len += cnt;
}

void str__vappendf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0) {
		s->failed = true;
		return;
	}
	if (!len || !str__room(s, (size_t)len))
		return;
	vsnprintf(s->buf + s->len, (size_t)len + 1, fmt, ap);
	s->len += (size_t)len;
}

void str__appendf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str__vappendf(s, fmt, ap);
	va_end(ap);
}

/*
 * The character at `bytes` and its length, or 0 when it is not valid UTF-8 (overlong forms, surrogates and
 * what lies beyond U+10FFFF included).
 */
static size_t decode_utf8(const unsigned char *bytes, size_t sz, uint32_t *ret_char)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c = bytes[0];
	size_t len, i;

	if (c < 0x80) {
		*ret_char = c;
		return 1;
	}
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len > sz)
		return 0;
	c &= 0x7fU >> len;
	for (i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (bytes[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return len;
}

static void append_json_char(struct str *s, const char *bytes, size_t len, uint32_t c)
{
	switch (c) {
	case '"':
	case '\\':
		str__append_char(s, '\\', 1);
		str__append_char(s, (char)c, 1);
		break;
	case '\n':
		str__append(s, "\\n");
		break;
	case '\t':
		str__append(s, "\\t");
		break;
	default:
		if (!unicode__is_control(c))
			str__append_bytes(s, bytes, len);
		else if (c < 0x10000)
			str__appendf(s, "\\u%04x", c);
		else
			str__appendf(s, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
}

/* ASCII that stands for itself. */
static size_t plain_length(const char *bytes, size_t sz)
{
	size_t len = 0;

	while (len < sz && bytes[len] >= 0x20 && bytes[len] < 0x7f && bytes[len] != '"' && bytes[len] != '\\')
		len++;
	return len;
}

void str__append_json(struct str *s, const char *bytes, size_t sz)
{
	size_t i = 0, len;
	uint32_t c;

	while (i < sz) {
		len = plain_length(bytes + i, sz - i);
		if (len) {
			str__append_bytes(s, bytes + i, len);
			i += len;
			continue;
		}
		len = decode_utf8((const unsigned char *)bytes + i, sz - i, &c);
		if (len)
			append_json_char(s, bytes + i, len, c);
		else
			str__append(s, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
}

void str__append_clean(struct str *s, const char *bytes, size_t sz)
{
	size_t i = 0, len;
	uint32_t c;

	while (i < sz) {
		len = decode_utf8((const unsigned char *)bytes + i, sz - i, &c);
		if (len && !unicode__is_control(c)) {
			str__append_bytes(s, bytes + i, len);
		} else {
			len = 1;
			str__append(s, "\xef\xbf\xbd");
		}
		i += len;
	}
}

static bool is_printable(uint32_t c, bool word)
{
	return !unicode__is_control(c) && !(word && (c == ' ' || c == 0xa0 || c == 0x3000));
}

size_t str__append_safe(struct str *s, const char *bytes, size_t sz, bool word)
{
	size_t i = 0, k, len, columns = 0;
	uint32_t c = 0;

	while (i < sz) {
		len = decode_utf8((const unsigned char *)bytes + i, sz - i, &c);
		if (len && is_printable(c, word)) {
			str__append_bytes(s, bytes + i, len);
			columns += unicode__columns(c);
		} else {
			len = len ? len : 1;
			for (k = 0; k < len; k++)
				str__appendf(s, "\\x%02x", (unsigned char)bytes[i + k]);
			columns += ESCAPE_LEN * len;
		}
		i += len;
	}
	return columns;
}

/* What str__append_safe() makes of a byte. */
static bool is_escape(const char *bytes, size_t sz)
{
	return sz >= ESCAPE_LEN && bytes[0] == '\\' && bytes[1] == 'x' && isxdigit((unsigned char)bytes[2]) &&
	       isxdigit((unsigned char)bytes[3]);
}

size_t str__fit(const char *bytes, size_t sz, size_t columns)
{
	size_t i = 0, len, wide;
	uint32_t c = 0;

	while (i < sz) {
		len = decode_utf8((const unsigned char *)bytes + i, sz - i, &c);
		wide = len ? unicode__columns(c) : 1;
		if (is_escape(bytes + i, sz - i))
			len = wide = ESCAPE_LEN;
		if (wide > columns)
			break;
		columns -= wide;
		i += len ? len : 1;
	}
	return i;
}

size_t str__columns(const char *bytes, size_t sz)
{
	size_t i = 0, len, columns = 0;
	uint32_t c = 0;

	for (; i < sz; i += len ? len : 1) {
		len = decode_utf8((const unsigned char *)bytes + i, sz - i, &c);
		columns += len ? unicode__columns(c) : 1;
	}
	return columns;
}

/*
 * The finest form with at most three digits: x.xx, xx.x or xxx of a unit, each tried in turn, so that
 * rounding up to 1000us gives 1.00ms. Seconds are the coarsest unit and take as many digits as they need.
 */
void str__append_duration(struct str *s, uint64_t ns)
{
	static const struct {
		uint64_t hundredth;
		const char *name;
	} units[] = {{10, "us"}, {10000, "ms"}, {10000000, "s"}};
	uint64_t step, scaled = 0, scale;
	size_t i;
	int decimals;

	if (ns < 1000) {
		str__appendf(s, "%uns", (unsigned int)ns);
		return;
	}
	for (i = 0; i < 3; i++) {
		step = units[i].hundredth;
		scale = 100;
		for (decimals = 2; decimals >= 0; decimals--, step *= 10, scale /= 10) {
			scaled = ns / step + (ns % step >= step / 2);
			if (scaled >= 1000)
				continue;
			str__appendf(s, "%" PRIu64, scaled / scale);
			if (decimals)
				str__appendf(s, ".%0*" PRIu64, decimals, scaled % scale);
			str__append(s, units[i].name);
			return;
		}
	}
	str__appendf(s, "%" PRIu64 "s", scaled);
}

int str__write(struct str *s, int fd)
{
	int err = str__error(s);
	size_t done;

	if (!err)
		err = write__all(fd, s->buf, s->len, NULL, &done);
	str__reset(s);
	return err;
}
