/* SPDX-License-Identifier: GPL-2.0-only */
/* The connections that are alive at one moment, counted by state and by the values of --by. */
#ifndef SYNFIN_MODEL_GROUPS_H
#define SYNFIN_MODEL_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/by.h"
#include "model/record.h"

struct group {
	unsigned int state; /* kernel's TCP_* */
	size_t key;	    /* for groups__key() */
	uint64_t count;
	int64_t oldest_ns; /* SF_ABSENT: not known for any of them */
	bool at_least;	   /* oldest_ns is a lower bound */
};

struct groups;

/* `by` is copied. 0 or -ENOMEM. */
int groups__new(const struct by *by, struct groups **ret_groups);
void groups__free(struct groups *g);

/* Adds a record of type SF_EV_ALIVE. 0 or -ENOMEM. */
int groups__add(struct groups *g, const struct record *rec);

/*
 * The groups, sorted by state, and within a state the one with the oldest connection first. NULL if there are
 * none. Borrowed until the groups change.
 */
const struct group *groups__list(struct groups *g, size_t *ret_cnt);
/* The key of a group, in the form of by__append_key(). */
const char *groups__key(const struct groups *g, const struct group *group);
const struct by *groups__by(const struct groups *g);

#endif
