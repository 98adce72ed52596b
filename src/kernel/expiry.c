/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/expiry.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/array.h"
#include "kernel/batch.h"
#include "synfin.h"
#include "synfin.skel.h"

enum where {
	SET_LISTED, /* found by its key */
	SET_LEFT,   /* no longer; hidden */
	SET_LATE,   /* no longer, but something was added to it afterwards; shown */
	SET_GONE,   /* its rows are to be deleted */
};

struct set {
	uint64_t number;
	struct sf_set_key key;
	enum where where;
	uint64_t counted;  /* the sum of its counts at the last look */
	uint64_t now;	   /* ... at this one */
	uint64_t since_ns; /* of the last change, then of the first step */
	bool is_awaited;   /* by a TIME_WAIT */
};

struct expiry {
	struct set *sets; /* sorted by number */
	size_t cnt, cap;
	uint64_t gone;
};

int expiry__new(struct expiry **ret_expiry)
{
	*ret_expiry = calloc(1, sizeof(**ret_expiry));
	return *ret_expiry ? 0 : -ENOMEM;
}

void expiry__free(struct expiry *e)
{
	if (!e)
		return;
	free(e->sets);
	free(e);
}

static int compare(const void *a, const void *b)
{
	const struct set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct set *find(const struct expiry *e, size_t cnt, uint64_t number)
{
	const struct set wanted = {.number = number};

	return cnt ? bsearch(&wanted, e->sets, cnt, sizeof(*e->sets), compare) : NULL;
}

/* --- what there is ---------------------------------------------------------------------------------------- */

struct look {
	struct expiry *e;
	size_t known; /* of the sets, those of the looks before, which are sorted */
	uint64_t now_ns;
};

static int append(struct expiry *e, const struct set *set)
{
	int err = array__grow((void **)&e->sets, e->cnt, &e->cap, sizeof(*e->sets));

	if (!err)
		e->sets[e->cnt++] = *set;
	return err;
}

static int meet_sets(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	struct look *l = ctx;
	const struct sf_set_key *key = keys;
	const uint64_t *number = values;
	int err = 0;

	for (uint32_t i = 0; !err && i < cnt; i++) {
		const struct set set = {.number = number[i], .key = key[i], .since_ns = l->now_ns};

		if (!find(l->e, l->known, number[i]))
			err = append(l->e, &set);
	}
	return err;
}

static int meet_waits(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	struct look *l = ctx;
	const struct sf_wait *wait = values;

	(void)keys;
	for (uint32_t i = 0; i < cnt; i++) {
		struct set *set = find(l->e, l->e->cnt, wait[i].set);

		if (set)
			set->is_awaited = true;
	}
	return 0;
}

/* Rows of a set that was made after the sets were read are counted with the next look. */
static int count_rows(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	struct look *l = ctx;
	const struct sf_row_key *key = keys;
	const struct sf_row *row = values;

	for (uint32_t i = 0; i < cnt; i++) {
		struct set *set = find(l->e, l->e->cnt, key[i].set);

		for (int at = 0; set && at < SF_ROW_CNT; at++)
			set->now += row[i].counts[at];
	}
	return 0;
}

static int look_around(struct look *l, const struct synfin_bpf *skel)
{
	struct expiry *e = l->e;
	int err = batch__read(bpf_map__fd(skel->maps.sets), sizeof(struct sf_set_key), sizeof(uint64_t),
			      meet_sets, l);

	if (e->cnt)
		qsort(e->sets, e->cnt, sizeof(*e->sets), compare);
	for (size_t i = 0; i < e->cnt; i++) {
		e->sets[i].now = 0;
		e->sets[i].is_awaited = false;
	}
	if (!err)
		err = batch__read(bpf_map__fd(skel->maps.waits), sizeof(uint64_t), sizeof(struct sf_wait),
				  meet_waits, l);
	return err ? err
		   : batch__read(bpf_map__fd(skel->maps.keyed_rows), sizeof(struct sf_row_key),
				 sizeof(struct sf_row), count_rows, l);
}

/* --- what leaves ------------------------------------------------------------------------------------------ */

static int judge(struct set *set, int sets_fd, uint64_t now_ns, uint64_t idle_ns)
{
	bool has_changed = set->now != set->counted;
	int err = 0;

	set->counted = set->now;
	if (set->where == SET_GONE)
		return 0;
	if (has_changed) {
		set->since_ns = now_ns;
		if (set->where == SET_LEFT)
			set->where = SET_LATE;
	} else if (set->where == SET_LEFT) {
		if (set->is_awaited) /* until a while after: its end may be about to be added */
			set->since_ns = now_ns;
		else if (now_ns - set->since_ns >= EXPIRY_LEAST_NS)
			set->where = SET_GONE;
	} else if (now_ns - set->since_ns >= idle_ns) {
		if (set->where == SET_LISTED)
			err = bpf_map_delete_elem(sets_fd, &set->key);
		if (!err) {
			set->where = SET_LEFT;
			set->since_ns = now_ns;
		}
	}
	return err;
}

/* Keys of rows; a hash is not changed while it is read. */
struct keys {
	const struct expiry *e;
	struct sf_row_key *at;
	size_t cnt, cap;
};

static int collect_rows(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	struct keys *k = ctx;
	const struct sf_row_key *key = keys;

	(void)values;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct set *set = find(k->e, k->e->cnt, key[i].set);

		if (!set || set->where != SET_GONE)
			continue;
		if (array__grow((void **)&k->at, k->cnt, &k->cap, sizeof(*k->at)))
			return -ENOMEM;
		k->at[k->cnt++] = key[i];
	}
	return 0;
}

static int delete_rows(const struct expiry *e, int rows_fd)
{
	struct keys keys = {.e = e};
	int err = batch__read(rows_fd, sizeof(struct sf_row_key), sizeof(struct sf_row), collect_rows, &keys);

	for (size_t i = 0; !err && i < keys.cnt; i++)
		err = bpf_map_delete_elem(rows_fd, &keys.at[i]);
	free(keys.at);
	return err;
}

static void forget_gone(struct expiry *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->cnt; i++) {
		if (e->sets[i].where != SET_GONE)
			e->sets[kept++] = e->sets[i];
	}
	e->gone += e->cnt - kept;
	e->cnt = kept;
}

int expiry__look(struct expiry *e, const struct synfin_bpf *skel, uint64_t now_ns, uint64_t idle_ns)
{
	struct look l = {.e = e, .known = e->cnt, .now_ns = now_ns};
	int err = look_around(&l, skel);
	bool is_any_gone = false;

	for (size_t i = 0; !err && i < e->cnt; i++) {
		err = judge(&e->sets[i], bpf_map__fd(skel->maps.sets), now_ns, idle_ns);
		is_any_gone |= e->sets[i].where == SET_GONE;
	}
	if (err || !is_any_gone)
		return err;
	err = delete_rows(e, bpf_map__fd(skel->maps.keyed_rows));
	if (!err)
		forget_gone(e);
	return err;
}

/* --- what is shown ---------------------------------------------------------------------------------------- */

bool expiry__hides(const struct expiry *e, uint64_t number)
{
	const struct set *set = e ? find(e, e->cnt, number) : NULL;

	return set && (set->where == SET_LEFT || set->where == SET_GONE);
}

int expiry__walk_late(const struct expiry *e, expiry_fn fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; e && !err && i < e->cnt; i++) {
		if (e->sets[i].where == SET_LATE)
			err = fn(ctx, e->sets[i].number, &e->sets[i].key);
	}
	return err;
}

uint64_t expiry__gone(const struct expiry *e)
{
	return e ? e->gone : 0;
}
