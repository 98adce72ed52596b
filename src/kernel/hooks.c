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

/* One way each, by the tier it belongs to. */
/* clang-format off */
#define FULL(name_, ...)       { .name = name_, .tier = TIER_FULL, .progs = { __VA_ARGS__ } }
#define KPROBE(name_, ...)     { .name = name_, .tier = TIER_KPROBE, .progs = { __VA_ARGS__ } }
#define TRACEPOINT(name_, ...) { .name = name_, .tier = TIER_TRACEPOINT, .progs = { __VA_ARGS__ } }
/* The same place twice. */
#define TWINS(tier_, name_, first, second) \
	{ .name = name_, .tier = tier_, .progs = { first, second }, .has_twin = true }
/* Only where the tracepoint passes so many arguments. */
#define TRACEPOINT_ARGS(name_, args, ...) \
	{ .name = name_, .tier = TIER_TRACEPOINT, .progs = { __VA_ARGS__ }, .min_args = (args) }
#define TWINS_ARGS(name_, args, first, second) \
	{ .name = name_, .tier = TIER_TRACEPOINT, .progs = { first, second }, .has_twin = true, .min_args = (args) }

#define TIMERS TIMERS_WITHOUT(NULL)
#define TIMERS_WITHOUT(lost_) \
	{ .name = "timers", .tier = TIER_TRACEPOINT, .progs = { "sf_tm_cancel", "sf_tm_expire", "sf_tm_done" }, \
	  .lost = lost_ }

const struct hook hooks[__HOOK_MAX] = {
	[HOOK_STATE] = {
		.name = "state",
		.measures = "every change of a socket's state",
		.lost = "everything",
		.required = true,
		.variants = { TWINS(TIER_TRACEPOINT, "tp_btf", "sf_state", "sf_state_again") },
	},
	[HOOK_DESTROY] = {
		.name = "destroy",
		.measures = "the end of a socket",
		.lost = "everything: a recycled socket could inherit",
		.required = true,
		.variants = { TWINS(TIER_TRACEPOINT, "tp_btf", "sf_destroy", "sf_destroy_again") },
	},
	[HOOK_RST_IN] = {
		.name = "rst-in",
		.measures = "resets received",
		.lost = "a reset received is seen only by the error of the socket",
		.variants = { TRACEPOINT("tp_btf", "sf_rst_in") },
	},
	[HOOK_RST_OUT] = {
		.name = "rst-out",
		.measures = "resets sent, and why",
		.lost = "resets sent show as aborted",
		.variants = {
			TRACEPOINT_ARGS("tp_btf", 3, "sf_rst_out_why"),
			TRACEPOINT("tp_btf without reason", "sf_rst_out"),
		},
	},
	[HOOK_RETRANS] = {
		.name = "retransmit",
		.measures = "SYN and FIN segments sent again",
		.lost = "syn_retrans, fin_retrans",
		.variants = {
			TRACEPOINT_ARGS("tp_btf", 3, "sf_retrans_err"),
			TRACEPOINT("tp_btf without error", "sf_retrans"),
		},
	},
	[HOOK_SYNACK_RETRANS] = {
		.name = "synack-retransmit",
		.measures = "SYN-ACK segments sent again",
		.lost = "synack_retrans",
		.is_of_servers = true,
		.variants = { TRACEPOINT("tp_btf", "sf_synack_again") },
	},
	[HOOK_CONNECT] = {
		.name = "connect",
		.measures = "connect() to where no route leads",
		.lost = "outcome unreachable of a connect() that found no route",
		.is_of_clients = true,
		.variants = {
			FULL("fexit", "sf_conn4_fx", "sf_conn6_fx"),
			KPROBE("kprobe and kretprobe", "sf_conn4_kp", "sf_conn4_kr", "sf_conn6_kp", "sf_conn6_kr"),
			TRACEPOINT("syscall", "sf_connect_sc"),
		},
	},
	[HOOK_REQUEST] = {
		.name = "request",
		.measures = "a server's SYN, its SYN-ACK, requests that die",
		.lost = "a server's handshake_ns and its failed handshakes",
		.is_of_servers = true,
		.variants = {
			FULL("fentry", "sf_req_fe", "sf_child_fe", "sf_req_end4_fe", "sf_req_end6_fe"),
			KPROBE("kprobe", "sf_req_kp", "sf_child_kp", "sf_req_end4_kp", "sf_req_end6_kp"),
			TIMERS_WITHOUT("a server's SYN, and so its stage syn; the handshake begins with the SYN-ACK"),
		},
	},
	[HOOK_SYN] = {
		.name = "syn",
		.measures = "SYNs for which a queue has no room",
		.lost = "outcome syn_dropped; the kernel counts these SYNs among the listener's drops (ss -m, d)",
		.is_of_servers = true,
		.variants = { FULL("fentry", "sf_syn_fe"), KPROBE("kprobe", "sf_syn_kp") },
	},
	[HOOK_MIGRATE] = {
		.name = "migrate",
		.measures = "requests that go over to another listener",
		.lost = "handshake_ns of migrated requests (net.ipv4.tcp_migrate_req)",
		.is_of_servers = true,
		.variants = {
			FULL("fexit", "sf_move_fx"),
			KPROBE("kprobe and kretprobe", "sf_move_kp", "sf_move_kr"),
			TIMERS,
		},
	},
	[HOOK_TIME_WAIT] = {
		.name = "time-wait",
		.measures = "FIN_WAIT2 of closed sockets, TIME_WAIT and its end",
		.lost = "the end of an active close: fin_wait2_ns, close_ns and life_ns are lower bounds",
		.variants = {
			FULL("fentry", "sf_tw_end_fe"),
			KPROBE("kprobe", "sf_tw_end_kp"),
			TIMERS,
		},
	},
	[HOOK_TW_SEGMENT] = {
		.name = "time-wait-segment",
		.measures = "the peer's FIN after the socket is closed, and what ends a TIME_WAIT early",
		.lost = "most ends of an active close",
		.variants = {
			FULL("fentry", "sf_tw_set_fe", "sf_tw_seg_fe"),
			KPROBE("kprobe", "sf_tw_set_kp", "sf_tw_seg_kp"),
			TWINS_ARGS("kfree_skb", 4, "sf_tw_skb", "sf_tw_skb_again"),
			TRACEPOINT("kfree_skb by header", "sf_tw_header"),
		},
	},
	[HOOK_ACCEPT] = {
		.name = "accept",
		.measures = "accept(): who took the connection, and how long it waited",
		.lost = "accept_wait_ns; a server's connection shows the listener's owner",
		.is_of_servers = true,
		.variants = {
			TWINS(TIER_FULL, "fexit", "sf_accept_fx", "sf_accept_again"),
			KPROBE("kprobe", "sf_accept_kp"),
			KPROBE("kretprobe", "sf_accept_kr"),
			TRACEPOINT("syscall", "sf_accept4_sc", "sf_accept_sc"),
		},
	},
	[HOOK_SOCKETS] = {
		.name = "sockets",
		.measures = "connections older than synfin",
		.lost = "connections older than synfin are not followed",
		.finds_what_is_there = true,
		.variants = { TRACEPOINT("iter/tcp", "sf_sockets") },
	},
	[HOOK_SWEEP] = {
		.name = "sweep",
		.measures = "connections whose end no hook reported",
		.lost = "such connections count as alive until their memory is used again",
		.variants = { TRACEPOINT("test run", "sf_sweep") },
	},
	[HOOK_OWNERS] = {
		.name = "owners",
		.measures = "who owns the connections and listeners older than synfin",
		.lost = "the owner of those, and of what such a listener has not given to accept() yet",
		.finds_what_is_there = true,
		.variants = { TRACEPOINT("iter/task_file", "sf_owners") },
	},
	[HOOK_TREE] = {
		.name = "tree",
		.measures = "descendants of a process",
		.lost = "--tree and trace -- CMD see no descendants",
		.is_of_trees = true,
		.variants = { TRACEPOINT("tp_btf, iter/task", "sf_fork", "sf_exit", "sf_family") },
	},
};
/* clang-format on */

bool hooks__has_twin(const char *prog)
{
	for (int id = 0; id < __HOOK_MAX; id++) {
		for (size_t i = 0; i < HOOK_MAX_VARIANTS && hooks[id].variants[i].name; i++) {
			const struct hook_variant *v = &hooks[id].variants[i];

			if (v->has_twin && (strcmp(v->progs[0], prog) == 0 || strcmp(v->progs[1], prog) == 0))
				return true;
		}
	}
	return false;
}
