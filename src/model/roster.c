/* SPDX-License-Identifier: GPL-2.0-only */
/* What is sorted is small; the records stay where they are. */
#include "model/roster.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/record.h"

struct place {
	unsigned int state;
	uint64_t since_ns; /* in that state; UINT64_MAX: not known */
	size_t event;	   /* in order of arrival */
};

struct roster {
	struct sf_event *events;
	struct place *places;
	size_t cnt;
	size_t room;
};

int roster__new(struct roster **ret_roster)
{
	*ret_roster = calloc(1, sizeof(**ret_roster));
	return *ret_roster ? 0 : -ENOMEM;
}

void roster__free(struct roster *r)
{
	if (!r)
		return;
	free(r->events);
	free(r->places);
	free(r);
}

static int grow(struct roster *r)
{
	size_t room = r->room ? 2 * r->room : 256;
	struct sf_event *events = reallocarray(r->events, room, sizeof(*events));
	struct place *places;

	if (!events)
		return -ENOMEM;
	r->events = events;
	places = reallocarray(r->places, room, sizeof(*places));
	if (!places)
		return -ENOMEM;
	r->places = places;
	r->room = room;
	return 0;
}

int roster__add(struct roster *r, const void *data, size_t sz)
{
	struct record rec;
	int err = record__decode(data, sz, &rec);
	int64_t age_ns;

	if (!err && r->cnt == r->room)
		err = grow(r);
	if (err)
		return err;
	memcpy(&r->events[r->cnt], data, sizeof(*r->events));
	age_ns = rec.dur[REC_IN_STATE];
	r->places[r->cnt] =
		(struct place){.state = rec.state,
			       .since_ns = age_ns == SF_ABSENT ? UINT64_MAX : rec.ts - (uint64_t)age_ns,
			       .event = r->cnt};
	r->cnt++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->since_ns != y->since_ns)
		return x->since_ns < y->since_ns ? -1 : 1;
	return x->event < y->event ? -1 : 1;
}

void roster__sort(struct roster *r)
{
	if (r->cnt)
		qsort(r->places, r->cnt, sizeof(*r->places), compare);
}

size_t roster__cnt(const struct roster *r)
{
	return r->cnt;
}

const void *roster__at(const struct roster *r, size_t place)
{
	return &r->events[r->places[place].event];
}
