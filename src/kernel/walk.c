/* SPDX-License-Identifier: GPL-2.0-only */
/* The table is an array of pairs, read where it lies, and a hash (bpf/table.bpf.h). */
#include "kernel/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "synfin.h"
#include "synfin.skel.h"

#define WALK_BATCH 1024 /* more than any bucket of the hash holds */

/* accept() may have decided what the holder of the lock has not come to yet (bpf/accept.bpf.h). */
static bool is_wanted(const struct sf_conn *c)
{
	return !(c->flags & SF_F_PENDING) ||
	       (c->accept_ts & SF_ACC_LOOKED && !(c->accept_ts & SF_ACC_UNWANTED));
}

/* The sweep found its object dead. A look-up for each, but only while there are such. */
static bool is_ghost(const struct synfin_bpf *skel, const struct sf_conn *c)
{
	uint8_t one;

	return bpf_map_lookup_elem(bpf_map__fd(skel->maps.ghosts), &c->id, &one) == 0;
}

static bool has_ghosts(const struct synfin_bpf *skel)
{
	uint64_t first;

	return bpf_map_get_next_key(bpf_map__fd(skel->maps.ghosts), NULL, &first) == 0;
}

/* Of a child of TCP Fast Open it is not known yet whose it is. */
static bool is_alive(const struct sf_conn *c)
{
	return c->family && is_wanted(c) && !(c->flags & (SF_F_ENDED | SF_F_END_TOLD));
}

/* What is under a key; the connection, or TIME_WAIT, is a copy. Non-zero ends the walk. */
typedef int (*visit_fn)(void *ctx, uint64_t key, const void *value);

/* Who comes or goes while its place is read is not there. */
static int visit_pair(const struct sf_pair *p, visit_fn fn, void *ctx)
{
	int err = 0;

	for (int i = 0; !err && i < 2; i++) {
		uint64_t key = __atomic_load_n(&p->keys[i], __ATOMIC_ACQUIRE);
		struct sf_conn c;

		if (!key)
			continue;
		c = p->conns[i];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&p->keys[i], __ATOMIC_RELAXED) == key)
			err = fn(ctx, key, &c);
	}
	return err;
}

/* Where it lies. */
static int visit_pairs(const struct bpf_map *map, visit_fn fn, void *ctx)
{
	size_t cnt = bpf_map__max_entries(map);
	struct sf_pair *pairs = mmap(NULL, cnt * sizeof(*pairs), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	int err = 0;

	if (pairs == MAP_FAILED)
		return -errno;
	for (size_t i = 0; !err && i < cnt; i++)
		err = visit_pair(&pairs[i], fn, ctx);
	munmap(pairs, cnt * sizeof(*pairs));
	return err;
}

/* By whole buckets: with one key after the other, a key deleted meanwhile would begin the walk anew. */
static int visit_hash(const struct bpf_map *map, visit_fn fn, void *ctx)
{
	size_t value_sz = bpf_map__value_size(map);
	uint64_t *keys = calloc(WALK_BATCH, sizeof(*keys));
	char *values = calloc(WALK_BATCH, value_sz);
	int err = keys && values ? 0 : -ENOMEM, end = 0;
	void *from = NULL;
	uint32_t at, cnt;

	while (!err && !end) {
		cnt = WALK_BATCH;
		end = bpf_map_lookup_batch(bpf_map__fd(map), from, &at, keys, values, &cnt, NULL);
		if (end && end != -ENOENT)
			err = end;
		for (uint32_t i = 0; !err && i < cnt; i++)
			err = fn(ctx, keys[i], values + i * value_sz);
		from = &at;
	}
	free(keys);
	free(values);
	return err;
}

/* In this order, one that leaves the array meanwhile is rather met twice than not at all; a request that becomes a child may be missed. */
static int visit_table(const struct synfin_bpf *skel, visit_fn fn, void *ctx)
{
	int err = visit_pairs(skel->maps.pairs, fn, ctx);

	return err ? err : visit_hash(skel->maps.conns, fn, ctx);
}

struct walk {
	const struct synfin_bpf *skel;
	bool has_ghosts;
	tracer_record_fn fn;
	void *ctx;
};

static int tell_alive(void *ctx, uint64_t key, const void *value)
{
	const struct sf_conn *c = value;
	struct sf_event ev = {.type = SF_EV_ALIVE, .ts = clock__mono_ns(), .conn = *c};
	const struct walk *w = ctx;

	(void)key;
	ev.conn.source &= ~SF_SRC_IN_CGROUP;
	if (!is_alive(c) || (w->has_ghosts && is_ghost(w->skel, c)))
		return 0;
	return w->fn(w->ctx, &ev, sizeof(ev));
}

int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx)
{
	struct walk w = {.skel = skel, .has_ghosts = has_ghosts(skel), .fn = fn, .ctx = ctx};

	return visit_table(skel, tell_alive, &w);
}

struct census {
	const struct synfin_bpf *skel;
	bool has_ghosts;
	struct tracer_alive *alive;
};

/* Established, and not over: what `opened` and `closed` count. */
static int count_alive(void *ctx, uint64_t key, const void *value)
{
	const struct sf_conn *c = value;
	const struct census *census = ctx;

	(void)key;
	if (!is_alive(c) || !(c->flags & SF_F_OPENED) || (census->has_ghosts && is_ghost(census->skel, c)))
		return 0;
	if (c->flags & SF_F_TIME_WAIT)
		census->alive->time_waits++;
	else
		census->alive->conns++;
	return 0;
}

static int count_wait(void *ctx, uint64_t key, const void *value)
{
	const struct sf_wait *w = value;

	(void)key;
	*(size_t *)ctx += w->killed_ts == 0;
	return 0;
}

/* Those that are not in `conns` besides (waits_alone() in bpf/waits.bpf.h). */
int walk__count_waits(const struct synfin_bpf *skel, size_t *ret_cnt)
{
	*ret_cnt = 0;
	if (!skel->rodata->cfg_tally || skel->rodata->find_tw_by_header)
		return 0;
	return visit_hash(skel->maps.waits, count_wait, ret_cnt);
}

int walk__count(const struct synfin_bpf *skel, struct tracer_alive *ret_alive)
{
	struct census census = {.skel = skel, .has_ghosts = has_ghosts(skel), .alive = ret_alive};
	size_t waits;
	int err;

	*ret_alive = (struct tracer_alive){};
	err = visit_table(skel, count_alive, &census);
	if (!err)
		err = walk__count_waits(skel, &waits);
	if (!err)
		ret_alive->time_waits += waits;
	return err;
}

struct key_walk {
	walk_key_fn fn;
	void *ctx;
};

static int pass_key(void *ctx, uint64_t key, const void *value)
{
	const struct key_walk *w = ctx;

	(void)value;
	return w->fn(w->ctx, key);
}

int walk__keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx)
{
	struct key_walk w = {fn, ctx};

	return visit_table(skel, pass_key, &w);
}

int walk__wait_keys(const struct synfin_bpf *skel, walk_key_fn fn, void *ctx)
{
	struct key_walk w = {fn, ctx};

	return visit_hash(skel->maps.waits, pass_key, &w);
}
