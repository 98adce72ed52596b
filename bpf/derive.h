/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one derivation, for the kernel and the C side: which durations follow from the stamps of a connection,
 * and which of them are lower bounds. A line, a histogram and a metric cannot disagree.
 *
 * Durations are passed on one by one, never stored here. The includer defines sf_measured(), which is called
 * at most once for each duration of a record. Whether both ends are known and in order is decided there
 * (sf_duration()), because a BPF verifier that follows every branch to the end should meet few here.
 */
#ifndef SYNFIN_DERIVE_H
#define SYNFIN_DERIVE_H

#include "durations.h"
#include "service.h"
#include "synfin.h"

/* The certainty of a duration, besides its ends. */
enum sf_certainty {
	SF_EXACT = 0,
	SF_AT_LEAST = 1,    /* a lower bound */
	SF_FIRST_SIGHT = 2, /* the same, from the tracer's start: if it also ended then, it was not seen */
};

struct sf_sink; /* the includer's */
SF_INLINE void sf_measured(struct sf_sink *sink, enum record_dur dur, __u64 from, __u64 to,
			   enum sf_certainty certainty);

/* The verdict on an interval. Stamps come from different CPUs and may be a little out of order. */
enum sf_verdict { SF_UNKNOWN, SF_BACKWARDS, SF_KNOWN };

SF_INLINE enum sf_verdict sf_duration(__u64 from, __u64 to, enum sf_certainty certainty)
{
	if (!from || !to || (certainty == SF_FIRST_SIGHT && from == to))
		return SF_UNKNOWN;
	return to < from ? SF_BACKWARDS : SF_KNOWN;
}

SF_INLINE enum sf_certainty sf_certain(bool at_least)
{
	return at_least ? SF_AT_LEAST : SF_EXACT;
}

/* An interval of a connection. A late one was first seen at est_ts. */
SF_INLINE void sf_measure_of(struct sf_sink *sink, const struct sf_conn *c, enum record_dur dur, __u64 from,
			     __u64 to, bool at_least)
{
	bool at_first_sight = c->flags & SF_F_LATE && from == c->est_ts;

	sf_measured(sink, dur, from, to, at_first_sight ? SF_FIRST_SIGHT : sf_certain(at_least));
}

/* --- open --------------------------------------------------------------------------------------------- */

/* A SYN cookie is answered and forgotten. */
SF_INLINE bool sf_has_request(const struct sf_conn *c)
{
	return !(c->flags & SF_F_SYNCOOKIE);
}

/*
 * The time of each stage of the handshake, by enum sf_stage up to SF_ST_ACCEPT; 0: not known. `o` is the
 * opening of `c`, or was.
 */
SF_INLINE __u64 sf_stage_ts(const struct sf_conn *c, const struct sf_opening *o, enum sf_stage stage)
{
	switch (stage) {
	case SF_ST_CONNECT:
		return o->connect_ts;
	case SF_ST_SYN:
		return sf_has_request(c) && !o->syn_assumed ? o->syn_ts : 0;
	case SF_ST_SYNACK:
		return sf_has_request(c) ? o->synack_ts : 0;
	case SF_ST_ESTABLISHED:
		return c->est_ts;
	case SF_ST_ACCEPT:
		return c->flags & SF_F_EARLY ? c->accept_ts & ~(__u64)SF_ACC_BITS : 0;
	default:
		return 0;
	}
}

/* If connect_ts stands in for a first SYN whose stamp is gone, it says nothing about the port search. */
SF_INLINE bool sf_knows_port_search(const struct sf_conn *c, const struct sf_opening *o)
{
	return c->role != SF_ROLE_SERVER && !c->syn_retrans && o->syn_ts != o->connect_ts;
}

SF_INLINE void sf_derive_port_search(struct sf_sink *sink, const struct sf_conn *c,
				     const struct sf_opening *o)
{
	if (sf_knows_port_search(c, o))
		sf_measured(sink, REC_PORT_SEARCH, o->connect_ts, sf_stage_ts(c, o, SF_ST_SYN),
			    sf_certain(c->flags & SF_F_LATE));
}

/* Only requests count the repeats; a cookie, TCP Fast Open or a dropped SYN left no request. */
SF_INLINE bool sf_knows_synack_retrans(const struct sf_conn *c, const struct sf_opening *o)
{
	return c->role == SF_ROLE_SERVER && sf_has_request(c) && o->seqs_known;
}

/* When the handshake began. */
SF_INLINE __u64 sf_handshake_ts(const struct sf_conn *c, const struct sf_opening *o)
{
	return sf_has_request(c) ? o->syn_ts : 0;
}

SF_INLINE void sf_derive_handshake(struct sf_sink *sink, const struct sf_conn *c, const struct sf_opening *o)
{
	sf_measured(sink, REC_HANDSHAKE, sf_handshake_ts(c, o), c->est_ts, sf_certain(c->flags & SF_F_LATE));
}

/*
 * accept() returned at `ts`. A child is in the accept queue just before it becomes ESTABLISHED, so that
 * accept() may be faster; the child has then not waited. With TCP Fast Open accept() may return long before:
 * that wait began at the SYN and is not measured here.
 */
SF_INLINE void sf_derive_accept(struct sf_sink *sink, const struct sf_conn *c, __u64 ts)
{
	bool is_first = ts < c->est_ts;

	if (!(is_first && c->flags & SF_F_FASTOPEN))
		sf_measured(sink, REC_ACCEPT_WAIT, is_first ? ts : c->est_ts, ts,
			    sf_certain(c->flags & SF_F_LATE));
}

SF_INLINE void sf_derive_open(struct sf_sink *sink, const struct sf_conn *c, const struct sf_opening *o,
			      enum sf_outcome outcome, __u64 ts)
{
	if (outcome == SF_OUT_ESTABLISHED)
		sf_derive_handshake(sink, c, o);
	else if (outcome != SF_OUT_SYN_DROPPED) /* it ends with its SYN */
		sf_measured(sink, REC_ATTEMPT, sf_handshake_ts(c, o), ts, sf_certain(c->flags & SF_F_LATE));
	sf_derive_port_search(sink, c, o);
	if (c->flags & SF_F_EARLY)
		sf_derive_accept(sink, c, sf_stage_ts(c, o, SF_ST_ACCEPT));
}

/* --- close -------------------------------------------------------------------------------------------- */

/* The instants from which the states of a closing connection follow; 0 where it did not happen. */
struct record_path {
	__u64 est_ts;
	__u64 fin_sent_ts;
	__u64 fin_acked_ts;
	__u64 fin_rcvd_ts;
	__u64 end_ts;
	bool rcvd_first; /* fin_rcvd_ts is set, and was before fin_sent_ts, if that is set */
};

/* An interval of a path; either end 0: the state was never entered, or that end is not known. */
struct record_span {
	__u64 from;
	__u64 to;
};

SF_INLINE struct record_path sf_path(const struct sf_conn *c, enum sf_outcome outcome, __u64 ts)
{
	struct record_path path = {
		.est_ts = c->est_ts,
		.fin_sent_ts = c->closing.fin_sent_ts,
		.fin_acked_ts = c->closing.fin_acked_ts,
		.fin_rcvd_ts = c->closing.fin_rcvd_ts,
		.end_ts = ts,
	};

	if (path.fin_rcvd_ts && path.fin_sent_ts)
		path.rcvd_first =
			c->flags & SF_F_FIN_RCVD_1ST || (!(c->flags & (SF_F_FIN_SENT_1ST | SF_F_SIM_CLOSE)) &&
							 path.fin_rcvd_ts < path.fin_sent_ts);
	else
		path.rcvd_first = path.fin_rcvd_ts != 0;

	/*
	 * One segment with the ACK of our FIN and the peer's FIN leads from FIN_WAIT1 straight to TIME_WAIT.
	 */
	if (outcome == SF_OUT_FIN && !path.rcvd_first && !path.fin_acked_ts && !(c->flags & SF_F_SIM_CLOSE))
		path.fin_acked_ts = path.fin_rcvd_ts;
	return path;
}

/* The flags are set from the transition itself; the stamps only help where a flag is missing. */
SF_INLINE enum record_side sf_closed_by(const struct sf_conn *c, enum sf_outcome outcome,
					const struct record_path *path)
{
	__u32 rst = c->flags & (SF_F_RST_IN | SF_F_RST_OUT);

	if (c->flags & SF_F_SIM_CLOSE)
		return REC_SIDE_BOTH;
	if (c->flags & SF_F_FIN_SENT_1ST)
		return REC_SIDE_LOCAL;
	if (c->flags & SF_F_FIN_RCVD_1ST || path->rcvd_first)
		return REC_SIDE_REMOTE;
	if (path->fin_sent_ts)
		return REC_SIDE_LOCAL;
	if (outcome == SF_OUT_RESET_LOCAL || rst == SF_F_RST_OUT)
		return REC_SIDE_LOCAL;
	if (outcome == SF_OUT_RESET_REMOTE || rst == SF_F_RST_IN)
		return REC_SIDE_REMOTE;
	return REC_SIDE_UNKNOWN;
}

SF_INLINE struct record_span sf_span_if(bool entered, __u64 from, __u64 to)
{
	return entered ? (struct record_span){from, to} : (struct record_span){0, 0};
}

/*
 * When the connection was in one of REC_ESTABLISHED ... REC_LAST_ACK (RFC 9293, figure 5). Any state may be
 * the last one, by a reset, a timeout or an abort; it then lasts to the end. An acknowledged FIN whose
 * sending was not seen leaves the states before it without bounds.
 */
SF_INLINE struct record_span sf_span(const struct record_path *p, enum record_dur state)
{
	__u64 sent = p->fin_sent_ts, acked = p->fin_acked_ts, rcvd = p->fin_rcvd_ts, end = p->end_ts;
	__u64 sent_or_end = sent || acked ? sent : end;
	__u64 first = !acked || (rcvd && rcvd < acked) ? rcvd : acked;
	bool passive = p->rcvd_first;

	switch (state) {
	case REC_ESTABLISHED:
		return sf_span_if(true, p->est_ts, passive ? rcvd : sent_or_end);
	case REC_CLOSE_WAIT:
		return sf_span_if(passive, rcvd, sent_or_end);
	case REC_LAST_ACK:
		return sf_span_if(passive, sent, end);
	case REC_FIN_WAIT1:
		return sf_span_if(!passive, sent, first ? first : end);
	case REC_FIN_WAIT2:
		return sf_span_if(!passive && acked && (!rcvd || acked < rcvd), acked, rcvd ? rcvd : end);
	case REC_CLOSING:
		return sf_span_if(!passive && rcvd && (!acked || rcvd < acked), rcvd, acked ? acked : end);
	default:
		return sf_span_if(false, 0, 0);
	}
}

SF_INLINE void sf_derive_state(struct sf_sink *sink, const struct sf_conn *c, const struct record_path *path,
			       enum record_dur state, bool at_least)
{
	struct record_span span = sf_span(path, state);

	sf_measure_of(sink, c, state, span.from, span.to, at_least);
}

SF_INLINE void sf_derive_states(struct sf_sink *sink, const struct sf_conn *c, const struct record_path *path,
				bool end_is_bound)
{
	if (c->flags & SF_F_GAP)
		return;
	sf_derive_state(sink, c, path, REC_ESTABLISHED, false);
	if (path->rcvd_first) {
		sf_derive_state(sink, c, path, REC_CLOSE_WAIT, false);
		sf_derive_state(sink, c, path, REC_LAST_ACK, false);
		return;
	}
	sf_derive_state(sink, c, path, REC_FIN_WAIT1, false);
	sf_derive_state(sink, c, path, REC_FIN_WAIT2, end_is_bound && !path->fin_rcvd_ts);
	sf_derive_state(sink, c, path, REC_CLOSING, false);
}

/* With SF_OUT_NONE `ts` is when the socket went, not when the connection ended. */
SF_INLINE void sf_derive_close(struct sf_sink *sink, const struct sf_conn *c, enum sf_outcome outcome,
			       __u64 ts, const struct record_path *path)
{
	__u64 first = path->rcvd_first ? path->fin_rcvd_ts : path->fin_sent_ts;
	__u64 second = path->rcvd_first ? path->fin_sent_ts : path->fin_rcvd_ts;
	bool blind = c->flags & SF_F_TW_BLIND;

	if (outcome != SF_OUT_NONE)
		sf_measure_of(sink, c, REC_LIFE, path->est_ts, ts, blind);
	sf_derive_states(sink, c, path, blind);
	if (c->flags & SF_F_GAP)
		return;
	sf_measure_of(sink, c, REC_HALF_CLOSE, first, second ? second : ts, blind && !path->fin_rcvd_ts);
	sf_measure_of(sink, c, REC_CLOSE, first, ts, blind);
}

/* --- gone --------------------------------------------------------------------------------------------- */

/* TIME_WAIT begins with the later of the peer's FIN and the ACK of ours (CLOSING); never without the FIN. */
SF_INLINE __u64 sf_time_wait_ts(const struct sf_closing *cl)
{
	if (!cl->fin_rcvd_ts)
		return 0;
	return cl->fin_rcvd_ts > cl->fin_acked_ts ? cl->fin_rcvd_ts : cl->fin_acked_ts;
}

/* A TIME_WAIT for which there was no room has no duration. */
SF_INLINE void sf_derive_gone(struct sf_sink *sink, const struct sf_conn *c, enum sf_outcome outcome,
			      __u64 ts)
{
	if (outcome != SF_OUT_TW_OVERFLOW && !(c->flags & SF_F_TW_BLIND))
		sf_measure_of(sink, c, REC_TIME_WAIT, sf_time_wait_ts(&c->closing), ts, false);
}

#endif
