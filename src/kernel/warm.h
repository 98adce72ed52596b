/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The warm start: finds the connections and listeners that are older than the hooks, and merges them into
 * what the hooks have seen since.
 */
#ifndef SYNFIN_KERNEL_WARM_H
#define SYNFIN_KERNEL_WARM_H

#include <bpf/libbpf.h>

#include "model/filter.h"

/* Runs the program of iter/tcp in each network namespace that the filter accepts. 0 or -errno. */
int warm__find_sockets(const struct bpf_program *prog, const struct filter *filter);

/* Runs the program of another iterator over everything that this iterator visits. 0 or -errno. */
int warm__find(const struct bpf_program *prog);

#endif
