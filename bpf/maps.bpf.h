/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that the kernel side remembers, and everything that user space decides before load. The comment
 * of each map says what keys it, who inserts, who deletes and what bounds it. Sizes marked "user" are set by
 * the loader.
 */
#ifndef SYNFIN_MAPS_BPF_H
#define SYNFIN_MAPS_BPF_H

#include "core.bpf.h"
#include "slots.h"
#include "synfin.h"

/* --- decided before load ------------------------------------------------------------------------------ */

/* From the user's options. */
const volatile bool cfg_stages; /* write a record per stage */
const volatile bool
	cfg_by_task; /* one of the next four, or comm, decides: a server's connection waits for accept() */
const volatile bool cfg_by_pid;
const volatile bool cfg_by_tree;
const volatile bool cfg_by_uid;
const volatile bool cfg_by_cgroup;
const volatile bool cfg_by_netns;
const volatile __u8 cfg_port_ends; /* kinds of port filter given (enum sf_end); each must hold */
const volatile __u8 cfg_addr_ends; /* kinds of address filter given */
const volatile __u8 cfg_family;	   /* 0, SF_AF_INET or SF_AF_INET6 */
const volatile __u8 cfg_roles;	   /* bits 1 << enum sf_role; 0: all */
const volatile __u32 cfg_comm_cnt;
const volatile struct sf_glob cfg_comms[SF_MAX_COMMS];
const volatile bool cfg_by_outcome;
const volatile __u32 cfg_outcomes;	   /* bits 1 << enum sf_outcome of the records wanted */
const volatile __u64 cfg_min_handshake_ns; /* 0: any, known or not */
const volatile __u64 cfg_min_close_ns;
const volatile __u32 cfg_pidns;	       /* inode of synfin's PID namespace; 0: the initial one */
const volatile bool cfg_tally;	       /* add up, write no records */
const volatile __u32 cfg_by;	       /* ... in sets kept apart by these fields (1 << enum by_field) */
const volatile __u64 cfg_wakeup_bytes; /* wake the reader when this much waits for it */

/* Features of the kernel, found by asking it. */
const volatile bool has_tw;	    /* some hook shows TIME_WAIT minisocks */
const volatile bool has_requests;   /* some hook shows request sockets */
const volatile bool has_accept;	    /* by a function; one is missed only by chance */
const volatile bool timers_show_tw; /* ... by their timers */
const volatile bool timers_show_requests;
const volatile bool find_tw_by_header; /* the peer's FIN is matched by its header */

const volatile __u64 cfg_tick_ns; /* the length of a jiffy */

/* Set by user space when all hooks are attached. An event of a connection born before could be missed. */
bool active;

/* The reader was woken. It takes that back before it looks for records. */
bool woken;

/* Processes that sf_family has added to flt_tree. */
__u32 relatives;

/* --- remembered -------------------------------------------------------------------------------------- */

/* Connections followed, see table.bpf.h. User space reads the map where it lies. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << SF_PAIR_BITS);
	__type(key, __u32);
	__type(value, struct sf_pair);
} pairs SEC(".maps");

/*
 * Connections that have no place in `pairs`, and minisocks except those in `waits`. Key: address of the
 * kernel object that carries the connection now. Inserted at birth, moved at each hand-over, deleted at
 * tcp_destroy_sock, or at the end of the request or the minisock. Bounded by the loader; when it is full, a
 * connection is not followed, and SF_LOST_EVICTED counts it. Not preallocated, so that an idle host pays for
 * the buckets alone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18); /* user */
	__type(key, __u64);
	__type(value, struct sf_conn);
} conns SEC(".maps");

/*
 * Minisocks whose FIN has come, or that are gone. The program that inserts one reports the end of the
 * connection, the program that deletes it the end of TIME_WAIT (waits.bpf.h). Key: address of the minisock.
 * Bounded by the loader; when full, SF_LOST_EVICTED.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18); /* user */
	__type(key, __u64);
	__type(value, struct sf_wait);
} waits SEC(".maps");

/*
 * The past of a server's connection that the filter cannot decide on before accept(): its handshake, and its
 * end if that has come. Key: sf_conn.id. Inserted when the handshake has ended, deleted with the verdict or
 * the connection.
 */
struct sf_parked {
	struct sf_opening opening;
	__u64 open_ts;
	__u64 end_ts; /* 0: has not come, or it never was established */
	__u32 open_outcome;
	__u32 outcome; /* of its end */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct sf_parked);
} parked SEC(".maps");

/*
 * Owners of listeners. Key: address of the listening sock. Inserted at CLOSE>LISTEN, or by user space for
 * those that were there before; deleted at LISTEN>CLOSE.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct sf_owner);
} listeners SEC(".maps");

/*
 * Owners of the sockets that were there when the tracer started. Key: address of the sock. Inserted by the
 * iterator over files, deleted by the one over sockets, which comes next, and emptied by user space.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18); /* user */
	__type(key, __u64);
	__type(value, struct sf_owner);
} found SEC(".maps");

/*
 * Ports that had a listener when the tracer started. Inserted by the iterator over sockets, which meets the
 * listeners of a namespace first, and read by it alone, to find out who opened an older connection. Value:
 * the listener's address, 0 if there are several. When the map is full, less is known.
 */
struct sf_port_key {
	__u32 netns;
	__u32 port;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 12);
	__type(key, struct sf_port_key);
	__type(value, __u64);
} listened SEC(".maps");

/*
 * Minisocks, keyed by what the header of a segment for them contains. Only used if the kernel does not name
 * the receiver of a segment (find_tw_by_header). Inserted at the hand-over, deleted with the minisock.
 */
struct sf_tw_key {
	__u32 netns;
	__u32 raddr; /* IPv6: folded */
	__u16 lport;
	__u16 rport;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, struct sf_tw_key);
	__type(value, __u64);
} tw_headers SEC(".maps");

/*
 * `suspects` holds the ids of connections whose object the last sweep found dead, `ghosts` the ids of those
 * that were found dead again and counted as missed (sweep.bpf.h). Inserted by the sweep, deleted by it or by
 * the eviction of the connection. When full, the next sweep tries again.
 */
#define ID_SET(name)                                  \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, 1 << 14);         \
		__type(key, __u64);                   \
		__type(value, __u8);                  \
	} name SEC(".maps")
ID_SET(suspects);
ID_SET(ghosts);

/* User space writes one slice of the table after the other, and runs sf_sweep, which reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sf_sweep);
} sweeps SEC(".maps");

/*
 * SYNs that were dropped. A repeat has the same sequence number and is recognised by it. Inserted with the
 * first SYN, never deleted; those that were not repeated for the longest time make room. One element if no
 * hook shows dropped SYNs.
 */
struct sf_syn {
	__u8 laddr[16];
	__u8 raddr[16];
	__u32 netns;
	__u32 seq;
	__u16 lport;
	__u16 rport;
};
struct sf_dropped {
	__u64 id;      /* of the attempt, as of a connection */
	__u64 repeats; /* added to atomically: the repeat of a SYN may reach another CPU */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14); /* user */
	__type(key, struct sf_syn);
	__type(value, struct sf_dropped);
} dropped_syns SEC(".maps");

/* The name of a connection in the kernel's hash, the same for its whole life (ehash.bpf.h). */
struct sf_name {
	__u64 net; /* address of its struct net */
	__u32 hash;
	__u16 dport; /* network order */
	__u16 pad;
};

/* A minisock whose timer was cancelled: it is armed anew, about to expire, or dying. */
struct sf_cancelled {
	__u64 tw;  /* 0: none */
	__u64 key; /* what it is kept under: its address, or its id if the address may be reused any moment */
	__u64 id;  /* of the connection it carries (minisock_id) */
	__u64 ts;
	__u64 substate;
	struct sf_name name;
};

/*
 * The counters of a CPU's ids. Each kind of program has its own, because one may interrupt another: softirqs,
 * connect() as sf_state sees it, and as its twin does.
 */
enum id_source { ID_SOFTIRQ, ID_CHANGE, ID_CHANGE_AGAIN, __ID_MAX };

/*
 * Data that one event leaves for the next on the same CPU. Only used where no program of ours can run in
 * between (see passive.bpf.h and timers.bpf.h for why).
 */
struct sf_cpu {
	__u64 child;	       /* clone of a listener whose request has not been met, or 0 */
	__u64 request_unknown; /* a request we do not know turned into .child */
	struct sf_cancelled cancelled;
	__u64 expired; /* timer of this request expired: its handler runs, and arms it anew or not */
	__u64 expired_outcome;
	struct sf_name expired_name;
	__u64 reset_for;  /* listener in whose name a RST was sent last: its accept queue is full */
	__u64 tw_segment; /* minisock that took a segment last */
	__u64 tw_segment_ts;
	__u64 tw_segment_outcome; /* the outcome if that segment ended it */
	__u64 migrating;	  /* request being cloned for another listener */
	__u64 next_ids[__ID_MAX];
	__u64 order;
	__u64 changing; /* the last sock that sf_state has begun with, and its new state */
	int changing_to;
	int connecting_len; /* kprobe: the arguments of a connect() (unroutable.bpf.h) */
	__u64 connecting;
	__u64 connecting_to;
	__u64 connecting_task;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sf_cpu);
} cpus SEC(".maps");

/* Read and summed by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sf_counters);
} counters SEC(".maps");

/* Records on their way to user space. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* user */
} ring SEC(".maps");

/* --- sums --------------------------------------------------------------------------------------------- */

/* The rows of set 0, each at its number. One element if no sums are needed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* user */
	__type(key, __u32);
	__type(value, struct sf_row);
} rows SEC(".maps");

/*
 * The rows of all other sets, made as they are needed. Shared by the CPUs, because a per-CPU hash cannot
 * supply elements as fast as connections come. Inserted with the first count, deleted by user space when the
 * set has left (kernel/expiry.c). Counts that find no room here are added to set 0.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* user */
	__type(key, struct sf_row_key);
	__type(value, struct sf_row);
} keyed_rows SEC(".maps");

/*
 * The number of each set (--by). Inserted with the set's first record, deleted by user space when nothing was
 * added for long. When the map is full, the rest is added to set 0.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* user */
	__type(key, struct sf_set_key);
	__type(value, __u64);
} sets SEC(".maps");

/* --- filters ----------------------------------------------------------------------------------------- */

/* Processes asked for by number. Key: tgid in synfin's PID namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} flt_pids SEC(".maps");

/*
 * Processes asked for with --tree or -- CMD, and their descendants. Key: tgid in synfin's PID namespace.
 * Inserted by user space, by the fork hook, and by sf_family for older processes; deleted by the exit hook.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} flt_tree SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} flt_uids SEC(".maps");

/* Cgroups by inode. Cgroups below them are not in the map. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u8);
} flt_cgroups SEC(".maps");

/* Network namespaces by inode. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} flt_netns SEC(".maps");

/*
 * Bits of enum sf_end. A trie finds only the narrowest network, so user space also gives it the bits of the
 * networks that cover it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct sf_network);
	__type(value, __u8);
} flt_networks SEC(".maps");

/* One byte a port: bits of enum sf_end. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} flt_ports SEC(".maps");

static __always_inline struct sf_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/*
 * Orders earlier writes before later reads, by an atomic addition, which on x86 is a full barrier. BPF has no
 * other barrier before 5.12, and none that orders a read.
 */
static __always_inline void order(void)
{
	struct sf_cpu *cpu = this_cpu();

	if (cpu)
		__sync_fetch_and_add(&cpu->order, 1);
}

static __always_inline struct sf_counters *these_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* `delta` may be negative and take back a count of another CPU: only the sum over all CPUs is right. */
static __always_inline void add_count(enum sf_count what, __s64 delta)
{
	struct sf_counters *c = these_counters();

	if (c)
		__sync_fetch_and_add(&c->counts[what], delta);
}

static __always_inline void count(enum sf_count what)
{
	add_count(what, 1);
}

static __always_inline void lose(enum sf_lost what)
{
	struct sf_counters *c = these_counters();

	if (c)
		__sync_fetch_and_add(&c->lost[what], 1);
}

static __always_inline void miss(enum sf_missed how)
{
	struct sf_counters *c = these_counters();

	if (c)
		__sync_fetch_and_add(&c->missed[how], 1);
}

#endif
