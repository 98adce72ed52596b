/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Adding up in place of records, if only sums are needed (hist, export): nothing is lost whatever the reader
 * does. All additions are atomic, because a softirq may interrupt a task in one. If two extremes come at
 * once, the lesser may stay; the bucket is right.
 */
#ifndef SYNFIN_TALLY_BPF_H
#define SYNFIN_TALLY_BPF_H

#include "core.bpf.h"
#include "derive.h"
#include "hist.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "slots.h"
#include "synfin.h"
#include "tally.h"

static const struct sf_row no_row;

static __always_inline struct sf_row *find_keyed_row(__u64 set, __u32 row)
{
	struct sf_row_key key = {.set = set, .row = row};
	struct sf_row *r = bpf_map_lookup_elem(&keyed_rows, &key);

	if (r)
		return r;
	bpf_map_update_elem(&keyed_rows, &key, &no_row, BPF_NOEXIST);
	r = bpf_map_lookup_elem(&keyed_rows, &key);
	if (!r)
		count(SF_CNT_MISPLACED);
	return r;
}

static __always_inline struct sf_row *find_row(__u64 set, __u32 row)
{
	struct sf_row *r = cfg_by && set ? find_keyed_row(set, row) : NULL;

	return r ? r : bpf_map_lookup_elem(&rows, &row);
}

/*
 * Not static, so that it is verified once, not at each call. Before 6.8 (commit 2afae08c9dcb) it is verified
 * even if it is never called; the switch then leaves nothing to verify.
 */
__noinline int sf_add_count(__u64 set, __u32 slot, __u32 n)
{
	struct sf_place place = sf_counter_place(slot);
	struct sf_row *r;

	if (!cfg_tally || !n)
		return 0;
	r = find_row(set, place.row);
	if (r)
		__sync_fetch_and_add(&r->counts[place.at & (SF_ROW_CNT - 1)], n);
	else
		lose(SF_LOST_DROPPED);
	return 0;
}

static __always_inline void add_sample(__u64 set, __u32 slot, __u64 ns)
{
	struct sf_place place = sf_hist_place(slot, sf_hist_index(ns));
	struct sf_row *r = find_row(set, place.row);

	if (!r) {
		lose(SF_LOST_DROPPED);
		return;
	}
	__sync_fetch_and_add(&r->counts[place.at & (SF_ROW_CNT - 1)], 1);
	__sync_fetch_and_add(&r->sum_ns, ns);
	if (ns > r->most_ns)
		r->most_ns = ns;
	if (~ns > r->least_ns)
		r->least_ns = ~ns;
}

/* Lower bounds are not measurements: they are counted, and kept out of the histograms. */
__noinline int sf_add_duration(__u64 set, __u32 slot, __u64 from, __u64 to, enum sf_certainty certainty)
{
	enum sf_verdict v;

	if (!cfg_tally)
		return 0;
	v = sf_duration(from, to, certainty);
	if (v == SF_BACKWARDS)
		count(SF_CNT_BACKWARDS);
	if (v != SF_KNOWN || slot >= SF_FIRST_COUNTER)
		return 0;
	if (certainty != SF_EXACT)
		count(SF_CNT_BOUNDS);
	else
		add_sample(set, slot, to - from);
	return 0;
}

/* As copy_conn(): accept() may be writing the owner. */
static __always_inline void fill_set_key(struct sf_set_key *key, const struct sf_conn *c)
{
	__u64 word = READ_ONCE(c->accept_ts);

	barrier();
	sf_fill_set_key(key, c, cfg_by);
	if (is_owner_whole(c, word))
		return;
	word = READ_ONCE(c->accept_ts);
	barrier();
	__builtin_memset(key, 0, sizeof(*key));
	sf_fill_set_key(key, c,
			word == SF_ACC_BUSY ? cfg_by & ~(1 << BY_COMM | 1 << BY_PID | 1 << BY_CGROUP)
					    : cfg_by);
}

/*
 * The number of a set is drawn at random, so that no two sets are ever alike, not even a set and the one that
 * takes its place with the same key. The id of a connection cannot be that number, because one connection may
 * make several sets, of different owners.
 */
static __noinline __u64 *add_set(const struct sf_set_key *key)
{
	__u64 number = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;

	bpf_map_update_elem(&sets, key, &number, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sets, key);
}

static __always_inline __u64 find_set(const struct sf_conn *c)
{
	struct sf_set_key key = {};
	__u64 *set;

	if (!cfg_by)
		return 0;
	fill_set_key(&key, c);
	set = bpf_map_lookup_elem(&sets, &key);
	if (!set)
		set = add_set(&key);
	if (!set)
		count(SF_CNT_FOLDED);
	return set ? *set : 0;
}

static __always_inline void tally_unroutable(const struct sf_conn *c)
{
	sf_add_count(find_set(c), SF_SLOT_OPENS + SF_ROLE_CLIENT * SF_OPEN_OUTCOMES + SF_OUT_UNREACHABLE, 1);
}

/*
 * A dropped SYN is all there is of its connection, and no object carries that. Its repeats are not counted as
 * further ones.
 */
static __always_inline void tally_dropped_syn(const struct sf_conn *c)
{
	__u64 set = find_set(c);

	if (!c->syn_retrans)
		sf_add_count(set, SF_SLOT_OPENS + SF_ROLE_SERVER * SF_OPEN_OUTCOMES + SF_OUT_SYN_DROPPED, 1);
	sf_add_count(set, SF_SLOT_SYN_DROPS, 1);
}

#endif
