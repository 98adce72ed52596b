/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps a record of each connection that is alive at one moment: sorted by state, and within a state the
 * oldest first.
 */
#ifndef SYNFIN_MODEL_ROSTER_H
#define SYNFIN_MODEL_ROSTER_H

#include <stddef.h>

struct roster;

/* 0 or -ENOMEM. */
int roster__new(struct roster **ret_roster);
void roster__free(struct roster *r);

/* Adds a copy of a raw record of type SF_EV_ALIVE. 0, -ENOMEM, or the error of record__decode(). */
int roster__add(struct roster *r, const void *data, size_t sz);

void roster__sort(struct roster *r);
size_t roster__cnt(const struct roster *r);
/* The raw record at index `place`, sizeof(struct sf_event) bytes; borrowed until the roster changes. */
const void *roster__at(const struct roster *r, size_t place);

#endif
