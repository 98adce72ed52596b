/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line for each record, for people. There is always the same number of columns and no blank inside one
 * (but in the last), so that awk can read it too. A column that meets something wider, an IPv6 address say,
 * stays that wide.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "model/names.h"
#include "out/impl.h"

enum column {
	COL_TIME,
	COL_EVENT,
	COL_ROLE,
	COL_PID,
	COL_COMM,
	COL_LADDR,
	COL_LPORT,
	COL_RADDR,
	COL_RPORT,
	COL_OUTCOME,
	COL_TOOK,
	COL_DETAIL,
	COL_CNT
};

struct table {
	struct out out;
	bool has_header;
	size_t width[COL_CNT];
	size_t cell; /* where the current cell begins in out.text */
};

/* Close the cell that was appended to the text and is `columns` wide. */
static void end_cell(struct table *t, enum column col, size_t columns)
{
	if (columns > t->width[col])
		t->width[col] = columns;
	str__append_char(&t->out.text, ' ', t->width[col] - columns + 1);
	t->cell = t->out.text.len;
}

static void end_ascii_cell(struct table *t, enum column col)
{
	end_cell(t, col, t->out.text.len - t->cell);
}

static void put_cell(struct table *t, enum column col, const char *text)
{
	str__append(&t->out.text, text ? text : "-");
	end_ascii_cell(t, col);
}

static void put_number_cell(struct table *t, enum column col, bool is_known, uint32_t value)
{
	if (!is_known) {
		put_cell(t, col, NULL);
		return;
	}
	str__appendf(&t->out.text, "%u", value);
	end_ascii_cell(t, col);
}

static void put_addr_cell(struct table *t, enum column col, int af, const uint8_t bytes[16])
{
	char text[ADDR_TEXT_SZ];

	put_cell(t, col, addr__is_unset(af, bytes) ? NULL : addr__format(af, bytes, text));
}

static void append_dur(struct str *s, const struct record *r, enum record_dur dur)
{
	if (r->at_least & 1U << dur)
		str__append_char(s, '>', 1);
	str__append_duration(s, (uint64_t)r->dur[dur]);
}

static void put_dur_cell(struct table *t, const struct record *r, enum record_dur dur)
{
	if (r->dur[dur] == SF_ABSENT) {
		put_cell(t, COL_TOOK, NULL);
		return;
	}
	append_dur(&t->out.text, r, dur);
	end_ascii_cell(t, COL_TOOK);
}

/* The last column: key=value words, only those that say something. */
static void put_word(struct table *t, const char *key, const char *value)
{
	if (value)
		str__appendf(&t->out.text, "%s=%s ", key, value);
}

static void put_count(struct table *t, const char *key, int64_t count)
{
	if (count != SF_ABSENT)
		str__appendf(&t->out.text, "%s=%" PRId64 " ", key, count);
}

static void put_positive(struct table *t, const char *key, int64_t count)
{
	if (count > 0)
		put_count(t, key, count);
}

static void put_dur(struct table *t, const char *key, const struct record *r, enum record_dur dur)
{
	if (r->dur[dur] == SF_ABSENT)
		return;
	str__appendf(&t->out.text, "%s=", key);
	append_dur(&t->out.text, r, dur);
	str__append_char(&t->out.text, ' ', 1);
}

static void put_flags(struct table *t, const struct record *r)
{
	uint32_t flag;

	for (flag = 1; flag & SF_FLAGS_SHOWN; flag <<= 1) {
		if (r->flags & flag)
			str__appendf(&t->out.text, "%s ", names__flag(flag));
	}
}

static void put_open_detail(struct table *t, const struct record *r)
{
	char word[OUT_WORD_SZ];

	put_word(t, "error", out__error_word(r->error, word));
	put_positive(t, "syn_retrans", r->syn_retrans);
	put_positive(t, "synack_retrans", r->synack_retrans);
	/* A search takes microseconds until the ports run out. */
	if (r->dur[REC_PORT_SEARCH] >= 1000000)
		put_dur(t, "port_search", r, REC_PORT_SEARCH);
	if (r->backlog_max != SF_ABSENT)
		str__appendf(&t->out.text, "backlog=%" PRId64 "/%" PRId64 " ", r->backlog_len,
			     r->backlog_max);
	put_dur(t, "accept_wait", r, REC_ACCEPT_WAIT);
}

static void put_states(struct table *t, const struct record *r)
{
	put_dur(t, "fin_wait1", r, REC_FIN_WAIT1);
	put_dur(t, "fin_wait2", r, REC_FIN_WAIT2);
	put_dur(t, "closing", r, REC_CLOSING);
	put_dur(t, "close_wait", r, REC_CLOSE_WAIT);
	put_dur(t, "last_ack", r, REC_LAST_ACK);
}

static void put_close_detail(struct table *t, const struct record *r)
{
	char word[OUT_WORD_SZ];

	put_word(t, "by", names__side(r->closed_by));
	put_dur(t, "life", r, REC_LIFE);
	put_count(t, "sent", r->bytes_sent);
	put_count(t, "received", r->bytes_received);
	put_word(t, "error", out__error_word(r->error, word));
	put_word(t, "reason", out__reason_word(r->rst_reason, word));
	put_positive(t, "retrans", r->retrans);
	put_positive(t, "fin_retrans", r->fin_retrans);
	put_states(t, r);
	if (r->closer_pid && r->closer_pid != r->owner.pid) {
		str__appendf(&t->out.text, "closer=%u/", r->closer_pid);
		str__append_safe(&t->out.text, r->closer_comm, strlen(r->closer_comm), true);
		str__append_char(&t->out.text, ' ', 1);
	}
	if (r->time_wait > 0)
		str__append(&t->out.text, "time_wait ");
}

static void put_alive_detail(struct table *t, const struct record *r)
{
	put_dur(t, "life", r, REC_LIFE);
	put_dur(t, "handshake", r, REC_HANDSHAKE);
	put_states(t, r);
	put_positive(t, "syn_retrans", r->syn_retrans);
	put_positive(t, "synack_retrans", r->synack_retrans);
}

static void put_stage_detail(struct table *t, const struct record *r)
{
	put_count(t, "seq", r->seq);
	put_count(t, "ack", r->ack);
	if (r->stage_retrans)
		str__append(&t->out.text, "retrans ");
}

/* What the line is about, how long it took, and what else is to be said. */
static void put_type(struct table *t, const struct record *r)
{
	put_cell(t, COL_OUTCOME,
		 r->type == SF_EV_STAGE	   ? names__stage(r->stage)
		 : r->type == SF_EV_ALIVE  ? names__state(r->state)
		 : r->type == SF_EV_ACCEPT ? NULL
					   : names__outcome(r->outcome));
	switch (r->type) {
	case SF_EV_OPEN:
		put_dur_cell(t, r, r->outcome == SF_OUT_ESTABLISHED ? REC_HANDSHAKE : REC_ATTEMPT);
		put_open_detail(t, r);
		break;
	case SF_EV_ACCEPT:
		put_dur_cell(t, r, REC_ACCEPT_WAIT);
		break;
	case SF_EV_CLOSE:
		put_dur_cell(t, r, REC_CLOSE);
		put_close_detail(t, r);
		break;
	case SF_EV_GONE:
		put_dur_cell(t, r, REC_TIME_WAIT);
		break;
	case SF_EV_ALIVE:
		put_dur_cell(t, r, REC_IN_STATE);
		put_alive_detail(t, r);
		break;
	default:
		put_cell(t, COL_TOOK, NULL);
		put_stage_detail(t, r);
	}
	put_flags(t, r);
}

/* The last cell is not padded, and not empty. */
static void end_line(struct table *t)
{
	struct str *s = &t->out.text;

	if (s->len == t->cell)
		str__append_char(s, '-', 1);
	else if (s->buf[s->len - 1] == ' ')
		s->len--;
	str__append_char(s, '\n', 1);
}

static void begin_line(struct table *t, uint64_t mono_ns)
{
	static const char *const heads[COL_CNT] = {"TIME(UTC)", "EVENT",   "ROLE",  "PID",
						   "COMM",	"LADDR",   "LPORT", "RADDR",
						   "RPORT",	"OUTCOME", "TOOK",  "DETAIL"};
	char text[CLOCK_TIME_SZ];
	unsigned int col;

	t->cell = t->out.text.len;
	if (!t->has_header) {
		for (col = 0; col < COL_DETAIL; col++)
			put_cell(t, col, heads[col]);
		str__append(&t->out.text, heads[COL_DETAIL]);
		end_line(t);
		t->cell = t->out.text.len;
		t->has_header = true;
	}
	put_cell(t, COL_TIME, clock__time_of_day(clock__real_ns(t->out.clk, mono_ns), text));
}

static int write_record(struct out *o, const struct record *r)
{
	struct table *t = (struct table *)o;
	bool has_owner = r->owner.source != SF_SRC_NONE;

	begin_line(t, r->ts);
	put_cell(t, COL_EVENT, names__event(r->type));
	put_cell(t, COL_ROLE, names__role(r->role));
	put_number_cell(t, COL_PID, has_owner && r->owner.pid, r->owner.pid);
	if (has_owner && r->owner.comm[0])
		end_cell(t, COL_COMM, str__append_safe(&o->text, r->owner.comm, strlen(r->owner.comm), true));
	else
		put_cell(t, COL_COMM, NULL);
	put_addr_cell(t, COL_LADDR, r->af, r->laddr);
	put_number_cell(t, COL_LPORT, r->lport != 0, r->lport);
	put_addr_cell(t, COL_RADDR, r->af, r->raddr);
	put_number_cell(t, COL_RPORT, r->rport || !addr__is_unset(r->af, r->raddr), r->rport);
	put_type(t, r);
	end_line(t);
	return 0;
}

static void write_lost(struct out *o, uint64_t mono_ns, const uint64_t delta[__SF_LOST_MAX])
{
	struct table *t = (struct table *)o;
	unsigned int col, i;

	begin_line(t, mono_ns);
	put_cell(t, COL_EVENT, "lost");
	for (col = COL_ROLE; col < COL_DETAIL; col++)
		put_cell(t, col, NULL);
	for (i = 0; i < __SF_LOST_MAX; i++)
		put_positive(t, names__lost(i), (int64_t)delta[i]);
	end_line(t);
}

int out__new_table(int fd, const struct clock *clk, struct out **ret_out)
{
	static const struct out_ops ops = {.record = write_record, .lost = write_lost};
	/* What usually fits: a PID of 7 digits, IPv4, "established", "127ms". */
	static const size_t width[COL_CNT] = {15, 6, 6, 7, 15, 15, 5, 15, 5, 12, 7, 0};
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->out = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	memcpy(t->width, width, sizeof(width));
	*ret_out = &t->out;
	return 0;
}
