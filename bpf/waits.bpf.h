/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Minisocks whose FIN has come, or that are gone. A segment with the FIN may be handled on one CPU while the
 * minisock is killed on another, without a lock; so may two segments with the FIN. `waits` decides:
 *
 *   The program that inserts the minisock reports `close`. It saw the FIN, or a kill that came before.
 *   The program that deletes it reports `gone`. It saw the kill, or, if `close` was not reported yet by then,
 *   it is the one that reported `close`.
 *
 * Each sets its word (is_told, killed_ts) and then reads the other's, with a full barrier between (an atomic
 * addition). At least one sees both words, and if two do, one of them deletes. If only sums are needed and no records, everything that is
 * left to report is in here, and the connection leaves `conns`.
 */
#ifndef SYNFIN_WAITS_BPF_H
#define SYNFIN_WAITS_BPF_H

#include "core.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"
#include "tally.bpf.h"

/* Minisocks that are found by the header of a segment need the whole connection until they are gone. */
static __always_inline bool waits_alone(void)
{
	return cfg_tally && !find_tw_by_header;
}

static __always_inline struct sf_wait *wait_find(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	return bpf_map_lookup_elem(&waits, &key);
}

/* 0, -EEXIST if another program was first, or another error if there is no room. */
static __always_inline int wait_insert(const struct inet_timewait_sock *tw, const struct sf_wait *w)
{
	__u64 key = as_number(tw);

	return bpf_map_update_elem(&waits, &key, w, BPF_NOEXIST);
}

/* False: another CPU was faster. */
static __always_inline bool wait_remove(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	return !bpf_map_delete_elem(&waits, &key);
}

/* TIME_WAIT of `c`, which this minisock carries, has begun. Not inlined: as own_by_current(). */
static __noinline int wait_begin(const struct inet_timewait_sock *tw, const struct sf_conn *c,
				 __u64 fin_rcvd_ts, bool is_told)
{
	struct sf_wait w = {.is_told = is_told};

	if (!c)
		return -ENOMEM;
	w.wants_gone = is_told ? !(c->flags & SF_F_NO_CLOSE) : wants_close(c, SF_OUT_FIN, fin_rcvd_ts);
	w.id = c->id;
	w.since = fin_rcvd_ts > c->closing.fin_acked_ts ? fin_rcvd_ts : c->closing.fin_acked_ts;
	if (waits_alone() && w.wants_gone)
		w.set = find_set(c);
	return wait_insert(tw, &w);
}

#endif
