/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the kernel's objects. The only place that knows byte orders, where a port is kept in which state,
 * and what a v4-mapped socket looks like. All reads are probe reads, so that the same code serves programs
 * that get a typed pointer (tp_btf, fentry) and those that get a number (kprobe, a timer's container).
 */
#ifndef SYNFIN_KERNEL_BPF_H
#define SYNFIN_KERNEL_BPF_H

#include "core.bpf.h"
#include "synfin.h"

#define IPPROTO_TCP	  6
#define TFO_SERVER_ENABLE 2 /* net.ipv4.tcp_fastopen */
#define TCPHDR_FIN	  0x01
#define SO_EE_ORIGIN_ICMP 2
#define SOCK_DEAD	  0 /* enum sock_flags: its owner let go of it */
#define SOCK_DONE	  1 /* tcp_fin() ran, the peer's FIN has come */
#define SOCK_LINGER	  4
#define SHUTDOWN_MASK	  3 /* close() or exit, not shutdown() */

/*
 * enum sk_rst_reason, the same in 6.10 to 7.2: the reasons that we derive where the kernel does not give one.
 */
enum { RST_ABORT_ON_DATA = 8, RST_ABORT_ON_CLOSE = 11, RST_ABORT_ON_LINGER = 12, RST_STATE = 14 };

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

enum errno {
	EINVAL = 22,
	EPIPE = 32,
	ENETUNREACH = 101,
	ECONNABORTED = 103,
	ECONNRESET = 104,
	ETIMEDOUT = 110,
	ECONNREFUSED = 111,
	EHOSTDOWN = 112,
	EHOSTUNREACH = 113,
	ENOPROTOOPT = 92,
	ENOMEM = 12,
	EBUSY = 16,
	EEXIST = 17,
	EPROTO = 71,
	EACCES = 13,
	EMSGSIZE = 90
};

/* An address as a number: the verifier forgets what it knows of the address. */
static __always_inline __u64 as_number(const void *object)
{
	__u64 number = (__u64)object;

	asm volatile("%0 = -%0\n\t%0 = -%0" : "+r"(number));
	return number;
}

/* The file behind a descriptor of the running task; NULL: there is none. */
static __always_inline const struct file *file_of_fd(long fd)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();
	struct fdtable *fdt = KREAD(task, files, fdt);
	struct file **files, *file = NULL;

	if (fd < 0 || fd >= KREAD(fdt, max_fds))
		return NULL;
	files = KREAD(fdt, fd);
	bpf_core_read(&file, sizeof(file), files + fd);
	return file;
}

static __always_inline __u32 netns_of(const struct sock_common *skc)
{
	return KREAD(skc, skc_net.net, ns.inum);
}

/* Nobody holds the namespace any more: cleanup_net() is at work. */
static __always_inline bool netns_is_dying(const struct net *net)
{
	const struct ns_common *ns = &net->ns;
	const struct ns_common___counted *counted = (const void *)ns;

	if (bpf_core_field_exists(ns->__ns_ref))
		return KREAD(ns, __ns_ref.refs.counter) == 0;
	if (bpf_core_field_exists(counted->count))
		return KREAD(counted, count.refs.counter) == 0;
	return KREAD((const struct net___counted *)net, count.refs.counter) == 0;
}

static __always_inline void read_addrs4(struct sf_conn *c, const struct sock_common *skc)
{
	__be32 local = KREAD(skc, skc_rcv_saddr), remote = KREAD(skc, skc_daddr);

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

/* A client's local port, once it is chosen. The rest of its tuple is there at CLOSE>SYN_SENT. */
static __always_inline void read_local_port(struct sf_conn *c, const struct sock *sk)
{
	c->lport = bpf_ntohs(KREAD((const struct inet_sock *)sk, inet_sport));
}

/*
 * All but the local port. A full socket, or minisock, of AF_INET6 that talks IPv4 keeps both forms of its
 * addresses (sk_daddr_set, sk_rcv_saddr_set, inet_twsk_alloc).
 */
static __always_inline void read_common_tuple(struct sf_conn *c, const struct sock_common *skc)
{
	c->netns = netns_of(skc);
	c->rport = bpf_ntohs(KREAD(skc, skc_dport));
	if (KREAD(skc, skc_family) == SF_AF_INET) {
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

static __always_inline void read_sock_tuple(struct sf_conn *c, const struct sock *sk)
{
	read_common_tuple(c, &sk->__sk_common);
	read_local_port(c, sk);
}

static __always_inline void read_minisock_tuple(struct sf_conn *c, const struct inet_timewait_sock *tw)
{
	read_common_tuple(c, &tw->__tw_common);
	c->lport = KREAD(tw, __tw_common.skc_num);
}

/*
 * A request on a dual-stack listener that got an IPv4 SYN has the listener's family (inet_reqsk_alloc), but
 * only its IPv4 addresses are filled in (tcp_v4_init_req). The family of its operations is the right one.
 */
static __always_inline void read_request_tuple(struct sf_conn *c, const struct request_sock *req)
{
	const struct sock_common *skc = &req->__req_common;

	c->netns = netns_of(skc);
	c->lport = KREAD(skc, skc_num);
	c->rport = bpf_ntohs(KREAD(skc, skc_dport));
	if (KREAD(req, rsk_ops, family) == SF_AF_INET) {
		read_addrs4(c, skc);
		if (KREAD(skc, skc_family) == SF_AF_INET6)
			c->flags |= SF_F_V4MAPPED;
	} else {
		read_addrs6(c, skc);
	}
}

static __always_inline const struct tcphdr *tcp_header(const struct sk_buff *skb)
{
	return (const void *)(KREAD(skb, head) + KREAD(skb, transport_header));
}

/* Reads the headers of a received segment: its destination is our end. False: it is not TCP. */
static __always_inline bool read_header(struct sf_conn *c, const struct sk_buff *skb)
{
	const unsigned char *head = KREAD(skb, head);
	const struct iphdr *ip4 = (const void *)(head + KREAD(skb, network_header));
	const struct ipv6hdr *ip6 = (const void *)ip4;
	const struct tcphdr *tcp = tcp_header(skb);
	__u8 version = 0;

	bpf_probe_read_kernel(&version, sizeof(version), ip4);
	if (version >> 4 == 4 && KREAD(ip4, protocol) == IPPROTO_TCP) {
		c->family = SF_AF_INET;
		bpf_core_read(c->raddr, 4, &ip4->saddr);
		bpf_core_read(c->laddr, 4, &ip4->daddr);
	} else if (version >> 4 == 6 && KREAD(ip6, nexthdr) == IPPROTO_TCP) {
		c->family = SF_AF_INET6;
		bpf_core_read(c->raddr, 16, &ip6->saddr);
		bpf_core_read(c->laddr, 16, &ip6->daddr);
	} else {
		return false;
	}
	c->netns = KREAD(skb, dev, nd_net.net, ns.inum);
	c->lport = bpf_ntohs(KREAD(tcp, dest));
	c->rport = bpf_ntohs(KREAD(tcp, source));
	return true;
}

/*
 * The kernel keeps this stamp in whole microseconds. Rounded down, it may seem to lie before an earlier
 * event.
 */
static __always_inline __u64 not_before(__u64 earlier, __u64 us)
{
	return us * 1000 > earlier ? us * 1000 : earlier;
}

static __always_inline bool timer_is_over(const struct timer_list *t)
{
	return (__s64)(bpf_jiffies64() - KREAD(t, expires)) >= 0;
}

static __always_inline bool is_armed(const struct timer_list *t)
{
	return KREAD(t, entry.pprev) != NULL;
}

static __always_inline void read_cookie(struct sf_conn *c, const struct sock_common *skc)
{
	c->cookie = KREAD(skc, skc_cookie.counter);
}

static __always_inline bool is_unhashed(const struct sock_common *skc)
{
	return KREAD(skc, skc_node.pprev) == NULL;
}

/*
 * The kill of a minisock takes away its timer first, then unhashes it. Our hook runs before, between or
 * after.
 */
static __always_inline bool is_dying(const struct inet_timewait_sock *tw)
{
	return is_unhashed(&tw->__tw_common) || !is_armed(&tw->tw_timer);
}

static __always_inline bool is_orphan(const struct sock *sk)
{
	return KREAD(sk, __sk_common.skc_flags) & (1UL << SOCK_DEAD);
}

/* The listener's options at the moment when a child leaves its queue of requests. */
static __always_inline __u32 listener_flags(const struct sock *listener)
{
	const struct inet_connection_sock *icsk = (const void *)listener;
	__u32 flags = 0;

	if (KREAD(icsk, icsk_accept_queue.rskq_defer_accept))
		flags |= SF_F_DEFER_ACCEPT;
	if (KREAD_BITS(&listener->__sk_common, skc_reuseport))
		flags |= SF_F_REUSEPORT;
	return flags;
}

static __always_inline bool got_fin(const struct sock *sk)
{
	return KREAD(sk, __sk_common.skc_flags) & (1UL << SOCK_DONE);
}

/*
 * The error of an ICMP message about the SYN in flight (`isn`) that came while a task held the socket's lock,
 * as connect() itself does if the answer is quick. The kernel keeps it as a soft error and goes on
 * (tcp_v4_err(), tcp_v6_err()). Reading SO_ERROR takes it away. For IPv4, since 5.8 (commit 45af29ca761c),
 * the ICMP message also stays in the queue of errors, where others may be of an earlier attempt.
 */
static __always_inline __u8 soft_error(const struct sock *sk, __u32 isn)
{
	const struct sk_buff *last = KREAD(sk, sk_error_queue.prev);
	const struct sock_exterr_skb *says = (const void *)last->cb;
	const struct tcphdr *syn;
	__u8 error = KREAD(sk, sk_err_soft);

	if (error || !KREAD(sk, sk_error_queue.qlen) || KREAD(says, ee.ee_origin) != SO_EE_ORIGIN_ICMP)
		return error;
	syn = (const void *)KREAD(last, data);
	return bpf_ntohl(KREAD(syn, seq)) == isn ? KREAD(says, ee.ee_errno) : 0;
}

/* Some data was never read by the owner, not counting the peer's FIN. */
static __always_inline bool left_unread(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	return KREAD(tp, rcv_nxt) - got_fin(sk) != KREAD(tp, copied_seq);
}

static __always_inline bool is_mptcp(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->is_mptcp) && KREAD(tp, is_mptcp);
}

static __always_inline __u16 data_segs(const struct sock *sk)
{
	return KREAD((const struct tcp_sock *)sk, data_segs_in);
}

/* No further child fits (sk_acceptq_is_full). */
static __always_inline bool accept_queue_is_full(const struct sock *listener)
{
	return KREAD(listener, sk_ack_backlog) > KREAD(listener, sk_max_ack_backlog);
}

/*
 * No further request fits, and no cookies may be sent instead (tcp_conn_request,
 * inet_csk_reqsk_queue_is_full).
 */
static __always_inline bool syn_queue_is_full(const struct sock *listener)
{
	const struct inet_connection_sock *icsk = (const void *)listener;

	return KREAD(icsk, icsk_accept_queue.qlen.counter) >= (int)KREAD(listener, sk_max_ack_backlog) &&
	       !BPF_CORE_READ(listener, __sk_common.skc_net.net, ipv4.sysctl_tcp_syncookies);
}

/*
 * The first sequence number we sent. tcp_sock does not keep it, but an active opener's bytes_acked counts
 * every number from the SYN's on (tcp_snd_una_update), so that the distance is exact for as long as
 * bytes_acked < 2^32.
 */
static __always_inline __u32 client_isn(const struct tcp_sock *tp)
{
	return KREAD(tp, snd_una) - (__u32)KREAD(tp, bytes_acked);
}

#endif
