/* SPDX-License-Identifier: GPL-2.0-only */
/* The warm start alone: what it finds is written, and nothing is attached. */
#include "cmd/alive.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "kernel/cgroup.h"
#include "kernel/tracer.h"

struct look {
	struct out *out;
	struct cgroups *cgroups;
};

static int on_record(void *ctx, const void *data, size_t sz)
{
	const struct look *look = ctx;
	struct record rec;
	int err = record__decode(data, sz, &rec);

	if (err)
		return err;
	rec.owner.cgroup = cgroups__path(look->cgroups, rec.owner.cgroup_id);
	return out__record(look->out, &rec);
}

static int write_alive(struct options *opts, struct tracer *tracer, const struct session_hooks *hooks)
{
	struct look look = {0};
	struct clock clk;
	int err = clock__sync(&clk);

	if (!err)
		err = cgroups__new(&look.cgroups);
	if (!err)
		err = hooks->make_out(opts, tracer, &clk, &look.out);
	if (!err)
		err = tracer__walk(tracer, on_record, &look);
	if (!err)
		err = out__flush(look.out);
	if (err == -EPIPE) /* `| head -1` */
		err = 0;
	if (err)
		log__error("cannot write what is alive: %s", strerror(-err));
	out__free(look.out);
	cgroups__free(look.cgroups);
	return err;
}

int alive__run(struct options *opts, const struct session_hooks *hooks)
{
	struct tracer_opts topts = {.filter = &opts->filter, .snapshot = true};
	struct tracer *tracer = NULL;
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = tracer__new(&topts, &tracer);

	if (err)
		return session__exit_status(err);
	err = write_alive(opts, tracer, hooks);
	tracer__free(tracer);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
