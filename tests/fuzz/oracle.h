/* SPDX-License-Identifier: GPL-2.0-only */
/* What every text for people and programs has to be, whatever bytes went in. By decoders that are not ours where there are some. */
#ifndef SYNFIN_TESTS_FUZZ_ORACLE_H
#define SYNFIN_TESTS_FUZZ_ORACLE_H

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void demand(int holds, const char *what, const char *text, size_t len)
{
	if (holds)
		return;
	fprintf(stderr, "not %s: ", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, text[i] > ' ' && text[i] < 0x7f ? "%c" : "\\x%02x", (unsigned char)text[i]);
	fprintf(stderr, "\n");
	abort();
}

/* C0 but for line feeds, DEL, C1, and the marks that reorder text. */
static inline int is_harmful(wint_t c)
{
	return (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e ||
	       c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* UTF-8 by RFC 3629, in which nothing of that is. */
static inline void check_text(const char *text, size_t len)
{
	for (size_t i = 0, more; i < len; i += 1 + more) {
		unsigned char first = (unsigned char)text[i];
		uint32_t c = first < 0x80 ? first : first & (0x3f >> (first >= 0xe0) >> (first >= 0xf0));

		more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
		demand((first < 0x80 || (first >= 0xc2 && first < 0xf5)) && i + more < len, "UTF-8", text,
		       len);
		for (size_t n = 1; n <= more; n++) {
			demand(((unsigned char)text[i + n] & 0xc0) == 0x80, "UTF-8", text, len);
			c = c << 6 | ((unsigned char)text[i + n] & 0x3f);
		}
		demand(c < 0x110000 && (c < 0xd800 || c > 0xdfff), "UTF-8", text, len);
		demand(more != 2 || c >= 0x800, "UTF-8", text, len);
		demand(more != 3 || c >= 0x10000, "UTF-8", text, len);
		demand(!is_harmful(c), "free of control characters", text, len);
	}
}

/* A JSON object in each line, and no line without its end. */
static inline void check_json_lines(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();

	check_text(text, len);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		struct json_object *object;

		demand(end != NULL, "whole lines", text, len);
		json_tokener_reset(tokener);
		object = json_tokener_parse_ex(tokener, text + i, (int)(end - text - (long)i));
		demand(object && json_object_is_type(object, json_type_object) &&
			       json_tokener_get_parse_end(tokener) == (size_t)(end - text) - i,
		       "JSON", text + i, (size_t)(end - text) - i);
		json_object_put(object);
		i = (size_t)(end - text) + 1;
	}
	json_tokener_free(tokener);
}

/* Input as a text that ends with NUL, which the caller frees. */
static inline char *to_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
