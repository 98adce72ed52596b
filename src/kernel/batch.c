/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/batch.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#define BATCH 256

int batch__read(int map, size_t key_sz, size_t value_sz, batch_fn fn, void *ctx)
{
	void *keys = calloc(BATCH, key_sz), *values = calloc(BATCH, value_sz), *from = NULL;
	int err = keys && values ? 0 : -ENOMEM, end = 0;
	uint32_t at, cnt;

	while (!err && !end) {
		cnt = BATCH;
		end = bpf_map_lookup_batch(map, from, &at, keys, values, &cnt, NULL);
		if (end && end != -ENOENT) /* which comes with the last ones */
			err = end;
		else
			err = fn(ctx, keys, values, cnt);
		from = &at;
	}
	free(keys);
	free(values);
	return err;
}
