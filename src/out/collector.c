/* SPDX-License-Identifier: GPL-2.0-only */
#include "out/collector.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "out/impl.h"
#include "out/view.h"

struct collector {
	struct out out;
	pthread_mutex_t lock; /* of all that follows */
	struct view view;
	uint64_t sums_ns;  /* CLOCK_MONOTONIC: when they were read; 0: not yet */
	uint64_t alive_ns; /* ... the census */
	struct metrics metrics;
};

static struct collector *to_collector(struct out *o)
{
	return (struct collector *)o;
}

static void fini_collector(struct out *o)
{
	struct collector *c = to_collector(o);

	view__fini(&c->view);
	pthread_mutex_destroy(&c->lock);
}

int collector__new(const struct clock *clk, const struct out_source *source, size_t max_sets,
		   const struct by *by, const struct metrics_hook *hooks, size_t hook_cnt,
		   struct out **ret_out)
{
	static const struct out_ops ops = {.fini = fini_collector};
	struct collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->out = (struct out){.ops = &ops, .clk = clk, .fd = -1};
	err = view__init(&c->view, source, max_sets, by);
	if (err) {
		out__free(&c->out);
		return err;
	}
	c->metrics = (struct metrics){.series = c->view.series,
				      .census = c->view.census,
				      .created_ns = clock__real_ns(clk, clock__mono_ns()),
				      .hooks = hooks,
				      .hook_cnt = hook_cnt};
	*ret_out = &c->out;
	return 0;
}

/* Many who ask at once are told the same. */
static int refresh(struct collector *c)
{
	uint64_t now = clock__mono_ns();
	int err = 0;

	if (!c->sums_ns || now - c->sums_ns >= COLLECTOR_SUMS_NS) {
		err = view__read_all(&c->view);
		c->sums_ns = err ? 0 : now;
		c->metrics.losses = c->view.losses;
	}
	if (!err && (!c->alive_ns || now - c->alive_ns >= COLLECTOR_ALIVE_NS)) {
		err = view__read_alive(&c->view);
		c->alive_ns = err ? 0 : now;
	}
	return err;
}

int collector__read(struct out *o, void (*fn)(void *ctx, const struct metrics *m), void *ctx)
{
	struct collector *c = to_collector(o);
	int err;

	pthread_mutex_lock(&c->lock);
	err = refresh(c);
	if (!err) {
		(void)usage__read(&c->metrics.usage);
		c->metrics.read_ns = c->sums_ns;
		fn(ctx, &c->metrics);
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

int collector__expire(struct out *o, uint64_t idle_ns)
{
	struct collector *c = to_collector(o);
	int err;

	pthread_mutex_lock(&c->lock);
	err = c->view.source.expire(c->view.source.ctx, idle_ns);
	c->sums_ns = 0; /* what was read before has those that have left */
	pthread_mutex_unlock(&c->lock);
	return err;
}
