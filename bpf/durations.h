/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The durations of a connection, and who closed it: words of the kernel and the C side. derive.h derives
 * them.
 */
#ifndef SYNFIN_DURATIONS_H
#define SYNFIN_DURATIONS_H

/* The durations; the comment names the interval. The JSON field is record__dur_name(). */
enum record_dur {
	REC_HANDSHAKE,	 /* syn to established, each end by its own clock; not with SYN cookies */
	REC_ATTEMPT,	 /* syn to the verdict of an open that failed; not where a SYN was dropped */
	REC_PORT_SEARCH, /* client: connect to syn; not with repeats, the first SYN's stamp is gone */
	REC_ACCEPT_WAIT, /* established to accept */
	REC_ESTABLISHED, /* the states of RFC 9293, each from entry to exit */
	REC_FIN_WAIT1,
	REC_FIN_WAIT2,
	REC_CLOSING,
	REC_CLOSE_WAIT,
	REC_LAST_ACK,
	REC_TIME_WAIT,	/* not where there was no room for one */
	REC_HALF_CLOSE, /* first FIN to the other side's FIN, or the end */
	REC_CLOSE,	/* first FIN to end; a bare RST takes no time */
	REC_LIFE,	/* established to end (alive: to now); not where the end was missed */
	REC_IN_STATE,	/* alive: in its present state, to now */
	__REC_DUR_MAX
};

/* Who sent the first FIN or RST. */
enum record_side {
	REC_SIDE_UNKNOWN = 0,
	REC_SIDE_LOCAL,
	REC_SIDE_REMOTE,
	REC_SIDE_BOTH, /* the FINs crossed */
	__REC_SIDE_MAX
};

#endif
