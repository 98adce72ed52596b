/* SPDX-License-Identifier: GPL-2.0-only */
/* model/record: what is refused, and that every derived value is right, absent, or marked as a bound. */
#include "events.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define NA SF_ABSENT

static void assert_dur(const struct record *r, enum record_dur dur, int64_t want)
{
	if (r->dur[dur] != want)
		fail_msg("%s is %lld, not %lld", record__dur_name(dur), (long long)r->dur[dur],
			 (long long)want);
}

static void test_refused(void **state)
{
	const struct sf_event good = make_open();
	struct record r = {.id = 99};
	struct sf_event ev;
	size_t sz;

	(void)state;
	for (sz = 0; sz < sizeof(good) + 8; sz++) {
		if (sz != sizeof(good))
			assert_int_equal(record__decode(&good, sz, &r), -EINVAL);
	}
#define REFUSE(change)                                                          \
	do {                                                                    \
		ev = good;                                                      \
		change;                                                         \
		assert_int_equal(record__decode(&ev, sizeof(ev), &r), -EPROTO); \
	} while (0)
	REFUSE(ev.type = 0);
	REFUSE(ev.type = __SF_EV_MAX);
	REFUSE(ev.type = 255);
	REFUSE(ev.ts = 0);
	REFUSE(ev.ts = UINT64_MAX);
	REFUSE(ev.outcome = SF_OUT_NONE);
	REFUSE(ev.outcome = SF_OUT_FIN);
	REFUSE(ev.outcome = 255);
	REFUSE(ev.conn.family = 0);
	REFUSE(ev.conn.family = 1);
	REFUSE(ev.conn.role = __SF_ROLE_MAX);
	REFUSE(ev.conn.source = __SF_SRC_MAX);
	REFUSE((ev.conn.family = SF_AF_INET6, ev.conn.flags = SF_F_V4MAPPED));
	REFUSE((ev.type = SF_EV_CLOSE, ev.outcome = SF_OUT_ESTABLISHED));
	REFUSE((ev.type = SF_EV_CLOSE, ev.outcome = SF_OUT_TW_TIMER));
	REFUSE((ev.type = SF_EV_CLOSE, ev.outcome = SF_OUT_OVERFLOW));
	REFUSE((ev.type = SF_EV_GONE, ev.outcome = SF_OUT_FIN));
	REFUSE((ev.type = SF_EV_GONE, ev.outcome = SF_OUT_NONE));
	REFUSE((ev.type = SF_EV_STAGE, ev.stage = SF_ST_NONE));
	REFUSE((ev.type = SF_EV_STAGE, ev.stage = __SF_ST_MAX));
#undef REFUSE
	assert_int_equal(r.id, 99);
}

/* A server's own port, else the other end's; where the role is not known neither is this. */
static void test_service_port(void **state)
{
	static const uint16_t want[__SF_ROLE_MAX] = {
		[SF_ROLE_NONE] = 0, [SF_ROLE_CLIENT] = 443, [SF_ROLE_SERVER] = 43210, [SF_ROLE_BOTH] = 443};
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	for (unsigned int role = 0; role < __SF_ROLE_MAX; role++) {
		ev.conn.role = (__u8)role;
		assert_int_equal(record__decode(&ev, sizeof(ev), &r), 0);
		assert_int_equal(r.service_port, want[role]);
	}
}

static void test_identity(void **state)
{
	struct sf_event ev = make_open();
	unsigned char unaligned[sizeof(ev) + 1];
	struct record r;

	(void)state;
	memset(ev.conn.comm, 'x', sizeof(ev.conn.comm));
	memcpy(unaligned + 1, &ev, sizeof(ev));
	assert_int_equal(record__decode(unaligned + 1, sizeof(ev), &r), 0);
	assert_string_equal(r.owner.comm, "xxxxxxxxxxxxxxxx");
	assert_int_equal(r.id, 7);
	assert_int_equal(r.cookie, 4097);
	assert_int_equal(r.lport, 43210);
	assert_int_equal(r.rport, 443);
	assert_int_equal(r.laddr[0], 192);
	assert_int_equal(r.raddr[3], 9);
	assert_int_equal(r.owner.pid, 1234);
	assert_int_equal(r.owner.tid, 1235);
	assert_int_equal(r.owner.uid, 1000);
	assert_int_equal(r.owner.cgroup_id, 55);
	assert_int_equal(r.owner.start_ns, 900);
	assert_null(r.owner.cgroup);
	assert_int_equal(r.owner.source, SF_SRC_CONNECT);
}

/* Random bytes, and random bytes with the few that are checked made right: no crash, no nonsense. */
static void test_garbage(void **state)
{
	uint64_t seed = 5, word;
	unsigned int i, dur;
	struct sf_event ev;
	struct record r;
	size_t k;

	(void)state;
	for (i = 0; i < 100000; i++) {
		for (k = 0; k < sizeof(ev); k += 8) {
			word = next_random(&seed);
			memcpy((char *)&ev + k, &word, 8);
		}
		if (i % 2) {
			ev.type = (__u8)(1 + i % (__SF_EV_MAX - 1));
			ev.outcome = (__u8)(1 + ev.outcome % (__SF_OUT_MAX - 1));
			ev.stage = (__u8)(1 + ev.stage % (__SF_ST_MAX - 1));
			ev.ts >>= 1 + ev.pad % 40;
			ev.conn.family = SF_AF_INET;
			ev.conn.role %= __SF_ROLE_MAX;
			ev.conn.source %= __SF_SRC_MAX;
			ev.conn.est_ts >>= 1 + ev.retrans % 40;
		}
		if (record__decode(&ev, sizeof(ev), &r))
			continue;
		for (dur = 0; dur < __REC_DUR_MAX; dur++)
			assert_true(r.dur[dur] == NA ? !(r.at_least & 1U << dur) : r.dur[dur] >= 0);
		for (k = 0; k <= SF_ST_ACCEPT; k++)
			assert_true(r.stage_ns[k] == NA || r.stage_ns[k] >= 0);
		assert_true(r.bytes_sent == NA || r.bytes_sent >= 0);
		assert_true(memchr(r.owner.comm, 0, sizeof(r.owner.comm)) != NULL);
	}
}

static void test_open_client(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, 400);
	assert_dur(&r, REC_ATTEMPT, NA);
	assert_dur(&r, REC_PORT_SEARCH, 100);
	assert_dur(&r, REC_ACCEPT_WAIT, NA);
	assert_dur(&r, REC_LIFE, NA);
	assert_true(r.stage_ns[SF_ST_CONNECT] == 0 && r.stage_ns[SF_ST_SYN] == 100);
	assert_true(r.stage_ns[SF_ST_SYNACK] == 400 && r.stage_ns[SF_ST_ESTABLISHED] == 500);
	assert_true(r.stage_ns[SF_ST_ACCEPT] == NA);
	assert_true(r.syn_retrans == 0 && r.synack_retrans == NA);
	assert_true(r.isn == NA && r.peer_isn == NA && r.backlog_len == NA && r.backlog_max == NA);
	assert_int_equal(r.at_least, 0);
	assert_int_equal(r.backwards, 0);

	ev.conn.opening.seqs_known = 1;
	ev.conn.opening.isn = 4294967295U;
	r = decode(&ev);
	assert_true(r.isn == 4294967295 && r.peer_isn == 0);
}

/* Where connect() stands in for the stamp of the SYN no search for a port was measured. */
static void test_port_search(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.syn_retrans = 2;
	r = decode(&ev);
	assert_dur(&r, REC_PORT_SEARCH, NA);
	assert_dur(&r, REC_HANDSHAKE, 400);
	assert_true(r.syn_retrans == 2);

	ev.conn.syn_retrans = 0;
	ev.conn.opening.syn_ts = ev.conn.opening.connect_ts;
	r = decode(&ev);
	assert_dur(&r, REC_PORT_SEARCH, NA);
	assert_dur(&r, REC_HANDSHAKE, 500);
	assert_int_equal(r.backwards, 0);
}

static void test_open_unknown_stages(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.opening.connect_ts = 0;
	r = decode(&ev);
	assert_dur(&r, REC_PORT_SEARCH, NA);
	assert_true(r.stage_ns[SF_ST_CONNECT] == NA && r.stage_ns[SF_ST_SYN] == 0);
	assert_true(r.stage_ns[SF_ST_SYNACK] == 300);

	ev.conn.opening.syn_ts = 0;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_true(r.stage_ns[SF_ST_SYN] == NA && r.stage_ns[SF_ST_SYNACK] == 0);

	ev.conn.opening.synack_ts = 0;
	ev.conn.est_ts = 0;
	r = decode(&ev);
	assert_true(r.stage_ns[SF_ST_ESTABLISHED] == NA && r.stage_ns[SF_ST_ACCEPT] == NA);
	assert_int_equal(r.backwards, 0);
}

static void test_open_server(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.opening.connect_ts = 0;
	ev.conn.flags = SF_F_EARLY;
	ev.conn.accept_ts = 1904 | SF_ACC_LOOKED; /* in steps of 16 ns */
	ev.conn.opening.backlog_max = 128;
	ev.conn.opening.backlog_known = 1;
	ev.conn.opening.seqs_known = 1;
	ev.conn.synack_retrans = 1;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, 400);
	assert_dur(&r, REC_ACCEPT_WAIT, 404);
	assert_true(r.stage_ns[SF_ST_ACCEPT] == 804);
	assert_true(r.backlog_len == 0 && r.backlog_max == 128);
	assert_true(r.syn_retrans == NA && r.synack_retrans == 1);

	ev.conn.flags = SF_F_EARLY | SF_F_SYNCOOKIE;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_true(r.stage_ns[SF_ST_SYN] == NA && r.stage_ns[SF_ST_SYNACK] == NA);
	assert_true(r.stage_ns[SF_ST_ESTABLISHED] == 0 && r.stage_ns[SF_ST_ACCEPT] == 404);
	assert_true(r.synack_retrans == NA);

	/* Fast Open: accepted before established is no wait and no error. */
	ev.conn.flags = SF_F_EARLY | SF_F_FASTOPEN;
	ev.conn.accept_ts = 1200;
	ev.conn.opening.seqs_known = 0;
	r = decode(&ev);
	assert_dur(&r, REC_ACCEPT_WAIT, NA);
	assert_true(r.synack_retrans == NA);
	assert_true(r.stage_ns[SF_ST_ACCEPT] == 100);
	assert_int_equal(r.backwards, 0);
}

/* The stamp of the SYN-ACK stands for the SYN's: enough for the handshake, not for what lies between the two. */
static void test_open_syn_assumed(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.opening = (struct sf_opening){.syn_ts = 1400, .synack_ts = 1400, .syn_assumed = 1};
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, 100);
	assert_true(r.stage_ns[SF_ST_SYN] == NA && r.stage_ns[SF_ST_SYNACK] == 0);
	assert_true(r.stage_ns[SF_ST_ESTABLISHED] == 100);

	ev = make_event(SF_EV_OPEN, SF_OUT_SYNACK_TIMED_OUT, 9000);
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.opening = (struct sf_opening){.syn_ts = 1400, .synack_ts = 1400, .syn_assumed = 1};
	r = decode(&ev);
	assert_dur(&r, REC_ATTEMPT, 7600);
}

static void test_open_failed(void **state)
{
	struct sf_event ev = make_event(SF_EV_OPEN, SF_OUT_REFUSED, 1700);
	struct record r;

	(void)state;
	ev.conn.opening.connect_ts = 1000;
	ev.conn.opening.syn_ts = 1100;
	ev.conn.error = ECONNREFUSED;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_dur(&r, REC_ATTEMPT, 600);
	assert_true(r.stage_ns[SF_ST_ESTABLISHED] == NA);
	assert_int_equal(r.error, ECONNREFUSED);
}

/* A SYN for which there was no room: verdict and SYN are one instant, and the queue is known. */
static void test_syn_dropped(void **state)
{
	struct sf_event ev = make_event(SF_EV_OPEN, SF_OUT_SYN_DROPPED, 1700);
	struct record r;

	(void)state;
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.opening.syn_ts = 1700;
	ev.conn.opening.backlog_len = 2;
	ev.conn.opening.backlog_max = 1;
	ev.conn.opening.backlog_known = 1;
	r = decode(&ev);
	assert_dur(&r, REC_ATTEMPT, NA);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_true(r.stage_ns[SF_ST_SYN] == 0 && r.backlog_len == 2 && r.backlog_max == 1);
	assert_true(r.syn_retrans == 0 && r.synack_retrans == NA);
	ev.conn.syn_retrans = 3;
	r = decode(&ev);
	assert_true(r.syn_retrans == 3);
	assert_true(r.synack_retrans == NA);
	ev.outcome = SF_OUT_OVERFLOW; /* its request lived for a while */
	ev.conn.opening.syn_ts = 1500;
	r = decode(&ev);
	assert_dur(&r, REC_ATTEMPT, 200);
}

static void test_open_backwards(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.opening.syn_ts = 1501;
	r = decode(&ev);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_true(r.stage_ns[SF_ST_SYN] == 501);
	assert_true(r.backwards > 0);
}

static void test_accept(void **state)
{
	struct sf_event ev = make_event(SF_EV_ACCEPT, SF_OUT_NONE, 2000);
	struct record r;

	(void)state;
	ev.conn.est_ts = 0;
	r = decode(&ev);
	assert_dur(&r, REC_ACCEPT_WAIT, NA);
	ev.conn.est_ts = ev.ts - 300;
	r = decode(&ev);
	assert_dur(&r, REC_ACCEPT_WAIT, 300);
	ev.conn.flags = SF_F_LATE;
	r = decode(&ev);
	assert_int_equal(r.at_least, 1U << REC_ACCEPT_WAIT);
	/* accept() was faster than the change of state: no wait. With Fast Open it began at the SYN. */
	ev.conn.est_ts = ev.ts + 1;
	r = decode(&ev);
	assert_dur(&r, REC_ACCEPT_WAIT, 0);
	ev.conn.flags = SF_F_FASTOPEN;
	r = decode(&ev);
	assert_dur(&r, REC_ACCEPT_WAIT, NA);
	assert_int_equal(r.backwards, 0);
}

/* Each way through RFC 9293's closing states; est is 1000, and the states in the order of enum record_dur. */
struct close_path {
	const char *name;
	enum sf_outcome outcome;
	uint32_t flags;
	uint64_t sent, acked, rcvd, end;
	int64_t established, fin_wait1, fin_wait2, closing, close_wait, last_ack, half_close, close;
	enum record_side by;
};

static const struct close_path close_paths[] = {
	{"active", SF_OUT_FIN, SF_F_FIN_SENT_1ST, 2000, 2100, 2500, 2500, 1000, 100, 400, NA, NA, NA, 500,
	 500, REC_SIDE_LOCAL},
	{"active, ACK and FIN in one, one stamp", SF_OUT_FIN, SF_F_FIN_SENT_1ST, 2000, 2100, 2100, 2100, 1000,
	 100, NA, NA, NA, NA, 100, 100, REC_SIDE_LOCAL},
	{"active, ACK and FIN in one, ACK not stamped", SF_OUT_FIN, SF_F_FIN_SENT_1ST, 2000, 0, 2100, 2100,
	 1000, 100, NA, NA, NA, NA, 100, 100, REC_SIDE_LOCAL},
	{"passive", SF_OUT_FIN, SF_F_FIN_RCVD_1ST, 2300, 2400, 2000, 2400, 1000, NA, NA, NA, 300, 100, 300,
	 400, REC_SIDE_REMOTE},
	{"passive, last ACK not stamped", SF_OUT_FIN, SF_F_FIN_RCVD_1ST, 2300, 0, 2000, 2400, 1000, NA, NA,
	 NA, 300, 100, 300, 400, REC_SIDE_REMOTE},
	{"simultaneous", SF_OUT_FIN, SF_F_FIN_SENT_1ST | SF_F_SIM_CLOSE, 2000, 2300, 2100, 2300, 1000, 100,
	 NA, 200, NA, NA, 100, 300, REC_SIDE_BOTH},
	{"simultaneous, ACK not stamped", SF_OUT_FIN, SF_F_SIM_CLOSE, 2000, 0, 2100, 2300, 1000, 100, NA, 200,
	 NA, NA, 100, 300, REC_SIDE_BOTH},
	{"no flags, sent first", SF_OUT_FIN, 0, 2000, 2100, 2500, 2500, 1000, 100, 400, NA, NA, NA, 500, 500,
	 REC_SIDE_LOCAL},
	{"no flags, received first", SF_OUT_FIN, 0, 2300, 2400, 2000, 2400, 1000, NA, NA, NA, 300, 100, 300,
	 400, REC_SIDE_REMOTE},
	/* RST in any state; a bare one is no close that takes time */
	{"RST out of ESTABLISHED", SF_OUT_RESET_LOCAL, SF_F_RST_OUT, 0, 0, 0, 3000, 2000, NA, NA, NA, NA, NA,
	 NA, NA, REC_SIDE_LOCAL},
	{"RST into ESTABLISHED", SF_OUT_RESET_REMOTE, SF_F_RST_IN, 0, 0, 0, 3000, 2000, NA, NA, NA, NA, NA,
	 NA, NA, REC_SIDE_REMOTE},
	{"RST into FIN_WAIT1", SF_OUT_RESET_REMOTE, SF_F_FIN_SENT_1ST | SF_F_RST_IN, 2000, 0, 0, 2200, 1000,
	 200, NA, NA, NA, NA, 200, 200, REC_SIDE_LOCAL},
	{"RST out of FIN_WAIT2", SF_OUT_RESET_LOCAL, SF_F_FIN_SENT_1ST | SF_F_RST_OUT, 2000, 2100, 0, 2400,
	 1000, 100, 300, NA, NA, NA, 400, 400, REC_SIDE_LOCAL},
	{"RST into CLOSING", SF_OUT_RESET_REMOTE, SF_F_SIM_CLOSE | SF_F_RST_IN, 2000, 0, 2100, 2400, 1000,
	 100, NA, 300, NA, NA, 100, 400, REC_SIDE_BOTH},
	{"RST into CLOSE_WAIT", SF_OUT_RESET_REMOTE, SF_F_FIN_RCVD_1ST | SF_F_RST_IN, 0, 0, 2000, 2400, 1000,
	 NA, NA, NA, 400, NA, 400, 400, REC_SIDE_REMOTE},
	{"RST into LAST_ACK", SF_OUT_RESET_REMOTE, SF_F_FIN_RCVD_1ST | SF_F_RST_IN, 2100, 0, 2000, 2400, 1000,
	 NA, NA, NA, 100, 300, 100, 400, REC_SIDE_REMOTE},
	/* death in any state */
	{"timed out in ESTABLISHED", SF_OUT_TIMED_OUT, 0, 0, 0, 0, 3000, 2000, NA, NA, NA, NA, NA, NA, NA,
	 REC_SIDE_UNKNOWN},
	{"timed out in FIN_WAIT1", SF_OUT_TIMED_OUT, SF_F_FIN_SENT_1ST, 2000, 0, 0, 3000, 1000, 1000, NA, NA,
	 NA, NA, 1000, 1000, REC_SIDE_LOCAL},
	{"timed out in FIN_WAIT2", SF_OUT_TIMED_OUT, SF_F_FIN_SENT_1ST, 2000, 2500, 0, 3000, 1000, 500, 500,
	 NA, NA, NA, 1000, 1000, REC_SIDE_LOCAL},
	{"timed out in LAST_ACK", SF_OUT_TIMED_OUT, SF_F_FIN_RCVD_1ST, 2500, 0, 2000, 3000, 1000, NA, NA, NA,
	 500, 500, 500, 1000, REC_SIDE_REMOTE},
	{"aborted in CLOSE_WAIT", SF_OUT_ABORTED, SF_F_FIN_RCVD_1ST, 0, 0, 2000, 3000, 1000, NA, NA, NA, 1000,
	 NA, 1000, 1000, REC_SIDE_REMOTE},
	{"aborted in ESTABLISHED with a RST", SF_OUT_ABORTED, SF_F_RST_OUT, 0, 0, 0, 3000, 2000, NA, NA, NA,
	 NA, NA, NA, NA, REC_SIDE_LOCAL},
	/* incomplete and disordered */
	{"sending of our FIN not seen", SF_OUT_FIN, SF_F_FIN_SENT_1ST, 0, 2100, 0, 3000, NA, NA, 900, NA, NA,
	 NA, NA, NA, REC_SIDE_LOCAL},
	{"a transition missed", SF_OUT_FIN, SF_F_FIN_SENT_1ST | SF_F_GAP, 2000, 2100, 2500, 2500, NA, NA, NA,
	 NA, NA, NA, NA, NA, REC_SIDE_LOCAL},
	{"passive with stamps out of order", SF_OUT_FIN, SF_F_FIN_RCVD_1ST, 1999, 2400, 2000, 2400, 1000, NA,
	 NA, NA, NA, 401, NA, 400, REC_SIDE_REMOTE},
};

static void test_close_paths(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(close_paths); i++) {
		const struct close_path *p = &close_paths[i];
		struct sf_event ev = make_close(p->outcome, 1000, p->sent, p->acked, p->rcvd, p->end);
		struct record r;

		print_message("  %s\n", p->name);
		ev.conn.flags = p->flags;
		r = decode(&ev);
		assert_dur(&r, REC_ESTABLISHED, p->established);
		assert_dur(&r, REC_FIN_WAIT1, p->fin_wait1);
		assert_dur(&r, REC_FIN_WAIT2, p->fin_wait2);
		assert_dur(&r, REC_CLOSING, p->closing);
		assert_dur(&r, REC_CLOSE_WAIT, p->close_wait);
		assert_dur(&r, REC_LAST_ACK, p->last_ack);
		assert_dur(&r, REC_HALF_CLOSE, p->half_close);
		assert_dur(&r, REC_CLOSE, p->close);
		assert_dur(&r, REC_LIFE, (int64_t)p->end - 1000);
		assert_int_equal(r.closed_by, p->by);
		assert_int_equal(r.at_least, 0);
	}
}

static void test_close_details(void **state)
{
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 2500, 2500);
	struct record r = decode(&ev);

	(void)state;
	assert_true(r.srtt_ns == NA);
	assert_int_equal(r.rst_reason, -1);
	assert_int_equal(r.time_wait, 0);
	assert_int_equal(r.closer_pid, 0);
	ev.conn.flags |= SF_F_TIME_WAIT | SF_F_FIN_SENT_1ST;
	ev.conn.fin_retrans = 3;
	ev.conn.error = EPIPE;
	ev.conn.closing.srtt_us = UINT32_MAX;
	ev.conn.closing.rst_reason = 1;
	ev.conn.closing.bytes_sent = 1ULL << 40;
	ev.conn.closing.bytes_received = UINT64_MAX;
	ev.conn.closing.closer_pid = 77;
	memcpy(ev.conn.closing.closer_comm, "0123456789abcdef", 16);
	r = decode(&ev);
	assert_true(r.srtt_ns == 4294967295000);
	assert_int_equal(r.rst_reason, 0);
	assert_int_equal(r.time_wait, 1);
	assert_int_equal(r.error, EPIPE);
	assert_true(r.fin_retrans == 3 && r.retrans == 0);
	assert_true(r.bytes_sent == 1LL << 40 && r.bytes_received == NA);
	assert_string_equal(r.closer_comm, "0123456789abcdef");
}

/* What only the full socket or the opener could tell is absent, not 0. */
static void test_close_without_numbers(void **state)
{
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 1000, 1000, 2500, 2500);
	struct record r;

	(void)state;
	ev.conn.flags = SF_F_LATE | SF_F_TIME_WAIT | SF_F_FIN_SENT_1ST;
	r = decode(&ev);
	assert_true(r.retrans == NA && r.bytes_sent == NA && r.bytes_received == NA);
	ev.conn.flags |= SF_F_SOCK_GONE;
	r = decode(&ev);
	assert_true(r.retrans == 0 && r.bytes_sent == 0 && r.bytes_received == 0);
	ev.conn.role = SF_ROLE_NONE;
	r = decode(&ev);
	assert_true(r.retrans == 0 && r.bytes_sent == NA && r.bytes_received == 0);
}

static struct sf_event make_alive(unsigned int state)
{
	struct sf_event ev = make_close(SF_OUT_NONE, 1000, 0, 0, 0, 9000);

	ev.type = SF_EV_ALIVE;
	ev.conn.state = state;
	ev.conn.flags = SF_F_CLOSING;
	return ev;
}

static void test_alive_closing(void **state)
{
	struct sf_event ev = make_alive(TCP_CLOSE_WAIT);
	struct record r;

	(void)state;
	ev.conn.flags |= SF_F_FIN_RCVD_1ST;
	ev.conn.closing.fin_rcvd_ts = 3000;
	r = decode(&ev);
	assert_int_equal(r.state, TCP_CLOSE_WAIT);
	assert_dur(&r, REC_IN_STATE, 6000);
	assert_dur(&r, REC_LIFE, 8000);
	assert_dur(&r, REC_ESTABLISHED, 2000);
	assert_dur(&r, REC_CLOSE_WAIT, 6000);
	assert_dur(&r, REC_LAST_ACK, NA);
	assert_int_equal(r.at_least, 0);
	/* found in that state */
	ev.conn.flags |= SF_F_LATE;
	ev.conn.closing.fin_rcvd_ts = 1000;
	r = decode(&ev);
	assert_dur(&r, REC_ESTABLISHED, NA);
	assert_dur(&r, REC_IN_STATE, 8000);
	assert_int_equal(r.at_least, 1U << REC_IN_STATE | 1U << REC_CLOSE_WAIT | 1U << REC_LIFE);
}

static void test_alive_opening(void **state)
{
	struct sf_event ev = make_alive(TCP_SYN_SENT);
	struct record r;

	(void)state;
	ev.conn.flags = 0;
	ev.conn.est_ts = 0;
	ev.conn.opening = (struct sf_opening){.connect_ts = 1000, .syn_ts = 1200};
	ev.conn.syn_retrans = 2;
	r = decode(&ev);
	assert_int_equal(r.state, TCP_SYN_SENT);
	assert_dur(&r, REC_IN_STATE, 7800);
	assert_dur(&r, REC_LIFE, NA);
	assert_dur(&r, REC_HANDSHAKE, NA);
	assert_true(r.stage_ns[SF_ST_SYN] == 200 && r.syn_retrans == 2);
	/* a request whose SYN was not seen, by the stamp of its SYN-ACK */
	ev.conn.state = 12;
	ev.conn.role = SF_ROLE_SERVER;
	ev.conn.flags = SF_F_LATE;
	ev.conn.opening = (struct sf_opening){.synack_ts = 5000};
	r = decode(&ev);
	assert_int_equal(r.state, TCP_SYN_RECV);
	assert_dur(&r, REC_IN_STATE, 4000);
	assert_int_equal(r.at_least, 1U << REC_IN_STATE);
}

/* The socket went without a CLOSE: when and how it ended, and what followed, is not known. */
static void test_close_end_missed(void **state)
{
	struct sf_event ev = make_close(SF_OUT_NONE, 1000, 2000, 0, 0, 9000);
	unsigned int dur;
	struct record r;

	(void)state;
	ev.conn.flags |= SF_F_GAP | SF_F_FIN_SENT_1ST;
	ev.conn.closing.bytes_sent = 12;
	r = decode(&ev);
	for (dur = 0; dur < __REC_DUR_MAX; dur++)
		assert_dur(&r, dur, NA);
	assert_int_equal(r.outcome, SF_OUT_NONE);
	assert_int_equal(r.time_wait, -1);
	assert_int_equal(r.closed_by, REC_SIDE_LOCAL);
	assert_true(r.bytes_sent == NA); /* whether our FIN is among them is not known either */
}

/* As wide as its field: a reason must not be cut to a byte, and derived is told apart from said. */
static void test_rst_reason(void **state)
{
	struct sf_event ev = make_close(SF_OUT_RESET_LOCAL, 1000, 0, 0, 0, 3000);
	struct record r = decode(&ev);

	(void)state;
	assert_int_equal(r.rst_reason, -1);
	ev.conn.closing.rst_reason = UINT16_MAX;
	r = decode(&ev);
	assert_int_equal(r.rst_reason, UINT16_MAX - 1);
	assert_false(r.flags & SF_F_RSN_DERIVED);
	ev.conn.flags = SF_F_RSN_DERIVED;
	r = decode(&ev);
	assert_true(r.flags & SF_F_RSN_DERIVED);
}

static uint32_t bits(const enum record_dur *durs, size_t cnt)
{
	uint32_t mask = 0;

	while (cnt--)
		mask |= 1U << durs[cnt];
	return mask;
}

#define BITS(...) \
	bits((const enum record_dur[]){__VA_ARGS__}, ARRAY_SIZE(((const enum record_dur[]){__VA_ARGS__})))

static void test_late(void **state)
{
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 2500, 2500);
	struct record r;

	(void)state;
	/* found ESTABLISHED */
	ev.conn.flags = SF_F_LATE | SF_F_FIN_SENT_1ST;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_ESTABLISHED, REC_LIFE));
	assert_dur(&r, REC_CLOSE, 500);

	/* found in CLOSE_WAIT */
	ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 1000, 2100);
	ev.conn.flags = SF_F_LATE | SF_F_FIN_RCVD_1ST;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_CLOSE_WAIT, REC_HALF_CLOSE, REC_CLOSE, REC_LIFE));
	assert_dur(&r, REC_ESTABLISHED, NA);
	assert_dur(&r, REC_CLOSE_WAIT, 1000);
	assert_dur(&r, REC_LAST_ACK, 100);

	/* found in FIN_WAIT2 */
	ev = make_close(SF_OUT_FIN, 1000, 1000, 1000, 1800, 1800);
	ev.conn.flags = SF_F_LATE | SF_F_FIN_SENT_1ST;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_FIN_WAIT2, REC_HALF_CLOSE, REC_CLOSE, REC_LIFE));
	assert_dur(&r, REC_ESTABLISHED, NA);
	assert_dur(&r, REC_FIN_WAIT1, NA);
	assert_dur(&r, REC_FIN_WAIT2, 800);

	/* found in LAST_ACK */
	ev = make_close(SF_OUT_FIN, 1000, 1000, 1800, 1000, 1800);
	ev.conn.flags = SF_F_LATE | SF_F_FIN_RCVD_1ST;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_LAST_ACK, REC_CLOSE, REC_LIFE));
	assert_dur(&r, REC_CLOSE_WAIT, NA);
	assert_dur(&r, REC_HALF_CLOSE, NA);
	assert_dur(&r, REC_LAST_ACK, 800);
}

static void test_late_open(void **state)
{
	struct sf_event ev = make_open();
	struct record r;

	(void)state;
	ev.conn.flags = SF_F_LATE;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_HANDSHAKE, REC_PORT_SEARCH));
}

/* The minisock was not seen: the socket ended at the ACK of our FIN, the connection later. */
static void test_blind(void **state)
{
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 0, 2110);
	struct record r;

	(void)state;
	ev.conn.flags = SF_F_TW_BLIND | SF_F_FIN_SENT_1ST;
	r = decode(&ev);
	assert_int_equal(r.at_least, BITS(REC_FIN_WAIT2, REC_HALF_CLOSE, REC_CLOSE, REC_LIFE));
	assert_dur(&r, REC_FIN_WAIT1, 100);
	assert_dur(&r, REC_FIN_WAIT2, 10);
	assert_dur(&r, REC_CLOSE, 110);
	assert_int_equal(r.time_wait, -1);
}

static void test_gone(void **state)
{
	struct sf_event ev = make_event(SF_EV_GONE, SF_OUT_TW_TIMER, 9000);
	struct record r;

	(void)state;
	ev.conn.est_ts = 1000;
	ev.conn.closing.fin_acked_ts = 2000;
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, NA); /* a FIN_WAIT2 that ended without the peer's FIN */
	ev.conn.closing.fin_rcvd_ts = 3000;
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, 6000);
	assert_int_equal(r.outcome, SF_OUT_TW_TIMER);
	ev.conn.closing.fin_acked_ts = 4000; /* CLOSING */
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, 5000);
	ev.outcome = SF_OUT_TW_OVERFLOW; /* there was no room for one */
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, NA);
	ev.outcome = SF_OUT_TW_SYN;
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, 5000);
	ev.conn.flags = SF_F_TW_BLIND;
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, NA);
	ev.conn.flags = 0;
	ev.conn.closing.fin_rcvd_ts = 9001;
	r = decode(&ev);
	assert_dur(&r, REC_TIME_WAIT, NA);
	assert_int_equal(r.backwards, 1);
}

static void test_stage(void **state)
{
	struct sf_event ev = make_event(SF_EV_STAGE, SF_OUT_NONE, 9000);
	struct record r;

	(void)state;
	ev.stage = SF_ST_SYN;
	ev.seq = 0;
	ev.ack = 5;
	ev.known = SF_K_SEQ;
	ev.retrans = 1;
	r = decode(&ev);
	assert_int_equal(r.stage, SF_ST_SYN);
	assert_true(r.seq == 0 && r.ack == NA && r.stage_retrans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_service_port),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_open_client),
		cmocka_unit_test(test_port_search),
		cmocka_unit_test(test_open_unknown_stages),
		cmocka_unit_test(test_open_server),
		cmocka_unit_test(test_open_syn_assumed),
		cmocka_unit_test(test_open_failed),
		cmocka_unit_test(test_syn_dropped),
		cmocka_unit_test(test_open_backwards),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_close_paths),
		cmocka_unit_test(test_close_details),
		cmocka_unit_test(test_close_without_numbers),
		cmocka_unit_test(test_alive_closing),
		cmocka_unit_test(test_alive_opening),
		cmocka_unit_test(test_close_end_missed),
		cmocka_unit_test(test_rst_reason),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_late_open),
		cmocka_unit_test(test_blind),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_stage),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
