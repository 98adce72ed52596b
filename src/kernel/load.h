/* SPDX-License-Identifier: GPL-2.0-only */
/* The BPF programs in the kernel, attached, by the ways that are chosen for the hooks. */
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
 * Loads and attaches what `c` wants, in the best way that the kernel takes, which `c` says then. 0; -EOPNOTSUPP a required hook has no
 * way, which has been logged; other -errno. On failure nothing is left.
 */
int load__all(struct loaded *ret_loaded, struct choices *c, const struct caps *caps,
	      const struct tracer_opts *opts);
/* Detaches and unloads. */
void load__fini(struct loaded *l);

#endif
