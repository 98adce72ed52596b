/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For each hook the best way to watch it that the options want and this kernel may have (kernel/hooks.h). Nothing is loaded here: a way
 * that the kernel refuses after all is crossed out by whoever loads (kernel/load.c), and the choice is made again.
 */
#ifndef SYNFIN_KERNEL_CHOICE_H
#define SYNFIN_KERNEL_CHOICE_H

#include <stdbool.h>

#include "kernel/caps.h"
#include "kernel/hooks.h"
#include "model/filter.h"

struct bpf_object;

/* Which variant serves a hook, and why not a better one. */
struct hook_choice {
	const struct hook_variant *variant; /* NULL: none */
	bool wanted;			    /* by the options; an unwanted hook is not attached */
};

struct choices {
	struct hook_choice hooks[__HOOK_MAX];
	bool refused[__HOOK_MAX][HOOK_MAX_VARIANTS];
};

/* What is wanted: `snapshot` only to find what is there. Nothing is chosen or refused yet. */
void choices__init(struct choices *ret_choices, const struct filter *filter, bool snapshot);

/* Chooses anew, none of a better tier than `tier`. `obj` has the programs, by name. */
void choices__make(struct choices *c, const struct caps *caps, const struct bpf_object *obj, enum tier tier);

/* How this hook is attached; NULL: not at all. */
const struct hook_variant *choices__used(const struct choices *c, enum hook_id id);

/* Whether this hook is attached by the way that begins with this program. */
bool choices__uses(const struct choices *c, enum hook_id id, const char *prog);

/* Each program of what is used, once. Non-zero ends it, and is returned. */
typedef int (*choices_prog_fn)(void *ctx, const char *prog);
int choices__each_prog(const struct choices *c, choices_prog_fn fn, void *ctx);

/* The ways that use this program are no longer chosen. False: there is none. */
bool choices__cross_out(struct choices *c, const char *prog);

/* The tier that this amounts to: that of requests or of TIME_WAIT, whichever sees less. */
enum tier choices__tier(const struct choices *c);

#endif
