/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of sums (--by) to which nothing is added any more: they leave and make room. Whoever may choose names or addresses
 * could otherwise fill all sets for ever.
 *
 * A set leaves in two steps, since a program that has found it may be about to add to it, and a TIME_WAIT adds its length when it
 * ends. First its key is deleted, so that nobody finds it any more: the next connection with that key makes a new set, of another
 * number. Its rows are no longer shown. When no TIME_WAIT has named it for EXPIRY_LEAST_NS they are deleted, if nothing was added
 * meanwhile; else the set is shown again, until it is idle once more.
 */
#ifndef SYNFIN_KERNEL_EXPIRY_H
#define SYNFIN_KERNEL_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "slots.h"

struct synfin_bpf;
struct expiry;

/* From the first step to the second; no program runs for so long. */
#define EXPIRY_LEAST_NS 1000000000ULL

/* 0 or -ENOMEM. */
int expiry__new(struct expiry **ret_expiry);
/* NULL is fine. */
void expiry__free(struct expiry *e);

/* Lets go what has not changed for so long, by the looks. 0 or -errno; what was begun goes on with the next look. */
int expiry__look(struct expiry *e, const struct synfin_bpf *skel, uint64_t now_ns, uint64_t idle_ns);

/* The rows of such a set are not shown. NULL hides nothing. */
bool expiry__hides(const struct expiry *e, uint64_t set);

/* A set that is shown though its key is deleted. */
typedef int (*expiry_fn)(void *ctx, uint64_t set, const struct sf_set_key *key);
/* 0 or what `fn` returned. NULL has none. */
int expiry__walk_late(const struct expiry *e, expiry_fn fn, void *ctx);

/* Sets that are gone, since the start. NULL: 0. */
uint64_t expiry__gone(const struct expiry *e);

#endif
