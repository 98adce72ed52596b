/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/source.h"

#include "model/record.h"

static int read_sums(void *ctx, struct sums *sums, struct losses *ret_losses)
{
	return tracer__read_sums(ctx, sums, ret_losses);
}

static int on_alive(void *ctx, const void *data, size_t sz)
{
	struct record rec;

	if (record__decode(data, sz, &rec)) /* it changed while it was copied */
		return 0;
	return census__add(ctx, &rec);
}

static int read_census(void *ctx, struct census *census)
{
	size_t waits;
	int err;

	census__reset(census);
	err = tracer__walk(ctx, on_alive, census);
	if (!err)
		err = tracer__count_waits(ctx, &waits);
	if (!err)
		census__add_waits(census, waits);
	return err;
}

static int expire(void *ctx, uint64_t idle_ns)
{
	return tracer__expire(ctx, idle_ns);
}

struct out_source source__of(struct tracer *t)
{
	return (struct out_source){
		.ctx = t, .read_sums = read_sums, .read_census = read_census, .expire = expire};
}
