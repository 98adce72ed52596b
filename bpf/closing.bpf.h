/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The close, as far as the full socket sees it: FINs, RSTs, timeouts, aborts. timewait.bpf.h handles what
 * follows in the TIME_WAIT minisock.
 */
#ifndef SYNFIN_CLOSING_BPF_H
#define SYNFIN_CLOSING_BPF_H

#include "accept.bpf.h"
#include "active.bpf.h"
#include "conn.bpf.h"
#include "core.bpf.h"
#include "emit.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "opening.bpf.h"
#include "owner.bpf.h"
#include "passive.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tell.bpf.h"
#include "timewait.bpf.h"
#include "waits.bpf.h"

/*
 * The close begins and the handshake was not reported, because we never saw its end (TCP Fast Open closed
 * before its last ACK, or a change of state was missed). It is reported as it is. 0: it was not wanted, and
 * the connection was left.
 */
__noinline int open_unended(__u64 address) /* not static: as tell() */
{
	const void *object = (const void *)address;
	struct sf_conn *c = any_find(address);

	if (!c)
		return 0;
	if (!c->rport) /* TCP Fast Open: its addresses can be read by now */
		read_sock_tuple(c, object);
	if (!conn_decide(object, c))
		return 0;
	if (write_open(object, c, SF_OUT_ESTABLISHED, c->est_ts ? c->est_ts : bpf_ktime_get_ns()))
		return 1;
	conn_leave(object, c);
	return 0;
}

/* From here on .closing is valid. False: the connection is not wanted, and was left. */
static __always_inline bool begin_closing(const void *object, struct sf_conn *c)
{
	if (c->flags & SF_F_CLOSING)
		return true;
	if (!(c->flags & SF_F_OPENED) && !open_unended(as_number(object)))
		return false;
	__builtin_memset(&c->closing, 0, sizeof(c->closing));
	c->flags |= SF_F_CLOSING;
	return true;
}

/* The connection is over and no minisock carries it on. */
__noinline int end_object(__u64 address, __u32 outcome, __u64 ts) /* not static: as tell() */
{
	const void *object = (const void *)address;
	struct sf_conn *c = any_find(address);

	if (!c)
		return 0;
	settle_accept(object, c);
	if (!conn_decide(object, c))
		return 0;
	if (c->flags & SF_F_PENDING)
		park_close(object, c, outcome, ts);
	else
		write_close(object, c, outcome, ts);
	conn_leave(object, c);
	return 0;
}

static __always_inline void end_here(const void *object, enum sf_outcome outcome, __u64 ts)
{
	end_object(as_number(object), outcome, ts);
}

/* SYN_SENT>CLOSE, SYN_RECV>CLOSE: the attempt failed. */
static __noinline int on_failed(struct sock *sk, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct sf_conn *c = conn_find(sk);

	if (!c)
		return 0;
	if (c->role == SF_ROLE_SERVER && c->flags & SF_F_FASTOPEN && !was_fastopen(c, sk)) {
		conn_forget(sk, c); /* a clone that lost the race for its request */
		return 0;
	}
	if (c->role == SF_ROLE_CLIENT && sent_syn(c, tp))
		read_local_port(c, sk);
	else if (!c->rport) /* TCP Fast Open */
		read_sock_tuple(c, sk);
	c->error = KREAD(sk, sk_err);
	if (!c->error && c->role != SF_ROLE_SERVER)
		c->error = soft_error(sk, client_isn(tp));
	c->state = TCP_CLOSE;
	if (!conn_decide(sk, c))
		return 0;
	if (c->role == SF_ROLE_CLIENT && sent_syn(c, tp))
		stamp_syn(c, tp, now);
	write_open(sk, c, failed_outcome(c), now);
	conn_leave(sk, c);
	return 0;
}

/*
 * Runs in the task that closes: tcp_close(), tcp_shutdown(), exit. sk_shutdown says which. For a connection
 * that is older than the tracer, this may be the first sign of its owner.
 */
static __always_inline void closed_by_owner(struct sock *sk, struct sf_conn *c, __u64 now)
{
	if (!c->closing.closer_pid)
		close_by_current(c);
	if (c->flags & SF_F_LATE && c->source == SF_SRC_NONE && !awaits_accept(c))
		own_by_current(c, SF_SRC_ITERATOR);
	c->closing.data_segs = data_segs(sk);
	if (!(c->flags & SF_F_LEFT) && KREAD(sk, sk_shutdown) == SHUTDOWN_MASK) {
		c->flags |= SF_F_LEFT;
		emit_stage(c, SF_ST_CLOSE, now);
	}
}

/* ESTABLISHED>FIN_WAIT1, CLOSE_WAIT>LAST_ACK: our FIN is queued behind the data written before. */
static __always_inline void on_fin_sent(struct sock *sk, struct sf_conn *c, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (!begin_closing(sk, c))
		return;
	if (has_accept && awaits_accept(c) && !(c->flags & SF_F_MPTCP))
		miss(SF_MISSED_ACCEPT); /* a task closes it, so accept() returned it */
	c->closing.fin_sent_ts = now;
	if (!c->closing.fin_rcvd_ts)
		c->flags |= SF_F_FIN_SENT_1ST;
	closed_by_owner(sk, c, now);
	emit_segment(c, SF_ST_FIN_SENT, now,
		     (struct segment){.seq = KREAD(tp, write_seq),
				      .ack = KREAD(tp, rcv_nxt),
				      .known = SF_K_SEQ | SF_K_ACK});
}

static __always_inline void on_fin_acked(struct sock *sk, struct sf_conn *c, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	c->closing.fin_acked_ts = now;
	emit_segment(c, SF_ST_FIN_ACKED, now, (struct segment){.ack = KREAD(tp, snd_una), .known = SF_K_ACK});
}

/* ESTABLISHED>CLOSE_WAIT, FIN_WAIT1>CLOSING: tcp_fin(); rcv_nxt counts the FIN already. */
static __always_inline void on_fin_rcvd(struct sock *sk, struct sf_conn *c, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (!begin_closing(sk, c))
		return;
	c->closing.fin_rcvd_ts = now;
	if (!c->closing.fin_sent_ts)
		c->flags |= SF_F_FIN_RCVD_1ST;
	emit_segment(c, SF_ST_FIN_RCVD, now,
		     (struct segment){.seq = KREAD(tp, rcv_nxt) - 1,
				      .ack = KREAD(tp, snd_una),
				      .known = SF_K_SEQ | SF_K_ACK});
}

/*
 * Reads the full socket's numbers for records, before it is gone. bytes_acked and bytes_received count
 * sequence numbers: the SYN of an active opener (tcp_ack() in SYN_SENT moves snd_una over it; a passive
 * opener's child starts behind it) and either FIN are not payload. A child's total_retrans starts with the
 * SYN-ACK repeats of its request (tcp_create_openreq_child).
 */
static __always_inline void read_numbers(const struct sock *sk, struct sf_conn *c)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u64 sent = KREAD(tp, bytes_acked), received = KREAD(tp, bytes_received);
	__u32 again = KREAD(tp, total_retrans), opening = c->syn_retrans + c->synack_retrans;
	__u64 numbers = (c->role != SF_ROLE_SERVER) + (c->closing.fin_acked_ts != 0);

	c->closing.bytes_sent = sent > numbers ? sent - numbers : 0;
	c->closing.bytes_received = received - (received && got_fin(sk));
	c->closing.retrans = again > opening ? again - opening : 0;
	c->closing.srtt_us = KREAD(tp, srtt_us) >> 3;
}

static __always_inline void take_numbers(const struct sock *sk, struct sf_conn *c)
{
	if (!cfg_tally)
		read_numbers(sk, c);
	if (is_orphan(sk))
		c->flags |= SF_F_ORPHAN;
	c->flags |= SF_F_SOCK_GONE;
}

/*
 * Data came after the owner had closed the socket, and the kernel resets the connection: TCPAbortOnData, a
 * RST of ours. It does so by tcp_reset(), which looks like a RST received, or by a mere tcp_done(), which
 * looks like nothing. Our RST is announced after the socket is destroyed (tcp_rcv_state_process).
 */
static __always_inline bool aborts_on_data(const struct sock *sk, const struct sf_conn *c, __u8 old)
{
	return (old == TCP_FIN_WAIT1 || old == TCP_FIN_WAIT2) && c->flags & SF_F_LEFT &&
	       c->closing.data_segs != data_segs(sk);
}

static __always_inline void reset_by_us(struct sf_conn *c, __u16 reason)
{
	c->flags |= SF_F_RST_OUT;
	if (!c->closing.rst_reason) {
		c->closing.rst_reason = reason + 1;
		c->flags |= SF_F_RSN_DERIVED;
	}
}

/*
 * tcp_time_wait() has put this minisock in the socket's place a moment ago. The peer's FIN or the kill of the
 * minisock may have come on another CPU before we knew the minisock. The side that comes later finds what the
 * other has done.
 */
__noinline int hand_over(__u64 from, __u64 to) /* not static: as tell() */
{
	const struct inet_timewait_sock *tw = (const void *)to;
	const struct sock *sk = (const void *)from;
	struct sf_conn *c = conn_find(sk);
	__u64 now = bpf_ktime_get_ns();
	bool is_over;

	if (!c)
		return 0;
	is_over = c->closing.fin_rcvd_ts;
	c->state = TCP_FIN_WAIT2;
	if (is_over)
		begin_time_wait(sk, c, now);
	if (!is_over || !waits_alone())
		minisock_inherit(tw, c);
	if (is_over)
		inherit_wait(tw, c);
	conn_remove(sk);
	if (!is_over)
		on_minisock_fin(tw);
	if (is_dying(tw))
		on_minisock_dead(tw, KREAD(tw, tw_substate), SF_OUT_TW_KILLED, bpf_ktime_get_ns());
	return 0;
}

/*
 * FIN_WAIT2>CLOSE or CLOSING>CLOSE as by tcp_time_wait(), but there is no minisock, or none whose end we
 * could see.
 */
static __always_inline void end_without_minisock(struct sock *sk, struct sf_conn *c, __u64 now)
{
	if (!has_tw) {
		if (!c->closing.fin_rcvd_ts)
			c->flags |= SF_F_TW_BLIND;
		end_here(sk, SF_OUT_FIN, now);
		return;
	}
	/* The kernel had no room for one (tcp_max_tw_buckets). */
	if (!(c->flags & SF_F_PENDING))
		count(SF_CNT_TW_BEGUN);
	write_close(sk, c, SF_OUT_FIN, now);
	write_gone(sk, c, SF_OUT_TW_OVERFLOW, now);
	conn_forget(sk, c);
}

/*
 * The outcome that sk_err shows when no RST was announced. tcp_write_err() passes on an earlier ICMP error.
 */
static __always_inline enum sf_outcome outcome_of_error(__u8 error)
{
	switch (error) {
	case ECONNABORTED:
		return SF_OUT_ABORTED;
	case ECONNRESET:
	case ECONNREFUSED:
	case EPIPE:
		return SF_OUT_RESET_REMOTE;
	}
	return SF_OUT_TIMED_OUT;
}

/*
 * The socket goes to CLOSE in another than the normal ways. A RST received was announced before, by
 * tcp_receive_reset. A RST of ours is announced after the change (close() with unread data, SO_LINGER 0,
 * connect(AF_UNSPEC)), and the outcome is decided then, or at the latest when the socket is destroyed.
 */
static __always_inline void on_cut(struct sock *sk, struct sf_conn *c, __u8 old, __u64 now)
{
	bool abort = aborts_on_data(sk, c, old);

	if (c->error == ECONNABORTED || (c->error && !(c->flags & SF_F_RST_IN))) {
		end_here(sk, outcome_of_error(c->error), now);
	} else if (abort) {
		c->flags &= ~SF_F_RST_IN;
		reset_by_us(c, RST_ABORT_ON_DATA);
		end_here(sk, SF_OUT_RESET_LOCAL, now);
	} else if (c->flags & SF_F_RST_IN) {
		end_here(sk, SF_OUT_RESET_REMOTE, now);
	} else if (c->flags & SF_F_RST_OUT) {
		end_here(sk, SF_OUT_RESET_LOCAL, now);
	} else {
		c->flags |= SF_F_ENDED;
		closed_by_owner(sk, c, now);
	}
}

/* Everything that we sent was acknowledged, the FIN included. */
static __always_inline bool all_acked(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	return KREAD(tp, snd_una) == KREAD(tp, write_seq);
}

/* The socket leaves FIN_WAIT2 or CLOSING. Handles the peer's FIN or the ACK of ours, which come with that. */
static __always_inline void complete_fins(struct sock *sk, struct sf_conn *c, __u64 now)
{
	if (!c->closing.fin_acked_ts)
		on_fin_acked(sk, c, now);
	if (!c->closing.fin_rcvd_ts && got_fin(sk))
		on_fin_rcvd(sk, c, now);
}

/* Returns the minisock that carries the connection on, for hand_over(). NULL: there is none. */
static __always_inline const struct inet_timewait_sock *on_closed(struct sock *sk, struct sf_conn *c,
								  __u8 old, __u64 now)
{
	bool may_wait = old == TCP_FIN_WAIT2 || (old == TCP_CLOSING && all_acked(sk));
	const struct inet_timewait_sock *tw = may_wait && has_tw ? find_minisock(sk) : NULL;
	bool last_ack;

	if (old == TCP_SYN_SENT || old == TCP_SYN_RECV) {
		on_failed(sk, now);
		return NULL;
	}
	settle_accept(sk, c);
	if (!conn_decide(sk, c) || !begin_closing(sk, c))
		return NULL;
	c->error = KREAD(sk, sk_err);
	last_ack = old == TCP_LAST_ACK && !(c->flags & SF_F_RST_IN) && all_acked(sk);
	if (tw || (may_wait && !c->error && !(c->flags & (SF_F_RST_IN | SF_F_RST_OUT))))
		complete_fins(sk, c, now);
	else if (last_ack)
		on_fin_acked(sk, c, now);
	take_numbers(sk, c);
	if (tw)
		return tw;
	if (last_ack)
		end_here(sk, SF_OUT_FIN, now);
	else if (may_wait && !c->error && !(c->flags & SF_F_RST_IN) && (c->closing.fin_rcvd_ts || !has_tw))
		end_without_minisock(sk, c, now);
	else
		on_cut(sk, c, old, now);
	return NULL;
}

/* The CLOSE of this socket was missed. Counts that, and writes what remains true. */
static __always_inline void end_unseen(struct sock *sk, struct sf_conn *c, __u64 now)
{
	miss(SF_MISSED_END);
	c->flags |= SF_F_GAP;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV || !begin_closing(sk, c))
		return;
	take_numbers(sk, c);
	end_here(sk, SF_OUT_NONE, now);
}

/* tcp_destroy_sock, the last event of a socket. If accept() returned the socket, it did so before. */
static __always_inline int on_destroy(struct sock *sk)
{
	struct sf_conn *c = conn_find(sk);
	__u64 now;

	if (!c)
		return 0;
	now = bpf_ktime_get_ns();
	if (!(c->flags & SF_F_END_TOLD)) {
		if (c->flags & SF_F_ENDED) /* no RST was sent for it */
			end_here(sk, SF_OUT_ABORTED, now);
		else
			end_unseen(sk, c, now);
	}
	c = conn_find(sk);
	if (!c)
		return 0;
	settle_accept(sk, c);
	conn_forget(sk, c);
	return 0;
}

/* tcp_receive_reset, before the change of state that it causes. */
static __always_inline void on_rst_in(struct sock *sk)
{
	struct sf_conn *c = conn_find(sk);

	if (c && !(c->flags & SF_F_END_TOLD))
		c->flags |= SF_F_RST_IN;
}

/*
 * A listener whose accept queue is full resets the connection whose final ACK has come
 * (tcp_abort_on_overflow).
 */
static __always_inline void note_reset_for(const struct sock *sk)
{
	struct sf_cpu *cpu = this_cpu();

	if (cpu && sk && KREAD(sk, __sk_common.skc_state) == TCP_LISTEN && accept_queue_is_full(sk))
		cpu->reset_for = (__u64)sk;
}

/*
 * Before 6.10 the kernel does not say why it aborts. We give the reason that 6.10 gives in the same place:
 * tcp_disconnect() gives "state" for SO_LINGER 0 and connect(AF_UNSPEC); __tcp_close() gives "abort on
 * linger" in FIN_WAIT2 (TCP_LINGER2) and otherwise "abort on close", for data that was never read.
 */
static __always_inline __u16 derive_reason(const struct sf_conn *c, const struct sock *sk)
{
	bool lingers = KREAD(sk, __sk_common.skc_flags) & (1UL << SOCK_LINGER);

	if (KREAD(sk, sk_shutdown) != SHUTDOWN_MASK)
		return RST_STATE;
	if (!left_unread(sk) && lingers && !KREAD(sk, sk_lingertime))
		return RST_STATE;
	return c->closing.fin_acked_ts ? RST_ABORT_ON_LINGER : RST_ABORT_ON_CLOSE;
}

/*
 * tcp_send_reset. `object` may be a full socket, a minisock, a request, the listener (tcp_abort_on_overflow)
 * or NULL (no socket there). Only a connection that we follow under that address matters.
 */
static __always_inline void on_rst_out(const void *object, __u32 reason)
{
	struct sf_conn *c = object ? any_find(as_number(object)) : NULL;

	if (!c) {
		note_reset_for(object);
		return;
	}
	if (!c->est_ts || c->flags & SF_F_END_TOLD || !begin_closing(object, c))
		return;
	c->flags |= SF_F_RST_OUT;
	if (reason && !c->closing.rst_reason)
		c->closing.rst_reason = reason;
	else if (!reason && c->flags & SF_F_ENDED)
		reset_by_us(c, derive_reason(c, (const struct sock *)object));
	if (c->flags & SF_F_ENDED)
		end_here(object, SF_OUT_RESET_LOCAL, bpf_ktime_get_ns());
}

/* tcp_retransmit_skb; `err` is 0 where the kernel does not say. */
static __always_inline void on_retransmit(const struct sock *sk, const struct sk_buff *skb, int err)
{
	const struct tcp_skb_cb *cb = (const void *)skb->cb;
	struct sf_conn *c = err ? NULL : conn_find(sk);

	if (!c)
		return;
	if (c->state == TCP_SYN_SENT) {
		on_syn_again(sk, c);
		return;
	}
	if (!(c->flags & SF_F_CLOSING) || !(KREAD(cb, tcp_flags) & TCPHDR_FIN))
		return;
	if (c->fin_retrans < 255)
		c->fin_retrans++;
	emit_segment(c, SF_ST_FIN_SENT, bpf_ktime_get_ns(),
		     (struct segment){.seq = KREAD((const struct tcp_sock *)sk, write_seq) - 1,
				      .known = SF_K_SEQ,
				      .retrans = true});
}

#endif
