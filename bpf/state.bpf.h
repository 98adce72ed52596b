/* SPDX-License-Identifier: GPL-2.0-only */
/* inet_sock_set_state: which of the bodies a change of a socket's state is for. */
#ifndef SYNFIN_STATE_BPF_H
#define SYNFIN_STATE_BPF_H

#include "active.bpf.h"
#include "closing.bpf.h"
#include "core.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "passive.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "timers.bpf.h"

static __always_inline void on_listen(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct sf_owner o;

	read_owner(&o, current_task(), SF_SRC_LISTENER);
	bpf_map_update_elem(&listeners, &key, &o, BPF_ANY);
}

/*
 * A connection that we follow changes from one synchronised state to another. Returns the minisock that
 * carries it on; NULL: the socket itself does, or nothing.
 */
static __always_inline const struct inet_timewait_sock *on_change(struct sock *sk, struct sf_conn *c, int old,
								  int new, __u64 now)
{
	if (c->flags & SF_F_END_TOLD) /* it only waits for accept() */
		return NULL;
	if (c->state != old) {
		miss(SF_MISSED_STATE);
		c->flags |= SF_F_GAP;
	}
	if (old == new) { /* close() after shutdown(), whose FIN changed the state */
		if (c->flags & SF_F_CLOSING)
			closed_by_owner(sk, c, now);
		return NULL;
	}
	c->state = new;
	switch (new) {
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		on_fin_sent(sk, c, now);
		break;
	case TCP_FIN_WAIT2:
		on_fin_acked(sk, c, now);
		break;
	case TCP_CLOSING:
		c->flags |= SF_F_SIM_CLOSE;
		on_fin_rcvd(sk, c, now);
		break;
	case TCP_CLOSE_WAIT:
		on_fin_rcvd(sk, c, now);
		break;
	case TCP_CLOSE:
		return on_closed(sk, c, old, now);
	}
	return NULL;
}

/*
 * Not inlined, because the stack has no room for it beside what comes before and after it. Returns the
 * minisock that carries the connection on, as a number.
 */
static __noinline __u64 on_state(struct sock *sk, int old, int new, enum id_source source)
{
	__u64 now = bpf_ktime_get_ns(), key = (__u64)sk;
	struct sf_conn *c;

	if (old == TCP_LISTEN && new == TCP_SYN_RECV) {
		on_child(sk, now);
	} else if (old == TCP_SYN_RECV && new == TCP_ESTABLISHED) {
		on_server_established(sk, now);
	} else if (new == TCP_SYN_SENT) {
		on_connect(sk, now, source);
	} else if (new == TCP_LISTEN) {
		on_listen(sk);
	} else if (old == TCP_LISTEN) {
		bpf_map_delete_elem(&listeners, &key);
	} else if ((c = conn_find(sk)) && new == TCP_ESTABLISHED) {
		c->state = new;
		on_client_established(sk, c, now);
	} else if (c && new == TCP_SYN_RECV) {
		c->state = new;
		on_simultaneous_open(sk, c, now);
	} else if (c) {
		return as_number(on_change(sk, c, old, new, now));
	}
	return 0;
}

/* An MPTCP socket is not a tcp_sock; its subflows are. */
static __always_inline bool is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP;
}

static __always_inline void change_state(struct sock *sk, int old, int new, enum id_source source)
{
	__u64 tw;

	if (timers_show_tw)
		settle_before(old);
	tw = on_state(sk, old, new, source);
	if (tw)
		hand_over(as_number(sk), tw);
}

/* sf_state has handled it, but another change came in between, or the task came from another CPU. */
static __always_inline bool is_known_change(struct sock *sk, int old, int new)
{
	const struct sf_conn *c = old == new ? NULL : conn_find(sk);

	return c && c->state == new;
}

#endif
