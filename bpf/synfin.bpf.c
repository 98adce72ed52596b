// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks: thin wrappers around one body per event. Which of them is loaded is decided by
 * src/kernel/hooks.c; all start switched off ("?"). Suffixes: none tp_btf, _fe fentry, _fx fexit, _kp kprobe,
 * _kr kretprobe, _sc syscall tracepoint. Tracepoints are attached as tp_btf on every tier: it needs no
 * trampoline, loads wherever CO-RE does (5.5) and, unlike a classic tracepoint program, is not skipped when
 * another BPF program is active on the CPU.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "synfin.h"
#include "slots.h"
#include "maps.bpf.h"
#include "kernel.bpf.h"
#include "ehash.bpf.h"
#include "table.bpf.h"
#include "owner.bpf.h"
#include "filter.bpf.h"
#include "tally.bpf.h"
#include "waits.bpf.h"
#include "emit.bpf.h"
#include "conn.bpf.h"
#include "accept.bpf.h"
#include "opening.bpf.h"
#include "active.bpf.h"
#include "timewait.bpf.h"
#include "passive.bpf.h"
#include "closing.bpf.h"
#include "timers.bpf.h"
#include "adopt.bpf.h"
#include "sweep.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* --- sockets: every tier ------------------------------------------------------------------------------ */

static __always_inline void on_listen(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct sf_owner o;

	read_owner(&o, current_task(), SF_SRC_LISTENER);
	bpf_map_update_elem(&listeners, &key, &o, BPF_ANY);
}

/* A connection we follow changes from one synchronised state to another. What carries it on, NULL: itself, or nothing. */
static __always_inline const struct inet_timewait_sock *on_change(struct sock *sk, struct sf_conn *c, int old,
								  int new, __u64 now)
{
	if (c->flags & SF_F_END_TOLD) /* only accept() had to come */
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

/* Not inlined: what comes before and after it does not fit the stack beside it. What carries the connection on, as a number. */
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

/*
 * A program that is running on a CPU is not run again there (bpf_prog.active, 6.2, commit 05b24ff9b2cf): what interrupts
 * sf_state, a softirq or, where tracepoints can be preempted, another task, would lose its own change of state, 1 in 100 under
 * load. So sf_state says which change it has begun, and sf_state_again, which comes after it on the same tracepoint, takes over
 * any other.
 *
 * Each has the body to itself. A third program, in which both went on by a tail call, would not be covered by that guard, which
 * counts entries alone: it would run inside itself, and since 6.13 (x86, commit 7d1cd70d4b16) a program's locals lie on one
 * private stack per CPU, which the inner run overwrites.
 */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(sf_state, struct sock *sk, int old, int new)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	WRITE_ONCE(cpu->changing, (__u64)sk);
	WRITE_ONCE(cpu->changing_to, new);
	if (is_tcp(sk))
		change_state(sk, old, new, ID_CHANGE);
	return 0;
}

/* sf_state has handled it, but another change came in between, or the task came from another CPU. */
static __always_inline bool is_known_change(struct sock *sk, int old, int new)
{
	const struct sf_conn *c = old == new ? NULL : conn_find(sk);

	return c && c->state == new;
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(sf_state_again, struct sock *sk, int old, int new)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu || (cpu->changing == (__u64)sk && cpu->changing_to == new))
		return 0;
	if (is_tcp(sk) && !is_known_change(sk, old, new))
		change_state(sk, old, new, ID_CHANGE_AGAIN);
	return 0;
}

SEC("?tp_btf/tcp_destroy_sock")
int BPF_PROG(sf_destroy, struct sock *sk)
{
	on_destroy(sk);
	return 0;
}

/* For what sf_destroy was skipped for, as above; otherwise it finds nothing any more. */
SEC("?tp_btf/tcp_destroy_sock")
int BPF_PROG(sf_destroy_again, struct sock *sk)
{
	on_destroy(sk);
	return 0;
}

SEC("?tp_btf/tcp_receive_reset")
int BPF_PROG(sf_rst_in, struct sock *sk)
{
	on_rst_in(sk);
	return 0;
}

/* Since 6.10 the tracepoint says why (commit b533fb9cf4f7), and sk may be NULL or no full socket. */
SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(sf_rst_out_why, struct sock *sk, struct sk_buff *skb, int reason)
{
	on_rst_out(sk, (__u32)reason + 1);
	return 0;
}

SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(sf_rst_out, struct sock *sk, struct sk_buff *skb)
{
	on_rst_out(sk, 0);
	return 0;
}

/* Since 6.17 the tracepoint fires for segments that could not be sent too, and says so. */
SEC("?tp_btf/tcp_retransmit_skb")
int BPF_PROG(sf_retrans_err, struct sock *sk, struct sk_buff *skb, int err)
{
	on_retransmit(sk, skb, err);
	return 0;
}

SEC("?tp_btf/tcp_retransmit_skb")
int BPF_PROG(sf_retrans, struct sock *sk, struct sk_buff *skb)
{
	on_retransmit(sk, skb, 0);
	return 0;
}

SEC("?tp_btf/tcp_retransmit_synack")
int BPF_PROG(sf_synack_again, struct sock *sk, struct request_sock *req)
{
	on_synack_again(sk, req);
	return 0;
}

/* --- requests and minisocks by their functions: full and kprobe tiers ----------------------------------- */

/* The same body at the entry of a function, once for each way to hook it. */
#define AT_ENTRY(name, function, body, args...) \
	SEC("?fentry/" #function)               \
	int BPF_PROG(sf_##name##_fe, args)      \
	{                                       \
		body;                           \
		return 0;                       \
	}                                       \
	SEC("?kprobe/" #function)               \
	int BPF_KPROBE(sf_##name##_kp, args)    \
	{                                       \
		body;                           \
		return 0;                       \
	}

AT_ENTRY(req, inet_csk_reqsk_queue_hash_add, on_request(req), struct sock *sk, struct request_sock *req)

/* Without own_req another CPU's child got the request. Only its low byte is defined (bool). */
AT_ENTRY(child, inet_csk_complete_hashdance, if (own_req & 0xff) on_request_done(req, child, sk),
	 struct sock *sk, struct sock *child, struct request_sock *req, int own_req)

/* rsk_ops->destructor, from the last reqsk_put(): called through a pointer, so never inlined. */
AT_ENTRY(req_end4, tcp_v4_reqsk_destructor, on_request_end(req), struct request_sock *req)
AT_ENTRY(req_end6, tcp_v6_reqsk_destructor, on_request_end(req), struct request_sock *req)

/* Every SYN for a listener, before it is decided whether there is room for it. */
AT_ENTRY(syn, tcp_conn_request, on_syn(sk, skb), void *rsk_ops, void *af_ops, struct sock *sk,
	 struct sk_buff *skb)

AT_ENTRY(tw_set, __inet_twsk_schedule, on_minisock_fin(tw), struct inet_timewait_sock *tw)
AT_ENTRY(tw_seg, tcp_timewait_state_process, on_minisock_segment(tw, th), struct inet_timewait_sock *tw,
	 struct sk_buff *skb, struct tcphdr *th)
AT_ENTRY(tw_end, inet_twsk_kill, on_minisock_kill(tw), struct inet_timewait_sock *tw)

/* inet_reqsk_clone() (5.14) moves a request to another listener of its port; the clone is its result. */
SEC("?fexit/inet_reqsk_clone")
int BPF_PROG(sf_move_fx, struct request_sock *req, struct sock *sk, struct request_sock *clone)
{
	if (clone)
		on_request_migrated(req, clone);
	return 0;
}

/* Softirq or with softirqs off: nothing of ours runs between entry and return on this CPU. */
SEC("?kprobe/inet_reqsk_clone")
int BPF_KPROBE(sf_move_kp, struct request_sock *req)
{
	struct sf_cpu *cpu = this_cpu();

	if (cpu)
		cpu->migrating = (__u64)req;
	return 0;
}

SEC("?kretprobe/inet_reqsk_clone")
int BPF_KRETPROBE(sf_move_kr, struct request_sock *clone)
{
	struct sf_cpu *cpu = this_cpu();

	if (cpu && clone)
		on_request_migrated((const struct request_sock *)cpu->migrating, clone);
	return 0;
}

/* --- requests and minisocks by their timers: tracepoint tier ------------------------------------------- */

SEC("?tp_btf/timer_cancel")
int BPF_PROG(sf_tm_cancel, struct timer_list *t)
{
	on_timer_cancel(t);
	return 0;
}

SEC("?tp_btf/timer_expire_entry")
int BPF_PROG(sf_tm_expire, struct timer_list *t)
{
	on_timer_expire(t);
	return 0;
}

SEC("?tp_btf/timer_expire_exit")
int BPF_PROG(sf_tm_done, struct timer_list *t)
{
	on_timer_done(t);
	return 0;
}

/* Since 6.11 the receiver of a segment is named (commit ba8de796baf4); before, its header tells. */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(sf_tw_skb, struct sk_buff *skb, void *location, int reason, struct sock *rx_sk)
{
	if (rx_sk && KREAD(rx_sk, __sk_common.skc_state) == TCP_TIME_WAIT)
		on_minisock_skb((const struct inet_timewait_sock *)rx_sk, skb);
	return 0;
}

SEC("?tp_btf/kfree_skb")
int BPF_PROG(sf_tw_header, struct sk_buff *skb)
{
	__u64 tw = minisock_by_header(skb);

	if (tw)
		on_minisock_skb((const void *)tw, skb);
	return 0;
}

/* --- accept() ------------------------------------------------------------------------------------------ */

/* Word `i` of the context, at an offset that no compiler makes a variable of: the verifier would refuse that.
 */
#define CTX_WORD(ctx, i)                                                                    \
	({                                                                                  \
		__u64 word;                                                                 \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(word) : "r"(ctx), "i"((i)*8)); \
		word;                                                                       \
	})

/* The result stands behind the arguments, of which 6.10 left two of four (commit 92ef0fd55ac8). */
static __always_inline void on_accept_exit(__u64 *ctx)
{
	__u64 sk;

	if (bpf_core_type_exists(struct proto_accept_arg))
		sk = CTX_WORD(ctx, 2);
	else
		sk = CTX_WORD(ctx, 4);
	on_accept((const struct sock *)sk);
}

SEC("?fexit/inet_csk_accept")
int sf_accept_fx(__u64 *ctx)
{
	on_accept_exit(ctx);
	return 0;
}

/* For a task that has preempted another in sf_accept_fx, which then was skipped; otherwise it finds that accept() was here. */
SEC("?fexit/inet_csk_accept")
int sf_accept_again(__u64 *ctx)
{
	on_accept_exit(ctx);
	return 0;
}

/*
 * sock_graft(), which ties the accepted sock to its socket, tells the security modules: an entry, where a
 * kretprobe of inet_csk_accept() would hold one of its few instances for as long as a task waits in accept().
 */
SEC("?kprobe/security_sock_graft")
int BPF_KPROBE(sf_accept_kp, struct sock *sk)
{
	on_accept(sk);
	return 0;
}

SEC("?kretprobe/inet_csk_accept")
int BPF_KRETPROBE(sf_accept_kr, struct sock *sk)
{
	on_accept(sk);
	return 0;
}

/* No function hooks: what accept() left behind the descriptor it returns. */
static __always_inline int on_accept_return(long fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *fdt;
	struct file **files, *file = NULL;
	struct socket *socket;

	if (fd < 0)
		return 0;
	fdt = KREAD(task, files, fdt);
	if (fd >= KREAD(fdt, max_fds))
		return 0;
	files = KREAD(fdt, fd);
	bpf_core_read(&file, sizeof(file), files + fd);
	socket = KREAD(file, private_data);
	on_accept(KREAD(socket, sk));
	return 0;
}

SEC("?tp/syscalls/sys_exit_accept4")
int sf_accept4_sc(struct syscall_trace_exit *ctx)
{
	on_accept_return(ctx->ret);
	return 0;
}

SEC("?tp/syscalls/sys_exit_accept")
int sf_accept_sc(struct syscall_trace_exit *ctx)
{
	on_accept_return(ctx->ret);
	return 0;
}

/* --- what was there before we came ---------------------------------------------------------------------- */

/* Every TCP socket of one network namespace, listeners first. */
SEC("?iter/tcp")
int sf_sockets(struct bpf_iter__tcp *ctx)
{
	const struct sock_common *skc = ctx->sk_common;
	__u8 state;

	if (!skc)
		return 0;
	state = KREAD(skc, skc_state);
	if (state == TCP_LISTEN)
		adopt_listener((const struct sock *)skc);
	else if (state == TCP_NEW_SYN_RECV)
		adopt_request((const struct request_sock *)skc);
	else if (state == TCP_TIME_WAIT)
		adopt_minisock((const struct inet_timewait_sock *)skc);
	else if (state != TCP_CLOSE)
		adopt_socket((struct sock *)skc, state);
	return 0;
}

/* Run by user space, for the keys that it has written down. */
SEC("?raw_tp")
int sf_sweep(void *ctx)
{
	__u32 zero = 0;
	const struct sf_sweep *s = bpf_map_lookup_elem(&sweeps, &zero);

	if (!s)
		return 0;
	for (int i = 0; i < SF_SWEEP_KEYS; i++) {
		if (i >= (int)s->cnt)
			break;
		if (s->is_of_waits)
			sweep_wait(s->keys[i]);
		else
			sweep_conn(s->keys[i]);
	}
	return 0;
}

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

/* Every open file of every task; the first task found with a socket is taken for its owner. */
SEC("?iter/task_file")
int sf_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sf_owner o;
	struct sock *sk;
	__u64 key;

	if (!task || !file || (KREAD(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = KREAD(file, private_data);
	sk = KREAD(socket, sk);
	if (!sk || KREAD(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	read_owner(&o, task, SF_SRC_ITERATOR);
	key = (__u64)sk;
	if (KREAD(sk, __sk_common.skc_state) == TCP_LISTEN)
		bpf_map_update_elem(&listeners, &key, &o, BPF_NOEXIST);
	else
		bpf_map_update_elem(&found, &key, &o, BPF_NOEXIST);
	return 0;
}

/* --- the process tree of --tree and `trace -- CMD` ------------------------------------------------------ */

/* The child of a member is one. False: nothing changed. */
static __always_inline bool join_tree(const struct task_struct *parent, const struct task_struct *child)
{
	__u32 from = tgid_of(parent), to = tgid_of(child);
	__u8 one = 1;

	return from != to && bpf_map_lookup_elem(&flt_tree, &from) &&
	       !bpf_map_update_elem(&flt_tree, &to, &one, BPF_NOEXIST);
}

/* The last thread has left: the number may be given to a stranger. Connections the process has keep their verdict. */
static __always_inline bool drop_if_dead(const struct task_struct *task)
{
	__u32 tgid = tgid_of(task);

	if (KREAD(task, signal, live.counter) != 0)
		return false;
	bpf_map_delete_elem(&flt_tree, &tgid);
	return true;
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(sf_fork, struct task_struct *parent, struct task_struct *child)
{
	join_tree(parent, child);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(sf_exit, struct task_struct *task)
{
	drop_if_dead(task);
	return 0;
}

/*
 * Who descended before the hooks above were there. Run until nobody is added: a child may come before its parent, and one
 * that is born meanwhile of a parent not added yet is met by the next run. The exit hook may have looked before us.
 */
SEC("?iter/task")
int sf_family(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || drop_if_dead(task))
		return 0;
	if (join_tree(KREAD(task, real_parent), task)) {
		relatives++;
		drop_if_dead(task);
	}
	return 0;
}
