/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types that synfin reads, and of each only the members it reads. CO-RE finds a member by name in
 * the BTF of the kernel it is loaded on, so that neither order nor offset nor the rest of a structure matters here,
 * and building needs no BTF on the building machine. A member that some kernel lacks is only ever used behind
 * bpf_core_field_exists(). Names and types are those of Linux 6.18 unless a comment says otherwise; members that
 * the kernel keeps in anonymous unions stand flat.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum { false = 0, true = 1 };

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

/* include/uapi/linux/bpf.h: what our maps and helper calls use */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct ns_common {
	unsigned int inum;
	refcount_t __ns_ref; /* since 6.18 */
};

struct ns_common___counted { /* 5.11 to 6.17 */
	refcount_t count;
};

struct hlist_nulls_node {
	struct hlist_nulls_node *next; /* the lowest bit set: the end of the list */
};

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
	u8 sysctl_tcp_syncookies; /* int up to 5.10; the low byte says all */
	u8 sysctl_tcp_fastopen;
	int sysctl_tcp_fin_timeout; /* jiffies */
};

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
};

struct netns_ipv4___row_apart { /* some kernels before 6.1 */
	struct inet_timewait_death_row *tcp_death_row;
};

struct net___row_apart {
	struct netns_ipv4___row_apart ipv4;
};

struct net___counted { /* up to 5.10 */
	refcount_t count;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct hlist_node {
	struct hlist_node **pprev; /* NULL: in no list */
};

/* The head that sock, request_sock and inet_timewait_sock have in common. */
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	unsigned int skc_hash;
	struct hlist_node skc_node;
	struct hlist_nulls_node skc_nulls_node;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuseport : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
	struct sock *skc_listener; /* of a request */
	refcount_t skc_refcnt;
	u32 skc_tw_rcv_nxt; /* of a minisock */
	u32 skc_tw_snd_nxt;
};

struct socket;
struct sk_buff;

struct sk_buff_head {
	struct sk_buff *prev; /* the last one, or the head itself */
	__u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	u8 sk_shutdown;
	int sk_err;
	int sk_err_soft;
	struct sk_buff_head sk_error_queue;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	unsigned long sk_lingertime;
	struct socket *sk_socket;
	u8 sk_userlocks : 4;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct request_sock_queue {
	atomic_t qlen;
	u8 rskq_defer_accept;
};

struct inet_bind_bucket {
	signed char fastreuse; /* -1: connect() chose this port */
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct inet_bind_bucket *icsk_bind_hash;
	struct request_sock_queue icsk_accept_queue;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_nxt;
	u32 copied_seq; /* what the owner has not read begins here */
	u32 snd_una;
	u32 snd_nxt;
	u32 write_seq;
	u64 tcp_wstamp_ns; /* when the last segment was handed to IP */
	u64 tcp_mstamp;	   /* microseconds: when the segment being processed was taken up */
	u64 bytes_acked;
	u64 bytes_received;
	u32 srtt_us; /* eighths */
	u32 total_retrans;
	u32 data_segs_in;
	u32 rcv_tstamp;		   /* jiffies: when the last ACK came */
	u8 syn_data : 1;	   /* our SYN carried data */
	u8 syn_fastopen : 1;	   /* ... or asked for a cookie */
	u8 syn_fastopen_child : 1; /* since 6.14: the SYN made this child */
	bool is_mptcp;		   /* absent without CONFIG_MPTCP (Debian's 5.10) */
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void (*function)(struct timer_list *);
};

struct request_sock_ops {
	int family;
};

struct request_sock {
	struct sock_common __req_common;
	u8 num_retrans;
	struct timer_list rsk_timer;
	const struct request_sock_ops *rsk_ops;
};

struct inet_request_sock {
	struct request_sock req;
	u16 acked : 1; /* its final ACK came and was dropped */
};

struct tcp_request_sock {
	struct inet_request_sock req;
	u64 snt_synack; /* microseconds: when the first SYN-ACK was made */
	u32 rcv_isn;
	u32 snt_isn;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	__be16 tw_sport;
	struct inet_bind_bucket *tw_tb;
	struct timer_list tw_timer;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp; /* CLOCK_MONOTONIC, whole seconds */
};

struct net_device {
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	char cb[48];
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
};

struct sock_extended_err {
	__u32 ee_errno;
	__u8 ee_origin;
};

/* The control block of a segment in the queue of errors. */
struct sock_exterr_skb {
	struct sock_extended_err ee;
};

struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u8 tcp_flags; /* 16 bits wide since 6.16 (AccECN); the low byte, and FIN in it, is the same */
};

struct iphdr {
	__u8 protocol;
	__be32 saddr;
	__be32 daddr;
};

struct ipv6hdr {
	__u8 nexthdr;
	struct in6_addr saddr;
	struct in6_addr daddr;
};

struct tcphdr {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__u16 syn : 1;
	__u16 rst : 1;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* by level; really as many as that has */
};

struct kernfs_node {
	u64 id; /* what user space sees as the inode */
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp; /* in the hierarchy of version 2 */
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	char comm[16];
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_time; /* CLOCK_MONOTONIC */
	struct pid *thread_pid;
	const struct cred *cred;
	struct css_set *cgroups;
	struct files_struct *files;
	struct signal_struct *signal;
};

struct socket {
	short type;
	struct file *file;
	struct sock *sk;
};

/* Since 6.10 the second and last argument of inet_csk_accept() (commit 92ef0fd55ac8). */
struct proto_accept_arg {
	int flags;
};

struct bpf_iter__tcp {
	struct sock_common *sk_common;
};

struct bpf_iter__task {
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

/* What the kernel writes ahead of a classic syscalls:sys_exit_* record. */
struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
};

struct syscall_trace_exit {
	struct trace_entry ent;
	int nr;
	long ret;
};

#pragma clang attribute pop

/* Registers of a kprobe, from arch/ptrace.h; read from the context, never relocated. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
#endif

#endif
