/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ghosts: connections in the table whose object is gone, because no program was shown its end. User space
 * walks over the table (kernel/sweep.c) and has each connection compared with the kernel's object. A
 * connection that is found dead in two sweeps, half a minute apart, is a ghost. It is counted as missed and
 * reported with what is known. Its place stays taken until the address is met again (conn_evict): nobody
 * holds its lock, so nobody may remove it.
 *
 * The sweep and the eviction may meet. The one that deletes the id from `suspects` counts the ghost. The
 * sweep puts the id into `ghosts` first, and takes it out again if the eviction came first.
 */
#ifndef SYNFIN_SWEEP_BPF_H
#define SYNFIN_SWEEP_BPF_H

#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "waits.bpf.h"

static __always_inline bool is_minisock(const struct sf_conn *c)
{
	return c->flags & SF_F_SOCK_GONE || (c->flags & SF_F_TIME_WAIT && c->flags & SF_F_LATE);
}

/* The local port; where it stands depends on the kind of object. */
static __always_inline __u16 local_port_of(const struct sf_conn *c, const struct sock_common *skc)
{
	if (c->state == TCP_NEW_SYN_RECV || is_minisock(c))
		return KREAD(skc, skc_num);
	return bpf_ntohs(KREAD((const struct inet_sock *)skc, inet_sport));
}

/*
 * Whether the object of this connection may be in this state. A connection whose end was reported waits for
 * accept(), in CLOSE.
 */
static __always_inline bool may_be_in(const struct sf_conn *c, __u8 state)
{
	if (c->state == TCP_NEW_SYN_RECV)
		return state == TCP_NEW_SYN_RECV;
	if (is_minisock(c))
		return state == TCP_TIME_WAIT;
	if (state == TCP_CLOSE)
		return c->flags & (SF_F_END_TOLD | SF_F_ENDED);
	return state != TCP_LISTEN && state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}

/*
 * The memory at this address is a sock of some kind for as long as we look (SLAB_TYPESAFE_BY_RCU), but
 * perhaps that of another connection, or a freed one. A freed sock keeps all its fields except its references
 * (sock_put(), inet_twsk_put(), reqsk_put()).
 */
static __always_inline bool is_carried_by(const struct sf_conn *c, const struct sock_common *skc)
{
	if (!KREAD(skc, skc_refcnt.refs.counter) || !may_be_in(c, KREAD(skc, skc_state)))
		return false;
	if (!c->lport || !c->rport ||
	    c->flags & (SF_F_END_TOLD | SF_F_ENDED)) /* not known yet, or not any more */
		return true;
	return bpf_ntohs(KREAD(skc, skc_dport)) == c->rport && local_port_of(c, skc) == c->lport;
}

/* Works on a copy, because the place may be given to another connection at any moment. */
static __always_inline void tell_ghost(struct sf_conn *copy)
{
	__u64 now = bpf_ktime_get_ns();

	miss(SF_MISSED_SWEPT);
	count(SF_CNT_GHOSTS);
	copy->flags |= SF_F_GAP;
	if (copy->flags & (SF_F_PENDING | SF_F_END_TOLD) || !(copy->flags & SF_F_OPENED))
		return;
	if (copy->flags & SF_F_TIME_WAIT) {
		count(SF_CNT_TW_GONE);
		return;
	}
	if (!(copy->flags & SF_F_CLOSING))
		__builtin_memset(&copy->closing, 0, sizeof(copy->closing));
	count(SF_CNT_ENDED);
	if (copy->role < __SF_ROLE_MAX && wants_close(copy, SF_OUT_NONE, now))
		emit_ghost(copy, now);
}

/* An element that was set aside under its id (timers.bpf.h) has no object to compare it with. */
static __always_inline bool is_id(__u64 key)
{
	return !(key >> 63);
}

__noinline int sweep_conn(__u64 key) /* not static: as tell() */
{
	const struct sf_conn *c = any_find(key);
	struct sf_conn copy;
	__u8 one = 1;
	__u64 id;

	if (!c || is_id(key))
		return 0;
	id = c->id;
	if (is_carried_by(c, (const struct sock_common *)key)) {
		bpf_map_delete_elem(&suspects, &id);
		return 0;
	}
	/* Reported already. As a suspect again, it would be reported once more when its address is met. */
	if (bpf_map_lookup_elem(&ghosts, &id))
		return 0;
	if (!bpf_map_update_elem(&suspects, &id, &one, BPF_NOEXIST))
		return 0; /* found dead for the first time */
	__builtin_memcpy(&copy, c, sizeof(copy));
	if (copy.id != id || bpf_map_update_elem(&ghosts, &id, &one, BPF_NOEXIST))
		return 0;
	if (bpf_map_delete_elem(&suspects, &id))
		bpf_map_delete_elem(&ghosts, &id);
	else
		tell_ghost(&copy);
	return 0;
}

/*
 * A TIME_WAIT without a connection. The program that deletes it from `waits` has it, so the sweep may remove
 * it.
 */
__noinline int sweep_wait(__u64 key)
{
	const struct inet_timewait_sock *tw = (const void *)key;
	const struct sf_wait *w = wait_find(tw);
	__u8 one = 1;
	__u64 id;

	if (!w || is_id(key))
		return 0;
	id = w->id;
	if (KREAD(tw, __tw_common.skc_state) == TCP_TIME_WAIT && !is_dying(tw)) {
		bpf_map_delete_elem(&suspects, &id);
	} else if (bpf_map_update_elem(&suspects, &id, &one, BPF_NOEXIST) &&
		   !bpf_map_delete_elem(&suspects, &id) && wait_remove(tw)) {
		miss(SF_MISSED_SWEPT);
		count(SF_CNT_GHOSTS);
		count(SF_CNT_TW_GONE);
	}
	return 0;
}

/* Examines the keys that user space has written. */
static __always_inline void sweep_slice(void)
{
	__u32 zero = 0;
	const struct sf_sweep *s = bpf_map_lookup_elem(&sweeps, &zero);

	if (!s)
		return;
	for (int i = 0; i < SF_SWEEP_KEYS; i++) {
		if (i >= (int)s->cnt)
			break;
		if (s->is_of_waits)
			sweep_wait(s->keys[i]);
		else
			sweep_conn(s->keys[i]);
	}
}

#endif
