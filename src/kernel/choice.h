/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For each hook, whether the options need it, and the best way to watch it that this kernel may support
 * (kernel/hooks.h). Nothing is loaded here. If the kernel refuses a way after all, kernel/load.c crosses it
 * out and the choice is made again.
 */
#ifndef SYNFIN_KERNEL_CHOICE_H
#define SYNFIN_KERNEL_CHOICE_H

#include <stdbool.h>

#include "kernel/caps.h"
#include "kernel/hooks.h"
#include "model/filter.h"

struct bpf_object;

/* Which variant serves a hook, and whether the hook is needed. */
struct hook_choice {
	const struct hook_variant *variant; /* NULL: none */
	bool wanted;			    /* the options need it; an unwanted hook is not attached */
};

struct choices {
	struct hook_choice hooks[__HOOK_MAX];
	bool refused[__HOOK_MAX][HOOK_MAX_VARIANTS];
};

/* Marks the wanted hooks; `snapshot`: only to find what is there now. Nothing is chosen or refused yet. */
void choices__init(struct choices *ret_choices, const struct filter *filter, bool snapshot);

/* Chooses again, without variants of a better tier than `tier`. `obj` has the programs, by name. */
void choices__make(struct choices *c, const struct caps *caps, const struct bpf_object *obj, enum tier tier);

/* How this hook is attached; NULL: not at all. */
const struct hook_variant *choices__used(const struct choices *c, enum hook_id id);

/* Whether this hook is attached by the variant whose first program is `prog`. */
bool choices__uses(const struct choices *c, enum hook_id id, const char *prog);

/* Passes each program of the variants in use to `fn`, once. Non-zero ends this, and is returned. */
typedef int (*choices_prog_fn)(void *ctx, const char *prog);
int choices__each_prog(const struct choices *c, choices_prog_fn fn, void *ctx);

/* The chosen variants that use this program are not chosen again. False: no chosen variant uses it. */
bool choices__cross_out(struct choices *c, const char *prog);

/* The resulting tier: that of the hook for requests or for TIME_WAIT, whichever sees less. */
enum tier choices__tier(const struct choices *c);

#endif
