/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line for each record, for people. Where it does not go to a terminal there is always the same number of columns and
 * no blank inside one (but in the last), so that awk can read it too. A column that meets something wider, an IPv6 address
 * say, stays that wide.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "model/names.h"
#include "out/impl.h"
#include "out/line.h"

struct table {
	struct out out;
	struct line line;
	size_t width[COL_CNT];
	struct screen screen; /* where its term.columns are not 0 */
};

struct cell line__cell(const struct line *line, enum column col)
{
	size_t begin = col ? line->end[col - 1] : 0;

	return (struct cell){.at = str__text(&line->text) + begin, .len = line->end[col] - begin};
}

bool cell__is_unknown(struct cell cell)
{
	return cell.len == 1 && cell.at[0] == '-';
}

void cell__put(struct str *s, struct cell cell, enum ink ink, bool has_color)
{
	static const char *const sgr[] = {[INK_ALARM] = "\033[31m", [INK_HEAD] = "\033[1m"};
	bool is_inked = has_color && ink != INK_PLAIN;

	if (is_inked)
		str__append(s, sgr[ink]);
	str__append_bytes(s, cell.at, cell.len);
	if (is_inked)
		str__append(s, "\033[m");
}

static void end_cell(struct table *t, enum column col)
{
	t->line.end[col] = t->line.text.len;
}

static void put_cell(struct table *t, enum column col, const char *text)
{
	str__append(&t->line.text, text ? text : "-");
	end_cell(t, col);
}

static void put_number_cell(struct table *t, enum column col, bool is_known, uint32_t value)
{
	if (!is_known) {
		put_cell(t, col, NULL);
		return;
	}
	str__appendf(&t->line.text, "%u", value);
	end_cell(t, col);
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
	append_dur(&t->line.text, r, dur);
	end_cell(t, COL_TOOK);
}

/* The last column: key=value words, only those that say something. */
static void put_word(struct table *t, const char *key, const char *value)
{
	if (value)
		str__appendf(&t->line.text, "%s=%s ", key, value);
}

static void put_count(struct table *t, const char *key, int64_t count)
{
	if (count != SF_ABSENT)
		str__appendf(&t->line.text, "%s=%" PRId64 " ", key, count);
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
	str__appendf(&t->line.text, "%s=", key);
	append_dur(&t->line.text, r, dur);
	str__append_char(&t->line.text, ' ', 1);
}

/*
 * Flags that go without saying: all that is alive was there before, and an owner has closed its socket of what is in TIME_WAIT
 * or ended by FINs.
 */
static uint32_t silent_flags(const struct record *r)
{
	if (r->type == SF_EV_ALIVE)
		return SF_F_LATE | (r->state == TCP_TIME_WAIT ? SF_F_ORPHAN : 0);
	return r->type == SF_EV_CLOSE && r->outcome != SF_OUT_FIN ? 0 : SF_F_ORPHAN;
}

static void put_flags(struct table *t, const struct record *r)
{
	uint32_t flags = r->flags & SF_FLAGS_SHOWN & ~silent_flags(r), flag;

	for (flag = 1; flag & SF_FLAGS_SHOWN; flag <<= 1) {
		if (flags & flag)
			str__appendf(&t->line.text, "%s ", names__flag(flag));
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
		str__appendf(&t->line.text, "backlog=%" PRId64 "/%" PRId64 " ", r->backlog_len,
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
		str__appendf(&t->line.text, "closer=%u/", r->closer_pid);
		str__append_safe(&t->line.text, r->closer_comm, strlen(r->closer_comm), true);
		str__append_char(&t->line.text, ' ', 1);
	}
	if (r->time_wait > 0)
		str__append(&t->line.text, "time_wait ");
}

/* The time in the present state is in a column of its own, and in ESTABLISHED that is the life, too. */
static void put_alive_detail(struct table *t, const struct record *r)
{
	static const enum record_dur present[] = {
		[TCP_FIN_WAIT1] = REC_FIN_WAIT1, [TCP_FIN_WAIT2] = REC_FIN_WAIT2,
		[TCP_CLOSING] = REC_CLOSING,	 [TCP_CLOSE_WAIT] = REC_CLOSE_WAIT,
		[TCP_LAST_ACK] = REC_LAST_ACK,
	};
	struct record past = *r;

	if (r->state < sizeof(present) / sizeof(present[0]) && present[r->state])
		past.dur[present[r->state]] = SF_ABSENT;
	if (r->state != TCP_ESTABLISHED)
		put_dur(t, "life", r, REC_LIFE);
	put_dur(t, "handshake", r, REC_HANDSHAKE);
	put_states(t, &past);
	put_positive(t, "syn_retrans", r->syn_retrans);
	put_positive(t, "synack_retrans", r->synack_retrans);
}

static void put_stage_detail(struct table *t, const struct record *r)
{
	put_count(t, "seq", r->seq);
	put_count(t, "ack", r->ack);
	if (r->stage_retrans)
		str__append(&t->line.text, "retrans ");
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
static void end_detail(struct table *t)
{
	struct str *s = &t->line.text;

	if (s->len == t->line.end[COL_TOOK])
		str__append_char(s, '-', 1);
	else if (s->buf[s->len - 1] == ' ')
		s->len--;
	end_cell(t, COL_DETAIL);
}

static void put_plain_line(struct table *t, enum ink ink)
{
	const struct line *line = &t->line;

	for (unsigned int col = 0; col < COL_CNT; col++) {
		struct cell cell = line__cell(line, col);
		size_t columns = str__columns(cell.at, cell.len);

		cell__put(&t->out.text, cell, line->alarm == col ? INK_ALARM : ink, t->screen.term.has_color);
		if (columns > t->width[col])
			t->width[col] = columns;
		if (col < COL_DETAIL)
			str__append_char(&t->out.text, ' ', t->width[col] - columns + 1);
	}
	str__append_char(&t->out.text, '\n', 1);
}

static void put_plain_header(struct table *t)
{
	static const char *const heads[COL_CNT] = {"TIME(UTC)", "EVENT",   "ROLE",  "PID",
						   "COMM",	"LADDR",   "LPORT", "RADDR",
						   "RPORT",	"OUTCOME", "TOOK",  "DETAIL"};

	for (unsigned int col = 0; col < COL_CNT; col++)
		put_cell(t, col, heads[col]);
	t->line.alarm = COL_CNT;
	put_plain_line(t, INK_HEAD);
}

static void begin_line(struct table *t, uint64_t mono_ns)
{
	char text[CLOCK_TIME_SZ];

	str__reset(&t->line.text);
	put_cell(t, COL_TIME, clock__time_of_day(clock__real_ns(t->out.clk, mono_ns), text));
}

static void end_line(struct table *t)
{
	struct str *to = &t->out.text;

	end_detail(t);
	if (!t->screen.term.columns) {
		put_plain_line(t, INK_PLAIN);
	} else {
		if (!to->len)
			screen__update(&t->screen, to, t->out.fd);
		screen__put_line(&t->screen, to, &t->line);
	}
	to->failed |= t->line.text.failed;
}

static bool is_failure(const struct record *r)
{
	if (r->type == SF_EV_OPEN)
		return r->outcome != SF_OUT_ESTABLISHED;
	return r->type == SF_EV_CLOSE && r->outcome != SF_OUT_FIN && r->outcome != SF_OUT_NONE;
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
		str__append_safe(&t->line.text, r->owner.comm, strlen(r->owner.comm), true);
	else
		str__append_char(&t->line.text, '-', 1);
	end_cell(t, COL_COMM);
	put_addr_cell(t, COL_LADDR, r->af, r->laddr);
	put_number_cell(t, COL_LPORT, r->lport != 0, r->lport);
	put_addr_cell(t, COL_RADDR, r->af, r->raddr);
	put_number_cell(t, COL_RPORT, r->rport || !addr__is_unset(r->af, r->raddr), r->rport);
	put_type(t, r);
	t->line.alarm = is_failure(r) ? COL_OUTCOME : COL_CNT;
	end_line(t);
	return 0;
}

static void write_lost(struct out *o, uint64_t mono_ns, const struct losses *delta)
{
	struct table *t = (struct table *)o;
	unsigned int col, i;

	begin_line(t, mono_ns);
	put_cell(t, COL_EVENT, "lost");
	for (col = COL_ROLE; col < COL_DETAIL; col++)
		put_cell(t, col, NULL);
	for (i = 0; i < __SF_LOST_MAX; i++)
		put_positive(t, names__lost(i), (int64_t)delta->lost[i]);
	t->line.alarm = COL_EVENT;
	end_line(t);
}

static void fini_table(struct out *o)
{
	str__fini(&((struct table *)o)->line.text);
}

int out__new_table(int fd, const struct clock *clk, const struct term *term, struct out **ret_out)
{
	static const struct out_ops ops = {.record = write_record, .lost = write_lost, .fini = fini_table};
	/* What usually fits: a PID of 7 digits, IPv4, "established", "127ms". */
	static const size_t width[COL_CNT] = {15, 6, 6, 7, 15, 15, 5, 15, 5, 12, 7, 0};
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->out = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	memcpy(t->width, width, sizeof(width));
	screen__init(&t->screen, term);
	if (term->columns)
		screen__put_header(&t->screen, &t->out.text);
	else
		put_plain_header(t);
	*ret_out = &t->out;
	return 0;
}
