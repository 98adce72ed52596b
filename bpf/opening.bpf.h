/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The common part of active and passive opens: RFC 9293 section 3.5 as Linux does it. One body per event;
 * the hooks that call them are in synfin.bpf.c.
 */
#ifndef SYNFIN_OPENING_BPF_H
#define SYNFIN_OPENING_BPF_H

#include "accept.bpf.h"
#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "synfin.h"
#include "tell.bpf.h"

/* accept() returns a child of TCP Fast Open even if it died before its final ACK. */
static __always_inline bool may_be_accepted(const struct sf_conn *c, enum sf_outcome outcome)
{
	return outcome == SF_OUT_ESTABLISHED || c->flags & SF_F_FASTOPEN;
}

/*
 * Writes `open`, or parks it until the verdict. False: it is not wanted (--min-handshake), and the caller
 * leaves it.
 */
static __always_inline bool write_open(const void *object, struct sf_conn *c, enum sf_outcome outcome,
				       __u64 ts)
{
	if (c->flags & SF_F_OPENED)
		return true;
	if (c->flags & SF_F_PENDING) {
		if (c->role == SF_ROLE_SERVER && may_be_accepted(c, outcome))
			park_open(object, c, outcome, ts);
		return true;
	}
	if (!count_open(c, &c->opening, outcome))
		return false;
	if (!wants_outcome(outcome))
		c->flags |= SF_F_NO_OPEN;
	if (READ_ONCE(c->accept_ts) & SF_ACC_LOOKED)
		c->flags |= SF_F_EARLY;
	if (!(c->flags & SF_F_NO_OPEN))
		emit(object, SF_EV_OPEN, outcome, ts);
	publish(c, SF_F_OPENED);
	if (c->role == SF_ROLE_SERVER && !(c->flags & SF_F_EARLY))
		look_at_accept(object, c, SF_ACC_SAW_OPEN);
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
	if (c->role == SF_ROLE_CLIENT && !c->opening.syn_ts && !(c->flags & SF_F_LATE))
		return SF_OUT_NO_PORT;
	return SF_OUT_ABORTED;
}

#endif
