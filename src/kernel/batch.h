/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a hash of the kernel side's with few system calls. */
#ifndef SYNFIN_KERNEL_BATCH_H
#define SYNFIN_KERNEL_BATCH_H

#include <stddef.h>
#include <stdint.h>

/* `cnt` elements, one after the other; 0, or what ends the reading. */
typedef int (*batch_fn)(void *ctx, const void *keys, void *values, uint32_t cnt);

/* All that are there the whole time; of those that come or go meanwhile some. 0, -errno, or what `fn` returned. */
int batch__read(int map, size_t key_sz, size_t value_sz, batch_fn fn, void *ctx);

#endif
