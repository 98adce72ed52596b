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
	int64_t *const absent[] = {&r->syn_retrans, &r->synack_retrans, &r->isn,
				   &r->peer_isn,    &r->backlog_len,	&r->backlog_max,
				   &r->fin_retrans, &r->retrans,	&r->srtt_ns,
				   &r->bytes_sent,  &r->bytes_received, &r->seq,
				   &r->ack};
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
		.owner = {.source = c->source,
			  .pid = c->pid,
			  .tid = c->tid,
			  .uid = c->uid,
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
	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		*absent[i] = SF_ABSENT;
}

/* Either stamp may be 0, not known. Stamps of garbage beyond the range of the type count as backwards. */
static int64_t measure(struct record *r, uint64_t from, uint64_t to)
{
	if (!from || !to)
		return SF_ABSENT;
	if (to < from || to > INT64_MAX) {
		r->backwards++;
		return SF_ABSENT;
	}
	return (int64_t)(to - from);
}

/* A late connection was first seen at est_ts: what begins there began earlier, what ends there was not seen.
 */
static void set_dur(struct record *r, const struct sf_conn *c, enum record_dur dur, uint64_t from,
		    uint64_t to)
{
	bool at_first_sight = c->flags & SF_F_LATE && from == c->est_ts;

	if (at_first_sight && to == from)
		return;
	r->dur[dur] = measure(r, from, to);
	if (at_first_sight && r->dur[dur] != SF_ABSENT)
		r->at_least |= 1U << dur;
}

static void mark_lower_bound(struct record *r, enum record_dur dur)
{
	if (r->dur[dur] != SF_ABSENT)
		r->at_least |= 1U << dur;
}

static void set_stages(struct record *r, const uint64_t ts[SF_ST_ACCEPT + 1])
{
	unsigned int first = SF_ST_CONNECT, i;

	while (first < SF_ST_ACCEPT && !ts[first])
		first++;
	for (i = first; i <= SF_ST_ACCEPT; i++)
		r->stage_ns[i] = measure(r, ts[first], ts[i]);
}

/* The stages of the handshake that are over. */
static void decode_opening(struct record *r, const struct sf_conn *c)
{
	const struct sf_opening *o = &c->opening;
	bool has_request = !(c->flags & SF_F_SYNCOOKIE); /* a cookie is answered and forgotten */
	uint64_t syn_ts = has_request ? o->syn_ts : 0;
	const uint64_t stages[] = {0,	      o->connect_ts, syn_ts, has_request ? o->synack_ts : 0,
				   c->est_ts, o->accept_ts};

	set_stages(r, stages);
	if (c->est_ts)
		r->dur[REC_HANDSHAKE] = measure(r, syn_ts, c->est_ts);
	/* connect_ts stands in for a first SYN whose stamp is gone, and says nothing of the search. */
	if (c->role != SF_ROLE_SERVER && !c->syn_retrans && syn_ts != o->connect_ts)
		r->dur[REC_PORT_SEARCH] = measure(r, o->connect_ts, syn_ts);
	if (c->role != SF_ROLE_SERVER)
		r->syn_retrans = c->syn_retrans;
	/* Only of requests; none was seen where a cookie, TCP Fast Open or a dropped SYN left none. */
	if (c->role == SF_ROLE_SERVER && has_request && o->seqs_known)
		r->synack_retrans = c->synack_retrans;
	if (o->seqs_known) {
		r->isn = o->isn;
		r->peer_isn = o->peer_isn;
	}
	if (c->role != SF_ROLE_CLIENT && o->backlog_known) {
		r->backlog_len = o->backlog_len;
		r->backlog_max = o->backlog_max;
	}
	if (c->flags & SF_F_LATE) {
		mark_lower_bound(r, REC_HANDSHAKE);
		mark_lower_bound(r, REC_PORT_SEARCH);
	}
}

static void decode_open(struct record *r, const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	const struct sf_opening *o = &c->opening;

	decode_opening(r, c);
	if (ev->outcome != SF_OUT_ESTABLISHED) {
		r->dur[REC_HANDSHAKE] = SF_ABSENT;
		if (ev->outcome != SF_OUT_SYN_DROPPED) /* its SYN is its verdict */
			r->dur[REC_ATTEMPT] = measure(r, c->flags & SF_F_SYNCOOKIE ? 0 : o->syn_ts, ev->ts);
		if (c->flags & SF_F_LATE)
			mark_lower_bound(r, REC_ATTEMPT);
	}
	/* With TCP Fast Open accept() may return first: that wait began at the SYN, it has no measure here.
	 */
	if (o->accept_ts >= c->est_ts)
		set_dur(r, c, REC_ACCEPT_WAIT, c->est_ts, o->accept_ts);
	r->error = c->error;
}

static void decode_accept(struct record *r, const struct sf_event *ev)
{
	if (!ev->accept_ns)
		return;
	if (ev->accept_ns > INT64_MAX) {
		r->backwards++;
		return;
	}
	r->dur[REC_ACCEPT_WAIT] = (int64_t)ev->accept_ns;
	if (ev->conn.flags & SF_F_LATE)
		mark_lower_bound(r, REC_ACCEPT_WAIT);
}

/* The flags are set from the transition itself; the stamps only help where a flag is missing. */
static enum record_side find_closer(const struct sf_event *ev, const struct record_path *path)
{
	uint32_t rst = ev->conn.flags & (SF_F_RST_IN | SF_F_RST_OUT);

	if (ev->conn.flags & SF_F_SIM_CLOSE)
		return REC_SIDE_BOTH;
	if (ev->conn.flags & SF_F_FIN_SENT_1ST)
		return REC_SIDE_LOCAL;
	if (ev->conn.flags & SF_F_FIN_RCVD_1ST || path->rcvd_first)
		return REC_SIDE_REMOTE;
	if (path->fin_sent_ts)
		return REC_SIDE_LOCAL;
	if (ev->outcome == SF_OUT_RESET_LOCAL || rst == SF_F_RST_OUT)
		return REC_SIDE_LOCAL;
	if (ev->outcome == SF_OUT_RESET_REMOTE || rst == SF_F_RST_IN)
		return REC_SIDE_REMOTE;
	return REC_SIDE_UNKNOWN;
}

static struct record_path find_path(const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	struct record_path path = {
		.est_ts = c->est_ts,
		.fin_sent_ts = c->closing.fin_sent_ts,
		.fin_acked_ts = c->closing.fin_acked_ts,
		.fin_rcvd_ts = c->closing.fin_rcvd_ts,
		.end_ts = ev->ts,
	};

	if (path.fin_rcvd_ts && path.fin_sent_ts)
		path.rcvd_first =
			c->flags & SF_F_FIN_RCVD_1ST || (!(c->flags & (SF_F_FIN_SENT_1ST | SF_F_SIM_CLOSE)) &&
							 path.fin_rcvd_ts < path.fin_sent_ts);
	else
		path.rcvd_first = path.fin_rcvd_ts != 0;

	/* One segment with the ACK of our FIN and the peer's FIN leads from FIN_WAIT1 straight to TIME_WAIT.
	 */
	if (ev->outcome == SF_OUT_FIN && !path.rcvd_first && !path.fin_acked_ts &&
	    !(c->flags & SF_F_SIM_CLOSE))
		path.fin_acked_ts = path.fin_rcvd_ts;
	return path;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/*
 * RFC 9293, figure 5. Any state may be the last one, by a reset, a timeout or an abort: it then lasts to
 * the end. An acknowledged FIN whose sending was not seen leaves the states before it without bounds.
 */
void record__spans(const struct record_path *path, struct record_span span[__REC_DUR_MAX])
{
	uint64_t sent = path->fin_sent_ts, acked = path->fin_acked_ts, rcvd = path->fin_rcvd_ts;
	uint64_t sent_or_end = sent || acked ? sent : path->end_ts;

	memset(span, 0, sizeof(*span) * __REC_DUR_MAX);
	if (path->rcvd_first) {
		span[REC_ESTABLISHED] = (struct record_span){path->est_ts, rcvd};
		span[REC_CLOSE_WAIT] = (struct record_span){rcvd, sent_or_end};
		span[REC_LAST_ACK] = (struct record_span){sent, path->end_ts};
		return;
	}
	span[REC_ESTABLISHED] = (struct record_span){path->est_ts, sent_or_end};
	if (acked || rcvd)
		span[REC_FIN_WAIT1] = (struct record_span){sent, earliest(acked, rcvd)};
	else
		span[REC_FIN_WAIT1] = (struct record_span){sent, path->end_ts};
	if (acked && (!rcvd || acked < rcvd))
		span[REC_FIN_WAIT2] = (struct record_span){acked, rcvd ? rcvd : path->end_ts};
	if (rcvd && (!acked || rcvd < acked))
		span[REC_CLOSING] = (struct record_span){rcvd, acked ? acked : path->end_ts};
}

static void set_states(struct record *r, const struct sf_conn *c, const struct record_path *path)
{
	struct record_span span[__REC_DUR_MAX];
	unsigned int i;

	if (c->flags & SF_F_GAP)
		return;
	record__spans(path, span);
	for (i = REC_ESTABLISHED; i <= REC_LAST_ACK; i++)
		set_dur(r, c, i, span[i].from, span[i].to);
}

static void set_close_durations(struct record *r, const struct sf_event *ev, const struct record_path *path)
{
	const struct sf_conn *c = &ev->conn;
	uint64_t first = path->rcvd_first ? path->fin_rcvd_ts : path->fin_sent_ts;
	uint64_t second = path->rcvd_first ? path->fin_sent_ts : path->fin_rcvd_ts;

	if (ev->outcome != SF_OUT_NONE) /* else ev->ts is when its socket went, not when it ended */
		set_dur(r, c, REC_LIFE, path->est_ts, ev->ts);
	set_states(r, c, path);
	if (!(c->flags & SF_F_GAP)) {
		set_dur(r, c, REC_HALF_CLOSE, first, second ? second : ev->ts);
		set_dur(r, c, REC_CLOSE, first, ev->ts);
	}
	if (c->flags & SF_F_TW_BLIND) {
		mark_lower_bound(r, REC_LIFE);
		mark_lower_bound(r, REC_CLOSE);
		if (!path->fin_rcvd_ts) {
			mark_lower_bound(r, REC_FIN_WAIT2);
			mark_lower_bound(r, REC_HALF_CLOSE);
		}
	}
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
	struct record_path path = find_path(ev);

	r->closed_by = find_closer(ev, &path);
	set_close_durations(r, ev, &path);
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

/*
 * TIME_WAIT begins with the later of the peer's FIN and the ACK of ours (CLOSING); never without the FIN. One
 * for which there was no room was none.
 */
static void decode_gone(struct record *r, const struct sf_event *ev)
{
	const struct sf_closing *cl = &ev->conn.closing;
	uint64_t begin = cl->fin_rcvd_ts > cl->fin_acked_ts ? cl->fin_rcvd_ts : cl->fin_acked_ts;

	if (cl->fin_rcvd_ts && ev->outcome != SF_OUT_TW_OVERFLOW && !(ev->conn.flags & SF_F_TW_BLIND))
		set_dur(r, &ev->conn, REC_TIME_WAIT, begin, ev->ts);
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
		return cl->fin_rcvd_ts > cl->fin_acked_ts ? cl->fin_rcvd_ts : cl->fin_acked_ts;
	}
	return 0;
}

/* The stages and states so far. What began before the tracer came is a lower bound. */
static void decode_alive(struct record *r, const struct sf_event *ev)
{
	const struct sf_conn *c = &ev->conn;
	uint64_t entered = entered_state(c);
	struct record_path path;

	r->state = c->state == STATE_NEW_SYN_RECV ? TCP_SYN_RECV : c->state;
	r->dur[REC_IN_STATE] = measure(r, entered, ev->ts);
	if (c->flags & SF_F_LATE && (!c->est_ts || entered == c->est_ts))
		mark_lower_bound(r, REC_IN_STATE);
	if (!(c->flags & SF_F_CLOSING) && !(c->flags & SF_F_LATE && c->est_ts))
		decode_opening(r, c);
	if (!c->est_ts || c->flags & SF_F_TIME_WAIT)
		return;
	path = (struct record_path){.est_ts = c->est_ts, .end_ts = ev->ts};
	if (c->flags & SF_F_CLOSING)
		path = find_path(ev);
	set_states(r, c, &path);
	set_dur(r, c, REC_LIFE, c->est_ts, ev->ts);
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
