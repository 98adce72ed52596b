/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The logical hooks: what is watched, the ways to watch it from best to last resort, and what is not measured
 * when none of them works. The table says what to try; kernel/choice.c chooses, kernel/load.c
 * tries.
 */
#ifndef SYNFIN_KERNEL_HOOKS_H
#define SYNFIN_KERNEL_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

/* From the tier that sees most to the one that every kernel has. */
enum tier { TIER_FULL, TIER_KPROBE, TIER_TRACEPOINT, __TIER_MAX };

const char *tier__name(enum tier tier);
/* 0 or -EINVAL. */
int tier__parse(const char *text, enum tier *ret_tier);

#define HOOK_MAX_PROGS	  4
#define HOOK_MAX_VARIANTS 6

/* One way to watch: all of its programs, or none. */
struct hook_variant {
	const char *name;		   /* as `check` shows it; NULL ends the list */
	enum tier tier;			   /* used in this tier and in those that see more */
	const char *progs[HOOK_MAX_PROGS]; /* in synfin.bpf.c; NULL ends the list */
	unsigned int min_args;		   /* tracepoints: arguments that the kernel must pass, 0 any */
	bool has_twin;	  /* the second program handles what the kernel skips the first one for */
	const char *lost; /* what a better way measures and this one does not; NULL: nothing */
};

enum hook_id {
	HOOK_STATE,
	HOOK_DESTROY,
	HOOK_RST_IN,
	HOOK_RST_OUT,
	HOOK_RETRANS,
	HOOK_SYNACK_RETRANS,
	HOOK_CONNECT,
	HOOK_REQUEST,
	HOOK_SYN,
	HOOK_MIGRATE,
	HOOK_TIME_WAIT,
	HOOK_TW_SEGMENT,
	HOOK_ACCEPT,
	HOOK_SOCKETS,
	HOOK_OWNERS,
	HOOK_SWEEP,
	HOOK_TREE,
	__HOOK_MAX
};

struct hook {
	const char *name;
	const char *measures;
	const char *lost; /* what is not measured without this hook */
	bool required;
	bool is_of_servers;	  /* shows what only a server's connection does */
	bool is_of_clients;	  /* ... a client's */
	bool is_of_trees;	  /* only for filters by process tree */
	bool finds_what_is_there; /* all that a snapshot needs */
	struct hook_variant variants[HOOK_MAX_VARIANTS];
};

extern const struct hook hooks[__HOOK_MAX];

/* Whether this program is one of twins: what the kernel skips it for is not lost. */
bool hooks__has_twin(const char *prog);

#endif
