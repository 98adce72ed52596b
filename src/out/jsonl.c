/* SPDX-License-Identifier: GPL-2.0-only */
/* One JSON object a line: the stable form for programs. Every field of a type is always there, null or not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/json.h"
#include "model/cgroup_path.h"
#include "model/names.h"
#include "out/impl.h"

/*
 * Most of a line is the same in all records of an end of a connection, and half of it in all records of an
 * owner. Both parts are rendered once. Each is kept in a place that its number selects, until another part
 * takes that place.
 */
#define OWNERS 64
#define ENDS   256

struct owner_text {
	struct record_owner of; /* its .cgroup is ours */
	char *cgroup;
	struct str json; /* empty: of nobody */
};

/* The part of a record that the fields from "family" to "role" show. */
struct end {
	uint64_t id;
	uint64_t cookie;
	uint32_t netns;
	enum sf_role role;
	int af;
	uint16_t lport, rport, service_port;
	uint8_t laddr[16], raddr[16];
};

struct end_text {
	struct end of;
	struct str json; /* an object without its braces; empty: of nobody */
};

struct jsonl {
	struct out out;
	struct owner_text owners[OWNERS];
	struct end_text ends[ENDS];
};

static inline void put_opt(struct json *j, const char *key, int64_t value)
{
	json__key(j, key);
	if (value == SF_ABSENT)
		json__null(j);
	else
		json__i64(j, value);
}

#define PUT_NUMBER(j, r, name) put_opt(j, #name, (r)->name)

static void put_dur(struct json *j, const struct record *r, enum record_dur dur)
{
	put_opt(j, record__dur_name(dur), r->dur[dur]);
}

static void put_addr(struct json *j, const char *key, int af, const uint8_t bytes[16])
{
	char text[ADDR_TEXT_SZ];

	json__key_word(j, key, addr__is_unset(af, bytes) ? NULL : addr__format(af, bytes, text));
}

static void put_time(struct json *j, const struct clock *clk, uint64_t mono_ns)
{
	char text[CLOCK_RFC3339_SZ];

	json__key_word(j, "time", clock__rfc3339(clock__real_ns(clk, mono_ns), text));
	json__key_u64(j, "mono_ns", mono_ns);
}

static void put_owner(struct json *j, const struct record_owner *o)
{
	bool is_known = o->source != SF_SRC_NONE;
	const char *cgroup = is_known ? o->cgroup : NULL;
	char container[CGROUP_CONTAINER_SZ], unit[CGROUP_UNIT_SZ];

	json__begin_object(j);
	json__key_nonzero(j, "pid", is_known ? o->pid : 0);
	json__key_nonzero(j, "tid", is_known ? o->tid : 0);
	json__key_nonzero(j, "start_ns", is_known ? o->start_ns : 0);
	json__key_string(j, "comm", is_known ? o->comm : NULL);
	put_opt(j, "uid", is_known ? o->uid : SF_ABSENT);
	json__key_nonzero(j, "cgroup_id", is_known ? o->cgroup_id : 0);
	json__key_string(j, "cgroup", cgroup);
	json__key_string(j, "container", cgroup_path__container(cgroup, container));
	json__key_string(j, "unit", cgroup_path__unit(cgroup, unit));
	json__key_word(j, "source", names__source(o->source));
	json__end_object(j);
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_owner(const struct record_owner *a, const struct record_owner *b)
{
	return a->pid == b->pid && a->tid == b->tid && a->source == b->source && a->uid == b->uid &&
	       a->start_ns == b->start_ns && a->cgroup_id == b->cgroup_id &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm)) && is_same_text(a->cgroup, b->cgroup);
}

static void render_owner(struct owner_text *t, const struct record_owner *o)
{
	struct json j;

	free(t->cgroup);
	t->cgroup = o->cgroup ? strdup(o->cgroup) : NULL;
	t->of = *o;
	t->of.cgroup = t->cgroup;
	str__reset(&t->json);
	json__init(&j, &t->json);
	put_owner(&j, o);
}

/* NULL: no memory. */
static const struct str *owner_text(struct jsonl *l, const struct record_owner *o)
{
	struct owner_text *t = &l->owners[(o->tid ^ o->source) % OWNERS];

	if (!t->json.len || !is_same_owner(&t->of, o))
		render_owner(t, o);
	return str__error(&t->json) ? NULL : &t->json;
}

static void put_end(struct json *j, const struct record *r)
{
	json__key_u64(j, "family", r->af == AF_INET ? 4 : 6);
	put_addr(j, "laddr", r->af, r->laddr);
	json__key_nonzero(j, "lport", r->lport);
	put_addr(j, "raddr", r->af, r->raddr);
	put_opt(j, "rport", addr__is_unset(r->af, r->raddr) && !r->rport ? SF_ABSENT : r->rport);
	json__key_nonzero(j, "service_port", r->service_port);
	json__key_nonzero(j, "netns", r->netns);
	json__key_nonzero(j, "cookie", r->cookie);
	json__key_word(j, "role", names__role(r->role));
}

static struct end end_of(const struct record *r)
{
	struct end e = {.id = r->id,
			.cookie = r->cookie,
			.netns = r->netns,
			.role = r->role,
			.af = r->af,
			.lport = r->lport,
			.rport = r->rport,
			.service_port = r->service_port};

	memcpy(e.laddr, r->laddr, sizeof(e.laddr));
	memcpy(e.raddr, r->raddr, sizeof(e.raddr));
	return e;
}

static bool is_same_end(const struct end *e, const struct record *r)
{
	return e->id == r->id && e->cookie == r->cookie && e->netns == r->netns && e->role == r->role &&
	       e->af == r->af && e->lport == r->lport && e->rport == r->rport &&
	       e->service_port == r->service_port && !memcmp(e->laddr, r->laddr, sizeof(e->laddr)) &&
	       !memcmp(e->raddr, r->raddr, sizeof(e->raddr));
}

/* NULL: no memory. */
static const struct str *end_text(struct jsonl *l, const struct record *r)
{
	struct end_text *t = &l->ends[(r->id ^ r->id >> 12) % ENDS];
	struct json j;

	if (!t->json.len || !is_same_end(&t->of, r)) {
		t->of = end_of(r);
		str__reset(&t->json);
		json__init(&j, &t->json);
		put_end(&j, r);
	}
	return str__error(&t->json) ? NULL : &t->json;
}

static void put_flags(struct json *j, uint32_t flags)
{
	json__key(j, "flags");
	json__begin_array(j);
	for (flags &= SF_FLAGS_SHOWN; flags; flags &= flags - 1)
		json__word(j, names__flag(flags & -flags));
	json__end_array(j);
}

static int put_common(struct json *j, struct jsonl *l, const struct record *r)
{
	const struct str *end = end_text(l, r), *owner = owner_text(l, &r->owner);

	if (!end || !owner)
		return -ENOMEM;
	json__key_u64(j, "v", 1);
	json__key_word(j, "type", names__event(r->type));
	json__key_u64(j, "id", r->id);
	put_time(j, l->out.clk, r->ts);
	json__raw(j, end->buf, end->len);
	put_flags(j, r->flags);
	json__key(j, "owner");
	json__raw(j, owner->buf, owner->len);
	return 0;
}

static void put_at_least(struct json *j, const struct record *r)
{
	json__key(j, "at_least");
	json__begin_array(j);
	for (uint32_t rest = r->at_least; rest; rest &= rest - 1)
		json__word(j, record__dur_name(__builtin_ctz(rest)));
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

	json__key_word(j, "outcome", names__outcome(r->outcome));
	put_dur(j, r, REC_HANDSHAKE);
	put_dur(j, r, REC_ATTEMPT);
	put_stages(j, r);
	put_dur(j, r, REC_PORT_SEARCH);
	PUT_NUMBER(j, r, syn_retrans);
	PUT_NUMBER(j, r, synack_retrans);
	PUT_NUMBER(j, r, isn);
	PUT_NUMBER(j, r, peer_isn);
	json__key_word(j, "error", out__error_word(r->error, word));
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

	json__key_word(j, "outcome", names__outcome(r->outcome));
	json__key_word(j, "closed_by", names__side(r->closed_by));
	json__key_word(j, "rst_reason", out__reason_word(r->rst_reason, word));
	json__key_bool(j, "rst_reason_derived", r->flags & SF_F_RSN_DERIVED);
	json__key_word(j, "error", out__error_word(r->error, word));
	put_states(j, r);
	put_dur(j, r, REC_HALF_CLOSE);
	put_dur(j, r, REC_CLOSE);
	put_dur(j, r, REC_LIFE);
	json__key(j, "time_wait");
	if (r->time_wait < 0)
		json__null(j);
	else
		json__bool(j, r->time_wait);
	PUT_NUMBER(j, r, fin_retrans);
	PUT_NUMBER(j, r, retrans);
	json__key(j, "closer");
	json__begin_object(j);
	json__key_nonzero(j, "pid", r->closer_pid);
	json__key_string(j, "comm", r->closer_pid ? r->closer_comm : NULL);
	json__end_object(j);
	PUT_NUMBER(j, r, srtt_ns);
	PUT_NUMBER(j, r, bytes_sent);
	PUT_NUMBER(j, r, bytes_received);
	put_at_least(j, r);
}

static void put_gone(struct json *j, const struct record *r)
{
	put_dur(j, r, REC_TIME_WAIT);
	json__key_word(j, "end", names__outcome(r->outcome));
	json__key_word(j, "how", names__outcome(r->outcome)); /* "end" is a keyword of jq */
	put_at_least(j, r);
}

static void put_stage(struct json *j, const struct record *r)
{
	json__key_word(j, "stage", names__stage(r->stage));
	PUT_NUMBER(j, r, seq);
	PUT_NUMBER(j, r, ack);
	json__key_bool(j, "retrans", r->stage_retrans);
}

static void put_alive(struct json *j, const struct record *r)
{
	json__key_word(j, "state", names__state(r->state));
	put_dur(j, r, REC_IN_STATE);
	put_dur(j, r, REC_LIFE);
	put_dur(j, r, REC_HANDSHAKE);
	put_stages(j, r);
	put_states(j, r);
	PUT_NUMBER(j, r, syn_retrans);
	PUT_NUMBER(j, r, synack_retrans);
	put_at_least(j, r);
}

static int write_record(struct out *o, const struct record *rec)
{
	static void (*const put_type[__SF_EV_MAX])(struct json * j, const struct record *r) = {
		[SF_EV_OPEN] = put_open, [SF_EV_ACCEPT] = put_accept, [SF_EV_CLOSE] = put_close,
		[SF_EV_GONE] = put_gone, [SF_EV_STAGE] = put_stage,   [SF_EV_ALIVE] = put_alive,
	};
	struct json j;
	int err;

	json__init(&j, &o->text);
	json__begin_object(&j);
	err = put_common(&j, (struct jsonl *)o, rec);
	if (err)
		return err;
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
	json__key_word(&j, "type", "lost");
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

static void fini(struct out *o)
{
	struct jsonl *l = (struct jsonl *)o;

	for (size_t i = 0; i < OWNERS; i++) {
		free(l->owners[i].cgroup);
		str__fini(&l->owners[i].json);
	}
	for (size_t i = 0; i < ENDS; i++)
		str__fini(&l->ends[i].json);
}

int out__new_jsonl(int fd, const struct clock *clk, struct out **ret_out)
{
	static const struct out_ops ops = {.record = write_record, .lost = write_lost, .fini = fini};
	struct jsonl *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->out = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	*ret_out = &l->out;
	return 0;
}
