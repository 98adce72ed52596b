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
	struct sf_wait_pair *p = keeps_waits() ? wait_pair_of(key) : NULL;
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

static __always_inline void wait_remove(struct sf_wait *w, const struct inet_timewait_sock *tw)
{
	unclaim(&w->claims, &w->key, as_number(tw));
}

/* What remains of `c`, whose close was written and which this minisock carries. False: it has to stay what it is. */
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
	w->set = find_set(c);
	if (c->flags & (SF_F_NO_CLOSE | SF_F_TW_BLIND))
		w->certainty = SF_UNTOLD;
	else
		w->certainty = c->flags & SF_F_LATE && since == c->est_ts ? SF_FIRST_SIGHT : SF_EXACT;
	barrier();
	WRITE_ONCE(w->key, key);
	return true;
}

/* The minisock is no more. */
static __always_inline void wait_end(struct sf_wait *w, const struct inet_timewait_sock *tw, __u64 ts)
{
	count(SF_CNT_TW_GONE);
	if (w->certainty != SF_UNTOLD)
		sf_add_duration(w->set, SF_SLOT_STATE + (REC_TIME_WAIT - REC_FIN_WAIT1), w->since, ts,
				w->certainty);
	wait_remove(w, tw);
}

#endif
