/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys: their fields by name, and their values out of a set of the kernel side. */
#include "model/by.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "model/names.h"

static const char *const names[__BY_MAX] = {
	[BY_COMM] = "comm",	[BY_PID] = "pid",     [BY_SERVICE] = "service",
	[BY_LPORT] = "lport",	[BY_RPORT] = "rport", [BY_RADDR] = "raddr",
	[BY_CGROUP] = "cgroup", [BY_NETNS] = "netns", [BY_ROLE] = "role",
};

const char *by__name(enum by_field field)
{
	return names[field];
}

int by__find(const char *name, enum by_field *ret_field)
{
	for (unsigned int i = 0; i < __BY_MAX; i++) {
		if (!strcmp(names[i], name)) {
			*ret_field = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The one line of a refusal; what was typed is made safe and shortened. */
static int refuse(const char *what, const char *word, const char *why, struct parse_error *err)
{
	struct str s = {0};
	size_t len = strlen(word);

	str__appendf(&s, "%s: '", what);
	str__append_safe(&s, word, len < 40 ? len : 40, false);
	str__appendf(&s, "' %s: they are", why);
	for (unsigned int i = 0; i < __BY_MAX; i++)
		str__appendf(&s, " %s", names[i]);
	snprintf(err->text, sizeof(err->text), "%s", str__text(&s));
	str__fini(&s);
	return -EINVAL;
}

static bool has_field(const struct by *by, enum by_field field)
{
	for (unsigned int i = 0; i < by->cnt; i++) {
		if (by->fields[i] == field)
			return true;
	}
	return false;
}

int by__parse(const char *what, const char *text, struct by *by, struct parse_error *err)
{
	struct by sum = *by;

	for (;;) {
		size_t len = strcspn(text, ",");
		char word[64];
		enum by_field field;

		snprintf(word, sizeof(word), "%.*s", len < sizeof(word) ? (int)len : (int)sizeof(word), text);
		if (by__find(word, &field))
			return refuse(what, word, "is not a field of --by", err);
		if (has_field(&sum, field))
			return refuse(what, word, "is given twice", err);
		sum.fields[sum.cnt++] = field;
		if (!text[len])
			break;
		text += len + 1;
	}
	*by = sum;
	return 0;
}

static void append_number(struct str *key, uint64_t value)
{
	if (value)
		str__appendf(key, "%llu", (unsigned long long)value);
	else
		str__append(key, "unknown");
}

static void append_text(struct str *key, const char *text)
{
	if (!text || !text[0])
		text = "unknown";
	str__append_clean(key, text, strlen(text));
}

static void append_comm(struct str *key, const __u8 comm[SF_COMM_LEN])
{
	char text[SF_COMM_LEN + 1] = "";

	memcpy(text, comm, SF_COMM_LEN);
	append_text(key, text);
}

static void append_field(const struct by_set *set, enum by_field field, struct str *key)
{
	const struct sf_set_key *k = &set->key;
	char addr[ADDR_TEXT_SZ];

	switch (field) {
	case BY_COMM:
		append_comm(key, k->comm);
		break;
	case BY_PID:
		append_number(key, k->pid);
		break;
	case BY_SERVICE:
		append_number(key, k->service);
		break;
	case BY_LPORT:
		append_number(key, k->lport);
		break;
	case BY_RPORT:
		append_number(key, k->rport);
		break;
	case BY_RADDR:
		append_text(key, addr__format(k->family, k->raddr, addr));
		break;
	case BY_CGROUP:
		append_text(key, set->cgroup);
		break;
	case BY_NETNS:
		append_number(key, k->netns);
		break;
	case BY_ROLE:
		append_text(key, names__role(k->role));
		break;
	case __BY_MAX:
		break;
	}
}

uint32_t by__mask(const struct by *by)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; i < by->cnt; i++)
		mask |= 1U << by->fields[i];
	return mask;
}

void by__append_key(const struct by *by, const struct by_set *set, struct str *key)
{
	for (unsigned int i = 0; i < by->cnt; i++) {
		if (i)
			str__append_char(key, BY_SEPARATOR, 1);
		append_field(set, by->fields[i], key);
	}
}

void by__append_values(const struct by *by, const char *const values[__BY_MAX], struct str *key)
{
	for (unsigned int i = 0; i < by->cnt; i++) {
		if (i)
			str__append_char(key, BY_SEPARATOR, 1);
		append_text(key, values[i]);
	}
}

struct by_value by__value(const char *key, unsigned int i)
{
	const char *end;

	for (; i && (end = strchr(key, BY_SEPARATOR)); i--)
		key = end + 1;
	end = strchrnul(key, BY_SEPARATOR);
	return (struct by_value){.at = key, .len = (size_t)(end - key)};
}
