/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs in which others go on by a tail call: loaded, never attached. Twins on one tracepoint and hooks that differ in
 * nothing but their place so share one body, which the kernel verifies once.
 */
#ifndef SYNFIN_KERNEL_TAILS_H
#define SYNFIN_KERNEL_TAILS_H

#include <stdbool.h>

struct bpf_object;

bool tails__is_tail(const char *prog);
/* After load, before anything is attached: a call that finds nothing returns, and its event is lost. 0 or -errno. */
int tails__join(const struct bpf_object *obj);

#endif
