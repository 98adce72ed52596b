// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts what the kernel shows to BPF programs which do nothing else, for each task that was current then: changes of
 * state, and what begins and ends requests and minisocks, which have none: their timers, and segments that a socket was
 * found for and that were dropped. The tracepoints are the whole host's; a change of state says whether it is the load's.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u16 first_port = 0, last_port = 0;
const volatile __u64 tw_timer_handler = 0, reqsk_timer_handler = 0;
__u64 total = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} tasks SEC(".maps");

static __always_inline bool is_ours(__be16 port)
{
	return bpf_ntohs(port) >= first_port && bpf_ntohs(port) <= last_port;
}

/* As ftrace's event reads them. */
static __always_inline bool is_of_load(const struct sock *sk)
{
	const struct inet_sock *inet = (const void *)sk;

	return is_ours(BPF_CORE_READ(inet, inet_sport)) || is_ours(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline bool is_of_minisock(const struct timer_list *timer)
{
	return (__u64)timer->function == tw_timer_handler || (__u64)timer->function == reqsk_timer_handler;
}

static __always_inline int count_one(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 one = 1, *count;

	__sync_fetch_and_add(&total, 1);
	count = bpf_map_lookup_elem(&tasks, &tid);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&tasks, &tid, &one, BPF_NOEXIST);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk)
{
	return is_of_load(sk) ? count_one() : 0;
}

SEC("tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	return is_of_minisock(timer) ? count_one() : 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire, struct timer_list *timer)
{
	return is_of_minisock(timer) ? count_one() : 0;
}

/* Since 6.11 the receiver is named (commit ba8de796baf4). */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, int reason, struct sock *rx_sk)
{
	return rx_sk ? count_one() : 0;
}
