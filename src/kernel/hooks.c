/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of hooks. Nothing here touches the kernel. */
#include "kernel/hooks.h"

#include <errno.h>
#include <string.h>

static const char *const tier_names[] = {
	[TIER_FULL] = "full",
	[TIER_KPROBE] = "kprobe",
	[TIER_TRACEPOINT] = "tracepoint",
};

const char *tier__name(enum tier tier)
{
	return tier_names[tier];
}

int tier__parse(const char *text, enum tier *ret_tier)
{
	for (int i = 0; i < __TIER_MAX; i++) {
		if (strcmp(text, tier_names[i]) == 0) {
			*ret_tier = i;
			return 0;
		}
	}
	return -EINVAL;
}

#define TRACEPOINT(prog)                                                     \
	{                                                                    \
		.name = "tp_btf", .tier = TIER_TRACEPOINT, .progs = { prog } \
	}

const struct hook hooks[__HOOK_MAX] =
	{
		[HOOK_STATE] =
			{
				.name = "state",
				.measures = "every change of a socket's state",
				.lost = "everything",
				.required = true,
				.variants = {TRACEPOINT("sf_state")},
			},
		[HOOK_DESTROY] =
			{
				.name = "destroy",
				.measures = "the end of a socket",
				.lost = "everything: a recycled socket could inherit",
				.required = true,
				.variants = {TRACEPOINT("sf_destroy")},
			},
		[HOOK_RST_IN] =
			{
				.name = "rst-in",
				.measures = "resets received",
				.lost = "resets received are told from aborts by the socket's error alone",
				.variants = {TRACEPOINT("sf_rst_in")},
			},
		[HOOK_RST_OUT] =
			{
				.name = "rst-out",
				.measures = "resets sent, with the kernel's reason",
				.lost = "resets sent show as aborted",
				.variants =
					{
						{.name = "tp_btf",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_rst_out_why"},
						 .min_args = 3},
						{.name = "tp_btf without reason",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_rst_out"}},
					},
			},
		[HOOK_RETRANS] =
			{
				.name = "retransmit",
				.measures = "SYN and FIN segments sent again",
				.lost = "syn_retrans, fin_retrans",
				.variants =
					{
						{.name = "tp_btf",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_retrans_err"},
						 .min_args = 3},
						{.name = "tp_btf without error",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_retrans"}},
					},
			},
		[HOOK_SYNACK_RETRANS] =
			{
				.name = "synack-retransmit",
				.measures = "SYN-ACK segments sent again",
				.lost = "synack_retrans",
				.variants = {TRACEPOINT("sf_synack_again")},
			},
		[HOOK_REQUEST] =
			{
				.name = "request",
				.measures = "a server's SYN, its SYN-ACK, requests that die",
				.lost = "a server's handshake_ns and its failed handshakes",
				.variants =
					{
						{.name = "fentry",
						 .tier = TIER_FULL,
						 .progs = {"sf_req_fe", "sf_child_fe", "sf_req_end4_fe",
							   "sf_req_end6_fe"}},
						{.name = "kprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_req_kp", "sf_child_kp", "sf_req_end4_kp",
							   "sf_req_end6_kp"}},
						{.name = "timers",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_tm_start", "sf_tm_cancel", "sf_tm_expire",
							   "sf_tm_done"}},
					},
			},
		[HOOK_TIME_WAIT] =
			{
				.name = "time-wait",
				.measures = "FIN_WAIT2 of closed sockets, TIME_WAIT and its end",
				.lost = "the end of an active close: fin_wait2_ns, close_ns and life_ns are "
					"lower bounds",
				.variants =
					{
						{.name = "fentry",
						 .tier = TIER_FULL,
						 .progs = {"sf_tws_fe", "sf_tw_end_fe"}},
						{.name = "fentry",
						 .tier = TIER_FULL,
						 .progs = {"sf_tw_fe", "sf_tw_end_fe"}},
						{.name = "kprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_tws_kp", "sf_tw_end_kp"}},
						{.name = "kprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_tw_kp", "sf_tw_end_kp"}},
						{.name = "timers",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_tm_start",
							   "sf_tm_cancel", "sf_tm_expire", "sf_tm_done"}},
					},
			},
		[HOOK_TW_FIN] =
			{
				.name = "time-wait-fin",
				.measures = "the peer's FIN after the socket is closed",
				.lost = "most ends of an active close",
				.variants =
					{
						{.name = "fentry",
						 .tier = TIER_FULL,
						 .progs = {"sf_tw_set_fe"}},
						{.name = "kprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_tw_set_kp"}},
						{.name = "kfree_skb",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_tw_skb"},
						 .min_args = 4},
						{.name = "kfree_skb by header",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_tw_header"}},
					},
			},
		[HOOK_ACCEPT] =
			{
				.name = "accept",
				.measures = "accept(): who took the connection, and how long it waited",
				.lost = "accept_wait_ns; a server's connection shows the listener's owner",
				.variants =
					{
						{.name = "fexit",
						 .tier = TIER_FULL,
						 .progs = {"sf_accept_fx"}},
						{.name = "kprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_accept_kp"}},
						{.name = "kretprobe",
						 .tier = TIER_KPROBE,
						 .progs = {"sf_accept_kr"}},
						{.name = "syscall",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_accept4_sc", "sf_accept_sc"}},
					},
			},
		[HOOK_TREE] =
			{
				.name = "tree",
				.measures = "children of a traced command",
				.lost = "trace -- CMD",
				.variants =
					{
						{.name = "tp_btf",
						 .tier = TIER_TRACEPOINT,
						 .progs = {"sf_fork", "sf_exit"}},
					},
			},
};
