/* SPDX-License-Identifier: GPL-2.0-only */
/* Each connection is a group of one until the groups are asked for: then they are sorted and merged. */
#include "model/census.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "model/names.h"

struct census {
	uint64_t counts[CENSUS_STATES];
	struct census_group *groups;
	size_t cnt;
	size_t room;
};

int census__new(struct census **ret_census)
{
	*ret_census = calloc(1, sizeof(**ret_census));
	return *ret_census ? 0 : -ENOMEM;
}

void census__free(struct census *c)
{
	if (!c)
		return;
	free(c->groups);
	free(c);
}

void census__reset(struct census *c)
{
	memset(c->counts, 0, sizeof(c->counts));
	c->cnt = 0;
}

static bool piles_up(unsigned int state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT2 || state == TCP_SYN_RECV;
}

int census__add(struct census *c, const struct record *rec)
{
	bool has_owner = rec->owner.source != SF_SRC_NONE;
	struct census_group *g;

	if (rec->state >= CENSUS_STATES)
		return 0;
	if (piles_up(rec->state)) {
		if (array__grow((void **)&c->groups, c->cnt, &c->room, sizeof(*c->groups)))
			return -ENOMEM;
		g = &c->groups[c->cnt++];
		*g = (struct census_group){
			.state = rec->state,
			.pid = has_owner ? rec->owner.pid : 0,
			.count = 1,
			.oldest_ns = rec->dur[REC_IN_STATE],
			.at_least = rec->at_least & 1U << REC_IN_STATE,
		};
		if (has_owner)
			memcpy(g->comm, rec->owner.comm, sizeof(g->comm));
	}
	c->counts[rec->state]++;
	return 0;
}

void census__add_waits(struct census *c, size_t cnt)
{
	c->counts[TCP_TIME_WAIT] += cnt;
}

bool census__is_empty(const struct census *c)
{
	for (unsigned int state = 0; state < CENSUS_STATES; state++)
		if (c->counts[state])
			return false;
	return true;
}

const char *census__state_name(unsigned int state)
{
	const char *name = names__state(state);

	return name ? name : "unknown";
}

uint64_t census__count(const struct census *c, unsigned int state)
{
	return state < CENSUS_STATES ? c->counts[state] : 0;
}

static int by_owner(const void *a, const void *b)
{
	const struct census_group *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return strcmp(x->comm, y->comm);
}

static int by_age(const void *a, const void *b)
{
	const struct census_group *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->oldest_ns != y->oldest_ns)
		return x->oldest_ns > y->oldest_ns ? -1 : 1;
	return by_owner(a, b);
}

static void merge(struct census_group *into, const struct census_group *g)
{
	into->count += g->count;
	if (g->oldest_ns > into->oldest_ns) { /* SF_ABSENT is below all */
		into->oldest_ns = g->oldest_ns;
		into->at_least = g->at_least;
	}
}

const struct census_group *census__groups(struct census *c, size_t *ret_cnt)
{
	size_t cnt = 0;

	*ret_cnt = 0;
	if (!c->cnt)
		return NULL;
	qsort(c->groups, c->cnt, sizeof(*c->groups), by_owner);
	for (size_t i = 0; i < c->cnt; i++) {
		if (cnt && by_owner(&c->groups[cnt - 1], &c->groups[i]) == 0)
			merge(&c->groups[cnt - 1], &c->groups[i]);
		else
			c->groups[cnt++] = c->groups[i];
	}
	c->cnt = cnt;
	qsort(c->groups, c->cnt, sizeof(*c->groups), by_age);
	*ret_cnt = cnt;
	return c->groups;
}
