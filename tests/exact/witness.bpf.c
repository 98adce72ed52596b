// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the changes of state that the kernel shows to a BPF program which does nothing else, for each task that was
 * current then. Only those with the load's ports: the tracepoint is the whole host's.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u16 first_port = 0, last_port = 0;
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

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 one = 1, *count;

	if (!is_of_load(sk))
		return 0;
	__sync_fetch_and_add(&total, 1);
	count = bpf_map_lookup_elem(&tasks, &tid);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&tasks, &tid, &one, BPF_NOEXIST);
	return 0;
}
