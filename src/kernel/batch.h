/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a hash map of the kernel side with few system calls. */
#ifndef SYNFIN_KERNEL_BATCH_H
#define SYNFIN_KERNEL_BATCH_H

#include <stddef.h>
#include <stdint.h>

/* `cnt` elements, one after the other. Non-zero ends the reading, and is returned. */
typedef int (*batch_fn)(void *ctx, const void *keys, void *values, uint32_t cnt);

/*
 * Passes to `fn` every element that is in the map during the whole call, and some of the elements that are
 * added or deleted meanwhile. 0, -errno, or what `fn` returned.
 */
int batch__read(int map, size_t key_sz, size_t value_sz, batch_fn fn, void *ctx);

#endif
