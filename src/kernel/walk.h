/* SPDX-License-Identifier: GPL-2.0-only */
/* Walks over every connection in the kernel side's table, as it is at the moment. */
#ifndef SYNFIN_KERNEL_WALK_H
#define SYNFIN_KERNEL_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/tracer.h"

struct synfin_bpf;

/* Like tracer__walk(). */
int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx);
/* Like tracer__count_waits(). */
int walk__count_waits(const struct synfin_bpf *skel, size_t *ret_cnt);
/* Like tracer__count_alive(). */
int walk__count(const struct synfin_bpf *skel, struct tracer_alive *ret_alive);

/* Non-zero ends the walk, and is returned. */
typedef int (*walk_key_fn)(void *ctx, uint64_t key);
/* Pass `fn` the addresses of all objects in the table; of all minisocks in `waits`. */
int walk__keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx);
int walk__wait_keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx);

#endif
