/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TIME_WAITs of who wants sums alone. Only how long each lasts is left to tell, and they are many and last long: half a line of
 * the cache for each, where a connection in `conns` has four that no cache holds any more when it ends. An address has two places
 * in an array; who finds both taken stays in `conns`.
 */
#ifndef SYNFIN_WAITS_BPF_H
#define SYNFIN_WAITS_BPF_H

/* Minisocks that are found by the header of a segment need all of it until they are gone. */
static __always_inline bool keeps_waits(void)
{
	return cfg_tally && !find_tw_by_header;
}

static __always_inline struct sf_wait_pair *wait_pair_of(__u64 key)
{
	__u32 index = spread(key, SF_WAIT_BITS);

	return bpf_map_lookup_elem(&waits, &index);
}

static __always_inline struct sf_wait *wait_find(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);
	struct sf_wait_pair *p = keeps_waits() && key ? wait_pair_of(key) : NULL;
	enum place at = FIRST;

	if (!p)
		return NULL;
	if (READ_ONCE(p->waits[FIRST].key) != key) {
		if (READ_ONCE(p->waits[SECOND].key) != key)
			return NULL;
		at = SECOND;
	}
	return &p->waits[hidden(p->waits[FIRST].since, at)];
}

/* False: another CPU was faster. */
static __always_inline bool wait_remove(struct sf_wait *w, const struct inet_timewait_sock *tw)
{
	return unclaim(&w->claims, &w->key, as_number(tw));
}

/*
 * What remains of `c`, whose close was written and which this minisock carries. False: it has to stay what it is. What began
 * before the tracer and was not seen to begin does not come here.
 */
static __always_inline bool wait_add(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	__u64 key = as_number(tw), since = sf_time_wait_ts(&c->closing);
	struct sf_wait_pair *p = keeps_waits() ? wait_pair_of(key) : NULL;
	struct sf_wait *w;

	if (!p || !since || !(c->flags & SF_F_TIME_WAIT) || c->flags & SF_F_PENDING)
		return false;
	w = &p->waits[hidden(c->id, p->waits[FIRST].claims ? SECOND : FIRST)];
	if (!claim(&w->claims))
		return false;
	w->since = since;
	w->is_told = !(c->flags & SF_F_NO_CLOSE);
	w->set = w->is_told ? find_set(c) : 0;
	barrier();
	WRITE_ONCE(w->key, key);
	return true;
}

/* The minisock is no more. */
static __always_inline void wait_end(struct sf_wait *w, const struct inet_timewait_sock *tw, __u64 ts)
{
	__u64 set = w->set, since = w->since;
	bool is_told = w->is_told;

	if (!wait_remove(w, tw))
		return;
	count(SF_CNT_TW_GONE);
	if (is_told)
		sf_add_duration(set, SF_SLOT_STATE + (REC_TIME_WAIT - REC_FIN_WAIT1), since, ts, SF_EXACT);
}

#endif
