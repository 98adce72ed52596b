/* SPDX-License-Identifier: GPL-2.0-only */
/* The warm start alone: what it finds is written, and nothing is attached. */
#include "cmd/alive.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "cmd/rights.h"
#include "kernel/cgroup.h"
#include "kernel/tracer.h"
#include "model/roster.h"
#include "out/grouplist.h"

static int add_to_roster(void *ctx, const void *data, size_t sz)
{
	return roster__add(ctx, data, sz);
}

static int write_record(struct out *out, struct cgroups *cgroups, const void *data)
{
	struct record rec;

	if (record__decode(data, sizeof(struct sf_event), &rec)) /* it changed while it was copied */
		return 0;
	rec.owner.cgroup = cgroups__path(cgroups, rec.owner.cgroup_id);
	return out__record(out, &rec);
}

/* Each connection. */
static int write_alive(struct options *opts, struct tracer *tracer, const struct session_hooks *hooks,
		       const struct clock *clk, struct cgroups *cgroups)
{
	struct roster *roster = NULL;
	struct out *out = NULL;
	int err = hooks->make_out(opts, tracer, clk, &out);

	if (!err)
		err = roster__new(&roster);
	if (!err)
		err = tracer__walk(tracer, add_to_roster, roster);
	if (!err)
		roster__sort(roster);
	for (size_t i = 0; !err && i < roster__cnt(roster); i++)
		err = write_record(out, cgroups, roster__at(roster, i));
	if (!err)
		err = out__flush(out);
	roster__free(roster);
	out__free(out);
	return err;
}

struct counting {
	struct groups *groups;
	struct cgroups *cgroups;
};

static int add_to_groups(void *ctx, const void *data, size_t sz)
{
	const struct counting *c = ctx;
	struct record rec;

	if (record__decode(data, sz, &rec))
		return 0;
	rec.owner.cgroup = cgroups__path(c->cgroups, rec.owner.cgroup_id);
	return groups__add(c->groups, &rec);
}

/* With --by. */
static int write_groups(const struct options *opts, struct tracer *tracer, const struct clock *clk,
			struct cgroups *cgroups)
{
	struct counting counting = {.cgroups = cgroups};
	struct str text = {0};
	int err = groups__new(&opts->by, &counting.groups);

	if (!err)
		err = tracer__walk(tracer, add_to_groups, &counting);
	if (!err && opts->json)
		grouplist__write_json(&text, counting.groups, clk, clock__mono_ns());
	else if (!err)
		grouplist__write_text(&text, counting.groups);
	if (!err)
		err = str__write(&text, opts->output_fd);
	str__fini(&text);
	groups__free(counting.groups);
	return err;
}

static int look(struct options *opts, struct tracer *tracer, const struct session_hooks *hooks)
{
	struct cgroups *cgroups = NULL;
	struct clock clk;
	int err = clock__sync(&clk);

	if (!err)
		err = cgroups__new(&cgroups);
	if (!err)
		err = rights__drop(opts, rights__of_session(opts, false));
	if (!err && opts->by.cnt)
		err = write_groups(opts, tracer, &clk, cgroups);
	else if (!err)
		err = write_alive(opts, tracer, hooks, &clk, cgroups);
	if (err == -EPIPE) /* `| head -1` */
		err = 0;
	if (err)
		log__error("cannot write what is alive: %s", strerror(-err));
	cgroups__free(cgroups);
	return err;
}

int alive__run(struct options *opts, const struct session_hooks *hooks)
{
	struct tracer_opts topts = {.filter = &opts->filter, .max_conns = opts->max_conns, .snapshot = true};
	struct tracer *tracer = NULL;
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = tracer__new(&topts, &tracer);

	if (err)
		return session__exit_status(err);
	err = look(opts, tracer, hooks);
	tracer__free(tracer);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
