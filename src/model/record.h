/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks one raw record of the kernel side and decodes it into what is reported to users. Everything shown,
 * counted or exported is derived here, once, so that a line, a histogram and a metric cannot disagree.
 */
#ifndef SYNFIN_MODEL_RECORD_H
#define SYNFIN_MODEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "durations.h"
#include "synfin.h"

/* Not measured, or the state was never entered. Applies to every int64_t of struct record. */
#define SF_ABSENT INT64_MIN

/* The owner of a connection. Meaningful unless source is SF_SRC_NONE. */
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
 * Numbers that may be absent, X(name). Each is a member of struct record and, except for the two of
 * `backlog`, a key in JSON. A new number needs a row here, its decoding in record.c, its place in jsonl.c and
 * its row in docs/RECORDS.md; test_out and test_docs fail if one of them is forgotten.
 *
 *   syn_retrans		 client; for a dropped SYN: how many of the same came before it
 *   synack_retrans	 server, if its request was seen
 *   isn, peer_isn	 an open whose first segments were seen
 *   backlog_len, _max	 server
 *   seq, ack		 a stage
 *   all others		 a close, if the socket was still there
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
	uint32_t flags; /* enum sf_flag; only SF_FLAGS_SHOWN are shown to users */
	uint64_t id;
	uint64_t ts;	 /* CLOCK_MONOTONIC */
	uint64_t cookie; /* 0: none */
	uint32_t netns;	 /* inode; 0: not known */
	int af;		 /* AF_INET, AF_INET6 */
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint16_t lport; /* 0: none yet */
	uint16_t rport;
	uint16_t service_port; /* the port listened on; 0: not known */

	struct record_owner owner;

	int64_t dur[__REC_DUR_MAX]; /* ns */
	uint32_t at_least;	    /* bit 1 << enum record_dur: a lower bound */
	uint32_t backwards;	    /* intervals dropped because they ended before they began */

	/* open: offsets in ns from the first known stage, by enum sf_stage, SF_ST_CONNECT to SF_ST_ACCEPT */
	int64_t stage_ns[SF_ST_ACCEPT + 1];
	int error; /* open, close: errno; 0: none */

	/* close */
	enum record_side closed_by;
	int time_wait;	     /* 1: begins here; 0: does not; -1: not seen */
	int rst_reason;	     /* kernel's enum sk_rst_reason, -1: not known; SF_F_RSN_DERIVED: inferred */
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
 * 0; -EINVAL when `sz` is not the size of a record; -EPROTO when its contents make no sense. `data` needs no
 * alignment and no byte of it is trusted. *ret_rec is written only on success.
 *
 * Lower bounds (`at_least`):
 * - With SF_F_LATE, every interval that begins at est_ts, which then is the moment of first sight (or as much
 *   before it as is certain). The stamps of earlier events (a FIN sent, acknowledged, received) equal est_ts,
 *   and intervals that were over by then are absent.
 * - With SF_F_TW_BLIND, every interval that ends with the socket instead of `end`.
 *
 * With SF_F_GAP a transition was missed: of a close only the life remains certain, and the rest is absent.
 * With SF_OUT_NONE as well, its end was missed, and nothing remains certain.
 */
int record__decode(const void *data, size_t sz, struct record *ret_rec);

/* The name of a duration in JSON, for example "handshake_ns". */
const char *record__dur_name(enum record_dur dur);

#endif
