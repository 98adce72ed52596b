/* SPDX-License-Identifier: GPL-2.0-only */
/* Each connection is a group of one until they are asked for: then they are sorted and merged. */
#include "model/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct groups {
	struct by by;
	struct group *list;
	size_t cnt;
	size_t room;
	struct str keys; /* one after the other, each with its NUL */
};

int groups__new(const struct by *by, struct groups **ret_groups)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->by = *by;
	*ret_groups = g;
	return 0;
}

void groups__free(struct groups *g)
{
	if (!g)
		return;
	str__fini(&g->keys);
	free(g->list);
	free(g);
}

const char *groups__key(const struct groups *g, const struct group *group)
{
	return str__text(&g->keys) + group->key;
}

const struct by *groups__by(const struct groups *g)
{
	return &g->by;
}

/* The set that sums would count it in. */
static struct by_set set_of(const struct record *rec)
{
	struct by_set set = {.key = {.service = rec->service_port,
				     .lport = rec->lport,
				     .rport = rec->rport,
				     .netns = rec->netns,
				     .family = (uint8_t)rec->af,
				     .role = (uint8_t)rec->role}};

	memcpy(set.key.raddr, rec->raddr, sizeof(set.key.raddr));
	if (rec->owner.source == SF_SRC_NONE)
		return set;
	set.key.pid = rec->owner.pid;
	memcpy(set.key.comm, rec->owner.comm, sizeof(set.key.comm));
	set.cgroup = rec->owner.cgroup;
	return set;
}

int groups__add(struct groups *g, const struct record *rec)
{
	struct by_set set = set_of(rec);
	struct group group = {
		.state = rec->state,
		.key = g->keys.len,
		.count = 1,
		.oldest_ns = rec->dur[REC_IN_STATE],
		.at_least = rec->at_least & 1U << REC_IN_STATE,
	};

	if (array__grow((void **)&g->list, g->cnt, &g->room, sizeof(*g->list)))
		return -ENOMEM;
	by__append_key(&g->by, &set, &g->keys);
	str__append_char(&g->keys, '\0', 1);
	if (str__error(&g->keys))
		return -ENOMEM;
	g->list[g->cnt++] = group;
	return 0;
}

static int by_key(const void *a, const void *b, void *ctx)
{
	const struct group *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	return strcmp(groups__key(ctx, x), groups__key(ctx, y));
}

static int by_age(const void *a, const void *b, void *ctx)
{
	const struct group *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->oldest_ns != y->oldest_ns)
		return x->oldest_ns > y->oldest_ns ? -1 : 1;
	return by_key(a, b, ctx);
}

static void merge(struct group *into, const struct group *group)
{
	into->count += group->count;
	if (group->oldest_ns > into->oldest_ns) { /* SF_ABSENT is below all */
		into->oldest_ns = group->oldest_ns;
		into->at_least = group->at_least;
	}
}

const struct group *groups__list(struct groups *g, size_t *ret_cnt)
{
	size_t cnt = 0;

	*ret_cnt = 0;
	if (!g->cnt)
		return NULL;
	qsort_r(g->list, g->cnt, sizeof(*g->list), by_key, g);
	for (size_t i = 0; i < g->cnt; i++) {
		if (cnt && by_key(&g->list[cnt - 1], &g->list[i], g) == 0)
			merge(&g->list[cnt - 1], &g->list[i]);
		else
			g->list[cnt++] = g->list[i];
	}
	g->cnt = cnt;
	qsort_r(g->list, cnt, sizeof(*g->list), by_age, g);
	*ret_cnt = cnt;
	return g->list;
}
