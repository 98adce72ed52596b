/* SPDX-License-Identifier: GPL-2.0-only */
/* Every connection in the kernel side's table, as it is at the moment. */
#ifndef SYNFIN_KERNEL_WALK_H
#define SYNFIN_KERNEL_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/tracer.h"

struct synfin_bpf;

/* As tracer__walk(). */
int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx);
/* As tracer__count_waits(). */
int walk__count_waits(const struct synfin_bpf *skel, size_t *ret_cnt);
/* As tracer__count_alive(). */
int walk__count(const struct synfin_bpf *skel, struct tracer_alive *ret_alive);

/* Non-zero ends the walk, and is returned. */
typedef int (*walk_key_fn)(void *ctx, uint64_t key);
/* The addresses of all objects in the table; of all minisocks in `waits`. */
int walk__keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx);
int walk__wait_keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx);

#endif
