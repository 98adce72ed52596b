/* SPDX-License-Identifier: GPL-2.0-only */
/* The warm start: connections and listeners that were there before the hooks, merged into what these have met since. */
#ifndef SYNFIN_KERNEL_WARM_H
#define SYNFIN_KERNEL_WARM_H

#include <bpf/libbpf.h>

#include "model/filter.h"

/* Runs the program of iter/tcp in each network namespace that the filter lets through. 0 or -errno. */
int warm__find_sockets(const struct bpf_program *prog, const struct filter *filter);

/* Runs the program of another iterator over all there is for it. 0 or -errno. */
int warm__find(const struct bpf_program *prog);

#endif
