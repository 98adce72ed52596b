/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIN_WAIT2 without a socket, and TIME_WAIT. tcp_time_wait() puts an inet_timewait_sock (minisock) in the
 * full socket's place and closes the full socket. The minisock starts in substate FIN_WAIT2 (the peer's FIN
 * is still out) or TIME_WAIT, and no socket tracepoint sees it.
 */
#ifndef SYNFIN_TIMEWAIT_BPF_H
#define SYNFIN_TIMEWAIT_BPF_H

#include "conn.bpf.h"
#include "core.bpf.h"
#include "ehash.bpf.h"
#include "emit.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tally.bpf.h"
#include "tell.bpf.h"
#include "waits.bpf.h"

/*
 * The minisock that takes over the connection of this socket. tcp_time_wait() has put it in the socket's
 * place, and closes the socket next. NULL: there was no room for a minisock.
 */
static __always_inline const struct inet_timewait_sock *find_minisock(const struct sock *sk)
{
	struct sf_name name = name_of(&sk->__sk_common);

	return (const void *)find_in_ehash(&name, 1U << TCP_TIME_WAIT);
}

/*
 * The id of the connection that this minisock carries, which differs from that of any other connection of the
 * same address. 0: none of ours.
 */
static __always_inline __u64 minisock_id(const struct inet_timewait_sock *tw)
{
	const struct sf_wait *w = wait_find(tw);
	const struct sf_conn *c;

	if (w)
		return w->id;
	c = minisock_find(tw);
	return c ? c->id : 0;
}

/* --- minisocks by the header of a segment --------------------------------------------------------------- */

static __always_inline __u32 fold_addr(const __u8 *a)
{
	const __u32 *w = (const __u32 *)a;

	return w[0] ^ w[1] ^ w[2] ^ w[3];
}

static __always_inline struct sf_tw_key tw_key(const struct sf_conn *c)
{
	return (struct sf_tw_key){c->netns, fold_addr(c->raddr), c->lport, c->rport};
}

static __always_inline void index_minisock(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	struct sf_tw_key key = tw_key(c);
	__u64 object = (__u64)tw;

	if (find_tw_by_header)
		bpf_map_update_elem(&tw_headers, &key, &object, BPF_ANY);
}

/* If this minisock died unseen, the name may belong to another one already. */
static __always_inline void unindex_minisock(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	struct sf_tw_key key = tw_key(c);
	__u64 *object = find_tw_by_header ? bpf_map_lookup_elem(&tw_headers, &key) : NULL;

	if (object && *object == as_number(tw))
		bpf_map_delete_elem(&tw_headers, &key);
}

/*
 * The address of the minisock that took this segment, for kernels whose kfree_skb does not name the receiver.
 * 0: none of ours.
 */
static __noinline __u64 minisock_by_header(const struct sk_buff *skb)
{
	struct sf_conn c = {};
	struct sf_tw_key key;
	__u64 *object;

	if (!read_header(&c, skb))
		return 0;
	key = tw_key(&c);
	object = bpf_map_lookup_elem(&tw_headers, &key);
	return object ? *object : 0;
}

static __always_inline void minisock_forget(const struct inet_timewait_sock *tw)
{
	const struct sf_conn *c = minisock_find(tw);

	if (c) {
		unindex_minisock(tw, c);
		minisock_remove(tw);
	}
}

/*
 * Moves everything known about a minisock from one key to another, unless its `close` is being reported. Here
 * too, the program that deletes it from `waits` has it. Returns 0, or an error, and then all is as before.
 */
__noinline int move_minisock(__u64 from, __u64 to) /* not static: as tell() */
{
	const struct inet_timewait_sock *old = (const void *)from, *new = (const void *)to;
	const struct sf_wait *w = wait_find(old);
	const struct sf_conn *c = NULL;
	struct sf_wait copy;
	int err = 0;

	if (w && !READ_ONCE(w->is_told))
		return -EBUSY;
	if (!w || !waits_alone()) /* its reporter may still be about to remove `c` */
		c = minisock_find(old);
	if (c)
		err = minisock_add(new, c);
	if (err)
		return err;
	if (w) {
		copy = *w;
		err = wait_insert(new, &copy);
	}
	if (w && !err && !wait_remove(old)) {
		wait_remove(new);
		err = -EBUSY;
	}
	if (c)
		minisock_remove(err ? new : old);
	return err;
}

/* The minisock that was under this address died unseen. */
__noinline int lose_minisock(__u64 address) /* not static: as tell() */
{
	const struct inet_timewait_sock *tw = (const void *)address;
	struct sf_conn *c = minisock_find(tw);

	if (c)
		end_missed(tw, c);
	else
		miss(SF_MISSED_REUSED);
	minisock_forget(tw);
	wait_remove(tw);
	return 0;
}

/* `c` is the element under the socket that `tw` replaces. */
static __always_inline void minisock_inherit(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	int err = minisock_add(tw, c);

	if (err == -EEXIST) {
		lose_minisock(as_number(tw));
		err = minisock_add(tw, c);
	}
	if (err)
		lose(SF_LOST_EVICTED);
	else
		index_minisock(tw, c);
}

/* --- the minisock's life ------------------------------------------------------------------------------- */

/* Stage `end` of an active closer: the peer's FIN has come. */
static __always_inline void begin_time_wait(const void *object, struct sf_conn *c, __u64 now)
{
	c->state = TCP_TIME_WAIT;
	c->flags |= SF_F_TIME_WAIT;
	if (!(c->flags & SF_F_PENDING))
		count(SF_CNT_TW_BEGUN);
	write_close(object, c, SF_OUT_FIN, now);
}

static __always_inline void write_gone(const void *object, struct sf_conn *c, enum sf_outcome how, __u64 ts)
{
	if (c->flags & SF_F_PENDING)
		return;
	count(SF_CNT_TW_GONE);
	emit_stage(c, SF_ST_GONE, ts);
	if (!(c->flags & SF_F_NO_CLOSE))
		emit(object, SF_EV_GONE, how, ts);
}

/* TIME_WAIT is over. The caller has deleted the element from `waits`, and `w` is a copy of it. */
static __always_inline void end_wait(const struct inet_timewait_sock *tw, const struct sf_wait *w)
{
	struct sf_conn *c;

	if (waits_alone()) {
		count(SF_CNT_TW_GONE);
		if (w->wants_gone)
			sf_add_duration(w->set, SF_SLOT_STATE + (REC_TIME_WAIT - REC_FIN_WAIT1), w->since,
					w->killed_ts, SF_EXACT);
		return;
	}
	c = minisock_find(tw);
	if (c) {
		write_gone(tw, c, w->how == SF_OUT_RESET_LOCAL ? SF_OUT_TW_KILLED : w->how, w->killed_ts);
		minisock_forget(tw);
	}
}

/* The `close` of `w` was reported, and its minisock was killed. */
static __always_inline void try_end_wait(const struct inet_timewait_sock *tw, const struct sf_wait *w)
{
	struct sf_wait copy = *w;

	if (wait_remove(tw))
		end_wait(tw, &copy);
}

/* We have reported the `close` of this minisock. */
static __always_inline void told_wait(const struct inet_timewait_sock *tw)
{
	struct sf_wait *w = wait_find(tw);

	if (!w)
		return;
	__sync_fetch_and_add(&w->is_told, 1);
	if (READ_ONCE(w->killed_ts))
		try_end_wait(tw, w);
}

/* The `close` was reported before the connection was handed to this minisock. */
static __always_inline void inherit_wait(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	int err = wait_begin(tw, c, c->closing.fin_rcvd_ts, true);

	if (err == -EEXIST && waits_alone()) {
		lose_minisock(as_number(tw));
		err = wait_begin(tw, c, c->closing.fin_rcvd_ts, true);
	}
	if (err)
		lose(SF_LOST_EVICTED);
}

/* A segment came for the minisock: if it was the peer's FIN, the substate is TIME_WAIT now. */
__noinline int minisock_fin(__u64 address) /* not static: as tell() */
{
	const struct inet_timewait_sock *tw = (const void *)address;
	struct sf_conn *c;
	__u64 now;
	int err;

	order(); /* the kernel has set the substate, and looks for it here; hand_over() the other way round */
	c = minisock_find(tw);
	if (!c || c->flags & SF_F_TIME_WAIT || KREAD(tw, tw_substate) != TCP_TIME_WAIT)
		return 0;
	now = bpf_ktime_get_ns();
	err = wait_begin(tw, c, now, false);
	if (err == -EEXIST)
		return 0;
	if (err)
		lose(SF_LOST_EVICTED);
	c->closing.fin_rcvd_ts = now;
	emit_segment(c, SF_ST_FIN_RCVD, now,
		     (struct segment){.seq = KREAD(tw, __tw_common.skc_tw_rcv_nxt) - 1,
				      .ack = KREAD(tw, __tw_common.skc_tw_snd_nxt),
				      .known = SF_K_SEQ | SF_K_ACK});
	begin_time_wait(tw, c, now);
	if (waits_alone() && !err)
		minisock_remove(tw);
	told_wait(tw);
	return 0;
}

static __always_inline void on_minisock_fin(const struct inet_timewait_sock *tw)
{
	minisock_fin(as_number(tw));
}

/* How a minisock ends if a segment with these flags ends it (tcp_timewait_state_process). */
static __always_inline enum sf_outcome ends_minisock(const struct tcphdr *th)
{
	if (KREAD_BITS(th, rst))
		return SF_OUT_TW_RESET;
	return KREAD_BITS(th, syn) ? SF_OUT_TW_SYN : SF_OUT_RESET_LOCAL;
}

/*
 * tcp_timewait_state_process() begins. If it or its caller ends the minisock, the kill follows on this CPU.
 */
static __always_inline void on_minisock_segment(const struct inet_timewait_sock *tw, const struct tcphdr *th)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	cpu->tw_segment = (__u64)tw;
	cpu->tw_segment_ts = bpf_ktime_get_ns();
	cpu->tw_segment_outcome = ends_minisock(th);
}

#define SEGMENT_NS 10000000 /* an older segment is not the cause of a kill */

/* Why this minisock is about to be killed, if not by its timer. */
static __always_inline enum sf_outcome why_killed(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	/*
	 * connect() unhashes it before the kill (__inet_check_established); all others leave that to the
	 * kill.
	 */
	if (is_unhashed(&tw->__tw_common))
		return SF_OUT_TW_REUSED;
	if (netns_is_dying(KREAD(tw, __tw_common.skc_net.net)))
		return SF_OUT_TW_NETNS;
	if (cpu->tw_segment == (__u64)tw && bpf_ktime_get_ns() - cpu->tw_segment_ts < SEGMENT_NS)
		return cpu->tw_segment_outcome;
	return SF_OUT_TW_KILLED;
}

/* The outcome if a minisock died without the peer's FIN. */
static __always_inline enum sf_outcome unfinished(const struct sf_conn *c, enum sf_outcome how)
{
	if (how == SF_OUT_TW_TIMER)
		return SF_OUT_TIMED_OUT;
	if (c->flags & SF_F_RST_OUT || how == SF_OUT_RESET_LOCAL || how == SF_OUT_TW_SYN)
		return SF_OUT_RESET_LOCAL; /* data or a SYN came for it (TCP_TW_RST) */
	if (how == SF_OUT_TW_RESET)
		return SF_OUT_RESET_REMOTE;
	return SF_OUT_ABORTED;
}

/* The peer's FIN had come and was not seen: the close ended between the ACK of our FIN and now. */
static __always_inline void write_unseen_end(const void *object, struct sf_conn *c)
{
	miss(SF_MISSED_END);
	c->flags |= SF_F_TW_BLIND | SF_F_GAP;
	write_close(object, c, SF_OUT_FIN, c->closing.fin_acked_ts);
}

static __always_inline void write_unfinished(const void *object, struct sf_conn *c, enum sf_outcome how,
					     __u64 ts)
{
	enum sf_outcome outcome = unfinished(c, how);

	if (outcome == SF_OUT_RESET_LOCAL)
		c->flags |= SF_F_RST_OUT;
	else if (outcome == SF_OUT_RESET_REMOTE)
		c->flags |= SF_F_RST_IN;
	write_close(object, c, outcome, ts);
}

/* The minisock dies and its FIN was not seen, or it was in TIME_WAIT when the tracer started. */
static __always_inline void write_end(const struct inet_timewait_sock *tw, struct sf_conn *c, __u32 substate,
				      enum sf_outcome how, __u64 ts)
{
	if (c->flags & SF_F_TIME_WAIT)
		write_gone(tw, c, how == SF_OUT_RESET_LOCAL ? SF_OUT_TW_KILLED : how, ts);
	else if (substate == TCP_TIME_WAIT)
		write_unseen_end(tw, c);
	else
		write_unfinished(tw, c, how, ts);
}

/* False: another CPU has taken it. */
static __always_inline bool bury_unfinished(const struct inet_timewait_sock *tw, __u32 substate,
					    enum sf_outcome how, __u64 ts)
{
	struct sf_conn *c = minisock_find(tw);
	struct sf_wait w = {.killed_ts = ts, .how = how};
	int err;

	if (!c)
		return true;
	w.id = c->id;
	err = wait_insert(tw, &w);
	if (err == -EEXIST)
		return false;
	write_end(tw, c, substate, how, ts);
	minisock_forget(tw);
	if (!err)
		wait_remove(tw);
	return true;
}

/* The minisock is dead. `substate` is its last one. */
__noinline int bury(__u64 address, __u32 substate, __u32 how, __u64 ts) /* not static: as tell() */
{
	const struct inet_timewait_sock *tw = (const void *)address;
	struct sf_wait *w = wait_find(tw);

	if (!w && !bury_unfinished(tw, substate, how, ts))
		w = wait_find(tw);
	if (!w)
		return 0;
	w->how = how;
	WRITE_ONCE(w->killed_ts, ts);
	__sync_fetch_and_add(&w->order, 1); /* orders this before the next read */
	if (READ_ONCE(w->is_told))
		try_end_wait(tw, w);
	return 0;
}

static __always_inline void on_minisock_dead(const struct inet_timewait_sock *tw, __u8 substate,
					     enum sf_outcome how, __u64 ts)
{
	bury(as_number(tw), substate, how, ts);
}

static __always_inline void on_minisock_kill(const struct inet_timewait_sock *tw)
{
	struct sf_cpu *cpu = this_cpu();
	enum sf_outcome how;

	if (!cpu)
		return;
	how = why_killed(cpu, tw);
	if (how == SF_OUT_TW_KILLED && timer_is_over(&tw->tw_timer))
		how = SF_OUT_TW_TIMER;
	on_minisock_dead(tw, KREAD(tw, tw_substate), how, bpf_ktime_get_ns());
}

#endif
