/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

static bool is_pattern(const char *word)
{
	const char *name = !strncmp(word, "*.", 2) ? word + 2 : word;

	size_t len = strlen(name);

	return !strcmp(word, "*") ||
	       (len && name[0] != '.' && name[len - 1] != '.' && strspn(name, NAME_CHARS) == len);
}

static int refuse(const char *what, const char *text, struct parse_error *err)
{
	struct str s = {0};
	size_t len = strlen(text);

	str__append_safe(&s, text, len < 40 ? len : 40, false);
	snprintf(err->text, sizeof(err->text),
		 "%s: '%s' is not a host name: use names without ports, *.example.com or *", what,
		 str__text(&s));
	str__fini(&s);
	return -EINVAL;
}

int host__parse(const char *what, const char *text, struct host_list *hosts, struct parse_error *err)
{
	const char *rest = text;
	char word[HOST_NAME_SZ];

	while (rest) {
		if (parse__word(what, &rest, word, sizeof(word), err) || !is_pattern(word))
			return refuse(what, text, err);
	}
	if (hosts->cnt == HOST_MAX_LISTS) {
		snprintf(err->text, sizeof(err->text), "%s: more than %d: join them by commas", what,
			 HOST_MAX_LISTS);
		return -E2BIG;
	}
	hosts->lists[hosts->cnt++] = text;
	return 0;
}

/* Removes the port, and the dot at the end of a full name. false: the header is malformed. */
static bool split_port(const char *header, char name[HOST_NAME_SZ], bool *ret_is_v6)
{
	const char *end = header[0] == '[' ? strchr(header, ']') : header + strcspn(header, ":");
	size_t len;

	*ret_is_v6 = header[0] == '[';
	if (!end)
		return false;
	header += *ret_is_v6;
	len = (size_t)(end - header);
	end += *ret_is_v6;
	if (!len || len >= HOST_NAME_SZ || (*end && *end != ':') ||
	    (*end && strspn(end + 1, "0123456789") != strlen(end + 1)))
		return false;
	memcpy(name, header, len);
	if (len > 1 && name[len - 1] == '.')
		len--;
	name[len] = '\0';
	return true;
}

static bool is_address(const char *name, bool is_v6)
{
	struct in6_addr addr;

	return inet_pton(is_v6 ? AF_INET6 : AF_INET, name, &addr) == 1;
}

static bool is_own(const char *name, const char *own_name)
{
	size_t len = strcspn(own_name, ".");

	return *own_name &&
	       (!strcasecmp(name, own_name) || (len == strlen(name) && !strncasecmp(name, own_name, len)));
}

static bool matches(const char *name, const char *pattern)
{
	size_t len = strlen(name), suffix_len = strlen(pattern) - 1;

	if (pattern[0] != '*')
		return !strcasecmp(name, pattern);
	return !pattern[1] || (len > suffix_len && !strcasecmp(name + len - suffix_len, pattern + 1));
}

static bool is_listed(const char *name, const struct host_list *hosts)
{
	struct parse_error ignored;
	char word[HOST_NAME_SZ];

	for (size_t i = 0; i < hosts->cnt; i++) {
		const char *rest = hosts->lists[i];

		while (rest && !parse__word("", &rest, word, sizeof(word), &ignored)) {
			if (matches(name, word))
				return true;
		}
	}
	return false;
}

bool host__is_allowed(const char *header, const char *own_name, const struct host_list *hosts)
{
	char name[HOST_NAME_SZ];
	bool is_v6;

	if (!split_port(header, name, &is_v6))
		return false;
	if (is_v6 || is_address(name, false))
		return is_address(name, is_v6);
	return !strcasecmp(name, "localhost") || is_own(name, own_name) || is_listed(name, hosts);
}
