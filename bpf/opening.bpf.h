/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handshake, both ends: RFC 9293 section 3.5 as Linux does it. One body per event; the hooks that call
 * them are in synfin.bpf.c.
 *
 * A client's life begins at CLOSE>SYN_SENT, in connect(). A server's begins with its request_sock, when the
 * SYN was taken and before the SYN-ACK leaves, and goes over to the child that the final ACK creates.
 * Requests that leave no request_sock (SYN cookies) or none with a timer (TCP Fast Open) begin with the
 * child.
 */
#ifndef SYNFIN_OPENING_BPF_H
#define SYNFIN_OPENING_BPF_H

/* Writes `open`, or keeps it for the verdict. */
static __always_inline void write_open(struct sf_conn *c, enum sf_outcome outcome, __u64 ts)
{
	if (c->flags & (SF_F_PENDING | SF_F_OPENED))
		return;
	c->flags |= SF_F_OPENED;
	count(outcome == SF_OUT_ESTABLISHED ? SF_CNT_OPENED : SF_CNT_FAILED);
	emit(c, SF_EV_OPEN, outcome, ts);
}

/* --- client ------------------------------------------------------------------------------------------- */

/* CLOSE>SYN_SENT, in the task that called connect(). The local port is not chosen yet unless the socket was
 * bound. */
static __always_inline void on_connect(struct sock *sk, __u64 now)
{
	struct sf_conn c = {};

	c.role = SF_ROLE_CLIENT;
	c.state = TCP_SYN_SENT;
	c.opening.connect_ts = now;
	read_sock_tuple(&c, sk);
	own_by_current(&c, SF_SRC_CONNECT);
	conn_birth(sk, &c);
}

/*
 * When the SYN was handed to IP. tcp_wstamp_ns is the time of the last segment sent, and until the handshake
 * ends only SYNs were; sent once, it is the first. With repeats the first one's stamp is gone: connect() is
 * the best bound, earlier by the search for a port.
 */
static __always_inline void stamp_syn(struct sf_conn *c, const struct tcp_sock *tp, __u64 now)
{
	if (c->opening.syn_ts)
		return;
	__u64 sent = BPF_CORE_READ(tp, tcp_wstamp_ns);
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

/* tcp_retransmit_skb in SYN_SENT, after it was sent: the first SYN is an RTO old, connect() the best stamp of
 * it. */
static __always_inline void on_syn_again(const struct sock *sk, struct sf_conn *c)
{
	__u64 now = bpf_ktime_get_ns();

	read_sock_tuple(c, sk);
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

	read_sock_tuple(c, sk);
	if (!conn_decide(sk, c))
		return;
	read_cookie(c, &sk->__sk_common);
	stamp_syn(c, tp, now);
	c->opening.synack_ts = BPF_CORE_READ(tp, tcp_mstamp) * 1000;
	c->opening.peer_isn = BPF_CORE_READ(tp, rcv_nxt) - 1;
	c->opening.seqs_known = 1;
	c->est_ts = now;
	stage_answered(c, now);
	write_open(c, SF_OUT_ESTABLISHED, now);
}

/* sk_err was set from the RST or the ICMP error by tcp_reset() or tcp_v4_err(), or by the timer. */
static __always_inline enum sf_outcome failed_outcome(const struct sf_conn *c)
{
	switch (c->error) {
	case ECONNREFUSED:
		return SF_OUT_REFUSED;
	case ETIMEDOUT:
		return SF_OUT_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return SF_OUT_RESET;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENOPROTOOPT:
	case EPROTO:
	case EACCES:
	case EMSGSIZE:
		return SF_OUT_UNREACHABLE;
	}
	/* connect() failed before it had a port: inet_hash_connect() found none (EADDRNOTAVAIL). */
	if (c->role == SF_ROLE_CLIENT && !c->lport)
		return SF_OUT_NO_PORT;
	return SF_OUT_ABORTED;
}

/* SYN_SENT>CLOSE, SYN_RECV>CLOSE: never was a connection. */
static __always_inline void on_failed(struct sock *sk, struct sf_conn *c, __u64 now)
{
	if (c->role == SF_ROLE_CLIENT)
		read_sock_tuple(c, sk);
	c->error = BPF_CORE_READ(sk, sk_err);
	c->state = TCP_CLOSE;
	if (conn_decide(sk, c)) {
		if (c->role == SF_ROLE_CLIENT && c->lport)
			stamp_syn(c, (const struct tcp_sock *)sk, now);
		write_open(c, failed_outcome(c), now);
		conn_forget(sk);
	}
}

/* SYN_SENT>SYN_RECV: our SYN crossed theirs (or met itself). */
static __always_inline void on_simultaneous_open(struct sock *sk, struct sf_conn *c, __u64 now)
{
	read_sock_tuple(c, sk);
	c->role = SF_ROLE_BOTH;
	c->flags |= SF_F_SIM_OPEN;
	if (conn_decide(sk, c))
		stamp_syn(c, (const struct tcp_sock *)sk, now);
}

/* --- server ------------------------------------------------------------------------------------------- */

/* inet_csk_reqsk_queue_hash_add(): the SYN was taken, the SYN-ACK is about to leave. Softirq; nobody is
 * running. */
static __always_inline void on_request(const struct request_sock *req)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	const struct sock *listener = BPF_CORE_READ(req, __req_common.skc_listener);
	__u64 now = bpf_ktime_get_ns();
	struct sf_conn c = {}, *kept;

	if (BPF_CORE_READ(listener, sk_protocol) != IPPROTO_TCP)
		return;
	c.role = SF_ROLE_SERVER;
	c.state = TCP_NEW_SYN_RECV;
	c.opening.syn_ts = now;
	c.opening.listener = (__u64)listener;
	c.opening.isn = BPF_CORE_READ(treq, snt_isn);
	c.opening.peer_isn = BPF_CORE_READ(treq, rcv_isn);
	c.opening.seqs_known = 1;
	read_request_tuple(&c, req);
	own_by_listener(&c, listener);
	kept = conn_birth(req, &c);
	if (kept)
		emit_segment(kept, SF_ST_SYN, now,
			     (struct segment){.seq = c.opening.peer_isn, .known = SF_K_SEQ});
}

static __always_inline void stage_synack(const struct sf_conn *c, __u64 ts, bool retrans)
{
	emit_segment(c, SF_ST_SYNACK, ts,
		     (struct segment){.seq = c->opening.isn,
				      .ack = c->opening.peer_isn + 1,
				      .known = SF_K_SEQ | SF_K_ACK,
				      .retrans = retrans});
}

/* tcp_retransmit_synack: the first SYN-ACK has gone long ago. */
static __always_inline void on_synack_again(const struct request_sock *req)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	struct sf_conn *c = conn_find(req);

	if (!c)
		return;
	if (!c->opening.synack_ts) {
		c->opening.synack_ts = BPF_CORE_READ(treq, snt_synack) * 1000;
		stage_synack(c, c->opening.synack_ts, false);
	}
	if (c->synack_retrans < 255)
		c->synack_retrans++;
	stage_synack(c, bpf_ktime_get_ns(), true);
}

/* LISTEN>SYN_RECV: a clone of the listener that will be a child. Its addresses are not all set before 6.18.
 */
static __always_inline void on_child(struct sock *sk)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	cpu->child = (__u64)sk;
	cpu->request_unknown = 0;
}

/* The final ACK turned this request into this child; the child becomes ESTABLISHED next, on this CPU. */
static __always_inline void on_request_done(const struct request_sock *req, const struct sock *child)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	struct sf_conn *c = conn_find(req);
	struct sf_cpu *cpu = this_cpu();
	const struct sock *listener;

	if (!c) {
		if (cpu)
			cpu->request_unknown = 1;
		return;
	}
	listener = BPF_CORE_READ(req, __req_common.skc_listener);
	c->opening.backlog_len = BPF_CORE_READ(listener, sk_ack_backlog);
	c->opening.backlog_max = BPF_CORE_READ(listener, sk_max_ack_backlog);
	c->opening.backlog_known = 1;
	if (!c->opening.synack_ts) {
		c->opening.synack_ts = BPF_CORE_READ(treq, snt_synack) * 1000;
		stage_synack(c, c->opening.synack_ts, false);
	}
	c->state = TCP_SYN_RECV;
	conn_move(req, child, c);
}

static __always_inline bool timer_is_over(const struct timer_list *t)
{
	return (__s64)(bpf_jiffies64() - BPF_CORE_READ(t, expires)) >= 0;
}

/* What a request that dies now dies of. Requests of a closed listener wait for their timer too. */
static __always_inline enum sf_outcome request_outcome(const struct request_sock *req)
{
	if (!timer_is_over(&req->rsk_timer))
		return SF_OUT_RESET;
	return BPF_CORE_READ(req, __req_common.skc_listener, __sk_common.skc_state) == TCP_LISTEN
		       ? SF_OUT_SYNACK_TIMED_OUT
		       : SF_OUT_ABORTED;
}

/* The request died without a child. */
static __always_inline void on_request_dead(const struct request_sock *req, enum sf_outcome outcome,
					    __u64 now)
{
	struct sf_conn *c = conn_find(req);

	if (!c)
		return;
	c->state = TCP_CLOSE;
	if (conn_decide(req, c)) {
		write_open(c, outcome, now);
		conn_forget(req);
	}
}

/*
 * A child that no request led to: SYN cookie, or TCP Fast Open before its ACK, or one whose request is older
 * than the tracer. The time of its SYN is not known and nothing stands in for it.
 */
static __always_inline struct sf_conn *on_child_alone(struct sock *sk, __u32 flag)
{
	struct sf_conn c = {};

	c.role = SF_ROLE_SERVER;
	c.state = TCP_SYN_RECV;
	c.flags = flag;
	read_sock_tuple(&c, sk);
	return conn_birth(sk, &c);
}

/* SYN_RECV>ESTABLISHED: the final ACK was taken. Also the end of a simultaneous open. */
static __always_inline void on_server_established(struct sock *sk, __u64 now)
{
	struct sf_conn *c = conn_find(sk);
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (!c && cpu->child == (__u64)sk)
		c = on_child_alone(sk, !has_requests || cpu->request_unknown ? SF_F_LATE : SF_F_SYNCOOKIE);
	if (cpu->child == (__u64)sk)
		cpu->child = 0;
	if (!c)
		return;
	c->state = TCP_ESTABLISHED;
	c->est_ts = now;
	if (!conn_decide(sk, c))
		return;
	read_cookie(c, &sk->__sk_common);
	emit_segment(c, SF_ST_ESTABLISHED, now,
		     (struct segment){.seq = c->opening.peer_isn + 1,
				      .ack = c->opening.isn + 1,
				      .known = c->opening.seqs_known ? SF_K_SEQ | SF_K_ACK : 0});
	write_open(c, SF_OUT_ESTABLISHED, now);
}

/* --- accept ------------------------------------------------------------------------------------------- */

static __always_inline void write_accept(struct sf_conn *c, __u64 now)
{
	struct sf_event *e = event_reserve(c, SF_EV_ACCEPT, now);

	if (!e)
		return;
	e->accept_ns = now - c->est_ts;
	event_submit(e);
}

/* The verdict came after the close had begun: `open` is written from what was kept. */
static __always_inline void write_parked_open(struct sf_conn *c)
{
	struct sf_opening *o = bpf_map_lookup_elem(&parked, &c->id);
	struct sf_event *e;

	if (!o || c->flags & SF_F_OPENED)
		return;
	c->flags |= SF_F_OPENED;
	count(SF_CNT_OPENED);
	e = event_reserve(c, SF_EV_OPEN, c->est_ts);
	if (e) {
		e->outcome = SF_OUT_ESTABLISHED;
		__builtin_memcpy(&e->conn.opening, o, sizeof(*o));
		event_submit(e);
	}
	bpf_map_delete_elem(&parked, &c->id);
}

/* accept() is about to return this socket to the running task. */
static __always_inline void on_accept(const struct sock *sk)
{
	struct sf_conn *c = conn_find(sk);
	__u64 now = bpf_ktime_get_ns();

	if (!c || c->flags & SF_F_ACCEPTED || c->role != SF_ROLE_SERVER)
		return;
	c->flags |= SF_F_ACCEPTED;
	own_by_current(c, SF_SRC_ACCEPT);
	if (!conn_decide(sk, c))
		return;
	if (!c->est_ts) { /* TCP Fast Open: accepted before the handshake ended */
		c->opening.accept_ts = now;
		return;
	}
	if (c->flags & SF_F_CLOSING)
		write_parked_open(c);
	else
		write_open(c, SF_OUT_ESTABLISHED, c->est_ts);
	emit_stage(c, SF_ST_ACCEPT, now);
	write_accept(c, now);
}

#endif
