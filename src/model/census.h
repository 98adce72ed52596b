/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connections that are alive at one moment: how many in each state, and who keeps them in those that a leak piles up in
 * (CLOSE_WAIT: the owner does not close; FIN_WAIT2: the peer does not; SYN_RECV: the final ACK does not come).
 */
#ifndef SYNFIN_MODEL_CENSUS_H
#define SYNFIN_MODEL_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

#define CENSUS_STATES 12 /* kernel's TCP_* below; index of census__count() */

/* The connections that one owner has in one state. */
struct census_group {
	unsigned int state;
	uint32_t pid; /* 0: not known */
	char comm[SF_COMM_LEN + 1];
	uint64_t count;
	int64_t oldest_ns; /* SF_ABSENT: of none is it known since when */
	bool at_least;	   /* oldest_ns is a lower bound */
};

struct census;

/* 0 or -ENOMEM. */
int census__new(struct census **ret_census);
void census__free(struct census *c);
void census__reset(struct census *c);

/* A record of type SF_EV_ALIVE. 0 or -ENOMEM, then it is not counted. */
int census__add(struct census *c, const struct record *rec);
/* TIME_WAITs of which there is no record. */
void census__add_waits(struct census *c, size_t cnt);

bool census__is_empty(const struct census *c);

/* Its name; "unknown" where it has none. */
const char *census__state_name(unsigned int state);

/* Connections in a state, by the kernel's number of it. */
uint64_t census__count(const struct census *c, unsigned int state);

/* The groups, by state, the oldest first; NULL if there are none. Borrowed until the census changes. */
const struct census_group *census__groups(struct census *c, size_t *ret_cnt);

#endif
