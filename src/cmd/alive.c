/* SPDX-License-Identifier: GPL-2.0-only */
/* The warm start alone: what it finds is written, and nothing is attached. */
#include "cmd/alive.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "kernel/tracer.h"

static int on_record(void *ctx, const void *data, size_t sz)
{
	struct record rec;
	int err = record__decode(data, sz, &rec);

	return err ? err : out__record(ctx, &rec);
}

static int write_alive(struct tracer *tracer, const struct session_hooks *hooks, void *ctx)
{
	struct out *out = NULL;
	struct clock clk;
	int err = clock__sync(&clk);

	if (!err)
		err = hooks->make_out(ctx, tracer, &clk, &out);
	if (!err)
		err = tracer__walk(tracer, on_record, out);
	if (!err)
		err = out__flush(out);
	if (err)
		log__error("cannot write what is alive: %s", strerror(-err));
	out__free(out);
	return err;
}

int alive__run(const struct options *opts, const struct session_hooks *hooks, void *ctx)
{
	struct tracer_opts topts = {.filter = &opts->filter, .snapshot = true};
	struct tracer *tracer = NULL;
	int err = session__check_pids(opts);

	if (!err)
		err = tracer__new(&topts, &tracer);
	if (err)
		return session__exit_status(err);
	err = write_alive(tracer, hooks, ctx);
	tracer__free(tracer);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
