/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decoding: first the checks, then the derivations, one function for each type of record. Stamps come from
 * different CPUs and may be a little out of order: an interval that would be negative is dropped and
 * counted, never wrapped and never shown as 0.
 */
#include "model/record.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "derive.h"
#include "model/names.h"

#define STATE_NEW_SYN_RECV 12 /* the kernel's own, not in its uapi */

_Static_assert(SF_AF_INET == AF_INET && SF_AF_INET6 == AF_INET6, "families are passed on as they are");

const char *record__dur_name(enum record_dur dur)
{
	static const char *const names[__REC_DUR_MAX] = {
		[REC_HANDSHAKE] = "handshake_ns",
		[REC_ATTEMPT] = "attempt_ns",
		[REC_PORT_SEARCH] = "port_search_ns",
		[REC_ACCEPT_WAIT] = "accept_wait_ns",
		[REC_ESTABLISHED] = "established_ns",
		[REC_FIN_WAIT1] = "fin_wait1_ns",
		[REC_FIN_WAIT2] = "fin_wait2_ns",
		[REC_CLOSING] = "closing_ns",
		[REC_CLOSE_WAIT] = "close_wait_ns",
		[REC_LAST_ACK] = "last_ack_ns",
		[REC_TIME_WAIT] = "time_wait_ns",
		[REC_HALF_CLOSE] = "half_close_ns",
		[REC_CLOSE] = "close_ns",
		[REC_LIFE] = "life_ns",
		[REC_IN_STATE] = "in_state_ns",
	};

	return names[dur];
}

static bool is_outcome_of(unsigned int outcome, unsigned int type)
{
	switch (type) {
	case SF_EV_OPEN:
		return outcome >= SF_OUT_ESTABLISHED && outcome <= SF_OUT_OVERFLOW;
	case SF_EV_CLOSE:
		/* none: its end was missed, only that it is over is known */
		return outcome == SF_OUT_NONE || outcome == SF_OUT_TIMED_OUT || outcome == SF_OUT_ABORTED ||
		       (outcome >= SF_OUT_FIN && outcome <= SF_OUT_RESET_REMOTE);
	case SF_EV_GONE:
		return outcome >= SF_OUT_TW_TIMER && outcome <= SF_OUT_TW_KILLED;
	default:
		return outcome < __SF_OUT_MAX;
	}
}

static bool makes_sense(const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;

	if (!names__event(ev->type) || !ev->ts || ev->ts > INT64_MAX || !is_outcome_of(ev->outcome, ev->type))
		return false;
	if (ev->type == SF_EV_STAGE && !names__stage(ev->stage))
		return false;
	if (c->family != SF_AF_INET && (c->family != SF_AF_INET6 || c->flags & SF_F_V4MAPPED))
		return false;
	return c->role < __SF_ROLE_MAX && c->source < __SF_SRC_MAX;
}

static void copy_comm(char to[SF_COMM_LEN + 1], const __u8 from[SF_COMM_LEN])
{
	memcpy(to, from, SF_COMM_LEN);
	to[SF_COMM_LEN] = '\0';
}

/* Everything absent but what all records have. */
static void init_record(struct record *r, const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	size_t i;

	*r = (struct record){
		.type = ev->type,
		.outcome = ev->outcome,
		.role = c->role,
		.flags = c->flags,
		.id = c->id,
		.ts = ev->ts,
		.cookie = c->cookie,
		.netns = c->netns,
		.af = c->family,
		.lport = c->lport,
		.rport = c->rport,
		.service_port = sf_service_port(c),
		.owner = {.source = c->source,
			  .pid = c->pid,
			  .tid = c->tid,
			  .uid = c->uid,
			  .start_ns = c->start_ns,
			  .cgroup_id = c->cgroup_id},
		.time_wait = -1,
		.rst_reason = -1,
	};
	memcpy(r->laddr, c->laddr, sizeof(r->laddr));
	memcpy(r->raddr, c->raddr, sizeof(r->raddr));
	copy_comm(r->owner.comm, c->comm);
	for (i = 0; i < __REC_DUR_MAX; i++)
		r->dur[i] = SF_ABSENT;
	for (i = 0; i <= SF_ST_ACCEPT; i++)
		r->stage_ns[i] = SF_ABSENT;
#define SET_ABSENT(name) r->name = SF_ABSENT;
	RECORD_NUMBERS(SET_ABSENT)
#undef SET_ABSENT
}

/* What derive.h knows of: the record it fills. */
struct sf_sink {
	struct record *rec;
};

/* Stamps of garbage beyond the range of the type count as backwards too. */
static int64_t measure(struct record *r, uint64_t from, uint64_t to, enum sf_certainty certainty)
{
	enum sf_verdict v = sf_duration(from, to, certainty);

	if (v == SF_KNOWN && to <= INT64_MAX)
		return (int64_t)(to - from);
	if (v != SF_UNKNOWN)
		r->backwards++;
	return SF_ABSENT;
}

SF_INLINE void sf_measured(struct sf_sink *sink, enum record_dur dur, __u64 from, __u64 to,
			   enum sf_certainty certainty)
{
	struct record *r = sink->rec;

	r->dur[dur] = measure(r, from, to, certainty);
	if (certainty != SF_EXACT && r->dur[dur] != SF_ABSENT)
		r->at_least |= 1U << dur;
}

static void set_stages(struct record *r, const struct sf_conn *c)
{
	unsigned int first = SF_ST_CONNECT, i;

	while (first < SF_ST_ACCEPT && !sf_stage_ts(c, &c->opening, first))
		first++;
	for (i = first; i <= SF_ST_ACCEPT; i++)
		r->stage_ns[i] = measure(r, sf_stage_ts(c, &c->opening, first),
					 sf_stage_ts(c, &c->opening, i), SF_EXACT);
}

/* What is known of a handshake, ended or not, but its durations. */
static void decode_opening(struct record *r, const struct sf_conn *c)
{
	const struct sf_opening *o = &c->opening;

	set_stages(r, c);
	if (c->role != SF_ROLE_SERVER)
		r->syn_retrans = c->syn_retrans;
	if (sf_knows_synack_retrans(c, o))
		r->synack_retrans = c->synack_retrans;
	if (o->seqs_known) {
		r->isn = o->isn;
		r->peer_isn = o->peer_isn;
	}
	if (c->role != SF_ROLE_CLIENT && o->backlog_known) {
		r->backlog_len = o->backlog_len;
		r->backlog_max = o->backlog_max;
	}
}

static void decode_open(struct record *r, const struct sf_event *ev)
{
	struct sf_sink sink = {r};

	decode_opening(r, &ev->conn);
	if (ev->outcome == SF_OUT_SYN_DROPPED)
		r->syn_retrans = ev->conn.syn_retrans;
	sf_derive_open(&sink, &ev->conn, &ev->conn.opening, ev->outcome, ev->ts);
	r->error = ev->conn.error;
}

static void decode_accept(struct record *r, const struct sf_event *ev)
{
	struct sf_sink sink = {r};

	sf_derive_accept(&sink, &ev->conn, ev->ts);
}

/* Counters of the socket; garbage beyond the range of the type is not passed on. */
static int64_t to_count(uint64_t value)
{
	return value > INT64_MAX ? SF_ABSENT : (int64_t)value;
}

/* Not of a minisock whose full socket was gone before the tracer came. */
static void decode_numbers(struct record *r, const struct sf_conn *c)
{
	const struct sf_closing *cl = &c->closing;

	if (!(c->flags & SF_F_SOCK_GONE))
		return;
	r->retrans = cl->retrans;
	if (cl->srtt_us)
		r->srtt_ns = (int64_t)cl->srtt_us * 1000;
	/* With a transition missed it is not known whether our FIN is among what was acknowledged; nor is our SYN, of which an
	 * opener's numbers count it, where the role is not known. */
	if (!(c->flags & SF_F_GAP) && c->role != SF_ROLE_NONE)
		r->bytes_sent = to_count(cl->bytes_sent);
	r->bytes_received = to_count(cl->bytes_received);
}

static void decode_close(struct record *r, const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	const struct sf_closing *cl = &c->closing;
	struct record_path path = sf_path(c, ev->outcome, ev->ts);
	struct sf_sink sink = {r};

	r->closed_by = sf_closed_by(c, ev->outcome, &path);
	sf_derive_close(&sink, c, ev->outcome, ev->ts, &path);
	if (c->flags & SF_F_TIME_WAIT)
		r->time_wait = 1;
	else if (!(c->flags & SF_F_TW_BLIND) && ev->outcome != SF_OUT_NONE)
		r->time_wait = 0;
	r->error = c->error;
	if (cl->rst_reason)
		r->rst_reason = cl->rst_reason - 1;
	r->fin_retrans = c->fin_retrans;
	decode_numbers(r, c);
	r->closer_pid = cl->closer_pid;
	copy_comm(r->closer_comm, cl->closer_comm);
}

static void decode_gone(struct record *r, const struct sf_event *ev)
{
	struct sf_sink sink = {r};

	sf_derive_gone(&sink, &ev->conn, ev->outcome, ev->ts);
}

/* When it came into its present state; 0: not known. */
static uint64_t entered_state(const struct sf_conn *c)
{
	const struct sf_closing *cl = &c->closing;

	switch (c->state) {
	case TCP_SYN_SENT:
		return c->opening.syn_ts ? c->opening.syn_ts : c->opening.connect_ts;
	case TCP_SYN_RECV:
	case STATE_NEW_SYN_RECV:
		return c->opening.syn_ts ? c->opening.syn_ts : c->opening.synack_ts;
	case TCP_ESTABLISHED:
		return c->est_ts;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		return cl->fin_sent_ts;
	case TCP_FIN_WAIT2:
		return cl->fin_acked_ts;
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
		return cl->fin_rcvd_ts;
	case TCP_TIME_WAIT:
		return sf_time_wait_ts(cl);
	}
	return 0;
}

/* The stages and states so far. What began before the tracer came is a lower bound. */
static void decode_alive(struct record *r, const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	struct record_path path = {.est_ts = c->est_ts, .end_ts = ev->ts};
	uint64_t entered = entered_state(c);
	struct sf_sink sink = {r};

	r->state = c->state == STATE_NEW_SYN_RECV ? TCP_SYN_RECV : c->state;
	sf_measured(&sink, REC_IN_STATE, entered, ev->ts,
		    sf_certain(c->flags & SF_F_LATE && (!c->est_ts || entered == c->est_ts)));
	if (!(c->flags & SF_F_CLOSING) && !(c->flags & SF_F_LATE && c->est_ts)) {
		decode_opening(r, c);
		sf_derive_handshake(&sink, c, &c->opening);
		sf_derive_port_search(&sink, c, &c->opening);
	}
	if (!c->est_ts || c->flags & SF_F_TIME_WAIT)
		return;
	if (c->flags & SF_F_CLOSING)
		path = sf_path(c, ev->outcome, ev->ts);
	sf_derive_states(&sink, c, &path, false);
	sf_measure_of(&sink, c, REC_LIFE, c->est_ts, ev->ts, false);
}

static void decode_stage(struct record *r, const struct sf_event *ev)
{
	r->stage = ev->stage;
	r->stage_retrans = ev->retrans != 0;
	if (ev->known & SF_K_SEQ)
		r->seq = ev->seq;
	if (ev->known & SF_K_ACK)
		r->ack = ev->ack;
}

int record__decode(const void *data, size_t sz, struct record *ret_rec)
{
	struct sf_event ev;

	if (sz != sizeof(ev))
		return -EINVAL;
	memcpy(&ev, data, sizeof(ev));
	if (!makes_sense(&ev))
		return -EPROTO;
	init_record(ret_rec, &ev);
	switch (ret_rec->type) {
	case SF_EV_OPEN:
		decode_open(ret_rec, &ev);
		break;
	case SF_EV_ACCEPT:
		decode_accept(ret_rec, &ev);
		break;
	case SF_EV_CLOSE:
		decode_close(ret_rec, &ev);
		break;
	case SF_EV_GONE:
		decode_gone(ret_rec, &ev);
		break;
	case SF_EV_STAGE:
		decode_stage(ret_rec, &ev);
		break;
	case SF_EV_ALIVE:
		decode_alive(ret_rec, &ev);
		break;
	default:
		return -EPROTO;
	}
	return 0;
}
