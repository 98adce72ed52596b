/* SPDX-License-Identifier: GPL-2.0-only */
/* Raw records as the kernel side would write them, for the tests of what reads them. */
#ifndef SYNFIN_TESTS_EVENTS_H
#define SYNFIN_TESTS_EVENTS_H

#include <string.h>

#include "model/record.h"
#include "unit.h"

static inline struct sf_event make_event(enum sf_event_type type, enum sf_outcome outcome, uint64_t ts)
{
	struct sf_event ev = {
		.type = type,
		.outcome = outcome,
		.ts = ts,
		.conn = {.id = 7,
			 .cookie = 4097,
			 .cgroup_id = 55,
			 .start_ns = 900,
			 .laddr = {192, 0, 2, 1},
			 .raddr = {198, 51, 100, 9},
			 .lport = 43210,
			 .rport = 443,
			 .netns = 4026531840,
			 .family = SF_AF_INET,
			 .role = SF_ROLE_CLIENT,
			 .source = SF_SRC_CONNECT,
			 .pid = 1234,
			 .tid = 1235,
			 .uid = 1000,
			 .comm = "curl"},
	};

	return ev;
}

static inline struct sf_event make_open(void)
{
	struct sf_event ev = make_event(SF_EV_OPEN, SF_OUT_ESTABLISHED, 1500);

	ev.conn.est_ts = 1500;
	ev.conn.opening.connect_ts = 1000;
	ev.conn.opening.syn_ts = 1100;
	ev.conn.opening.synack_ts = 1400;
	return ev;
}

static inline struct sf_event make_close(enum sf_outcome outcome, uint64_t est, uint64_t sent, uint64_t acked,
					 uint64_t rcvd, uint64_t end)
{
	struct sf_event ev = make_event(SF_EV_CLOSE, outcome, end);

	ev.conn.flags = SF_F_SOCK_GONE;
	ev.conn.est_ts = est;
	ev.conn.closing.fin_sent_ts = sent;
	ev.conn.closing.fin_acked_ts = acked;
	ev.conn.closing.fin_rcvd_ts = rcvd;
	return ev;
}

static inline struct record decode(const struct sf_event *ev)
{
	struct record r;

	assert_int_equal(record__decode(ev, sizeof(*ev), &r), 0);
	return r;
}

#endif
