/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of `value; parameter=...; q=0.5` of RFC 9110, as far as it takes to choose between a few forms. */
#include "http/accept.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define Q_MAX 1000

struct slice {
	const char *at;
	size_t len;
};

/* The part up to the separator, without blanks around it; *rest is moved behind it, to NULL at the end. */
static struct slice next_part(struct slice *rest, char separator)
{
	const char *end = memchr(rest->at, separator, rest->len);
	struct slice part = {.at = rest->at, .len = end ? (size_t)(end - rest->at) : rest->len};

	rest->at = end ? end + 1 : NULL;
	rest->len -= part.len + (end != NULL);
	while (part.len && (*part.at == ' ' || *part.at == '\t')) {
		part.at++;
		part.len--;
	}
	while (part.len && (part.at[part.len - 1] == ' ' || part.at[part.len - 1] == '\t'))
		part.len--;
	return part;
}

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && !strncasecmp(s.at, word, s.len);
}

/* "0.75" in thousandths; what is no such number is 0: better not chosen than chosen wrongly. */
static int parse_q(struct slice s)
{
	int q, unit = Q_MAX;

	if (!s.len || (s.at[0] != '0' && s.at[0] != '1') || (s.len > 1 && s.at[1] != '.') || s.len > 5)
		return 0;
	q = s.at[0] == '1' ? Q_MAX : 0;
	for (size_t i = 2; i < s.len; i++) {
		unit /= 10;
		if (s.at[i] < '0' || s.at[i] > '9')
			return 0;
		q += (s.at[i] - '0') * unit;
	}
	return q < Q_MAX ? q : Q_MAX;
}

/* What one element of Accept says of a form: how much it is liked, 0 when it means another one. */
static int match_form(struct slice element, enum http_form form)
{
	static const struct {
		const char *type;
		const char *parameters[2]; /* each, where it is given, must be this */
	} forms[__HTTP_FORM_MAX] = {
		[HTTP_FORM_CLASSIC] = {"text/plain", {"version=0.0.4"}},
		[HTTP_FORM_OPENMETRICS] = {"application/openmetrics-text", {"version=1.0.0"}},
		[HTTP_FORM_PROTOBUF] = {"application/vnd.google.protobuf",
					{"proto=io.prometheus.client.MetricFamily", "encoding=delimited"}},
	};
	int q = Q_MAX;

	if (!is_word(next_part(&element, ';'), forms[form].type))
		return 0;
	while (element.at) {
		struct slice parameter = next_part(&element, ';');

		if (parameter.len > 2 && !strncasecmp(parameter.at, "q=", 2)) {
			q = parse_q((struct slice){parameter.at + 2, parameter.len - 2});
			continue;
		}
		for (int i = 0; i < 2 && forms[form].parameters[i]; i++) {
			const char *want = forms[form].parameters[i];
			size_t name_len = strcspn(want, "=") + 1;

			if (parameter.len >= name_len && !strncasecmp(parameter.at, want, name_len) &&
			    !is_word(parameter, want))
				return 0;
		}
	}
	return q;
}

enum http_form accept__form(const char *accept)
{
	struct slice rest = {.at = accept, .len = accept ? strlen(accept) : 0};
	enum http_form best = HTTP_FORM_CLASSIC;
	int best_q = 0;

	while (rest.at) {
		struct slice element = next_part(&rest, ',');

		for (int form = 0; form < __HTTP_FORM_MAX; form++) {
			int q = match_form(element, form);

			if (q > best_q || (q == best_q && q && form > (int)best)) {
				best = form;
				best_q = q;
			}
		}
	}
	return best;
}

const char *accept__content_type(enum http_form form)
{
	static const char *const types[__HTTP_FORM_MAX] = {
		[HTTP_FORM_CLASSIC] = "text/plain; version=0.0.4; charset=utf-8",
		[HTTP_FORM_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
		[HTTP_FORM_PROTOBUF] = "application/vnd.google.protobuf; "
				       "proto=io.prometheus.client.MetricFamily; encoding=delimited",
	};

	return types[form];
}

bool accept__has_gzip(const char *accept_encoding)
{
	struct slice rest = {.at = accept_encoding, .len = accept_encoding ? strlen(accept_encoding) : 0};

	while (rest.at) {
		struct slice element = next_part(&rest, ','), q;

		if (!is_word(next_part(&element, ';'), "gzip"))
			continue;
		if (!element.at)
			return true;
		q = next_part(&element, ';');
		return q.len > 2 && !strncasecmp(q.at, "q=", 2) &&
		       parse_q((struct slice){q.at + 2, q.len - 2});
	}
	return false;
}
