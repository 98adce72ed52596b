/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The active open: a client's connection begins at CLOSE>SYN_SENT, in connect().
 */
#ifndef SYNFIN_ACTIVE_BPF_H
#define SYNFIN_ACTIVE_BPF_H

#include "conn.bpf.h"
#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "opening.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "table.bpf.h"

/* CLOSE>SYN_SENT, in the task that called connect(). The local port is not chosen yet unless the socket was
 * bound. */
static __noinline void follow_client(const struct sock *sk, __u64 now, enum id_source source)
{
	struct sf_conn c = {};

	c.role = SF_ROLE_CLIENT;
	c.state = TCP_SYN_SENT;
	c.opening.connect_ts = now;
	own_by_current(&c, SF_SRC_CONNECT);
	if (cfg_by_task && !wants_task(&c)) /* its owner will not change: the rest need not be read */
		return;
	read_sock_tuple(&c, sk);
	c.lport = KREAD(sk, __sk_common.skc_num); /* inet_sport may be left from an earlier attempt */
	conn_insert(sk, &c, source);
}

static __always_inline void on_connect(const struct sock *sk, __u64 now, enum id_source source)
{
	conn_evict(sk);
	follow_client(sk, now, source);
}

static __always_inline bool sent_syn(const struct sf_conn *c, const struct tcp_sock *tp)
{
	return KREAD(tp, tcp_wstamp_ns) >= c->opening.connect_ts;
}

/*
 * Stamps the moment when the SYN was handed to IP. tcp_wstamp_ns is the time of the last segment sent, and
 * until the handshake ends only SYNs were sent. If the SYN was sent once, this is its time. If it was
 * repeated, the time of the first one is gone: connect() is the best bound, earlier by the search for a port.
 */
static __always_inline void stamp_syn(struct sf_conn *c, const struct tcp_sock *tp, __u64 now)
{
	if (c->opening.syn_ts)
		return;
	__u64 sent = KREAD(tp, tcp_wstamp_ns);
	bool once = !c->syn_retrans && sent >= c->opening.connect_ts && sent <= now;

	c->opening.syn_ts = once ? sent : c->opening.connect_ts;
	c->opening.isn = client_isn(tp);
	emit_stage(c, SF_ST_CONNECT, c->opening.connect_ts);
	emit_segment(c, SF_ST_SYN, c->opening.syn_ts,
		     (struct segment){.seq = c->opening.isn, .known = SF_K_SEQ});
}

static __always_inline void stage_answered(const struct sf_conn *c, __u64 now)
{
	__u32 isn = c->opening.isn, peer = c->opening.peer_isn;

	emit_segment(c, SF_ST_SYNACK, c->opening.synack_ts,
		     (struct segment){.seq = peer, .ack = isn + 1, .known = SF_K_SEQ | SF_K_ACK});
	emit_segment(c, SF_ST_ESTABLISHED, now,
		     (struct segment){.seq = isn + 1, .ack = peer + 1, .known = SF_K_SEQ | SF_K_ACK});
}

/*
 * tcp_retransmit_skb in SYN_SENT, after the SYN was sent. The first SYN is an RTO old, and connect() is its
 * best stamp.
 */
static __always_inline void on_syn_again(const struct sock *sk, struct sf_conn *c)
{
	__u64 now = bpf_ktime_get_ns();

	read_local_port(c, sk);
	if (!conn_decide(sk, c))
		return;
	if (c->syn_retrans < 255)
		c->syn_retrans++;
	stamp_syn(c, (const struct tcp_sock *)sk, now);
	emit_segment(c, SF_ST_SYN, now,
		     (struct segment){.seq = c->opening.isn, .known = SF_K_SEQ, .retrans = true});
}

/* SYN_SENT>ESTABLISHED, before the ACK is sent. */
static __always_inline void on_client_established(struct sock *sk, struct sf_conn *c, __u64 now)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	read_local_port(c, sk);
	if (!conn_decide(sk, c))
		return;
	read_cookie(c, &sk->__sk_common);
	stamp_syn(c, tp, now);
	if (KREAD_BITS(tp, syn_fastopen) || KREAD_BITS(tp, syn_data))
		c->flags |= SF_F_FASTOPEN;
	if (is_mptcp(tp))
		c->flags |= SF_F_MPTCP;
	c->opening.synack_ts = not_before(c->opening.syn_ts, KREAD(tp, tcp_mstamp));
	c->opening.peer_isn = KREAD(tp, rcv_nxt) - 1;
	c->opening.seqs_known = 1;
	c->est_ts = now;
	stage_answered(c, now);
	if (write_open(sk, c, SF_OUT_ESTABLISHED, now))
		conn_make_room(sk, c);
	else
		conn_forget(sk, c);
}

/* SYN_SENT>SYN_RECV: our SYN crossed theirs (or met itself). */
static __always_inline void on_simultaneous_open(struct sock *sk, struct sf_conn *c, __u64 now)
{
	read_local_port(c, sk);
	c->role = SF_ROLE_BOTH;
	c->flags |= SF_F_SIM_OPEN;
	if (conn_decide(sk, c))
		stamp_syn(c, (const struct tcp_sock *)sk, now);
}

#endif
