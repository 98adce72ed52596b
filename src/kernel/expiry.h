/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of sums (--by) to which nothing is added any more are removed and make room. Otherwise anyone who may
 * choose names or addresses could fill all sets for ever.
 *
 * A set is removed in two steps, because a program that has found the set may be about to add to it, and
 * because a TIME_WAIT adds its length when it ends. First the key of the set is deleted, so that no program
 * finds the set any more, and its rows are no longer shown. The next connection with that key makes a new set
 * with another number. When no TIME_WAIT has named the old set for EXPIRY_LEAST_NS, its rows are deleted if
 * nothing was added meanwhile. If something was added, the set is shown again until it is idle once more.
 */
#ifndef SYNFIN_KERNEL_EXPIRY_H
#define SYNFIN_KERNEL_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "slots.h"

struct synfin_bpf;
struct expiry;

/* The least time from the first step to the second; no program runs for that long. */
#define EXPIRY_LEAST_NS 1000000000ULL

/* 0 or -ENOMEM. */
int expiry__new(struct expiry **ret_expiry);
/* NULL is fine. */
void expiry__free(struct expiry *e);

/*
 * Looks at all sets and removes those that, look after look, have not changed for `idle_ns`. 0 or -errno; the
 * next look continues what this one has begun.
 */
int expiry__look(struct expiry *e, const struct synfin_bpf *skel, uint64_t now_ns, uint64_t idle_ns);

/* Whether the rows of this set are not to be shown. NULL hides nothing. */
bool expiry__hides(const struct expiry *e, uint64_t set);

/* Called for each set that is shown although its key is deleted. */
typedef int (*expiry_fn)(void *ctx, uint64_t set, const struct sf_set_key *key);
/* 0 or what `fn` returned. NULL: there are no such sets. */
int expiry__walk_late(const struct expiry *e, expiry_fn fn, void *ctx);

/* How many sets have been removed since the start. NULL: 0. */
uint64_t expiry__gone(const struct expiry *e);

#endif
