/* SPDX-License-Identifier: GPL-2.0-only */
/* Loads the BPF programs into the kernel and attaches them, by the variants that are chosen for the hooks. */
#ifndef SYNFIN_KERNEL_LOAD_H
#define SYNFIN_KERNEL_LOAD_H

#include <stddef.h>

#include "kernel/caps.h"
#include "kernel/choice.h"
#include "kernel/tracer.h"

struct bpf_link;
struct synfin_bpf;

struct loaded {
	struct synfin_bpf *skel; /* NULL: nothing is loaded */
	struct bpf_link *links[__HOOK_MAX * HOOK_MAX_PROGS];
	size_t link_cnt;
};

/*
 * Loads and attaches the hooks that `c` marks as wanted, each by the best variant that the kernel accepts.
 * `c` then has the variants in use. 0; -EOPNOTSUPP no variant of a required hook works, which has been
 * logged; other -errno. On failure nothing stays loaded.
 */
int load__all(struct loaded *ret_loaded, struct choices *c, const struct caps *caps,
	      const struct tracer_opts *opts);
/* Detaches and unloads. */
void load__fini(struct loaded *l);

#endif
