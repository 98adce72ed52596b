/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the connections that are alive at one moment by state. In the states where leaked connections pile
 * up, it also counts them by owner (CLOSE_WAIT: the owner does not close; FIN_WAIT2: the peer does not;
 * SYN_RECV: the final ACK does not come).
 */
#ifndef SYNFIN_MODEL_CENSUS_H
#define SYNFIN_MODEL_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

#define CENSUS_STATES 12 /* the kernel's TCP_* and the index of census__count() are below it */

/* The connections that one owner has in one state. */
struct census_group {
	unsigned int state;
	uint32_t pid; /* 0: not known */
	char comm[SF_COMM_LEN + 1];
	uint64_t count;
	int64_t oldest_ns; /* SF_ABSENT: not known for any of them */
	bool at_least;	   /* oldest_ns is a lower bound */
};

struct census;

/* 0 or -ENOMEM. */
int census__new(struct census **ret_census);
void census__free(struct census *c);
void census__reset(struct census *c);

/* Adds a record of type SF_EV_ALIVE. 0, or -ENOMEM and it is not counted. */
int census__add(struct census *c, const struct record *rec);
/* Adds TIME_WAIT entries that have no record. */
void census__add_waits(struct census *c, size_t cnt);

bool census__is_empty(const struct census *c);

/* The name of a state; "unknown" if it has none. */
const char *census__state_name(unsigned int state);

/* The number of connections in a state, which is given as the kernel's number. */
uint64_t census__count(const struct census *c, unsigned int state);

/*
 * The groups, sorted by state, and within a state the oldest first. NULL if there are none. Borrowed until
 * the census changes.
 */
const struct census_group *census__groups(struct census *c, size_t *ret_cnt);

#endif
