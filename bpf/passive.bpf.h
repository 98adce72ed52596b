/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The passive open: a server's connection begins with its request_sock, when the SYN was taken and before the
 * SYN-ACK leaves, and goes over to the child that the final ACK creates. SYN cookies leave no request_sock,
 * and the one of TCP Fast Open has no timer: there the connection begins with the child. accept.bpf.h handles
 * what follows.
 */
#ifndef SYNFIN_PASSIVE_BPF_H
#define SYNFIN_PASSIVE_BPF_H

#include "conn.bpf.h"
#include "core.bpf.h"
#include "ehash.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "opening.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tell.bpf.h"

/* --- requests ----------------------------------------------------------------------------------------- */

/* `object` carries the connection: the request or the child that it has just become. */
static __noinline bool follow_request(const struct request_sock *req, const void *object, __u64 syn_ts)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	const struct sock *listener = KREAD(req, __req_common.skc_listener);
	struct sf_conn c = {};
	bool is_followed;

	if (KREAD(listener, sk_protocol) != IPPROTO_TCP)
		return false;
	c.role = SF_ROLE_SERVER;
	c.state = object == req ? TCP_NEW_SYN_RECV : TCP_SYN_RECV;
	c.opening.syn_ts = syn_ts;
	c.opening.syn_assumed = timers_show_requests;
	c.opening.listener = (__u64)listener;
	c.opening.isn = KREAD(treq, snt_isn);
	c.opening.peer_isn = KREAD(treq, rcv_isn);
	c.opening.seqs_known = 1;
	c.synack_retrans = KREAD(req, num_retrans);
	read_request_tuple(&c, req);
	own_by_listener(&c, listener);
	is_followed = conn_insert(object, &c, ID_SOFTIRQ);
	if (is_followed)
		emit_segment(&c, SF_ST_SYN, syn_ts,
			     (struct segment){.seq = c.opening.peer_isn, .known = SF_K_SEQ});
	return is_followed;
}

/*
 * inet_csk_reqsk_queue_hash_add(): the SYN was taken, the SYN-ACK is about to leave. This is a softirq: the
 * current task means nothing.
 */
static __always_inline void on_request(const struct request_sock *req)
{
	conn_evict(req);
	follow_request(req, req, bpf_ktime_get_ns());
}

/*
 * The connection followed under this request, but not one that was left there by another request of the same
 * memory, whose end was missed.
 */
static __always_inline struct sf_conn *request_find(const struct request_sock *req)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	struct sf_conn *c = conn_find(req);

	if (c && timers_show_requests && c->opening.isn != KREAD(treq, snt_isn)) {
		conn_evict(req);
		return NULL;
	}
	return c;
}

/*
 * On the tracepoint tier no program of ours runs when a request begins. Its beginning can be read from it
 * later, except for the time of the SYN: that of the first SYN-ACK, some microseconds later, stands in for it
 * (docs/COST.md, Accuracy).
 */
static __always_inline struct sf_conn *meet_request(const struct request_sock *req, const void *object)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;

	follow_request(req, object, KREAD(treq, snt_synack) * 1000);
	return conn_find(object);
}

static __always_inline void stage_synack(const struct sf_conn *c, __u64 ts, bool retrans)
{
	emit_segment(c, SF_ST_SYNACK, ts,
		     (struct segment){.seq = c->opening.isn,
				      .ack = c->opening.peer_isn + 1,
				      .known = SF_K_SEQ | SF_K_ACK,
				      .retrans = retrans});
}

/* The kernel's own stamp of the first SYN-ACK. */
static __always_inline void stamp_synack(struct sf_conn *c, const struct request_sock *req)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;

	if (c->opening.synack_ts)
		return;
	c->opening.synack_ts = not_before(c->opening.syn_ts, KREAD(treq, snt_synack));
	stage_synack(c, c->opening.synack_ts, false);
}

/*
 * The connection of a clone for another listener. The handler of the request's timer has made the clone,
 * which is not known before the handler has left.
 */
static __always_inline struct sf_conn *find_expired(const struct request_sock *clone)
{
	struct sf_cpu *cpu = this_cpu();
	const struct request_sock *req = cpu ? (const void *)cpu->expired : NULL;

	return req && same_connection(&req->__req_common, &clone->__req_common) ? conn_find(req) : NULL;
}

/*
 * tcp_retransmit_synack: the first SYN-ACK has gone long ago. With TCP Fast Open, `sk` is the child, which
 * carries the connection, and the request's own timer never runs.
 */
static __always_inline void on_synack_again(const struct sock *sk, const struct request_sock *req)
{
	struct sf_conn *c = request_find(req);

	if (!c)
		c = find_expired(req);
	if (!c && timers_show_requests && KREAD(sk, __sk_common.skc_state) == TCP_LISTEN)
		c = meet_request(req, req);
	if (!c || c->flags & SF_F_CLOSING)
		return;
	stamp_synack(c, req);
	if (c->synack_retrans < 255)
		c->synack_retrans++;
	stage_synack(c, bpf_ktime_get_ns(), true);
}

/*
 * The request's listener was closed, and another one of the same port takes the request over. `listener` is
 * NULL if it is not known which.
 */
static __always_inline void change_listener(struct sf_conn *c, const struct sock *listener)
{
	c->flags |= SF_F_MIGRATED;
	c->opening.listener = (__u64)listener;
	disown(c);
	if (listener)
		own_by_listener(c, listener);
}

/* inet_reqsk_clone() */
static __always_inline void on_request_migrated(const struct request_sock *from,
						const struct request_sock *to)
{
	struct sf_conn *c = conn_find(from);

	if (!c)
		return;
	change_listener(c, KREAD(to, __req_common.skc_listener));
	conn_move(from, to, c);
}

/* The request was there before its listener's owner was found. */
static __always_inline void own_late_request(struct sf_conn *c, const struct sock *listener)
{
	if (c->flags & SF_F_LATE && c->source == SF_SRC_NONE)
		own_by_listener(c, listener);
}

/*
 * The final ACK turned this request into this child, which becomes ESTABLISHED next, on this CPU. `taker` is
 * the listener whose accept queue gets the child, NULL if the hook does not show it.
 */
static __always_inline void on_request_done(const struct request_sock *req, const struct sock *child,
					    const struct sock *taker)
{
	struct sf_conn *c = request_find(req);
	bool is_new = !c && timers_show_requests;
	struct sf_cpu *cpu = this_cpu();
	const struct sock *listener;

	if (is_new) {
		conn_evict(child);
		c = meet_request(req, child);
	}
	if (!c) {
		if (cpu)
			cpu->request_unknown = 1;
		return;
	}
	listener = KREAD(req, __req_common.skc_listener);
	own_late_request(c, listener);
	if (taker ? taker != listener : KREAD(listener, __sk_common.skc_state) != TCP_LISTEN) {
		change_listener(c, taker);
		listener = taker ? taker : listener;
	}
	c->flags |= listener_flags(listener);
	c->opening.backlog_len = KREAD(listener, sk_ack_backlog);
	c->opening.backlog_max = KREAD(listener, sk_max_ack_backlog);
	c->opening.backlog_known = 1;
	stamp_synack(c, req);
	c->state = TCP_SYN_RECV;
	if (!is_new)
		conn_move(req, child, c);
}

/*
 * The reason why a request dies now. An ACK that found no room in the accept queue leaves `acked` set, and so
 * does one that TCP_DEFER_ACCEPT ignores; with tcp_abort_on_overflow the ACK drew a RST in the listener's
 * name just before. Requests of a closed listener wait for their timer too.
 */
static __always_inline enum sf_outcome request_outcome(struct sf_cpu *cpu, const struct request_sock *req)
{
	const struct sock *listener = KREAD(req, __req_common.skc_listener);
	bool reset_by_us = cpu->reset_for == (__u64)listener;

	cpu->reset_for = 0;
	if (KREAD(listener, __sk_common.skc_state) != TCP_LISTEN)
		return SF_OUT_ABORTED;
	if (!timer_is_over(&req->rsk_timer))
		return reset_by_us ? SF_OUT_OVERFLOW : SF_OUT_RESET;
	if (KREAD_BITS((const struct inet_request_sock *)req, acked) &&
	    !(listener_flags(listener) & SF_F_DEFER_ACCEPT))
		return SF_OUT_OVERFLOW;
	return SF_OUT_SYNACK_TIMED_OUT;
}

/* The request died without a child. */
static __always_inline void on_request_dead(const struct request_sock *req, enum sf_outcome outcome,
					    __u64 now)
{
	struct sf_conn *c = conn_find(req);

	if (!c)
		return;
	c->state = TCP_CLOSE;
	own_late_request(c, KREAD(req, __req_common.skc_listener));
	if (conn_decide(req, c)) {
		write_open(req, c, outcome, now);
		conn_forget(req, c);
	}
}

/* The destructor of a request runs. If the request led to a child, we do not know the request any more. */
static __always_inline void on_request_end(const struct request_sock *req)
{
	struct sf_cpu *cpu = this_cpu();

	if (cpu && conn_find(req))
		on_request_dead(req, request_outcome(cpu, req), bpf_ktime_get_ns());
}

/*
 * Sets the id of the SYN's attempt, and how many SYNs of that attempt were dropped before. False: none that
 * is remembered.
 */
static __noinline bool is_dropped_again(struct sf_conn *c)
{
	struct sf_syn key = {
		.netns = c->netns, .seq = c->opening.peer_isn, .lport = c->lport, .rport = c->rport};
	struct sf_dropped first = {}, *d;

	__builtin_memcpy(key.laddr, c->laddr, sizeof(key.laddr));
	__builtin_memcpy(key.raddr, c->raddr, sizeof(key.raddr));
	d = bpf_map_lookup_elem(&dropped_syns, &key);
	if (d) {
		__u64 repeats;

		__sync_fetch_and_add(&d->repeats, 1);
		repeats = READ_ONCE(d->repeats);
		c->id = d->id;
		c->syn_retrans = repeats < 255 ? repeats : 255;
		return true;
	}
	first.id = c->id = new_id(ID_SOFTIRQ);
	bpf_map_update_elem(&dropped_syns, &key, &first, BPF_ANY);
	return false;
}

/*
 * tcp_conn_request() begins. A SYN for which a queue has no room leaves no trace but a counter. We make the
 * same tests in the same order, except the last one, which favours known peers when the SYN queue is three
 * quarters full without cookies.
 */
static __always_inline void on_syn(const struct sock *listener, const struct sk_buff *skb)
{
	struct sf_conn c = {};

	if (!active || (!accept_queue_is_full(listener) && !syn_queue_is_full(listener)))
		return;
	if (!read_header(&c, skb))
		return;
	c.role = SF_ROLE_SERVER;
	c.state = TCP_CLOSE;
	c.netns = netns_of(&listener->__sk_common); /* tcp_v4_rcv() has taken skb->dev away */
	c.opening.syn_ts = bpf_ktime_get_ns();
	c.opening.peer_isn = bpf_ntohl(KREAD(tcp_header(skb), seq));
	c.opening.backlog_len = KREAD(listener, sk_ack_backlog);
	c.opening.backlog_max = KREAD(listener, sk_max_ack_backlog);
	c.opening.backlog_known = 1;
	own_by_listener(&c, listener);
	if (judge(&c) != ACCEPT || !wants_handshake(&c, &c.opening, SF_OUT_SYN_DROPPED))
		return;
	if (!is_dropped_again(&c)) {
		count_tried(&c);
		count(SF_CNT_FAILED);
	}
	if (wants_outcome(SF_OUT_SYN_DROPPED))
		emit_dropped_syn(&c);
}

/* --- children ----------------------------------------------------------------------------------------- */

/* Returns 0, or the error of conn_add(). */
static __noinline int follow_tentatively(const struct sock *sk, __u64 now)
{
	struct sf_conn c = {};

	c.id = new_id(ID_SOFTIRQ);
	c.role = SF_ROLE_SERVER;
	c.state = TCP_SYN_RECV;
	c.flags = SF_F_FASTOPEN | SF_F_PENDING;
	c.opening.syn_ts = now;
	return conn_add(sk, &c);
}

/*
 * LISTEN>SYN_RECV: a clone of the listener that will be a child. Its addresses are not all set before 6.18.
 * With TCP Fast Open the SYN may have made it; the accept queue then gets it at once and no request leads to
 * it. The child is therefore followed from here, undecided, until the hand-over of a request takes its place
 * or it turns out that there was no request.
 */
static __always_inline void on_child(const struct sock *sk, __u64 now)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu || !active)
		return;
	cpu->child = (__u64)sk;
	cpu->request_unknown = 0;
	if (!(BPF_CORE_READ(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_fastopen) & TFO_SERVER_ENABLE))
		return;
	conn_evict(sk);
	if (follow_tentatively(sk, now))
		lose(SF_LOST_EVICTED);
}

/*
 * The SYN made this child, not the final ACK: data came with it, it was accepted already, or the kernel says
 * so.
 */
static __always_inline bool is_fastopen(const struct sf_cpu *cpu, const struct sf_conn *c,
					const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (bpf_core_field_exists(tp->syn_fastopen_child))
		return KREAD_BITS(tp, syn_fastopen_child);
	return cpu->child != (__u64)sk || READ_ONCE(c->accept_ts) || KREAD(tp, bytes_received);
}

/* The same, when the child dies in SYN_RECV. */
static __always_inline bool was_fastopen(const struct sf_conn *c, const struct sock *sk)
{
	const struct sf_cpu *cpu = this_cpu();

	return cpu && is_fastopen(cpu, c, sk);
}

/*
 * A child that no request led to: one from a SYN cookie, or one whose request is older than the tracer. The
 * time of its SYN is not known, and nothing stands in for it.
 */
static __always_inline void become_childless(struct sf_cpu *cpu, struct sf_conn *c)
{
	c->flags &= ~SF_F_FASTOPEN;
	c->flags |= !has_requests || cpu->request_unknown ? SF_F_LATE : SF_F_SYNCOOKIE;
	c->opening.syn_ts = 0;
}

static __noinline void follow_child(const struct sock *sk)
{
	struct sf_cpu *cpu = this_cpu();
	struct sf_conn c = {};

	if (!cpu || cpu->child != (__u64)sk)
		return;
	c.role = SF_ROLE_SERVER;
	c.state = TCP_SYN_RECV;
	become_childless(cpu, &c);
	read_sock_tuple(&c, sk);
	conn_insert(sk, &c, ID_SOFTIRQ);
}

static __always_inline struct sf_conn *on_child_alone(const struct sock *sk)
{
	follow_child(sk);
	return conn_find(sk);
}

/* A simultaneous open has no request. The socket now contains what was not known before. */
static __always_inline void complete_both(struct sf_conn *c, const struct tcp_sock *tp)
{
	c->opening.peer_isn = KREAD(tp, rcv_nxt) - 1;
	c->opening.seqs_known = 1;
}

/* SYN_RECV>ESTABLISHED: the final ACK was taken. Also the end of a simultaneous open. */
static __always_inline void on_server_established(struct sock *sk, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct sf_conn *c = conn_find(sk);
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (!c)
		c = on_child_alone(sk);
	else if (c->flags & SF_F_FASTOPEN && c->role == SF_ROLE_SERVER && !is_fastopen(cpu, c, sk))
		become_childless(cpu, c);
	if (cpu->child == (__u64)sk)
		cpu->child = 0;
	if (!c)
		return;
	if (!c->rport)
		read_sock_tuple(c, sk);
	if (c->role == SF_ROLE_BOTH)
		complete_both(c, tp);
	c->state = TCP_ESTABLISHED;
	c->est_ts = now;
	if (!conn_decide(sk, c))
		return;
	read_cookie(c, &sk->__sk_common);
	if (is_mptcp(tp))
		c->flags |= SF_F_MPTCP;
	emit_segment(c, SF_ST_ESTABLISHED, now,
		     (struct segment){.seq = c->opening.peer_isn + 1,
				      .ack = c->opening.isn + 1,
				      .known = c->opening.seqs_known ? SF_K_SEQ | SF_K_ACK : 0});
	if (!write_open(sk, c, SF_OUT_ESTABLISHED, now))
		conn_leave(sk, c);
}

#endif
