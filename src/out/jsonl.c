/* SPDX-License-Identifier: GPL-2.0-only */
/* One JSON object a line: the stable form for programs. Every field of a type is always there, null or not.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/json.h"
#include "model/cgroup_path.h"
#include "model/names.h"
#include "out/impl.h"

static void put_opt(struct json *j, const char *key, int64_t value)
{
	json__key(j, key);
	if (value == SF_ABSENT)
		json__null(j);
	else
		json__i64(j, value);
}

static void put_dur(struct json *j, const struct record *r, enum record_dur dur)
{
	put_opt(j, record__dur_name(dur), r->dur[dur]);
}

static void put_addr(struct json *j, const char *key, int af, const uint8_t bytes[16])
{
	char text[ADDR_TEXT_SZ];

	json__key_string(j, key, addr__is_unset(af, bytes) ? NULL : addr__format(af, bytes, text));
}

static void put_time(struct json *j, const struct clock *clk, uint64_t mono_ns)
{
	char text[CLOCK_RFC3339_SZ];

	json__key_string(j, "time", clock__rfc3339(clock__real_ns(clk, mono_ns), text));
	json__key_u64(j, "mono_ns", mono_ns);
}

static void put_owner(struct json *j, const struct record *r)
{
	bool is_known = r->owner.source != SF_SRC_NONE;
	const char *cgroup = is_known ? r->owner.cgroup : NULL;
	char container[CGROUP_CONTAINER_SZ], unit[CGROUP_UNIT_SZ];

	json__key(j, "owner");
	json__begin_object(j);
	json__key_nonzero(j, "pid", is_known ? r->owner.pid : 0);
	json__key_nonzero(j, "tid", is_known ? r->owner.tid : 0);
	json__key_nonzero(j, "start_ns", is_known ? r->owner.start_ns : 0);
	json__key_string(j, "comm", is_known ? r->owner.comm : NULL);
	put_opt(j, "uid", is_known ? r->owner.uid : SF_ABSENT);
	json__key_nonzero(j, "cgroup_id", is_known ? r->owner.cgroup_id : 0);
	json__key_string(j, "cgroup", cgroup);
	json__key_string(j, "container", cgroup_path__container(cgroup, container));
	json__key_string(j, "unit", cgroup_path__unit(cgroup, unit));
	json__key_string(j, "source", names__source(r->owner.source));
	json__end_object(j);
}

static void put_common(struct json *j, const struct clock *clk, const struct record *r)
{
	uint32_t flag;

	json__key_u64(j, "v", 1);
	json__key_string(j, "type", names__event(r->type));
	json__key_u64(j, "id", r->id);
	put_time(j, clk, r->ts);
	json__key_u64(j, "family", r->af == AF_INET ? 4 : 6);
	put_addr(j, "laddr", r->af, r->laddr);
	json__key_nonzero(j, "lport", r->lport);
	put_addr(j, "raddr", r->af, r->raddr);
	put_opt(j, "rport", addr__is_unset(r->af, r->raddr) && !r->rport ? SF_ABSENT : r->rport);
	json__key_nonzero(j, "service_port", r->service_port);
	json__key_nonzero(j, "netns", r->netns);
	json__key_nonzero(j, "cookie", r->cookie);
	json__key_string(j, "role", names__role(r->role));
	json__key(j, "flags");
	json__begin_array(j);
	for (flag = 1; flag & SF_FLAGS_SHOWN; flag <<= 1) {
		if (r->flags & flag)
			json__string(j, names__flag(flag));
	}
	json__end_array(j);
	put_owner(j, r);
}

static void put_at_least(struct json *j, const struct record *r)
{
	unsigned int dur;

	json__key(j, "at_least");
	json__begin_array(j);
	for (dur = 0; dur < __REC_DUR_MAX; dur++) {
		if (r->at_least & 1U << dur)
			json__string(j, record__dur_name(dur));
	}
	json__end_array(j);
}

static void put_stages(struct json *j, const struct record *r)
{
	json__key(j, "stages");
	json__begin_object(j);
	put_opt(j, "connect_ns", r->stage_ns[SF_ST_CONNECT]);
	put_opt(j, "syn_ns", r->stage_ns[SF_ST_SYN]);
	put_opt(j, "synack_ns", r->stage_ns[SF_ST_SYNACK]);
	put_opt(j, "established_ns", r->stage_ns[SF_ST_ESTABLISHED]);
	put_opt(j, "accept_ns", r->stage_ns[SF_ST_ACCEPT]);
	json__end_object(j);
}

static void put_states(struct json *j, const struct record *r)
{
	unsigned int dur;

	json__key(j, "states");
	json__begin_object(j);
	for (dur = REC_ESTABLISHED; dur <= REC_LAST_ACK; dur++)
		put_dur(j, r, dur);
	json__end_object(j);
}

static void put_open(struct json *j, const struct record *r)
{
	char word[OUT_WORD_SZ];

	json__key_string(j, "outcome", names__outcome(r->outcome));
	put_dur(j, r, REC_HANDSHAKE);
	put_dur(j, r, REC_ATTEMPT);
	put_stages(j, r);
	put_dur(j, r, REC_PORT_SEARCH);
	put_opt(j, "syn_retrans", r->syn_retrans);
	put_opt(j, "synack_retrans", r->synack_retrans);
	put_opt(j, "isn", r->isn);
	put_opt(j, "peer_isn", r->peer_isn);
	json__key_string(j, "error", out__error_word(r->error, word));
	json__key(j, "backlog");
	json__begin_object(j);
	put_opt(j, "len", r->backlog_len);
	put_opt(j, "max", r->backlog_max);
	json__end_object(j);
	put_at_least(j, r);
}

static void put_accept(struct json *j, const struct record *r)
{
	put_dur(j, r, REC_ACCEPT_WAIT);
	put_at_least(j, r);
}

static void put_close(struct json *j, const struct record *r)
{
	char word[OUT_WORD_SZ];

	json__key_string(j, "outcome", names__outcome(r->outcome));
	json__key_string(j, "closed_by", names__side(r->closed_by));
	json__key_string(j, "rst_reason", out__reason_word(r->rst_reason, word));
	json__key_bool(j, "rst_reason_derived", r->flags & SF_F_RSN_DERIVED);
	json__key_string(j, "error", out__error_word(r->error, word));
	put_states(j, r);
	put_dur(j, r, REC_HALF_CLOSE);
	put_dur(j, r, REC_CLOSE);
	put_dur(j, r, REC_LIFE);
	json__key(j, "time_wait");
	if (r->time_wait < 0)
		json__null(j);
	else
		json__bool(j, r->time_wait);
	put_opt(j, "fin_retrans", r->fin_retrans);
	put_opt(j, "retrans", r->retrans);
	json__key(j, "closer");
	json__begin_object(j);
	json__key_nonzero(j, "pid", r->closer_pid);
	json__key_string(j, "comm", r->closer_pid ? r->closer_comm : NULL);
	json__end_object(j);
	put_opt(j, "srtt_ns", r->srtt_ns);
	put_opt(j, "bytes_sent", r->bytes_sent);
	put_opt(j, "bytes_received", r->bytes_received);
	put_at_least(j, r);
}

static void put_gone(struct json *j, const struct record *r)
{
	put_dur(j, r, REC_TIME_WAIT);
	json__key_string(j, "end", names__outcome(r->outcome));
	json__key_string(j, "how", names__outcome(r->outcome)); /* "end" is a keyword of jq */
	put_at_least(j, r);
}

static void put_stage(struct json *j, const struct record *r)
{
	json__key_string(j, "stage", names__stage(r->stage));
	put_opt(j, "seq", r->seq);
	put_opt(j, "ack", r->ack);
	json__key_bool(j, "retrans", r->stage_retrans);
}

static void put_alive(struct json *j, const struct record *r)
{
	json__key_string(j, "state", names__state(r->state));
	put_dur(j, r, REC_IN_STATE);
	put_dur(j, r, REC_LIFE);
	put_dur(j, r, REC_HANDSHAKE);
	put_stages(j, r);
	put_states(j, r);
	put_opt(j, "syn_retrans", r->syn_retrans);
	put_opt(j, "synack_retrans", r->synack_retrans);
	put_at_least(j, r);
}

static int write_record(struct out *o, const struct record *rec)
{
	static void (*const put_type[__SF_EV_MAX])(struct json * j, const struct record *r) = {
		[SF_EV_OPEN] = put_open, [SF_EV_ACCEPT] = put_accept, [SF_EV_CLOSE] = put_close,
		[SF_EV_GONE] = put_gone, [SF_EV_STAGE] = put_stage,   [SF_EV_ALIVE] = put_alive,
	};
	struct json j;

	json__init(&j, &o->text);
	json__begin_object(&j);
	put_common(&j, o->clk, rec);
	put_type[rec->type](&j, rec);
	json__end_object(&j);
	str__append_char(&o->text, '\n', 1);
	return 0;
}

static void write_lost(struct out *o, uint64_t mono_ns, const struct losses *delta)
{
	struct json j;
	unsigned int i;

	json__init(&j, &o->text);
	json__begin_object(&j);
	json__key_u64(&j, "v", 1);
	json__key_string(&j, "type", "lost");
	put_time(&j, o->clk, mono_ns);
	for (i = 0; i < __SF_LOST_MAX; i++)
		json__key_u64(&j, names__lost(i), delta->lost[i]);
	json__key(&j, "missed_by");
	json__begin_object(&j);
	for (i = 0; i < __SF_MISSED_MAX; i++)
		json__key_u64(&j, names__missed(i), delta->missed[i]);
	json__end_object(&j);
	json__end_object(&j);
	str__append_char(&o->text, '\n', 1);
}

int out__new_jsonl(int fd, const struct clock *clk, struct out **ret_out)
{
	static const struct out_ops ops = {.record = write_record, .lost = write_lost};
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	*o = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	*ret_out = o;
	return 0;
}
