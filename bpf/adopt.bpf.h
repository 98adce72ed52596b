/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that are older than the tracer. When all hooks are attached, iter/task_file shows the owners of
 * the existing sockets (`found`), then iter/tcp shows each connection once. A connection that a hook has met
 * by then is left alone. est_ts is the moment of first sight, or as much before it as the kernel's own stamps
 * prove. The stamps of everything that had happened by then equal est_ts (model/record.c marks durations that
 * begin there as lower bounds).
 *
 * The iterator holds the socket's lock while we look (5.15, commit 04c7820b776f; before, the lock of its hash
 * bucket): no change of state can fall between reading the state and the entry in `conns`. Requests and
 * minisocks have no lock; one that was unhashed meanwhile is dropped again.
 */
#ifndef SYNFIN_ADOPT_BPF_H
#define SYNFIN_ADOPT_BPF_H

#include "conn.bpf.h"
#include "core.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tell.bpf.h"
#include "timewait.bpf.h"
#include "waits.bpf.h"

#define SOCK_BINDPORT_LOCK 8		 /* sk_userlocks: bind() was given the port */
#define TIMEWAIT_NS	   60000000000LL /* TCP_TIMEWAIT_LEN */

/*
 * Finds out who opened the connection. A port that connect() chose is marked (__inet_hash_connect()), a bound
 * one is locked, and a listener's child does not inherit the lock (sk_clone_lock()). Otherwise the connection
 * is a server's if there is a listener on its port; if not, its role is unknown.
 */
static __always_inline enum sf_role find_role(const struct sf_conn *c, const struct inet_bind_bucket *port,
					      bool locked)
{
	struct sf_port_key key = {c->netns, c->lport};

	if (locked || (port && KREAD(port, fastreuse) < 0))
		return SF_ROLE_CLIENT;
	return bpf_map_lookup_elem(&listened, &key) ? SF_ROLE_SERVER : SF_ROLE_NONE;
}

static __always_inline enum sf_role find_socket_role(const struct sf_conn *c, const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const void *)sk;

	return find_role(c, KREAD(icsk, icsk_bind_hash), KREAD_BITS(sk, sk_userlocks) & SOCK_BINDPORT_LOCK);
}

/* Jiffies are rounded, so only one tick less is certain. */
static __always_inline __u64 ago(__u64 now, __u32 ticks)
{
	__u64 ns = ticks && ticks < 1U << 31 ? (ticks - 1) * cfg_tick_ns : 0;

	return ns < now ? now - ns : now;
}

/*
 * The last ACK is not older than the connection, the peer's FIN or the ACK of our FIN. Our own FIN may be
 * younger than the last ACK.
 */
static __always_inline __u64 first_sight(const struct tcp_sock *tp, __u8 state)
{
	__u64 now = bpf_ktime_get_ns();

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT && state != TCP_FIN_WAIT2 &&
	    state != TCP_CLOSING)
		return now;
	return ago(now, (__u32)bpf_jiffies64() - KREAD(tp, rcv_tstamp));
}

/* The stamps of a socket, or of a minisock, that is in this state. */
static __always_inline void adopt_stamps(struct sf_conn *c, __u8 state, __u64 seen)
{
	bool sent = state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT;
	bool rcvd = state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING ||
		    state == TCP_TIME_WAIT;

	c->state = state;
	c->est_ts = seen;
	c->flags |= SF_F_OPENED;
	if (state == TCP_ESTABLISHED)
		return;
	c->flags |= SF_F_CLOSING;
	c->closing.fin_sent_ts = sent ? seen : 0;
	c->closing.fin_rcvd_ts = rcvd ? seen : 0;
	c->closing.fin_acked_ts = state == TCP_FIN_WAIT2 || state == TCP_TIME_WAIT ? seen : 0;
	if (state == TCP_CLOSING)
		c->flags |= SF_F_SIM_CLOSE;
	else if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK)
		c->flags |= SF_F_FIN_RCVD_1ST;
	else if (state != TCP_TIME_WAIT)
		c->flags |= SF_F_FIN_SENT_1ST;
}

/* Only the iterator counts this; it is not an enum id_source. */
static __u64 adopted;

/*
 * Judges the connection's past as if it had been seen: the connection was established, or closed by FINs, but
 * no duration is known. False: the connection is not wanted.
 */
static __always_inline bool judge_past(struct sf_conn *c)
{
	if (!(c->flags & SF_F_OPENED))
		return true;
	if (cfg_min_handshake_ns)
		return false;
	if (!wants_outcome(SF_OUT_ESTABLISHED))
		c->flags |= SF_F_NO_OPEN;
	if (c->flags & SF_F_TIME_WAIT && !wants_close(c, SF_OUT_FIN, 0))
		c->flags |= SF_F_NO_CLOSE;
	return true;
}

/* False: the filter rejects it, or it is undecided and nothing would ask the filter again. */
static __always_inline bool judge_adopted(struct sf_conn *c)
{
	enum verdict v;

	c->flags |= SF_F_LATE;
	v = judge_past(c) ? judge(c) : REJECT;
	if (v == REJECT || (v == UNDECIDED && c->flags & SF_F_ORPHAN))
		return false;
	if (v == UNDECIDED)
		c->flags |= SF_F_PENDING;
	c->id = ++adopted << 14 | (__u64)__ID_MAX << 12;
	return true;
}

static __always_inline void count_adopted(const struct sf_conn *c)
{
	if (!(c->flags & SF_F_PENDING))
		count_tried(c);
}

static __always_inline void adopt(const struct sock_common *object, struct sf_conn *c)
{
	int err;

	if (!judge_adopted(c))
		return;
	err = conn_add(object, c);
	if (err && err != -EEXIST)
		lose(SF_LOST_EVICTED);
	else if (!err && is_unhashed(object))
		conn_forget(object, c);
	else if (!err)
		count_adopted(c);
}

static __always_inline void adopt_listener(const struct sock *sk)
{
	struct sf_port_key key = {netns_of(&sk->__sk_common), KREAD(sk, __sk_common.skc_num)};
	__u64 *known = bpf_map_lookup_elem(&listened, &key), listener = (__u64)sk;

	if (known)
		*known = 0;
	else
		bpf_map_update_elem(&listened, &key, &listener, BPF_ANY);
}

/* The task that has this socket among its files was found before. */
static __always_inline void own_by_finder(struct sf_conn *c, const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct sf_owner *o = bpf_map_lookup_elem(&found, &key);

	if (!o)
		return;
	own(c, o);
	bpf_map_delete_elem(&found, &key);
}

/*
 * The connection waits for accept(). If its port has several listeners, it is not known which one's queue it
 * is in.
 */
static __always_inline void own_unaccepted(struct sf_conn *c)
{
	struct sf_port_key key = {c->netns, c->lport};
	__u64 *listener = bpf_map_lookup_elem(&listened, &key);

	if (listener && *listener)
		own_by_listener(c, (const struct sock *)*listener);
}

static __always_inline void adopt_socket(struct sock *sk, __u8 state)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct sf_conn c = {};

	read_sock_tuple(&c, sk);
	read_cookie(&c, &sk->__sk_common);
	c.role = find_socket_role(&c, sk);
	if (is_mptcp(tp))
		c.flags |= SF_F_MPTCP;
	if (KREAD(sk, sk_socket)) {
		c.flags |= SF_F_ACCEPTED;
		own_by_finder(&c, sk);
	} else if (is_orphan(sk)) {
		c.flags |= SF_F_ACCEPTED;
	} else { /* it waits for accept() */
		c.role = SF_ROLE_SERVER;
		own_unaccepted(&c);
	}
	if (state == TCP_SYN_SENT) {
		c.role = SF_ROLE_CLIENT;
		c.syn_retrans = KREAD(tp, total_retrans);
	}
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV)
		c.state = state;
	else
		adopt_stamps(&c, state, first_sight(tp, state));
	adopt(&sk->__sk_common, &c);
}

static __always_inline void adopt_request(const struct request_sock *req)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)req;
	const struct sock *listener = KREAD(req, __req_common.skc_listener);
	struct sf_conn c = {};

	c.role = SF_ROLE_SERVER;
	c.state = TCP_NEW_SYN_RECV;
	c.opening.synack_ts = KREAD(treq, snt_synack) * 1000;
	c.opening.listener = (__u64)listener;
	c.opening.isn = KREAD(treq, snt_isn);
	c.opening.peer_isn = KREAD(treq, rcv_isn);
	c.opening.seqs_known = 1;
	c.synack_retrans = KREAD(req, num_retrans);
	read_request_tuple(&c, req);
	own_by_listener(&c, listener);
	adopt(&req->__req_common, &c);
}

/*
 * The moment when a minisock's timer was armed, if it was armed for `whole_ns`; now, if that cannot be. The
 * timer may be overdue: the slots of the wheel are seconds wide at 60 s.
 */
static __always_inline __u64 timer_armed(const struct inet_timewait_sock *tw, __s64 whole_ns)
{
	__s64 left = (KREAD(tw, tw_timer.expires) - bpf_jiffies64()) * cfg_tick_ns;
	__u64 now = bpf_ktime_get_ns();

	return left > -whole_ns && left < whole_ns ? ago(now, (whole_ns - left) / cfg_tick_ns) : now;
}

/* The timer was armed when TIME_WAIT began, and again whenever the peer repeated its FIN. */
static __always_inline __u64 timewait_began(const struct inet_timewait_sock *tw)
{
	return timer_armed(tw, TIMEWAIT_NS);
}

/*
 * The timer was armed when the socket of an orphan was replaced, in FIN_WAIT2 or later, for
 * net.ipv4.tcp_fin_timeout. If that is more than a minute, the socket has waited for the first part
 * (tcp_rcv_state_process(), __tcp_close()). A long RTO makes the time longer, and the wait then began
 * earlier. But the owner may have made it shorter (TCP_LINGER2), and nothing is left of that setting: the
 * last thing that the peer sent, the ACK of our FIN or something after it, must not be younger than the
 * result. It has a stamp if there are timestamps; if not, the wait began at first sight.
 */
static __always_inline __u64 orphan_began(const struct inet_timewait_sock *tw)
{
	__s64 whole = KREAD(tw, __tw_common.skc_net.net, ipv4.sysctl_tcp_fin_timeout) * cfg_tick_ns;
	__s64 heard = KREAD((const struct tcp_timewait_sock *)tw, tw_ts_recent_stamp) * 1000000000LL;
	__s64 began = timer_armed(tw, whole > TIMEWAIT_NS ? whole - TIMEWAIT_NS : whole);

	return heard && heard <= began ? began : bpf_ktime_get_ns();
}

/* No task has a file of this minisock, so its owner is not known. */
static __always_inline void adopt_minisock(const struct inet_timewait_sock *tw)
{
	__u8 state = KREAD(tw, tw_substate);
	struct sf_conn c = {};
	int err;

	if (!has_tw)
		return;
	read_minisock_tuple(&c, tw);
	read_cookie(&c, &tw->__tw_common);
	c.role = find_role(&c, KREAD(tw, tw_tb), false);
	c.flags = SF_F_ORPHAN | (state == TCP_TIME_WAIT ? SF_F_TIME_WAIT : 0);
	adopt_stamps(&c, state, state == TCP_TIME_WAIT ? timewait_began(tw) : orphan_began(tw));
	if (!judge_adopted(&c))
		return;
	index_minisock(tw, &c);
	err = minisock_add(tw, &c);
	if (err && err != -EEXIST)
		lose(SF_LOST_EVICTED);
	else if (!err && (is_dying(tw) || wait_find(tw))) { /* gone meanwhile, or followed from its birth */
		unindex_minisock(tw, &c);
		minisock_remove(tw);
	} else if (!err) {
		count_adopted(&c);
	}
}

/* One of the kernel's TCP sockets. */
static __always_inline void adopt_any(const struct sock_common *skc)
{
	__u8 state = KREAD(skc, skc_state);

	if (state == TCP_LISTEN)
		adopt_listener((const struct sock *)skc);
	else if (state == TCP_NEW_SYN_RECV)
		adopt_request((const struct request_sock *)skc);
	else if (state == TCP_TIME_WAIT)
		adopt_minisock((const struct inet_timewait_sock *)skc);
	else if (state != TCP_CLOSE)
		adopt_socket((struct sock *)skc, state);
}

/* An open file of a task. The first task that is found with a socket is taken as its owner. */
static __always_inline void find_owner(const struct task_struct *task, const struct file *file)
{
	struct socket *socket;
	struct sf_owner o;
	struct sock *sk;
	__u64 key;

	if ((KREAD(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return;
	socket = KREAD(file, private_data);
	sk = KREAD(socket, sk);
	if (!sk || KREAD(sk, sk_protocol) != IPPROTO_TCP)
		return;
	read_owner(&o, task, SF_SRC_ITERATOR);
	key = (__u64)sk;
	if (KREAD(sk, __sk_common.skc_state) == TCP_LISTEN)
		bpf_map_update_elem(&listeners, &key, &o, BPF_NOEXIST);
	else
		bpf_map_update_elem(&found, &key, &o, BPF_NOEXIST);
}

#endif
