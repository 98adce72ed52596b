/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of words. */
#include "model/names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define LOOKUP(table, index) ((index) < sizeof(table) / sizeof((table)[0]) ? (table)[index] : NULL)

static const char *const roles[__SF_ROLE_MAX] = {
	[SF_ROLE_CLIENT] = "client",
	[SF_ROLE_SERVER] = "server",
	[SF_ROLE_BOTH] = "both",
};

static const char *const outcomes[__SF_OUT_MAX] = {
	[SF_OUT_ESTABLISHED] = "established",
	[SF_OUT_REFUSED] = "refused",
	[SF_OUT_RESET] = "reset",
	[SF_OUT_TIMED_OUT] = "timed_out",
	[SF_OUT_UNREACHABLE] = "unreachable",
	[SF_OUT_ABORTED] = "aborted",
	[SF_OUT_NO_PORT] = "no_port",
	[SF_OUT_SYN_DROPPED] = "syn_dropped",
	[SF_OUT_SYNACK_TIMED_OUT] = "synack_timed_out",
	[SF_OUT_OVERFLOW] = "overflow",
	[SF_OUT_FIN] = "fin",
	[SF_OUT_RESET_LOCAL] = "reset_local",
	[SF_OUT_RESET_REMOTE] = "reset_remote",
	[SF_OUT_TW_TIMER] = "timer",
	[SF_OUT_TW_REUSED] = "reused",
	[SF_OUT_TW_RESET] = "reset",
	[SF_OUT_TW_SYN] = "syn",
	[SF_OUT_TW_OVERFLOW] = "overflow",
	[SF_OUT_TW_NETNS] = "netns",
	[SF_OUT_TW_KILLED] = "killed",
};

const char *names__event(unsigned int type)
{
	static const char *const names[__SF_EV_MAX] = {
		[SF_EV_OPEN] = "open", [SF_EV_ACCEPT] = "accept", [SF_EV_CLOSE] = "close",
		[SF_EV_GONE] = "gone", [SF_EV_STAGE] = "stage",	  [SF_EV_ALIVE] = "alive",
	};

	return LOOKUP(names, type);
}

const char *names__role(unsigned int role)
{
	return LOOKUP(roles, role);
}

const char *names__source(unsigned int source)
{
	static const char *const names[__SF_SRC_MAX] = {
		[SF_SRC_NONE] = "none",		[SF_SRC_CONNECT] = "connect",	[SF_SRC_ACCEPT] = "accept",
		[SF_SRC_LISTENER] = "listener", [SF_SRC_ITERATOR] = "iterator",
	};

	return LOOKUP(names, source);
}

const char *names__outcome(unsigned int outcome)
{
	return LOOKUP(outcomes, outcome);
}

const char *names__stage(unsigned int stage)
{
	static const char *const names[__SF_ST_MAX] = {
		[SF_ST_CONNECT] = "connect",	 [SF_ST_SYN] = "syn",
		[SF_ST_SYNACK] = "synack",	 [SF_ST_ESTABLISHED] = "established",
		[SF_ST_ACCEPT] = "accept",	 [SF_ST_FIN_SENT] = "fin_sent",
		[SF_ST_FIN_ACKED] = "fin_acked", [SF_ST_FIN_RCVD] = "fin_rcvd",
		[SF_ST_CLOSE] = "close",	 [SF_ST_END] = "end",
		[SF_ST_GONE] = "gone",
	};

	return LOOKUP(names, stage);
}

const char *names__side(unsigned int side)
{
	static const char *const names[__REC_SIDE_MAX] = {
		[REC_SIDE_LOCAL] = "local",
		[REC_SIDE_REMOTE] = "remote",
		[REC_SIDE_BOTH] = "both",
	};

	return LOOKUP(names, side);
}

const char *names__lost(unsigned int lost)
{
	static const char *const names[__SF_LOST_MAX] = {
		[SF_LOST_DROPPED] = "dropped",
		[SF_LOST_MISSED] = "missed",
		[SF_LOST_EVICTED] = "evicted",
		[SF_LOST_UNATTRIBUTED] = "unattributed",
	};

	return LOOKUP(names, lost);
}

const char *names__missed(unsigned int how)
{
	static const char *const names[__SF_MISSED_MAX] = {
		[SF_MISSED_SKIPPED] = "skipped", [SF_MISSED_STATE] = "state",	[SF_MISSED_ACCEPT] = "accept",
		[SF_MISSED_END] = "end",	 [SF_MISSED_REUSED] = "reused", [SF_MISSED_SWEPT] = "swept",
		[SF_MISSED_CONNECT] = "connect",
	};

	return LOOKUP(names, how);
}

const char *names__flag(uint32_t flag)
{
	switch (flag) {
	case SF_F_V4MAPPED:
		return "v4mapped";
	case SF_F_FASTOPEN:
		return "fastopen";
	case SF_F_SYNCOOKIE:
		return "syncookie";
	case SF_F_MPTCP:
		return "mptcp";
	case SF_F_DEFER_ACCEPT:
		return "defer_accept";
	case SF_F_SIM_OPEN:
		return "simultaneous_open";
	case SF_F_SIM_CLOSE:
		return "simultaneous_close";
	case SF_F_ORPHAN:
		return "orphan";
	case SF_F_LATE:
		return "late";
	case SF_F_REUSEPORT:
		return "reuseport";
	case SF_F_MIGRATED:
		return "migrated";
	default:
		return NULL;
	}
}

const char *names__state(unsigned int state)
{
	static const char *const names[] = {
		[1] = "established", [2] = "syn_sent",	[3] = "syn_recv", [4] = "fin_wait1",
		[5] = "fin_wait2",   [6] = "time_wait", [7] = "close",	  [8] = "close_wait",
		[9] = "last_ack",    [10] = "listen",	[11] = "closing", [12] = "new_syn_recv",
	};

	return LOOKUP(names, state);
}

const char *names__rst_reason(int reason)
{
	static const char *const names[NAMES_RST_REASON_CNT] = {
		"not_specified",
		"no_socket",
		"tcp_invalid_ack_sequence",
		"tcp_rfc7323_paws",
		"tcp_too_old_ack",
		"tcp_ack_unsent_data",
		"tcp_flags",
		"tcp_old_ack",
		"tcp_abort_on_data",
		"tcp_timewait_socket",
		"invalid_syn",
		"tcp_abort_on_close",
		"tcp_abort_on_linger",
		"tcp_abort_on_memory",
		"tcp_state",
		"tcp_keepalive_timeout",
		"tcp_disconnect_with_data",
		"mptcp_rst_eunspec",
		"mptcp_rst_emptcp",
		"mptcp_rst_eresource",
		"mptcp_rst_eprohibit",
		"mptcp_rst_ewq2big",
		"mptcp_rst_ebadperf",
		"mptcp_rst_emiddlebox",
		"error",
	};

	return reason < 0 ? NULL : LOOKUP(names, (unsigned int)reason);
}

/* The symbolic name is not left to libc: strerrorname_np() is glibc's alone. */
const char *names__errno(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{EPERM, "EPERM"},
		{ENOENT, "ENOENT"},
		{EINTR, "EINTR"},
		{EIO, "EIO"},
		{EAGAIN, "EAGAIN"},
		{ENOMEM, "ENOMEM"},
		{EACCES, "EACCES"},
		{EFAULT, "EFAULT"},
		{ENODEV, "ENODEV"},
		{EINVAL, "EINVAL"},
		{EPIPE, "EPIPE"},
		{EPROTO, "EPROTO"},
		{EMSGSIZE, "EMSGSIZE"},
		{ENOPROTOOPT, "ENOPROTOOPT"},
		{EPROTONOSUPPORT, "EPROTONOSUPPORT"},
		{EOPNOTSUPP, "EOPNOTSUPP"},
		{EAFNOSUPPORT, "EAFNOSUPPORT"},
		{EADDRINUSE, "EADDRINUSE"},
		{EADDRNOTAVAIL, "EADDRNOTAVAIL"},
		{ENETDOWN, "ENETDOWN"},
		{ENETUNREACH, "ENETUNREACH"},
		{ECONNABORTED, "ECONNABORTED"},
		{ECONNRESET, "ECONNRESET"},
		{ENOBUFS, "ENOBUFS"},
		{EISCONN, "EISCONN"},
		{ENOTCONN, "ENOTCONN"},
		{ESHUTDOWN, "ESHUTDOWN"},
		{ETIMEDOUT, "ETIMEDOUT"},
		{ECONNREFUSED, "ECONNREFUSED"},
		{EHOSTDOWN, "EHOSTDOWN"},
		{EHOSTUNREACH, "EHOSTUNREACH"},
		{EALREADY, "EALREADY"},
		{EINPROGRESS, "EINPROGRESS"},
		{ENONET, "ENONET"},
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].error == error)
			return names[i].name;
	}
	return NULL;
}

/* The first of `cnt` words that is `text`, or cnt. */
static unsigned int find_word(const char *const *words, unsigned int cnt, const char *text)
{
	unsigned int i;

	for (i = 0; i < cnt; i++) {
		if (words[i] && !strcmp(words[i], text))
			return i;
	}
	return cnt;
}

int names__parse_role(const char *text, enum sf_role *ret_role)
{
	unsigned int i = find_word(roles, __SF_ROLE_MAX, text);

	if (i == __SF_ROLE_MAX)
		return -EINVAL;
	*ret_role = (enum sf_role)i;
	return 0;
}

int names__parse_outcome(const char *text, enum sf_outcome *ret_outcome)
{
	unsigned int i = find_word(outcomes, SF_OUT_RESET_REMOTE + 1, text);

	if (i > SF_OUT_RESET_REMOTE)
		return -EINVAL;
	*ret_outcome = (enum sf_outcome)i;
	return 0;
}
