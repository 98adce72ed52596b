/* SPDX-License-Identifier: GPL-2.0-only */
/* Every connection in the kernel side's table, as it is at the moment. */
#ifndef SYNFIN_KERNEL_WALK_H
#define SYNFIN_KERNEL_WALK_H

#include <stddef.h>

#include "kernel/tracer.h"

struct synfin_bpf;

/* As tracer__walk(). */
int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx);
/* As tracer__count_waits(). */
int walk__count_waits(const struct synfin_bpf *skel, size_t *ret_cnt);

#endif
