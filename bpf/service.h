/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which port of a connection is the service's, for the kernel and the C side. */
#ifndef SYNFIN_SERVICE_H
#define SYNFIN_SERVICE_H

#include "synfin.h"

/* A condition decided here costs the BPF side nothing: all arguments are constants once inlined. */
#define SF_INLINE static inline __attribute__((always_inline))

/*
 * The port of the listener, or the port that was asked for there: the same at both ends of a connection. The
 * side that opened the connection by connect(), even if another SYN crossed its own, has it at the other end.
 * 0: not known, because the role is not known.
 */
SF_INLINE __u16 sf_service_port(const struct sf_conn *c)
{
	if (c->role == SF_ROLE_NONE)
		return 0;
	return c->role == SF_ROLE_SERVER ? c->lport : c->rport;
}

#endif
