/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What active and passive opens have in common: RFC 9293 section 3.5 as Linux does it. One body per event; the hooks that
 * call them are in synfin.bpf.c.
 */
#ifndef SYNFIN_OPENING_BPF_H
#define SYNFIN_OPENING_BPF_H

/* The handshake has ended, and `o` tells of it. False: it is not wanted (--min-handshake), and the caller forgets it. */
static __always_inline bool count_open(struct sf_conn *c, const struct sf_opening *o, enum sf_outcome outcome)
{
	if (!wants_handshake(c, o, outcome)) {
		uncount_tried(c);
		return false;
	}
	count(outcome == SF_OUT_ESTABLISHED ? SF_CNT_OPENED : SF_CNT_FAILED);
	__sync_fetch_and_add(&c->flags, wants_outcome(outcome) ? SF_F_OPENED : SF_F_OPENED | SF_F_NO_OPEN);
	return true;
}

/* Writes `open`, or keeps it for the verdict. False: as above. */
static __always_inline bool write_open(const void *object, struct sf_conn *c, enum sf_outcome outcome,
				       __u64 ts)
{
	if (c->flags & (SF_F_PENDING | SF_F_OPENED))
		return true;
	if (!count_open(c, &c->opening, outcome))
		return false;
	if (!(c->flags & SF_F_NO_OPEN))
		emit(object, SF_EV_OPEN, outcome, ts);
	return true;
}

/* sk_err was set from the RST or the ICMP error by tcp_reset() or tcp_v4_err(), or by the timer. */
static __always_inline enum sf_outcome failed_outcome(const struct sf_conn *c)
{
	switch (c->error) {
	case ECONNREFUSED:
		return SF_OUT_REFUSED;
	case ETIMEDOUT:
		return SF_OUT_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return SF_OUT_RESET;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENOPROTOOPT:
	case EPROTO:
	case EACCES:
	case EMSGSIZE:
		return SF_OUT_UNREACHABLE;
	}
	/* connect() failed before it had a port: inet_hash_connect() found none (EADDRNOTAVAIL). */
	if (c->role == SF_ROLE_CLIENT && !c->opening.syn_ts)
		return SF_OUT_NO_PORT;
	return SF_OUT_ABORTED;
}

#endif
