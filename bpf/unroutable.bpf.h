/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * connect() without a route. tcp_v4_connect() and tcp_v6_connect() look up the route before they change the
 * socket's state, so that no other program of ours sees such a call. It is reported when it returns, and no
 * object carries it.
 */
#ifndef SYNFIN_UNROUTABLE_BPF_H
#define SYNFIN_UNROUTABLE_BPF_H

#include "conn.bpf.h"
#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "tell.bpf.h"

/* struct sockaddr_in or struct sockaddr_in6, as far as we need them. */
struct target {
	__u16 family;
	__be16 port;
	union {
		__be32 addr4;
		struct {
			__be32 flowinfo;
			__u8 addr6[16];
		};
	};
};
#define SOCKADDR_IN_SZ	16
#define SOCKADDR_MAX	128 /* struct sockaddr_storage: the kernel refuses more */
#define SOCKADDR_IN6_SZ 24  /* without sin6_scope_id, as RFC 2133 had it */

/* No route, and routes of type unreachable, prohibit, blackhole. */
static __always_inline bool is_routing_error(long err)
{
	return err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL;
}

/*
 * A connect() that fails later has changed the state, and was reported. By then a port was chosen for the
 * socket, which shows in inet_sport when it is given back, or a SYN was sent. A second connect() of a socket
 * whose first one came that far is therefore not looked at.
 */
static __always_inline bool has_tried(const struct sock *sk)
{
	return KREAD((const struct tcp_sock *)sk, tcp_wstamp_ns) ||
	       (KREAD((const struct inet_sock *)sk, inet_sport) && !KREAD(sk, __sk_common.skc_num));
}

/* The remote end is the address that connect() was called with. False: it is not one for TCP. */
static __always_inline bool read_target(struct sf_conn *c, const struct sock *sk, const struct target *to)
{
	bool is_v4 = to->family == SF_AF_INET || is_v4mapped(to->addr6);

	if (to->family != SF_AF_INET && to->family != SF_AF_INET6)
		return false;
	c->netns = netns_of(&sk->__sk_common);
	c->lport = KREAD(sk, __sk_common.skc_num);
	c->rport = bpf_ntohs(to->port);
	if (!is_v4) {
		read_addrs6(c, &sk->__sk_common);
		__builtin_memcpy(c->raddr, to->addr6, sizeof(c->raddr));
		return true;
	}
	read_addrs4(c, &sk->__sk_common);
	__builtin_memset(c->raddr, 0, sizeof(c->raddr));
	__builtin_memcpy(c->raddr, to->family == SF_AF_INET ? (const void *)&to->addr4 : &to->addr6[12], 4);
	if (KREAD(sk, __sk_common.skc_family) == SF_AF_INET6)
		c->flags |= SF_F_V4MAPPED;
	return true;
}

/* Runs in the task that called connect(). Not inlined, so that the stack it uses is free when it returns. */
static __noinline int tell_unroutable(const struct sock *sk, const struct target *to, int err)
{
	struct sf_conn c = {};

	if (!sk || !to || !active || has_tried(sk))
		return 0;
	c.role = SF_ROLE_CLIENT;
	c.state = TCP_CLOSE;
	c.error = -err;
	own_by_current(&c, SF_SRC_CONNECT);
	if (!read_target(&c, sk, to) || judge(&c) != ACCEPT)
		return 0;
	c.id = new_id(ID_CHANGE_AGAIN); /* few others use this counter */
	read_cookie(&c, &sk->__sk_common);
	count_tried(&c);
	if (count_open(&c, &c.opening, SF_OUT_UNREACHABLE) && wants_outcome(SF_OUT_UNREACHABLE))
		emit_unroutable(&c, bpf_ktime_get_ns());
	return 0;
}

/*
 * EINVAL is also returned for bad arguments: an address that is too short or of the wrong family, or
 * link-local and without its link.
 */
static __always_inline bool is_argument_error(const struct target *to, __u16 family, int len, int err)
{
	if (to->family != family || (family == SF_AF_INET6 && len < SOCKADDR_IN6_SZ))
		return true;
	return err == -EINVAL && family == SF_AF_INET6 && to->addr6[0] == 0xfe &&
	       (to->addr6[1] & 0xc0) == 0x80;
}

/*
 * The connect() of this family returns; the address is in the kernel's memory. tcp_v6_connect() calls
 * tcp_v4_connect() for a mapped address.
 */
static __always_inline void on_connect_failed(const struct sock *sk, __u64 addr, int len, int err,
					      __u16 family)
{
	struct target to = {};

	if (!is_routing_error(err) || len < SOCKADDR_IN_SZ)
		return;
	bpf_probe_read_kernel(&to, len < SOCKADDR_IN6_SZ ? SOCKADDR_IN_SZ : sizeof(to), (const void *)addr);
	if (is_argument_error(&to, family, len, err) || (family == SF_AF_INET6 && is_v4mapped(to.addr6)))
		return;
	tell_unroutable(sk, &to, err);
}

/*
 * kprobe: notes the arguments of tcp_v4_connect() or tcp_v6_connect(). connect() may be preempted; the note
 * is then another task's.
 */
static __always_inline void note_connect(const struct sock *sk, __u64 addr, int len)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	cpu->connecting = (__u64)sk;
	cpu->connecting_to = addr;
	cpu->connecting_len = len;
	cpu->connecting_task = bpf_get_current_task();
}

static __always_inline void on_noted_connect_failed(int err, __u16 family)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu || !is_routing_error(err))
		return;
	if (cpu->connecting_task != bpf_get_current_task())
		miss(SF_MISSED_CONNECT);
	else
		on_connect_failed((const struct sock *)cpu->connecting, cpu->connecting_to,
				  cpu->connecting_len, err, family);
}

/* The TCP socket behind a descriptor of the running task; NULL: it is not one. */
static __always_inline const struct sock *tcp_of_fd(long fd)
{
	const struct file *file = file_of_fd(fd);
	const struct socket *socket;
	const struct sock *sk;
	__u16 family;

	if (!file || (KREAD(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = KREAD(file, private_data);
	sk = KREAD(socket, sk);
	if (!sk)
		return NULL;
	family = KREAD(sk, __sk_common.skc_family);
	if ((family != SF_AF_INET && family != SF_AF_INET6) || KREAD(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	return sk;
}

/*
 * The system call returns. The address is in the caller's memory, and the caller may have changed it. A
 * security module that refuses with EACCES looks like a route of type prohibit.
 */
static __always_inline void on_connect_return(const struct pt_regs *regs, long err)
{
	int len = (int)PT_REGS_PARM3_CORE_SYSCALL(regs);
	struct target to = {};
	const struct sock *sk;

	if (len < SOCKADDR_IN_SZ || len > SOCKADDR_MAX)
		return;
	sk = tcp_of_fd((int)PT_REGS_PARM1_CORE_SYSCALL(regs));
	if (!sk || KREAD(sk, __sk_common.skc_state) != TCP_CLOSE)
		return;
	bpf_probe_read_user(&to, len < SOCKADDR_IN6_SZ ? SOCKADDR_IN_SZ : sizeof(to),
			    (const void *)PT_REGS_PARM2_CORE_SYSCALL(regs));
	if (is_argument_error(&to, KREAD(sk, __sk_common.skc_family), len, err))
		return;
	tell_unroutable(sk, &to, err);
}

#endif
