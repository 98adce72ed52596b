/* SPDX-License-Identifier: GPL-2.0-only */
/* Every connection in the kernel side's table, as it is at the moment. */
#ifndef SYNFIN_KERNEL_WALK_H
#define SYNFIN_KERNEL_WALK_H

#include "kernel/tracer.h"

struct synfin_bpf;

/* As tracer__walk(). */
int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx);

#endif
