/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One raw record of the kernel side, checked and turned into what users are told. Everything shown,
 * counted or exported is derived here, once, so that a line, a histogram and a metric cannot disagree.
 */
#ifndef SYNFIN_MODEL_RECORD_H
#define SYNFIN_MODEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "durations.h"
#include "synfin.h"

/* Not measured, or the state was never entered. Holds for every int64_t of struct record. */
#define SF_ABSENT INT64_MIN

/* Whose a connection is. Meaningful unless source is SF_SRC_NONE. */
struct record_owner {
	enum sf_source source;
	uint32_t pid;
	uint32_t tid; /* 0: not known */
	uint32_t uid;
	uint64_t start_ns;  /* of the process, CLOCK_MONOTONIC; 0: not known */
	uint64_t cgroup_id; /* 0: not known */
	const char *cgroup; /* path from the hierarchy's top, borrowed; NULL: not known */
	char comm[SF_COMM_LEN + 1];
};

/*
 * Numbers that may be absent, X(name): members of struct record and, but for the two of `backlog`, keys in JSON. A new one is a row here,
 * with its decoding in record.c, its place in jsonl.c and its row in docs/RECORDS.md; test_out and test_docs fail where one is forgotten.
 *
 *   syn_retrans		 client; of a SYN that was dropped: how many of the same came before it
 *   synack_retrans	 server, where its request was seen
 *   isn, peer_isn	 of an open whose first segments were seen
 *   backlog_len, _max	 server
 *   seq, ack		 of a stage
 *   all others		 of a close, when the socket was still there
 */
#define RECORD_NUMBERS(X) \
	X(syn_retrans)    \
	X(synack_retrans) \
	X(isn)            \
	X(peer_isn)       \
	X(backlog_len)    \
	X(backlog_max)    \
	X(fin_retrans)    \
	X(retrans)        \
	X(srtt_ns)        \
	X(bytes_sent)     \
	X(bytes_received) \
	X(seq)            \
	X(ack)

struct record {
	enum sf_event_type type;
	enum sf_outcome outcome; /* of open, close (NONE: its end was missed), gone (why TIME_WAIT ended) */
	enum sf_role role;
	uint32_t flags; /* enum sf_flag; SF_FLAGS_SHOWN of them are for users */
	uint64_t id;
	uint64_t ts;	 /* CLOCK_MONOTONIC */
	uint64_t cookie; /* 0: none */
	uint32_t netns;	 /* inode; 0: not known */
	int af;		 /* AF_INET, AF_INET6 */
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint16_t lport; /* 0: none yet */
	uint16_t rport;
	uint16_t service_port; /* the one listened on; 0: not known */

	struct record_owner owner;

	int64_t dur[__REC_DUR_MAX]; /* ns */
	uint32_t at_least;	    /* bit 1 << enum record_dur: a lower bound */
	uint32_t backwards;	    /* intervals dropped because they ended before they began */

	/* open: offsets in ns from the first stage known, by enum sf_stage from SF_ST_CONNECT to SF_ST_ACCEPT
	 */
	int64_t stage_ns[SF_ST_ACCEPT + 1];
	int error; /* open, close: errno; 0: none */

	/* close */
	enum record_side closed_by;
	int time_wait;	     /* 1: begins here; 0: does not; -1: not seen */
	int rst_reason;	     /* kernel's enum sk_rst_reason, -1: not known; SF_F_RSN_DERIVED: not its word */
	uint32_t closer_pid; /* 0: not known */
	char closer_comm[SF_COMM_LEN + 1];

	/* alive */
	unsigned int state; /* kernel's TCP_*, SYN_RECV also for a request */

	/* stage */
	enum sf_stage stage;
	bool stage_retrans;

#define RECORD_MEMBER(name) int64_t name;
	RECORD_NUMBERS(RECORD_MEMBER)
#undef RECORD_MEMBER
};

/*
 * 0; -EINVAL when `sz` is not the size of a record; -EPROTO when its contents make no sense. `data` needs
 * no alignment and no byte of it is trusted. *ret_rec is written only on success.
 *
 * Lower bounds (`at_least`): with SF_F_LATE every interval that begins at est_ts, which then is the moment
 * of first sight (or as much before it as is certain); the stamps of what had happened before (a FIN sent, acknowledged,
 * received) equal est_ts, and what was over by then is absent. With SF_F_TW_BLIND what ends with the socket instead of `end`.
 * With SF_F_GAP a transition was missed: of a close only the life remains certain, the rest is absent; with
 * SF_OUT_NONE, its end among them, nothing.
 */
int record__decode(const void *data, size_t sz, struct record *ret_rec);

/* "handshake_ns" and so on. */
const char *record__dur_name(enum record_dur dur);

#endif
