/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records into the ring buffer, or into the sums (tally.bpf.h). The reader polls; it is woken early only when
 * much data waits, because a wakeup per record costs more than everything else together.
 */
#ifndef SYNFIN_EMIT_BPF_H
#define SYNFIN_EMIT_BPF_H

#include "core.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tally.bpf.h"
#include "tally.h"

static __always_inline void copy_conn(struct sf_conn *to, const struct sf_conn *c)
{
	__u64 word = READ_ONCE(c->accept_ts);

	barrier();
	__builtin_memcpy(to, c, sizeof(*to));
	if (!is_owner_whole(c, word)) {
		word = READ_ONCE(c->accept_ts);
		barrier();
		__builtin_memcpy(to, c, sizeof(*to));
		if (word == SF_ACC_BUSY)
			to->source = SF_SRC_NONE;
	}
	to->source &= ~SF_SRC_IN_CGROUP;
}

static __always_inline struct sf_event *event_reserve(const struct sf_conn *c, enum sf_event_type type,
						      __u64 ts)
{
	struct sf_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		lose(SF_LOST_DROPPED);
		return NULL;
	}
	__builtin_memset(e, 0, __builtin_offsetof(struct sf_event, conn));
	copy_conn(&e->conn, c);
	e->type = type;
	e->ts = ts;
	return e;
}

static __always_inline void event_submit(struct sf_event *e)
{
	bool much = !woken && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= cfg_wakeup_bytes;

	if (much)
		woken = true;
	bpf_ringbuf_submit(e, much ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* `o` is the opening of `c`, which may not be in `c` any more. */
static __always_inline void write_record(const struct sf_conn *c, const struct sf_opening *o,
					 enum sf_event_type type, enum sf_outcome outcome, __u64 ts)
{
	struct sf_event *e = event_reserve(c, type, ts);

	if (!e)
		return;
	e->outcome = outcome;
	if (o != &c->opening)
		__builtin_memcpy(&e->conn.opening, o, sizeof(*o));
	event_submit(e);
}

/* The opening of `c`, which lies in `parked` until the verdict. */
static __always_inline const struct sf_opening *opening_of(const struct sf_conn *c)
{
	const struct sf_parked *p;

	if (!(c->flags & SF_F_PENDING))
		return &c->opening;
	p = bpf_map_lookup_elem(&parked, &c->id);
	return p ? &p->opening : NULL;
}

/*
 * Reports one record of the connection that `object` carries, or adds it to the sums. Not static: the
 * verifier follows each call of a static function anew, and this function is called from everywhere. It is
 * given the address and finds the connection again, because a function that is verified once can be given
 * only numbers (pointers since 5.12, commit e5069b9c23b3). A connection that another CPU has forgotten
 * meanwhile is counted as lost.
 */
__noinline int tell(__u64 object, enum sf_event_type type, enum sf_outcome outcome, __u64 ts)
{
	const struct sf_conn *c = any_find(object);
	const struct sf_opening *o;

	if (!c || c->role >= __SF_ROLE_MAX) {
		lose(SF_LOST_DROPPED);
		return 0;
	}
	o = type == SF_EV_OPEN ? opening_of(c) : &c->opening;
	if (!o)
		lose(SF_LOST_DROPPED);
	else if (cfg_tally)
		sf_tally(find_set(c), c, o, type, outcome, ts);
	else
		write_record(c, o, type, outcome, ts);
	return 0;
}

static __always_inline void emit(const void *object, enum sf_event_type type, enum sf_outcome outcome,
				 __u64 ts)
{
	tell(as_number(object), type, outcome, ts);
}

/* `c` is a copy of a connection whose end was missed. */
static __always_inline void emit_ghost(const struct sf_conn *c, __u64 ts)
{
	if (cfg_tally)
		sf_tally(find_set(c), c, &c->opening, SF_EV_CLOSE, SF_OUT_NONE, ts);
	else
		write_record(c, &c->opening, SF_EV_CLOSE, SF_OUT_NONE, ts);
}

/* A dropped SYN is all there is of its connection, and no object carries that. */
static __always_inline void emit_dropped_syn(const struct sf_conn *c)
{
	if (cfg_tally)
		tally_dropped_syn(c);
	else
		write_record(c, &c->opening, SF_EV_OPEN, SF_OUT_SYN_DROPPED, c->opening.syn_ts);
}

/* The `open` of a client that found no route. No object carries it, and it has no durations. */
static __always_inline void emit_unroutable(const struct sf_conn *c, __u64 ts)
{
	if (cfg_tally)
		tally_unroutable(c);
	else
		write_record(c, &c->opening, SF_EV_OPEN, SF_OUT_UNREACHABLE, ts);
}

/* The numbers of a segment, for stages that are those of a segment. */
struct segment {
	__u32 seq;
	__u32 ack;
	__u16 known; /* enum sf_known */
	bool retrans;
};

static __noinline int emit_stage_record(const struct sf_conn *c, __u32 stage, __u64 ts,
					const struct segment *seg)
{
	struct sf_event *e;

	if (!c || !seg)
		return 0;
	e = event_reserve(c, SF_EV_STAGE, ts);
	if (!e)
		return 0;
	e->stage = stage;
	e->seq = seg->seq;
	e->ack = seg->ack;
	e->known = seg->known;
	e->retrans = seg->retrans;
	event_submit(e);
	return 0;
}

static __always_inline void emit_segment(const struct sf_conn *c, enum sf_stage stage, __u64 ts,
					 struct segment seg)
{
	if (cfg_stages && !(c->flags & SF_F_PENDING) && ts)
		emit_stage_record(c, stage, ts, &seg);
}

static __always_inline void emit_stage(const struct sf_conn *c, enum sf_stage stage, __u64 ts)
{
	emit_segment(c, stage, ts, (struct segment){});
}

#endif
