/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the kernel's objects. The only place that knows byte orders, where a port is kept in which state,
 * and what a v4-mapped socket looks like. All reads are probe reads, so that the same code serves programs
 * that get a typed pointer (tp_btf, fentry) and those that get a number (kprobe, a timer's container).
 */
#ifndef SYNFIN_KERNEL_BPF_H
#define SYNFIN_KERNEL_BPF_H

#define IPPROTO_TCP   6
#define TCPHDR_FIN    0x01
#define SOCK_DONE     1 /* enum sock_flags: tcp_fin() ran, the peer's FIN has come */
#define RCV_SHUTDOWN  1
#define SEND_SHUTDOWN 2
#define SHUTDOWN_MASK 3 /* close() or exit, not shutdown() */

enum errno {
	EPIPE = 32,
	ENETUNREACH = 101,
	ECONNABORTED = 103,
	ECONNRESET = 104,
	ETIMEDOUT = 110,
	ECONNREFUSED = 111,
	EHOSTDOWN = 112,
	EHOSTUNREACH = 113,
	ENOPROTOOPT = 92,
	EPROTO = 71,
	EACCES = 13,
	EMSGSIZE = 90
};

static __always_inline __u32 netns_of(const struct sock_common *skc)
{
	return BPF_CORE_READ(skc, skc_net.net, ns.inum);
}

static __always_inline void read_addrs4(struct sf_conn *c, const struct sock_common *skc)
{
	__be32 local = BPF_CORE_READ(skc, skc_rcv_saddr), remote = BPF_CORE_READ(skc, skc_daddr);

	c->family = SF_AF_INET;
	__builtin_memcpy(c->laddr, &local, sizeof(local));
	__builtin_memcpy(c->raddr, &remote, sizeof(remote));
}

static __always_inline void read_addrs6(struct sf_conn *c, const struct sock_common *skc)
{
	c->family = SF_AF_INET6;
	BPF_CORE_READ_INTO(&c->laddr, skc, skc_v6_rcv_saddr.in6_u.u6_addr8);
	BPF_CORE_READ_INTO(&c->raddr, skc, skc_v6_daddr.in6_u.u6_addr8);
}

static __always_inline bool is_v4mapped(const __u8 *a)
{
	const __u32 *w = (const __u32 *)a;

	return !w[0] && !w[1] && w[2] == bpf_htonl(0xffff);
}

/* A full socket of AF_INET6 that talks IPv4 keeps both forms of its addresses (sk_daddr_set,
 * sk_rcv_saddr_set). */
static __always_inline void read_sock_tuple(struct sf_conn *c, const struct sock *sk)
{
	const struct sock_common *skc = &sk->__sk_common;

	c->netns = netns_of(skc);
	c->lport = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	c->rport = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	if (BPF_CORE_READ(skc, skc_family) == SF_AF_INET) {
		read_addrs4(c, skc);
		return;
	}
	read_addrs6(c, skc);
	if (is_v4mapped(c->raddr)) {
		__builtin_memset(c->laddr, 0, sizeof(c->laddr));
		__builtin_memset(c->raddr, 0, sizeof(c->raddr));
		read_addrs4(c, skc);
		c->flags |= SF_F_V4MAPPED;
	}
}

/*
 * A request on a dual-stack listener that got an IPv4 SYN has the listener's family (inet_reqsk_alloc) but
 * only its IPv4 addresses filled in (tcp_v4_init_req): what it talks is the family of its operations.
 */
static __always_inline void read_request_tuple(struct sf_conn *c, const struct request_sock *req)
{
	const struct sock_common *skc = &req->__req_common;

	c->netns = netns_of(skc);
	c->lport = BPF_CORE_READ(skc, skc_num);
	c->rport = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	if (BPF_CORE_READ(req, rsk_ops, family) == SF_AF_INET) {
		read_addrs4(c, skc);
		if (BPF_CORE_READ(skc, skc_family) == SF_AF_INET6)
			c->flags |= SF_F_V4MAPPED;
	} else {
		read_addrs6(c, skc);
	}
}

static __always_inline void read_cookie(struct sf_conn *c, const struct sock_common *skc)
{
	c->cookie = BPF_CORE_READ(skc, skc_cookie.counter);
}

static __always_inline bool has_socket(const struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket) != NULL;
}

static __always_inline bool got_fin(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_DONE);
}

/*
 * The first sequence number we sent. tcp_sock does not keep it, but an active opener's bytes_acked counts
 * every number from the SYN's on (tcp_snd_una_update), so that the distance is exact for as long as
 * bytes_acked < 2^32.
 */
static __always_inline __u32 client_isn(const struct tcp_sock *tp)
{
	return BPF_CORE_READ(tp, snd_una) - (__u32)BPF_CORE_READ(tp, bytes_acked);
}

#endif
