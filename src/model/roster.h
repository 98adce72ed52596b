/* SPDX-License-Identifier: GPL-2.0-only */
/* The connections that are alive at one moment, each of them kept: by state, in each state the oldest first. */
#ifndef SYNFIN_MODEL_ROSTER_H
#define SYNFIN_MODEL_ROSTER_H

#include <stddef.h>

struct roster;

/* 0 or -ENOMEM. */
int roster__new(struct roster **ret_roster);
void roster__free(struct roster *r);

/* A raw record of type SF_EV_ALIVE, copied. 0, -ENOMEM, or what record__decode() says of it. */
int roster__add(struct roster *r, const void *data, size_t sz);

void roster__sort(struct roster *r);
size_t roster__cnt(const struct roster *r);
/* The raw record at a place, of sizeof(struct sf_event); borrowed until the roster changes. */
const void *roster__at(const struct roster *r, size_t place);

#endif
