// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks: wrappers around one body per event, which stand in the files included. Which of them is loaded is decided by
 * src/kernel/hooks.c; all start switched off ("?"). Suffixes: none tp_btf, _fe fentry, _fx fexit, _kp kprobe,
 * _kr kretprobe, _sc syscall tracepoint. Tracepoints are attached as tp_btf on every tier: it needs no
 * trampoline, loads wherever CO-RE does (5.5) and, unlike a classic tracepoint program, is not skipped when
 * another BPF program is active on the CPU.
 */
#include "accept.bpf.h"
#include "adopt.bpf.h"
#include "closing.bpf.h"
#include "core.bpf.h"
#include "passive.bpf.h"
#include "state.bpf.h"
#include "sweep.bpf.h"
#include "timers.bpf.h"
#include "timewait.bpf.h"
#include "tree.bpf.h"
#include "unroutable.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* --- sockets: every tier ------------------------------------------------------------------------------ */

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

static __always_inline void on_received_skb(const struct sock *rx_sk, const struct sk_buff *skb)
{
	if (rx_sk && KREAD(rx_sk, __sk_common.skc_state) == TCP_TIME_WAIT)
		on_minisock_skb((const struct inet_timewait_sock *)rx_sk, skb);
}

/* Since 6.11 the receiver of a segment is named (commit ba8de796baf4); before, its header tells. */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(sf_tw_skb, struct sk_buff *skb, void *location, int reason, struct sock *rx_sk)
{
	on_received_skb(rx_sk, skb);
	return 0;
}

/*
 * For what sf_tw_skb was skipped for: the whole host frees buffers, also in tasks, which softirqs interrupt. Past the look at the receiver
 * both come in softirqs alone, where minisocks get their segments, so never inside each other; the second finds it done.
 */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(sf_tw_skb_again, struct sk_buff *skb, void *location, int reason, struct sock *rx_sk)
{
	on_received_skb(rx_sk, skb);
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

/* --- connect() to where no route leads ------------------------------------------------------------------- */

#define CONNECT(name, function, family)                                             \
	SEC("?fexit/" #function)                                                    \
	int BPF_PROG(sf_##name##_fx, struct sock *sk, void *addr, int len, int err) \
	{                                                                           \
		on_connect_failed(sk, (__u64)addr, len, err, family);               \
		return 0;                                                           \
	}                                                                           \
	SEC("?kprobe/" #function)                                                   \
	int BPF_KPROBE(sf_##name##_kp, struct sock *sk, void *addr, int len)        \
	{                                                                           \
		note_connect(sk, (__u64)addr, len);                                 \
		return 0;                                                           \
	}                                                                           \
	SEC("?kretprobe/" #function)                                                \
	int BPF_KRETPROBE(sf_##name##_kr, int err)                                  \
	{                                                                           \
		on_noted_connect_failed(err, family);                               \
		return 0;                                                           \
	}

CONNECT(conn4, tcp_v4_connect, SF_AF_INET)
CONNECT(conn6, tcp_v6_connect, SF_AF_INET6)

/* The arguments are in the caller's saved registers, which bpf_task_pt_regs() gives since 5.15 (commit dd6e10fbd9fb). */
SEC("?tp/syscalls/sys_exit_connect")
int sf_connect_sc(struct syscall_trace_exit *ctx)
{
	if (is_routing_error(ctx->ret))
		on_connect_return((const void *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret);
	return 0;
}

/* --- what was there before we came ---------------------------------------------------------------------- */

/* Every TCP socket of one network namespace, listeners first. */
SEC("?iter/tcp")
int sf_sockets(struct bpf_iter__tcp *ctx)
{
	const struct sock_common *skc = ctx->sk_common;

	if (skc)
		adopt_any(skc);
	return 0;
}

/* Run by user space, for the keys that it has written down. */
SEC("?raw_tp")
int sf_sweep(void *ctx)
{
	sweep_slice();
	return 0;
}

/* Every open file of every task; the first task found with a socket is taken for its owner. */
SEC("?iter/task_file")
int sf_owners(struct bpf_iter__task_file *ctx)
{
	const struct task_struct *task = ctx->task;
	const struct file *file = ctx->file;

	if (task && file)
		find_owner(task, file);
	return 0;
}

/* --- the process tree of --tree and `trace -- CMD` ------------------------------------------------------ */

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
	const struct task_struct *task = ctx->task;

	if (task)
		join_family(task);
	return 0;
}
