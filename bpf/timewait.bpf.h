/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIN_WAIT2 without a socket, and TIME_WAIT. tcp_time_wait() puts an inet_timewait_sock in the full socket's
 * place and closes that one; the minisock starts in substate FIN_WAIT2 (the peer's FIN is still out) or
 * TIME_WAIT, and no socket tracepoint sees it.
 */
#ifndef SYNFIN_TIMEWAIT_BPF_H
#define SYNFIN_TIMEWAIT_BPF_H

static __always_inline void write_close(struct sf_conn *c, enum sf_outcome outcome, __u64 ts);
static __always_inline void end_here(const void *object, struct sf_conn *c, enum sf_outcome outcome,
				     __u64 ts);

/*
 * The same connection? The hash covers addresses, ports and a secret of the boot and is copied from object to
 * object; namespace and what is cheap to compare make sure.
 */
static __always_inline bool same_connection(const struct sock_common *a, const struct sock_common *b)
{
	return BPF_CORE_READ(a, skc_hash) == BPF_CORE_READ(b, skc_hash) &&
	       BPF_CORE_READ(a, skc_dport) == BPF_CORE_READ(b, skc_dport) &&
	       BPF_CORE_READ(a, skc_daddr) == BPF_CORE_READ(b, skc_daddr) &&
	       BPF_CORE_READ(a, skc_net.net) == BPF_CORE_READ(b, skc_net.net);
}

static __always_inline __u64 *tw_slot(const struct sock_common *skc, __u32 neighbour)
{
	__u32 index = (BPF_CORE_READ(skc, skc_hash) ^ neighbour) & (TW_SLOTS - 1);

	return bpf_map_lookup_elem(&tw_slots, &index);
}

/* A minisock was made; the socket it replaces is closed next, by the same code (tcp_time_wait). */
static __always_inline void on_minisock(const struct inet_timewait_sock *tw)
{
	__u64 *slot = tw_slot(&tw->__tw_common, 0);

	if (slot && *slot)
		slot = tw_slot(&tw->__tw_common, 1);
	if (slot)
		*slot = (__u64)tw;
}

static __always_inline const struct inet_timewait_sock *take_minisock(const struct sock *sk)
{
	for (__u32 i = 0; i < 2; i++) {
		__u64 *slot = tw_slot(&sk->__sk_common, i);
		const struct inet_timewait_sock *tw = slot ? (const void *)*slot : NULL;

		if (tw && same_connection(&tw->__tw_common, &sk->__sk_common)) {
			*slot = 0;
			return tw;
		}
	}
	return NULL;
}

/* --- the peer's FIN by its header ---------------------------------------------------------------------- */

static __always_inline __u32 fold_addr(const __u8 *a)
{
	const __u32 *w = (const __u32 *)a;

	return w[0] ^ w[1] ^ w[2] ^ w[3];
}

static __always_inline struct sf_tw_key tw_key(const struct sf_conn *c)
{
	return (struct sf_tw_key){c->netns, fold_addr(c->raddr), c->lport, c->rport};
}

static __always_inline void await_fin(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	struct sf_tw_key key = tw_key(c);
	__u64 object = (__u64)tw;

	if (find_tw_by_header)
		bpf_map_update_elem(&tw_waiting, &key, &object, BPF_ANY);
}

static __always_inline void await_no_more(const struct sf_conn *c)
{
	struct sf_tw_key key = tw_key(c);

	if (find_tw_by_header)
		bpf_map_delete_elem(&tw_waiting, &key);
}

/* The minisock that took this segment, for kernels whose kfree_skb does not say. NULL: none of ours. */
static __always_inline const struct inet_timewait_sock *minisock_by_header(const struct sk_buff *skb)
{
	const unsigned char *head = BPF_CORE_READ(skb, head);
	const struct iphdr *ip4 = (const void *)(head + BPF_CORE_READ(skb, network_header));
	const struct ipv6hdr *ip6 = (const void *)ip4;
	const struct tcphdr *tcp = (const void *)(head + BPF_CORE_READ(skb, transport_header));
	__u8 addr[16] = {}, version = 0;
	struct sf_tw_key key = {};
	__u64 *object;

	bpf_probe_read_kernel(&version, sizeof(version), ip4);
	if (version >> 4 == 4 && BPF_CORE_READ(ip4, protocol) == IPPROTO_TCP)
		bpf_core_read(addr, 4, &ip4->saddr);
	else if (version >> 4 == 6 && BPF_CORE_READ(ip6, nexthdr) == IPPROTO_TCP)
		bpf_core_read(addr, 16, &ip6->saddr);
	else
		return NULL;
	key.netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	key.raddr = fold_addr(addr);
	key.lport = bpf_ntohs(BPF_CORE_READ(tcp, dest));
	key.rport = bpf_ntohs(BPF_CORE_READ(tcp, source));
	object = bpf_map_lookup_elem(&tw_waiting, &key);
	return object ? (const void *)*object : NULL;
}

/* --- the minisock's life ------------------------------------------------------------------------------- */

/* Stage `end` of an active closer: the peer's FIN has come. */
static __always_inline void begin_time_wait(struct sf_conn *c, __u64 now)
{
	c->state = TCP_TIME_WAIT;
	c->flags |= SF_F_TIME_WAIT;
	if (!(c->flags & SF_F_PENDING))
		count(SF_CNT_TW_BEGUN);
	write_close(c, SF_OUT_FIN, now);
}

/* The minisock's timer was set anew: for the peer's FIN, or for its repeat, which changes nothing. */
static __always_inline void on_minisock_rearmed(const struct inet_timewait_sock *tw)
{
	struct sf_conn *c = conn_find(tw);
	__u64 now;

	if (!c || c->flags & SF_F_TIME_WAIT || BPF_CORE_READ(tw, tw_substate) != TCP_TIME_WAIT)
		return;
	now = bpf_ktime_get_ns();
	await_no_more(c);
	c->closing.fin_rcvd_ts = now;
	emit_segment(c, SF_ST_FIN_RCVD, now,
		     (struct segment){.seq = BPF_CORE_READ(tw, __tw_common.skc_tw_rcv_nxt) - 1,
				      .ack = BPF_CORE_READ(tw, __tw_common.skc_tw_snd_nxt),
				      .known = SF_K_SEQ | SF_K_ACK});
	begin_time_wait(c, now);
}

/* The minisock is no more. */
static __always_inline void on_minisock_dead(const struct inet_timewait_sock *tw, enum sf_outcome how,
					     __u64 ts)
{
	struct sf_conn *c = conn_find(tw);

	if (!c)
		return;
	if (!(c->flags & SF_F_TIME_WAIT)) {
		await_no_more(c);
		/* The peer never sent its FIN: it timed out, or data came for nobody and drew a RST. */
		enum sf_outcome outcome = how == SF_OUT_TW_TIMER    ? SF_OUT_TIMED_OUT
					  : c->flags & SF_F_RST_OUT ? SF_OUT_RESET_LOCAL
					  : c->flags & SF_F_RST_IN  ? SF_OUT_RESET_REMOTE
								    : SF_OUT_NONE;
		end_here(tw, c, outcome, ts);
		return;
	}
	if (!(c->flags & SF_F_PENDING)) {
		count(SF_CNT_TW_GONE);
		emit_stage(c, SF_ST_GONE, ts);
		emit(c, SF_EV_GONE, how, ts);
	}
	conn_forget(tw);
}

#endif
