/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a connection is wanted. Asked at its birth and again when something that decides becomes known: the
 * local port of a client, the accepter of a server. Each kind of test stands behind a rodata switch, so that
 * what was not asked for costs nothing; the cheapest come first.
 */
#ifndef SYNFIN_FILTER_BPF_H
#define SYNFIN_FILTER_BPF_H

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

static __always_inline bool wants_task(const struct sf_conn *c)
{
	__u32 pid = c->pid;

	if (cfg_by_pid && !bpf_map_lookup_elem(&flt_pids, &pid))
		return false;
	if (cfg_by_tree && !bpf_map_lookup_elem(&flt_tree, &pid))
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

	if ((cfg_port_ends & SF_PORT_REMOTE) && !wants_port(c->rport, SF_PORT_REMOTE))
		return REJECT;
	if (cfg_port_ends & SF_PORT_LOCAL) {
		if (!c->lport)
			v = UNDECIDED;
		else if (!wants_port(c->lport, SF_PORT_LOCAL))
			return REJECT;
	}
	if ((cfg_port_ends & SF_PORT_EITHER) && !wants_port(c->rport, SF_PORT_EITHER)) {
		if (!c->lport)
			v = UNDECIDED;
		else if (!wants_port(c->lport, SF_PORT_EITHER))
			return REJECT;
	}
	return v;
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

/* Whoever accepts it may still be wanted, and the owner of one that was there before has yet to be found. */
static __always_inline bool owner_may_change(const struct sf_conn *c)
{
	return (c->role == SF_ROLE_SERVER && !(c->flags & SF_F_ACCEPTED)) ||
	       (c->flags & SF_F_LATE && c->source == SF_SRC_NONE);
}

/* The connection as known now. UNDECIDED: follow it, but write nothing before the verdict. */
static __always_inline enum verdict judge(const struct sf_conn *c)
{
	enum verdict v = ACCEPT, part;

	if (cfg_by_netns) {
		__u32 netns = c->netns;

		if (!bpf_map_lookup_elem(&flt_netns, &netns))
			return REJECT;
	}
	if (cfg_family && c->family != cfg_family)
		return REJECT;
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
	if (cfg_by_task && !wants_task(c)) {
		if (!owner_may_change(c))
			return REJECT;
		v = UNDECIDED;
	}
	return v;
}

#endif
