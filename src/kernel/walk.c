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

/* One whose owner is just being written is there, but nobody's yet. */
static bool is_alive(const struct sf_conn *c)
{
	return is_wanted(c) && !(c->flags & (SF_F_ENDED | SF_F_END_TOLD));
}

static int tell_alive(const struct sf_conn *c, tracer_record_fn fn, void *ctx)
{
	struct sf_event ev = {.type = SF_EV_ALIVE, .ts = clock__mono_ns(), .conn = *c};

	ev.conn.source &= ~SF_SRC_IN_CGROUP;
	return is_alive(c) ? fn(ctx, &ev, sizeof(ev)) : 0;
}

/* Who comes or goes while its place is read is not there. */
static int walk_pair(const struct sf_pair *p, tracer_record_fn fn, void *ctx)
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
			err = tell_alive(&c, fn, ctx);
	}
	return err;
}

static size_t map_sz(const struct bpf_map *map)
{
	return (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
}

/* An array where it lies, for munmap() of map_sz(); MAP_FAILED with errno. */
static void *map_array(const struct bpf_map *map)
{
	return mmap(NULL, map_sz(map), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
}

static int walk_pairs(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx)
{
	const struct bpf_map *map = skel->maps.pairs;
	struct sf_pair *pairs = map_array(map);
	int err = 0;

	if (pairs == MAP_FAILED)
		return -errno;
	for (size_t i = 0; !err && i < bpf_map__max_entries(map); i++)
		err = walk_pair(&pairs[i], fn, ctx);
	munmap(pairs, map_sz(map));
	return err;
}

/* By whole buckets: with one key after the other, a key deleted meanwhile would begin the walk anew. */
static int walk_conns(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx)
{
	uint64_t *keys = calloc(WALK_BATCH, sizeof(*keys));
	struct sf_conn *conns = calloc(WALK_BATCH, sizeof(*conns));
	uint32_t at, cnt = WALK_BATCH;
	int err = keys && conns ? 0 : -ENOMEM, end = 0;
	void *from = NULL;

	while (!err && !end) {
		cnt = WALK_BATCH;
		end = bpf_map_lookup_batch(bpf_map__fd(skel->maps.conns), from, &at, keys, conns, &cnt, NULL);
		if (end && end != -ENOENT)
			err = end;
		for (uint32_t i = 0; !err && i < cnt; i++)
			err = tell_alive(&conns[i], fn, ctx);
		from = &at;
	}
	free(keys);
	free(conns);
	return err;
}

/* In this order, one that leaves the array meanwhile is rather met twice than not at all; a request that becomes a child may be missed. */
int walk__table(const struct synfin_bpf *skel, tracer_record_fn fn, void *ctx)
{
	int err = walk_pairs(skel, fn, ctx);

	return err ? err : walk_conns(skel, fn, ctx);
}

/* Those that are not in `conns` besides. */
int walk__count_waits(const struct synfin_bpf *skel, size_t *ret_cnt)
{
	uint64_t *keys = calloc(WALK_BATCH, sizeof(*keys));
	struct sf_wait *waits = calloc(WALK_BATCH, sizeof(*waits));
	int err = keys && waits ? 0 : -ENOMEM, end = 0;
	void *from = NULL;
	uint32_t at, cnt;

	*ret_cnt = 0;
	if (!skel->rodata->cfg_tally || skel->rodata->find_tw_by_header)
		end = -ENOENT;
	while (!err && !end) {
		cnt = WALK_BATCH;
		end = bpf_map_lookup_batch(bpf_map__fd(skel->maps.waits), from, &at, keys, waits, &cnt, NULL);
		if (end && end != -ENOENT)
			err = end;
		for (uint32_t i = 0; !err && i < cnt; i++)
			*ret_cnt += waits[i].killed_ts == 0;
		from = &at;
	}
	free(keys);
	free(waits);
	return err;
}
