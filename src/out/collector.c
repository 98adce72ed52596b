/* SPDX-License-Identifier: GPL-2.0-only */
#include "out/collector.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "out/impl.h"

struct collector {
	struct out out;
	pthread_mutex_t lock; /* of all that follows */
	struct series *series;
	struct metrics metrics;
};

static struct collector *to_collector(struct out *o)
{
	return (struct collector *)o;
}

static int collect_record(struct out *o, const struct record *rec)
{
	struct collector *c = to_collector(o);
	int err;

	pthread_mutex_lock(&c->lock);
	err = series__add(c->series, rec);
	pthread_mutex_unlock(&c->lock);
	return err;
}

static void collect_lost(struct out *o, uint64_t mono_ns, const uint64_t delta[__SF_LOST_MAX])
{
	struct collector *c = to_collector(o);

	(void)mono_ns;
	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < __SF_LOST_MAX; i++)
		c->metrics.lost[i] += delta[i];
	pthread_mutex_unlock(&c->lock);
}

static void fini_collector(struct out *o)
{
	struct collector *c = to_collector(o);

	series__free(c->series);
	pthread_mutex_destroy(&c->lock);
}

int collector__new(const struct clock *clk, size_t max_sets, const struct by *by,
		   const struct metrics_hook *hooks, size_t hook_cnt, struct out **ret_out)
{
	static const struct out_ops ops = {collect_record, collect_lost, NULL, NULL, fini_collector};
	struct collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	err = series__new(max_sets, by, &c->series);
	if (err) {
		free(c);
		return err;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->out = (struct out){.ops = &ops, .clk = clk, .fd = -1};
	c->metrics = (struct metrics){.series = c->series,
				      .created_ns = clock__real_ns(clk, clock__mono_ns()),
				      .hooks = hooks,
				      .hook_cnt = hook_cnt};
	*ret_out = &c->out;
	return 0;
}

void collector__read(struct out *o, void (*fn)(void *ctx, const struct metrics *m), void *ctx)
{
	struct collector *c = to_collector(o);

	pthread_mutex_lock(&c->lock);
	(void)usage__read(&c->metrics.usage);
	fn(ctx, &c->metrics);
	pthread_mutex_unlock(&c->lock);
}
