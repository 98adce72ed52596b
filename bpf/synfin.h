/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one header that the kernel side (bpf/) and the C side (src/) share: the connection, the record in the
 * ring buffer, and the names of everything counted. It compiles alone on either side. All times are
 * nanoseconds of CLOCK_MONOTONIC; a time of 0 means "not measured". Ports and sequence numbers are in host
 * order, addresses in network order.
 */
#ifndef SYNFIN_H
#define SYNFIN_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SF_COMM_LEN 16 /* TASK_COMM_LEN; not always terminated when foreign bytes were read */
#define SF_AF_INET  2  /* AF_INET and AF_INET6 are macros of userland, unknown to the kernel's BTF */
#define SF_AF_INET6 10

enum sf_role {
	SF_ROLE_NONE = 0,   /* neither end was seen to open it (the connection is older than the tracer) */
	SF_ROLE_CLIENT = 1, /* active open */
	SF_ROLE_SERVER = 2, /* passive open */
	SF_ROLE_BOTH = 3,   /* simultaneous open, self-connect */
	__SF_ROLE_MAX
};

/* How sure we are of the owner. Never "whoever happened to run". */
enum sf_source {
	SF_SRC_NONE = 0,
	SF_SRC_CONNECT = 1,  /* the task that called connect() */
	SF_SRC_ACCEPT = 2,   /* the task that accept() returned to */
	SF_SRC_LISTENER = 3, /* not accepted: the task that called listen() */
	SF_SRC_ITERATOR = 4, /* found among the files of a task */
	__SF_SRC_MAX,
	SF_SRC_IN_CGROUP = 0x80 /* besides, kernel side only: the owner is in a cgroup that was asked for */
};

/* sf_conn.flags */
enum sf_flag {
	SF_F_V4MAPPED = 1 << 0,
	SF_F_FASTOPEN = 1 << 1,
	SF_F_SYNCOOKIE = 1 << 2,
	SF_F_MPTCP = 1 << 3,
	SF_F_DEFER_ACCEPT = 1 << 4,
	SF_F_SIM_OPEN = 1 << 5,
	SF_F_SIM_CLOSE = 1 << 6,
	SF_F_ORPHAN = 1 << 7, /* the owner closed it before the connection was over */
	SF_F_LATE = 1 << 8,   /* older than the tracer: what began before is a lower bound */
	SF_F_REUSEPORT = 1 << 9,
	SF_F_MIGRATED = 1 << 10,
	/* kernel-side bookkeeping, not shown */
	SF_F_OPENED = 1 << 11,	     /* its `open` was reported; with SF_F_PENDING: parked */
	SF_F_ACCEPTED = 1 << 12,     /* before the tracer came */
	SF_F_FIN_SENT_1ST = 1 << 13, /* our FIN came before the peer's */
	SF_F_FIN_RCVD_1ST = 1 << 14,
	SF_F_RST_IN = 1 << 15,
	SF_F_RST_OUT = 1 << 16,
	SF_F_TIME_WAIT = 1 << 17, /* the minisock is in TIME_WAIT proper, the peer's FIN has come */
	SF_F_PENDING = 1 << 18,	  /* the filter cannot decide before it is accepted (or has a local port) */
	SF_F_ENDED = 1 << 19,	  /* CLOSE was seen, `close` waits for who sent the RST */
	SF_F_TW_BLIND = 1 << 20,  /* the minisock was not seen: the end is the socket's, a lower bound */
	SF_F_RSN_DERIVED = 1 << 21,
	SF_F_GAP = 1 << 22,	  /* an event of this connection was missed */
	SF_F_CLOSING = 1 << 23,	  /* .closing is valid, .opening is gone */
	SF_F_SOCK_GONE = 1 << 24, /* numbers of the full socket were taken, the minisock carries on */
	SF_F_NO_OPEN = 1 << 26,	  /* its `open` was not wanted, so neither is its `accept` */
	SF_F_NO_CLOSE = 1 << 27,  /* its `close` was not wanted, so neither is its `gone` */
	SF_F_LEFT = 1 << 28,	  /* the owner called close() or died */
	SF_F_END_TOLD = 1 << 29, /* its `close` was reported; with SF_F_PENDING: parked. Waits for accept() */
	SF_F_ACCEPT_DUE = 1 << 30, /* accept() came while `open` or `close` was reported: settled later */
	SF_F_EARLY = 1U << 31,	   /* accept() returned it before `open` was reported, which includes that */
};
#define SF_FLAGS_SHOWN ((1 << 11) - 1)

/* Known while the handshake lasts. */
struct sf_opening {
	__u64 connect_ts; /* client: connect() reached TCP */
	__u64 syn_ts;	  /* client: first SYN handed to IP; server: SYN taken by the listener */
	__u64 synack_ts;  /* client: SYN-ACK processed; server: first SYN-ACK handed to IP */
	__u32 isn;
	__u32 peer_isn;
	__u32 backlog_len; /* server: children waiting in the accept queue when this one enters it */
	__u32 backlog_max;
	__u64 listener;	   /* server: kernel address of the listener, a key, never shown */
	__u16 seqs_known;  /* isn and peer_isn are set */
	__u16 syn_assumed; /* server: nothing ran when the SYN came, synack_ts stands for its stamp */
	__u32 backlog_known;
};

/*
 * The low bits of sf_conn.accept_ts, kernel side only (accept.bpf.h). Only accept() writes the word and the
 * owner of a server.
 */
enum sf_accept {
	SF_ACC_BUSY = 16,    /* the whole word, less than any time: the owner is being written */
	SF_ACC_LOOKED = 1,   /* accept() has read the flags and reports what follows */
	SF_ACC_SAW_OPEN = 2, /* ... SF_F_OPENED was among them */
	SF_ACC_SAW_END = 4,  /* ... SF_F_END_TOLD was */
	SF_ACC_UNWANTED = 8, /* the filter does not want it */
	SF_ACC_BITS = 15
};

/* Known from the first FIN or RST on; overlays struct sf_opening, which was reported by then. */
struct sf_closing {
	__u64 fin_sent_ts;
	__u64 fin_acked_ts;
	__u64 fin_rcvd_ts;
	__u64 bytes_sent;     /* payload the peer acknowledged */
	__u64 bytes_received; /* payload taken in order */
	__u8 closer_comm[SF_COMM_LEN];
	__u32 closer_pid; /* the process that called close(), shutdown() or exited; 0 unknown */
	__u32 srtt_us;	  /* 0: no sample */
	__u32 retrans;	  /* data and FIN segments sent again, SYN and SYN-ACK not */
	__u16 rst_reason; /* kernel's enum sk_rst_reason + 1; 0 unknown */
	__u16 data_segs;  /* kernel side: data segments that had come when the owner closed, modulo 65536 */
};

/*
 * One end of one connection. The kernel keeps it under the address of whichever object carries the
 * connection now (request_sock, sock, inet_timewait_sock); it is moved at each hand-over.
 */
struct sf_conn {
	__u64 id;     /* unique in a run */
	__u64 cookie; /* socket cookie, 0 when the kernel has not given one */
	__u64 cgroup_id;
	__u64 start_ns;	 /* when the owner, the process, was started */
	__u64 est_ts;	 /* ESTABLISHED, or when the tracer first saw a late one */
	__u64 accept_ts; /* server: accept() returned it; in steps of 16 ns, and enum sf_accept */
	__u8 laddr[16];	 /* IPv4 in the first 4 bytes */
	__u8 raddr[16];
	__u16 lport;
	__u16 rport;
	__u32 netns; /* inode */
	__u32 flags; /* enum sf_flag */
	__u8 family; /* SF_AF_INET, SF_AF_INET6; v4-mapped is SF_AF_INET with SF_F_V4MAPPED */
	__u8 role;   /* enum sf_role */
	__u8 state;  /* the kernel's TCP_*, as of the last event */
	__u8 source; /* enum sf_source */
	__u32 pid;   /* tgid of the owner; 0 with SF_SRC_NONE, and if it has none in synfin's PID namespace */
	__u32 tid;
	__u32 uid;
	__u8 comm[SF_COMM_LEN];
	__u8 syn_retrans;
	__u8 synack_retrans;
	__u8 fin_retrans;
	__u8 error; /* sk_err when the connection or the attempt died, else 0 */
	union {
		struct sf_opening opening;
		struct sf_closing closing;
	};
};

#define SF_PAIR_BITS 14 /* of pairs in the table */

/* Two places of the table (table.bpf.h), laid out by cache lines: a lookup that finds nothing reads one. */
struct sf_pair {
	__u64 keys[2];	 /* 0: empty */
	__u32 claims[2]; /* 0: free */
	__u32 spilled;	 /* of this pair, in `conns` */
	__u32 pad[9];
	struct sf_conn conns[2];
	__u64 pad2[6];
};

/* A minisock whose FIN has come, or that is gone (waits.bpf.h). */
struct sf_wait {
	__u64 id;	  /* of the connection */
	__u64 since;	  /* when TIME_WAIT began */
	__u64 set;	  /* the set that its end is added to */
	__u64 killed_ts;  /* 0: not yet */
	__u32 how;	  /* enum sf_outcome, with killed_ts */
	__u32 is_told;	  /* 1: its `close` was reported, so `gone` may be */
	__u32 wants_gone; /* else its end is counted, not its length */
	__u32 order;
};

#define SF_SWEEP_KEYS 256

/* Keys that user space has the kernel side compare with the kernel's objects (sweep.bpf.h). */
struct sf_sweep {
	__u64 keys[SF_SWEEP_KEYS];
	__u32 cnt;
	__u32 is_of_waits; /* keys of `waits`, else of the table */
};

enum sf_event_type {
	SF_EV_OPEN = 1,	  /* the handshake ended, one way or another; .opening is valid */
	SF_EV_ACCEPT = 2, /* accept() returned it after SF_EV_OPEN */
	SF_EV_CLOSE = 3,  /* stage `end`; .closing is valid */
	SF_EV_GONE = 4,	  /* TIME_WAIT ended */
	SF_EV_STAGE = 5,  /* one stage; see .stage, .seq, .ack */
	SF_EV_ALIVE = 6,  /* as the table has it at .ts; written by user space, never into the ring */
	__SF_EV_MAX
};

enum sf_stage {
	SF_ST_NONE = 0,
	SF_ST_CONNECT = 1,
	SF_ST_SYN = 2,
	SF_ST_SYNACK = 3,
	SF_ST_ESTABLISHED = 4,
	SF_ST_ACCEPT = 5,
	SF_ST_FIN_SENT = 6,
	SF_ST_FIN_ACKED = 7,
	SF_ST_FIN_RCVD = 8,
	SF_ST_CLOSE = 9,
	SF_ST_END = 10,
	SF_ST_GONE = 11,
	__SF_ST_MAX
};

/* Outcomes of SF_EV_OPEN, SF_EV_CLOSE and SF_EV_GONE; one list, so that a value is never ambiguous. */
enum sf_outcome {
	SF_OUT_NONE = 0,
	/* open */
	SF_OUT_ESTABLISHED = 1,
	SF_OUT_REFUSED = 2,
	SF_OUT_RESET = 3,
	SF_OUT_TIMED_OUT = 4, /* open and close */
	SF_OUT_UNREACHABLE = 5,
	SF_OUT_ABORTED = 6, /* open and close */
	SF_OUT_NO_PORT = 7,
	SF_OUT_SYN_DROPPED = 8,
	SF_OUT_SYNACK_TIMED_OUT = 9,
	SF_OUT_OVERFLOW = 10,
	/* close */
	SF_OUT_FIN = 11,
	SF_OUT_RESET_LOCAL = 12,
	SF_OUT_RESET_REMOTE = 13,
	/* gone */
	SF_OUT_TW_TIMER = 14,
	SF_OUT_TW_REUSED = 15,
	SF_OUT_TW_RESET = 16,
	SF_OUT_TW_SYN = 17,
	SF_OUT_TW_OVERFLOW = 18,
	SF_OUT_TW_NETNS = 19,
	SF_OUT_TW_KILLED = 20, /* ended early, and this tier cannot see by what */
	__SF_OUT_MAX
};

/* sf_event.known: which of the optional numbers a stage record carries */
enum sf_known { SF_K_SEQ = 1 << 0, SF_K_ACK = 1 << 1 };

/*
 * One record of the ring buffer. `ts` is the instant the record describes, which may lie before the
 * moment it was written. `conn` is the connection as it was then.
 */
struct sf_event {
	__u8 type;    /* enum sf_event_type, first, so that a reader can tell records apart */
	__u8 stage;   /* enum sf_stage, SF_EV_STAGE only */
	__u8 outcome; /* enum sf_outcome */
	__u8 retrans; /* SF_EV_STAGE: this segment was sent before */
	__u16 known;  /* enum sf_known */
	__u16 pad;
	__u32 seq;
	__u32 ack;
	__u64 ts;
	struct sf_conn conn;
};

/* Counts of loss, per CPU, never reset while running. */
enum sf_lost {
	SF_LOST_DROPPED = 0,	  /* a record found no room, or its connection gone on another CPU */
	SF_LOST_MISSED = 1,	  /* an event of a connection was missed; the sum over enum sf_missed */
	SF_LOST_EVICTED = 2,	  /* the table was full: a connection was not followed */
	SF_LOST_UNATTRIBUTED = 3, /* a connection ended and its owner was not known */
	__SF_LOST_MAX
};

/* How it showed that an event was missed. */
enum sf_missed {
	SF_MISSED_SKIPPED = 0, /* the kernel did not run a program of ours, and counted that itself */
	SF_MISSED_STATE = 1,   /* a change of state does not follow from the one before */
	SF_MISSED_ACCEPT = 2,  /* a task closes what accept() was not seen to return */
	SF_MISSED_END = 3,     /* the socket is freed, or TIME_WAIT over, without the end of the connection */
	SF_MISSED_REUSED = 4,  /* its address in memory was used again */
	SF_MISSED_SWEPT = 5,   /* the sweep found it dead */
	SF_MISSED_CONNECT = 6, /* connect() failed, and its arguments are not known */
	__SF_MISSED_MAX
};

/* Conservation: opened + found = ended + alive + lost. Per CPU; counts what passed the filter. */
enum sf_count {
	SF_CNT_CLIENT_TRIED = 0, /* active opens begun */
	SF_CNT_SERVER_TRIED = 1, /* passive opens begun */
	SF_CNT_OPENED = 2,	 /* reached ESTABLISHED */
	SF_CNT_FAILED = 3,	 /* died before */
	SF_CNT_ENDED = 4,	 /* `close` */
	SF_CNT_TW_BEGUN = 5,
	SF_CNT_TW_GONE = 6,
	SF_CNT_LATE = 7,  /* handshakes followed from the middle */
	SF_CNT_FOUND = 8, /* past their handshake when the tracer came */
	/* of sums added up by the kernel side */
	SF_CNT_BOUNDS = 9,     /* durations left out of histograms because they are lower bounds */
	SF_CNT_BACKWARDS = 10, /* durations left out because their ends came in the wrong order */
	SF_CNT_FOLDED =
		11, /* records that found no room for a set of their own, and are in set 0 as a whole */
	SF_CNT_GHOSTS = 12,    /* found dead by the sweep */
	SF_CNT_MISPLACED = 13, /* counts and durations of a set that found no row there: they are in set 0 */
	__SF_CNT_MAX
};

/* Per CPU, in a map of its own. Misses are only kept by cause. */
struct sf_counters {
	__u64 counts[__SF_CNT_MAX];
	__u64 lost[__SF_LOST_MAX];
	__u64 missed[__SF_MISSED_MAX];
};

/*
 * The end of a connection that a filter by port or address looks at; for ports also the end that the listener
 * has. Bits of the byte in its table.
 */
enum sf_end {
	SF_END_LOCAL = 1 << 0,
	SF_END_REMOTE = 1 << 1,
	SF_END_EITHER = 1 << 2,
	SF_END_SERVICE = 1 << 3
};

/* Key of the trie of networks; the family comes first, so that 0.0.0.0/0 and ::/0 are two. */
struct sf_network {
	__u32 prefix_len; /* of all that follows: 32 more than the network's own */
	__u32 family;
	__u8 addr[16]; /* as in struct sf_conn */
};

#define SF_MAX_COMMS 8	/* comm globs that one run can filter by */
#define SF_GLOB_LEN  32 /* with the NUL */

/*
 * A glob as an automaton over at most 31 elements (a character or '?'); state n is "n elements matched". A
 * character c takes the set of states D to ((D & accept[c]) << 1) | (D & loop); a '*' makes its state a loop.
 * There is no backtracking, and one step for each character, which suits the verifier.
 */
struct sf_glob {
	__u32 accept[256]; /* bit n: element n takes this character */
	__u32 loop;
	__u32 final;
};

/* A task, described as in struct sf_conn. */
struct sf_owner {
	__u64 cgroup_id;
	__u64 start_ns;
	__u32 pid; /* 0: none in synfin's PID namespace */
	__u32 tid; /* 0: likewise, or not known */
	__u32 uid;
	__u8 comm[SF_COMM_LEN];
	__u8 source;	/* enum sf_source */
	__u8 in_cgroup; /* one that was asked for, or below it */
	__u8 pad[2];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct sf_opening) == 56, "layout shared with BPF");
_Static_assert(sizeof(struct sf_closing) == 72, "layout shared with BPF");
_Static_assert(sizeof(struct sf_conn) == 200,
	       "one kmalloc-256 element of a BPF hash, header and key included");
_Static_assert(sizeof(struct sf_event) == 224, "layout shared with BPF");
_Static_assert(sizeof(struct sf_pair) == 8 * 64, "lines of the cache");
#endif

#endif
