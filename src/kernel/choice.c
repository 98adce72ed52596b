/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/choice.h"

#include <string.h>

#include <bpf/libbpf.h>

#include "synfin.h"

static bool wants_clients(const struct filter *f)
{
	return !f->roles || f->roles & (1U << SF_ROLE_CLIENT);
}

/* A role that is not known may yet turn out to be a server's. */
static bool wants_servers(const struct filter *f)
{
	return !f->roles || f->roles & (1U << SF_ROLE_SERVER | 1U << SF_ROLE_NONE);
}

static bool is_wanted(const struct hook *h, const struct filter *filter, bool snapshot)
{
	if (h->is_of_trees)
		return filter->tree_cnt > 0;
	if ((h->is_of_servers && !wants_servers(filter)) || (h->is_of_clients && !wants_clients(filter)))
		return false;
	return !snapshot || h->finds_what_is_there;
}

void choices__init(struct choices *ret_choices, const struct filter *filter, bool snapshot)
{
	*ret_choices = (struct choices){};
	for (int id = 0; id < __HOOK_MAX; id++)
		ret_choices->hooks[id].wanted = is_wanted(&hooks[id], filter, snapshot);
}

static bool may_try(const struct hook_variant *v, const struct caps *caps, const struct bpf_object *obj)
{
	for (size_t i = 0; i < HOOK_MAX_PROGS && v->progs[i]; i++) {
		const struct bpf_program *prog = bpf_object__find_program_by_name(obj, v->progs[i]);

		if (!caps__may_attach(caps, bpf_program__section_name(prog), v->min_args))
			return false;
	}
	return true;
}

/*
 * Migration (5.14) is seen by the timers of requests only where these show the requests themselves. The tracepoint of one system call
 * makes all of them slower: that of connect() is taken where those of accept() do so anyway, and is of use where a program can ask for
 * what the call was given (5.15).
 */
static void drop_useless(struct choices *c, const struct caps *caps)
{
	if (choices__uses(c, HOOK_MIGRATE, "sf_tm_cancel") && !choices__uses(c, HOOK_REQUEST, "sf_tm_cancel"))
		c->hooks[HOOK_MIGRATE] = (struct hook_choice){};
	if (choices__uses(c, HOOK_CONNECT, "sf_connect_sc") &&
	    (!caps__has_function(caps, "bpf_task_pt_regs") ||
	     !choices__uses(c, HOOK_ACCEPT, "sf_accept4_sc")))
		c->hooks[HOOK_CONNECT].variant = NULL; /* still wanted: `ready` says that it is missing */
}

void choices__make(struct choices *c, const struct caps *caps, const struct bpf_object *obj, enum tier tier)
{
	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *chosen = NULL;

		for (size_t i = 0; !chosen && i < HOOK_MAX_VARIANTS && hooks[id].variants[i].name; i++) {
			const struct hook_variant *v = &hooks[id].variants[i];

			if (!c->refused[id][i] && v->tier >= tier && may_try(v, caps, obj))
				chosen = v;
		}
		c->hooks[id].variant = chosen;
	}
	drop_useless(c, caps);
}

const struct hook_variant *choices__used(const struct choices *c, enum hook_id id)
{
	return c->hooks[id].wanted ? c->hooks[id].variant : NULL;
}

bool choices__uses(const struct choices *c, enum hook_id id, const char *prog)
{
	const struct hook_variant *v = choices__used(c, id);

	return v && strcmp(v->progs[0], prog) == 0;
}

static bool has_prog(const struct hook_variant *v, const char *prog)
{
	for (size_t i = 0; v && i < HOOK_MAX_PROGS && v->progs[i]; i++)
		if (strcmp(v->progs[i], prog) == 0)
			return true;
	return false;
}

static bool is_of_earlier_hook(const struct choices *c, int id, const char *prog)
{
	for (int other = 0; other < id; other++)
		if (has_prog(choices__used(c, other), prog))
			return true;
	return false;
}

int choices__each_prog(const struct choices *c, choices_prog_fn fn, void *ctx)
{
	int err = 0;

	for (int id = 0; !err && id < __HOOK_MAX; id++) {
		const struct hook_variant *v = choices__used(c, id);

		for (size_t i = 0; !err && v && i < HOOK_MAX_PROGS && v->progs[i]; i++)
			if (!is_of_earlier_hook(c, id, v->progs[i]))
				err = fn(ctx, v->progs[i]);
	}
	return err;
}

bool choices__cross_out(struct choices *c, const char *prog)
{
	bool found = false;

	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *v = c->hooks[id].variant;

		if (!has_prog(v, prog))
			continue;
		c->refused[id][v - hooks[id].variants] = true;
		found = true;
	}
	return found;
}

enum tier choices__tier(const struct choices *c)
{
	const struct hook_variant *req = c->hooks[HOOK_REQUEST].variant,
				  *tw = c->hooks[HOOK_TIME_WAIT].variant;

	if (!req || !tw)
		return TIER_TRACEPOINT;
	return req->tier > tw->tier ? req->tier : tw->tier;
}
