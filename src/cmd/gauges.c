/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/gauges.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define FRESH_NS 1000000000ULL

struct gauges {
	const struct tracer *tracer;
	pthread_mutex_t lock; /* of all that follows */
	struct census *census;
	uint64_t next_ns; /* CLOCK_MONOTONIC: when it is looked at again */
	int err;	  /* of the last look */
};

int gauges__new(const struct tracer *tracer, struct gauges **ret_gauges)
{
	struct gauges *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->tracer = tracer;
	if (census__new(&g->census)) {
		free(g);
		return -ENOMEM;
	}
	pthread_mutex_init(&g->lock, NULL);
	*ret_gauges = g;
	return 0;
}

void gauges__free(struct gauges *g)
{
	if (!g)
		return;
	census__free(g->census);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static int on_alive(void *ctx, const void *data, size_t sz)
{
	struct record rec;
	int err = record__decode(data, sz, &rec);

	return err ? err : census__add(ctx, &rec);
}

struct census *gauges__lock(struct gauges *g)
{
	uint64_t now;

	pthread_mutex_lock(&g->lock);
	now = clock__mono_ns();
	if (now >= g->next_ns) {
		g->next_ns = now + FRESH_NS;
		census__reset(g->census);
		g->err = tracer__walk(g->tracer, on_alive, g->census);
		if (g->err)
			log__debug("what is alive cannot be told: error %d", -g->err);
	}
	return g->err ? NULL : g->census;
}

void gauges__unlock(struct gauges *g)
{
	pthread_mutex_unlock(&g->lock);
}
