/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests and minisocks seen through their timers, for kernels where functions cannot be hooked. A
 * request_sock and an inet_timewait_sock each carry a timer whose function distinguishes them from every
 * other timer of the machine.
 *
 *   request   cancelled, out of the hash: final ACK (a child was cloned just before, on this CPU), or reset
 *             cancelled, in the hash: the client repeated its SYN (tcp_check_req), or it expires
 *             expired, armed when its handler has left: SYN-ACK repeated
 *             expired, not armed then: moved to another listener, or given up
 *   minisock  cancelled, out of the hash: reused
 *             cancelled and armed: the peer's FIN or its repeat
 *             cancelled and expired: TIME_WAIT is over
 *             cancelled and neither: SYN, reset, `ss -K`, namespace exit
 *
 * The start of a timer is not hooked, because every segment of the host starts one. A request is met when it
 * ends or expires, and everything that has to be known is still in it. A minisock is found in the kernel's
 * hash when the socket that it replaces is closed.
 *
 * A pending timer that is set anew is cancelled and started under the timer base's lock with interrupts off
 * (__mod_timer), so that it is armed by the next event of any timer on this CPU. For the same reason the
 * cancel program cannot interrupt itself and be skipped.
 */
#ifndef SYNFIN_TIMERS_BPF_H
#define SYNFIN_TIMERS_BPF_H

#include "core.bpf.h"
#include "ehash.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "passive.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "timewait.bpf.h"

extern const void tw_timer_handler __ksym __weak;
extern const void reqsk_timer_handler __ksym __weak;

static __always_inline bool is_minisock_timer(const void *fn)
{
	return timers_show_tw && fn == &tw_timer_handler;
}

static __always_inline bool is_request_timer(const void *fn)
{
	return timers_show_requests && fn == &reqsk_timer_handler;
}

static __always_inline const struct inet_timewait_sock *minisock_of(const struct timer_list *t)
{
	return (const void *)t - bpf_core_field_offset(struct inet_timewait_sock, tw_timer);
}

static __always_inline const struct request_sock *request_of(const struct timer_list *t)
{
	return (const void *)t - bpf_core_field_offset(struct request_sock, rsk_timer);
}

/* --- minisocks ---------------------------------------------------------------------------------------- */

/*
 * The timer of this minisock is cancelled before its time. In FIN_WAIT2 that kills the minisock, in TIME_WAIT
 * it may. If the minisock is dead, another CPU may build another one in its memory before the next event on
 * this CPU shows that. Everything known about it is therefore kept under the connection's id. Returns the
 * key: the id, or the address if the minisock was not moved.
 */
static __always_inline __u64 set_aside(const struct inet_timewait_sock *tw, __u64 id)
{
	if (!timer_is_over(&tw->tw_timer) && !move_minisock(as_number(tw), id))
		return id;
	return as_number(tw);
}

/*
 * A timer that is armed anew to enter TIME_WAIT is armed under the lock of the timers that is held now, so
 * nobody else has to be asked.
 */
static __always_inline bool begins_time_wait(const struct inet_timewait_sock *tw, __u8 substate)
{
	return substate == TCP_TIME_WAIT && !wait_find(tw) && !timer_is_over(&tw->tw_timer);
}

static __always_inline void note_cancelled(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	struct sf_cancelled t = {.tw = (__u64)tw, .key = (__u64)tw, .id = minisock_id(tw)};

	if (!t.id)
		return;
	t.ts = bpf_ktime_get_ns();
	t.substate = KREAD(tw, tw_substate);
	t.name = name_of(&tw->__tw_common);
	if (begins_time_wait(tw, t.substate))
		on_minisock_fin(tw);
	else
		t.key = set_aside(tw, t.id);
	cpu->cancelled = t;
}

static __always_inline void forget_cancelled(struct sf_cpu *cpu, __u64 tw)
{
	if (cpu->cancelled.tw == tw)
		cpu->cancelled.tw = 0;
}

static __always_inline const struct inet_timewait_sock *key_of(const struct sf_cancelled *t)
{
	return (const void *)t->key;
}

/* The minisock is dead. If a SYN took its place, there is a request or a child. */
static __always_inline void bury_cancelled(const struct sf_cancelled *t, enum sf_outcome how)
{
	const struct sf_conn *c = find_tw_by_header ? minisock_find(key_of(t)) : NULL;

	if (minisock_id(key_of(t)) != t->id)
		return;
	if (c)
		unindex_minisock((const void *)t->tw, c);
	if (how == SF_OUT_TW_KILLED && find_in_ehash(&t->name, ~(1U << TCP_TIME_WAIT)))
		how = SF_OUT_TW_SYN;
	on_minisock_dead(key_of(t), t->substate, how, t->ts);
}

/* The minisock is in the hash, and its memory does not belong to another object. */
static __always_inline bool is_there(const struct sf_cancelled *t)
{
	const struct sock_common *skc = &((const struct inet_timewait_sock *)t->tw)->__tw_common;

	return KREAD(skc, skc_state) == TCP_TIME_WAIT && !is_unhashed(skc) && is_called(skc, &t->name);
}

/* There is no room for the minisock under its address, so nothing would find it any more. */
static __always_inline void evict_cancelled(const struct sf_cancelled *t)
{
	const struct sf_conn *c = minisock_find(key_of(t));

	lose(SF_LOST_EVICTED);
	if (c) {
		unindex_minisock((const void *)t->tw, c);
		minisock_remove(key_of(t));
	}
	wait_remove(key_of(t));
}

/*
 * The minisock lives on. A program that sees its kill from now on finds it; a kill that came before is found
 * here.
 */
static __always_inline void restore_cancelled(const struct sf_cancelled *t)
{
	struct sf_cancelled back = *t;

	back.key = t->tw;
	if (t->key == t->tw)
		return;
	if (move_minisock(t->key, t->tw)) {
		evict_cancelled(t);
		return;
	}
	order();
	if (!is_there(t))
		bury_cancelled(&back, SF_OUT_TW_KILLED);
}

/*
 * Another event of a timer: was the minisock whose timer was cancelled last on this CPU armed again, or is it
 * dead? If neither, its timer is about to expire. We use a copy, because a program that interrupts a task
 * here may settle this minisock and leave another.
 */
__noinline int settle_cancelled(void) /* not static: as tell() */
{
	struct sf_cpu *cpu = this_cpu();
	const struct inet_timewait_sock *tw;
	struct sf_cancelled t;

	if (!cpu || !cpu->cancelled.tw)
		return 0;
	t = cpu->cancelled;
	tw = (const void *)t.tw;
	if (!is_there(&t)) {
		forget_cancelled(cpu, t.tw);
		bury_cancelled(&t, SF_OUT_TW_KILLED);
	} else if (is_armed(&tw->tw_timer)) {
		forget_cancelled(cpu, t.tw);
		restore_cancelled(&t);
		on_minisock_fin(tw);
	}
	return 0;
}

/*
 * A socket leaves `old`. If that is FIN_WAIT2, its minisock may be in the memory of one that has just died
 * here. Not static, so that what follows is verified once, not for each `old`.
 */
__noinline int settle_before(__u32 old)
{
	return timers_show_tw && old == TCP_FIN_WAIT2 ? settle_cancelled() : 0;
}

static __always_inline void minisock_timer_cancelled(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	enum sf_outcome how = why_killed(cpu, tw);

	if (how == SF_OUT_TW_KILLED)
		note_cancelled(cpu, tw);
	else
		on_minisock_dead(tw, KREAD(tw, tw_substate), how, bpf_ktime_get_ns());
}

static __always_inline void minisock_timer_expired(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	const void *key = cpu->cancelled.tw == (__u64)tw ? key_of(&cpu->cancelled) : tw;

	forget_cancelled(cpu, (__u64)tw);
	on_minisock_dead(key, KREAD(tw, tw_substate), SF_OUT_TW_TIMER, bpf_ktime_get_ns());
}

/* --- requests ----------------------------------------------------------------------------------------- */

static __always_inline void request_timer_cancelled(struct sf_cpu *cpu, const struct request_sock *req)
{
	const struct sock *child = (const void *)cpu->child;

	if (child && same_connection(&child->__sk_common, &req->__req_common)) {
		on_request_done(req, child, NULL);
	} else if (is_unhashed(&req->__req_common)) {
		if (!request_find(req))
			meet_request(req, req);
		on_request_dead(req, request_outcome(cpu, req), bpf_ktime_get_ns());
	}
}

/*
 * The reason why the request would die is read now: when its handler has left, its memory may belong to
 * another object.
 */
static __always_inline void request_timer_expired(struct sf_cpu *cpu, const struct request_sock *req)
{
	if (!request_find(req))
		meet_request(req, req);
	cpu->expired = (__u64)req;
	cpu->expired_outcome = request_outcome(cpu, req);
	cpu->expired_name = name_of(&req->__req_common);
}

/*
 * The request that has the name now, `req` itself or its clone for another listener, but not one of a later
 * SYN. NULL: none.
 */
static __always_inline const struct request_sock *
find_heir(const struct sf_cpu *cpu, const struct request_sock *req, const struct sf_conn *c)
{
	const struct sock_common *skc = &req->__req_common;
	const struct tcp_request_sock *heir = (const void *)req;
	struct sf_name name = cpu->expired_name;

	if (KREAD(skc, skc_state) != TCP_NEW_SYN_RECV || is_unhashed(skc) || !is_called(skc, &name))
		heir = (const void *)find_in_ehash(&name, 1U << TCP_NEW_SYN_RECV);
	return heir && KREAD(heir, snt_isn) == c->opening.isn ? (const void *)heir : NULL;
}

static __always_inline void request_handler_left(struct sf_cpu *cpu, const struct request_sock *req)
{
	const struct sf_conn *c = conn_find(req);
	const struct request_sock *heir;

	cpu->expired = 0;
	if (!c)
		return;
	heir = find_heir(cpu, req, c);
	if (!heir)
		on_request_dead(req, cpu->expired_outcome, bpf_ktime_get_ns());
	else if (heir != req)
		on_request_migrated(req, heir);
}

/* --- timers ------------------------------------------------------------------------------------------- */

static __always_inline void on_timer_cancel(const struct timer_list *t)
{
	const void *fn = t->function;
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	settle_cancelled();
	if (is_request_timer(fn))
		request_timer_cancelled(cpu, request_of(t));
	else if (is_minisock_timer(fn))
		minisock_timer_cancelled(cpu, minisock_of(t));
}

static __always_inline void on_timer_expire(const struct timer_list *t)
{
	const void *fn = t->function;
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (is_minisock_timer(fn)) {
		minisock_timer_expired(cpu, minisock_of(t));
		return;
	}
	settle_cancelled();
	if (is_request_timer(fn))
		request_timer_expired(cpu, request_of(t));
}

static __always_inline void on_timer_done(const struct timer_list *t)
{
	struct sf_cpu *cpu = this_cpu();
	const struct request_sock *req = request_of(t);

	if (cpu && cpu->expired == (__u64)req)
		request_handler_left(cpu, req);
}

/*
 * kfree_skb: tcp_v4_rcv() or tcp_v6_rcv() is done with a segment that this minisock took. The timer alone
 * does not show every FIN: a timer that is set anew to the slot of the wheel that it is in, seconds wide at
 * 60 s, is neither cancelled nor started.
 */
static __always_inline void on_minisock_skb(const struct inet_timewait_sock *tw, const struct sk_buff *skb)
{
	struct sf_cpu *cpu = this_cpu();
	struct sf_cancelled t;

	if (!cpu)
		return;
	t = cpu->cancelled;
	if (t.tw == (__u64)tw && !is_there(&t)) {
		forget_cancelled(cpu, t.tw);
		bury_cancelled(&t, ends_minisock(tcp_header(skb)));
		return;
	}
	settle_cancelled();
	on_minisock_fin(tw);
}

#endif
