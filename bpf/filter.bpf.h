/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decides whether a connection is wanted, and which of its records. The filter is asked at the connection's
 * birth, and again when something that decides becomes known: the local port of a client, the accepter of a
 * server. Each kind of test stands behind a rodata switch, so that a test that was not asked for costs
 * nothing. The cheapest come first.
 */
#ifndef SYNFIN_FILTER_BPF_H
#define SYNFIN_FILTER_BPF_H

#include "core.bpf.h"
#include "maps.bpf.h"
#include "service.h"
#include "synfin.h"

enum verdict { REJECT, ACCEPT, UNDECIDED };

static __noinline bool glob_matches(__u32 which, const struct sf_conn *c)
{
	__u32 states = 1;

	if (!c || which >= SF_MAX_COMMS)
		return false;
	for (int i = 0; i < SF_COMM_LEN; i++) {
		__u8 ch = c->comm[i];

		if (!ch)
			break;
		states = ((states & cfg_comms[which].accept[ch]) << 1) | (states & cfg_comms[which].loop);
	}
	return states & cfg_comms[which].final;
}

static __always_inline bool wants_comm(const struct sf_conn *c)
{
	for (__u32 i = 0; i < SF_MAX_COMMS; i++) {
		if (i >= cfg_comm_cnt)
			break;
		if (glob_matches(i, c))
			return true;
	}
	return false;
}

/* An unknown owner satisfies no filter. */
static __always_inline bool wants_task(const struct sf_conn *c)
{
	__u32 pid = c->pid, uid = c->uid;

	if (c->source == SF_SRC_NONE || (cfg_by_cgroup && !(c->source & SF_SRC_IN_CGROUP)))
		return false;
	if (cfg_by_pid && !bpf_map_lookup_elem(&flt_pids, &pid))
		return false;
	if (cfg_by_tree && !bpf_map_lookup_elem(&flt_tree, &pid))
		return false;
	if (cfg_by_uid && !bpf_map_lookup_elem(&flt_uids, &uid))
		return false;
	return !cfg_comm_cnt || wants_comm(c);
}

static __always_inline bool wants_port(__u16 port, __u8 ends)
{
	__u32 key = port;
	__u8 *bits = bpf_map_lookup_elem(&flt_ports, &key);

	return bits && (*bits & ends);
}

static __always_inline enum verdict judge_ports(const struct sf_conn *c)
{
	enum verdict v = ACCEPT;

	if ((cfg_port_ends & SF_END_SERVICE) && !wants_port(sf_service_port(c), SF_END_SERVICE))
		return REJECT;
	if ((cfg_port_ends & SF_END_REMOTE) && !wants_port(c->rport, SF_END_REMOTE))
		return REJECT;
	if (cfg_port_ends & SF_END_LOCAL) {
		if (!c->lport)
			v = UNDECIDED;
		else if (!wants_port(c->lport, SF_END_LOCAL))
			return REJECT;
	}
	if ((cfg_port_ends & SF_END_EITHER) && !wants_port(c->rport, SF_END_EITHER)) {
		if (!c->lport)
			v = UNDECIDED;
		else if (!wants_port(c->lport, SF_END_EITHER))
			return REJECT;
	}
	return v;
}

/* The kinds of address filter (enum sf_end) that an address satisfies. */
static __noinline __u8 find_networks(__u8 family, const __u8 *addr)
{
	struct sf_network key = {.prefix_len = 8 * (sizeof(key) - sizeof(key.prefix_len)), .family = family};
	__u8 *ends;

	if (!addr)
		return 0;
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	ends = bpf_map_lookup_elem(&flt_networks, &key);
	return ends ? *ends : 0;
}

static __always_inline bool wants_addrs(const struct sf_conn *c)
{
	__u8 local = find_networks(c->family, c->laddr), remote = find_networks(c->family, c->raddr);
	__u8 found = (local & SF_END_LOCAL) | (remote & SF_END_REMOTE) | ((local | remote) & SF_END_EITHER);

	return (found & cfg_addr_ends) == cfg_addr_ends;
}

/* A client may yet turn out to be half of a simultaneous open. */
static __always_inline enum verdict judge_role(const struct sf_conn *c)
{
	if (cfg_roles & (1 << c->role))
		return ACCEPT;
	if (c->role == SF_ROLE_CLIENT && c->state == TCP_SYN_SENT && (cfg_roles & (1 << SF_ROLE_BOTH)))
		return UNDECIDED;
	return REJECT;
}

/* The task that accepts the connection may still be wanted. accept()'s verdict stands in its word. */
static __always_inline enum verdict judge_owner(const struct sf_conn *c)
{
	__u64 word = READ_ONCE(c->accept_ts);

	if (c->role != SF_ROLE_SERVER || c->flags & SF_F_ACCEPTED)
		return wants_task(c) ? ACCEPT : REJECT;
	if (word & SF_ACC_LOOKED)
		return word & SF_ACC_UNWANTED ? REJECT : ACCEPT;
	return !word && wants_task(c) ? ACCEPT : UNDECIDED;
}

/* Judges the connection as it is known now. UNDECIDED: follow it, but write nothing before the verdict. */
static __always_inline enum verdict judge(const struct sf_conn *c)
{
	enum verdict v = ACCEPT, part;

	if (cfg_family && c->family != cfg_family)
		return REJECT;
	if (cfg_by_netns) {
		__u32 netns = c->netns;

		if (!bpf_map_lookup_elem(&flt_netns, &netns))
			return REJECT;
	}
	if (cfg_roles) {
		part = judge_role(c);
		if (part == REJECT)
			return REJECT;
		v = part;
	}
	if (cfg_port_ends) {
		part = judge_ports(c);
		if (part == REJECT)
			return REJECT;
		if (part == UNDECIDED)
			v = UNDECIDED;
	}
	if (cfg_addr_ends && !wants_addrs(c))
		return REJECT;
	if (cfg_by_task) {
		part = judge_owner(c);
		if (part != ACCEPT)
			return part;
	}
	return v;
}

/* --- records ----------------------------------------------------------------------------------------- */

static __always_inline bool wants_outcome(enum sf_outcome outcome)
{
	return !cfg_by_outcome || (cfg_outcomes & (1U << outcome));
}

/* An unknown duration satisfies no minimum. */
static __always_inline bool reaches(__u64 min_ns, __u64 from, __u64 to)
{
	return !min_ns || (from && to >= from && to - from >= min_ns);
}

/* handshake_ns as derive.h has it. */
static __always_inline bool wants_handshake(const struct sf_conn *c, const struct sf_opening *o,
					    enum sf_outcome outcome)
{
	return !cfg_min_handshake_ns ||
	       (outcome == SF_OUT_ESTABLISHED && reaches(cfg_min_handshake_ns, o->syn_ts, c->est_ts));
}

/* close_ns as derive.h has it, from the first FIN to the end. */
static __always_inline bool wants_close(const struct sf_conn *c, enum sf_outcome outcome, __u64 ts)
{
	__u64 fin = c->flags & SF_F_FIN_RCVD_1ST ? c->closing.fin_rcvd_ts : c->closing.fin_sent_ts;

	return wants_outcome(outcome) && reaches(cfg_min_close_ns, c->flags & SF_F_GAP ? 0 : fin, ts);
}

#endif
