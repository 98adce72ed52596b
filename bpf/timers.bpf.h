/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests and minisocks seen through their timers, for kernels where functions cannot be hooked. A
 * request_sock and an inet_timewait_sock each carry a timer whose function tells them from every other timer
 * of the machine.
 *
 *   request   started: SYN taken
 *             cancelled and expired, started in the handler: SYN-ACK repeated
 *             cancelled and expired, handler left: given up
 *             cancelled and started: the client repeated its SYN (tcp_check_req)
 *             cancelled: final ACK (a child was cloned just before, on this CPU), or reset
 *   minisock  started: made
 *             cancelled and started: the peer's FIN or its repeat
 *             cancelled and expired: TIME_WAIT is over
 *             cancelled: reuse, reset, `ss -K`, namespace exit
 *
 * Setting a pending timer anew cancels and starts it under the timer base's lock with interrupts off
 * (__mod_timer), so that after a cancellation whatever comes next on this CPU tells which of the two it was.
 * For the same reason none of the start and cancel programs can interrupt itself and be skipped.
 */
#ifndef SYNFIN_TIMERS_BPF_H
#define SYNFIN_TIMERS_BPF_H

#define EXPIRY_NS 1000000

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

static __always_inline void note_cancelled(struct sf_cpu *cpu, const void *object, const struct timer_list *t,
					   enum sf_outcome how, __u8 substate)
{
	cpu->cancelled = (__u64)object;
	cpu->cancelled_ts = bpf_ktime_get_ns();
	cpu->cancelled_how = how;
	cpu->cancelled_substate = substate;
	cpu->cancelled_overdue = timer_is_over(t);
}

static __always_inline bool cancelled_is_minisock(const struct sf_cpu *cpu)
{
	return cpu->cancelled && cpu->cancelled_how >= SF_OUT_TW_TIMER;
}

/* What was cancelled last on this CPU was not re-armed: it is dead. */
static __always_inline void bury_cancelled(struct sf_cpu *cpu)
{
	const void *object = (const void *)cpu->cancelled;

	cpu->cancelled = 0;
	if (cpu->cancelled_how >= SF_OUT_TW_TIMER)
		on_minisock_dead(object, cpu->cancelled_substate, cpu->cancelled_how, cpu->cancelled_ts);
	else
		on_request_dead(object, cpu->cancelled_how, cpu->cancelled_ts);
}

/*
 * Another timer shows that no re-arming follows. A timer that expires is cancelled first too, and between that and
 * timer_expire_entry interrupts are on (expire_timers), so that an overdue one is given a millisecond.
 */
static __always_inline void settle_cancelled(struct sf_cpu *cpu)
{
	if (!cpu->cancelled)
		return;
	if (cpu->cancelled_overdue && bpf_ktime_get_ns() - cpu->cancelled_ts < EXPIRY_NS)
		return;
	bury_cancelled(cpu);
}

/* The timer cancelled last on this CPU is that of the object at this address. */
static __always_inline bool was_cancelled(struct sf_cpu *cpu, const void *object)
{
	if (cpu->cancelled != (__u64)object)
		return false;
	cpu->cancelled = 0;
	return true;
}

/*
 * Started at the address of one just cancelled: the same object, or a new one that took its memory at once? Only a request
 * whose SYN-ACK was repeated is armed again (tcp_check_req), and a new one has repeated none.
 */
static __always_inline bool is_same_request(const struct request_sock *req)
{
	return KREAD(req, num_retrans) != 0;
}

static __always_inline bool is_same_minisock(const struct inet_timewait_sock *tw)
{
	struct sf_conn *c = conn_find(tw);

	return c && c->rport == bpf_ntohs(KREAD(tw, __tw_common.skc_dport)) &&
	       c->lport == KREAD(tw, __tw_common.skc_num);
}

static __always_inline void minisock_timer_started(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	if (cpu->cancelled == (__u64)tw) {
		if (is_same_minisock(tw)) {
			cpu->cancelled = 0;
			on_minisock_fin(tw);
			return;
		}
		bury_cancelled(cpu);
	}
	settle_cancelled(cpu);
	on_minisock(tw);
}

/*
 * Anew for a request we know: its handler repeats the SYN-ACK, or the client its SYN (tcp_check_req). For one we do not
 * know: a SYN was taken, perhaps in the place of a TIME_WAIT; or the handler moves the request to another listener.
 */
static __always_inline void request_timer_started(struct sf_cpu *cpu, const struct request_sock *req)
{
	const struct inet_timewait_sock *tw = (const void *)cpu->cancelled;
	const struct request_sock *old = (const void *)cpu->expired;

	if (cpu->cancelled == (__u64)req) {
		if (is_same_request(req)) {
			cpu->cancelled = 0;
			return;
		}
		bury_cancelled(cpu);
	}
	if (cancelled_is_minisock(cpu) && same_connection(&tw->__tw_common, &req->__req_common))
		cpu->cancelled_how = SF_OUT_TW_SYN;
	settle_cancelled(cpu);
	if (old && same_connection(&old->__req_common, &req->__req_common)) {
		cpu->expired = 0;
		if (old != req)
			on_request_migrated(old, req);
		return;
	}
	on_request(req);
}

static __always_inline void on_timer_start(const struct timer_list *t)
{
	const void *fn = t->function;
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (is_minisock_timer(fn))
		minisock_timer_started(cpu, minisock_of(t));
	else if (is_request_timer(fn))
		request_timer_started(cpu, request_of(t));
	else
		settle_cancelled(cpu);
}

static __always_inline void request_timer_cancelled(struct sf_cpu *cpu, const struct request_sock *req)
{
	const struct sock *child = (const void *)cpu->child;

	if (child && same_connection(&child->__sk_common, &req->__req_common))
		on_request_done(req, child, NULL);
	else
		note_cancelled(cpu, req, &req->rsk_timer, request_outcome(cpu, req), 0);
}

static __always_inline void minisock_timer_cancelled(struct sf_cpu *cpu, const struct inet_timewait_sock *tw)
{
	note_cancelled(cpu, tw, &tw->tw_timer, why_killed(cpu, tw), KREAD(tw, tw_substate));
}

static __always_inline void on_timer_cancel(const struct timer_list *t)
{
	const void *fn = t->function;
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (!is_request_timer(fn) && !is_minisock_timer(fn)) {
		settle_cancelled(cpu);
		return;
	}
	if (cpu->cancelled)
		bury_cancelled(cpu);
	if (is_request_timer(fn))
		request_timer_cancelled(cpu, request_of(t));
	else
		minisock_timer_cancelled(cpu, minisock_of(t));
}

/* Why it would die is read now: once its handler has left, its memory may be another's. */
static __always_inline void note_expired(struct sf_cpu *cpu, const struct request_sock *req)
{
	cpu->expired = (__u64)req;
	cpu->expired_outcome = request_outcome(cpu, req);
}

static __always_inline void on_timer_expire(const struct timer_list *t)
{
	const void *fn = t->function;
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (is_minisock_timer(fn)) {
		if (!was_cancelled(cpu, minisock_of(t)))
			settle_cancelled(cpu);
		on_minisock_dead(minisock_of(t), KREAD(minisock_of(t), tw_substate), SF_OUT_TW_TIMER,
				 bpf_ktime_get_ns());
	} else if (is_request_timer(fn)) {
		if (!was_cancelled(cpu, request_of(t)))
			settle_cancelled(cpu);
		note_expired(cpu, request_of(t));
	} else {
		settle_cancelled(cpu);
	}
}

/* The handler left without arming the timer again: the request is gone, and its memory may be. */
static __always_inline void on_timer_done(const struct timer_list *t)
{
	struct sf_cpu *cpu = this_cpu();
	const struct request_sock *req = request_of(t);

	if (!cpu || cpu->expired != (__u64)req)
		return;
	cpu->expired = 0;
	on_request_dead(req, cpu->expired_outcome, bpf_ktime_get_ns());
}

/*
 * kfree_skb: tcp_v4_rcv() or tcp_v6_rcv() is done with a segment that this minisock took. The timer alone does not show
 * every FIN: one set anew to the same slot of the wheel, seconds wide at 60 s, is neither cancelled nor started.
 */
static __always_inline void on_minisock_skb(const struct inet_timewait_sock *tw, const struct sk_buff *skb)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (cpu->cancelled != (__u64)tw) {
		on_minisock_fin(tw);
		return;
	}
	cpu->cancelled = 0;
	on_minisock_dead(tw, cpu->cancelled_substate, ends_minisock(tcp_header(skb)), cpu->cancelled_ts);
}

#endif
