/* SPDX-License-Identifier: GPL-2.0-only */
#include "out/grouplist.h"

#include <inttypes.h>

#include "base/json.h"
#include "model/names.h"
#include "out/impl.h"

static void put_line(struct str *s, const struct groups *groups, const struct group *g)
{
	const char *state = names__state(g->state);
	struct str oldest = {0}, key = {0};

	if (g->oldest_ns == SF_ABSENT) {
		str__append_char(&oldest, '-', 1);
	} else {
		str__append(&oldest, g->at_least ? ">" : "");
		str__append_duration(&oldest, (uint64_t)g->oldest_ns);
	}
	out__append_key(&key, groups__by(groups), groups__key(groups, g));
	str__appendf(s, "%-12s %7" PRIu64 " %8s ", state ? state : "-", g->count, str__text(&oldest));
	str__append_safe(s, str__text(&key), key.len, false);
	str__append_char(s, '\n', 1);
	s->failed |= oldest.failed || key.failed;
	str__fini(&oldest);
	str__fini(&key);
}

void grouplist__write_text(struct str *s, struct groups *groups)
{
	size_t cnt;
	const struct group *list = groups__list(groups, &cnt);

	str__appendf(s, "%-12s %7s %8s %s\n", "STATE", "COUNT", "OLDEST", "BY");
	for (size_t i = 0; i < cnt; i++)
		put_line(s, groups, &list[i]);
}

static void put_by(struct json *j, const struct groups *groups, const struct group *g)
{
	const struct by *by = groups__by(groups);
	struct str value = {0};

	json__key(j, "by");
	json__begin_object(j);
	for (unsigned int i = 0; i < by->cnt; i++) {
		struct by_value v = by__value(groups__key(groups, g), i);

		str__reset(&value);
		str__append_bytes(&value, v.at, v.len);
		json__key_string(j, by__name(by->fields[i]), str__text(&value));
	}
	json__end_object(j);
	j->out->failed |= value.failed;
	str__fini(&value);
}

static void put_object(struct str *s, const struct groups *groups, const struct group *g, const char *time,
		       uint64_t mono_ns)
{
	struct json j;

	json__init(&j, s);
	json__begin_object(&j);
	json__key_u64(&j, "v", 1);
	json__key_string(&j, "type", "alive_by");
	json__key_string(&j, "time", time);
	json__key_u64(&j, "mono_ns", mono_ns);
	json__key_string(&j, "state", names__state(g->state));
	put_by(&j, groups, g);
	json__key_u64(&j, "count", g->count);
	json__key(&j, "oldest_ns");
	if (g->oldest_ns == SF_ABSENT)
		json__null(&j);
	else
		json__i64(&j, g->oldest_ns);
	json__key(&j, "at_least");
	json__begin_array(&j);
	if (g->at_least)
		json__string(&j, "oldest_ns");
	json__end_array(&j);
	json__end_object(&j);
	str__append_char(s, '\n', 1);
}

void grouplist__write_json(struct str *s, struct groups *groups, const struct clock *clk, uint64_t mono_ns)
{
	char time[CLOCK_RFC3339_SZ];
	size_t cnt;
	const struct group *list = groups__list(groups, &cnt);

	clock__rfc3339(clock__real_ns(clk, mono_ns), time);
	for (size_t i = 0; i < cnt; i++)
		put_object(s, groups, &list[i], time, mono_ns);
}
