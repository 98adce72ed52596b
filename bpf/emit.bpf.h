/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records into the ring buffer, or into the sums (tally.bpf.h). The reader polls; it is woken early only when much
 * waits for it, because a wakeup per record costs more than everything else together.
 */
#ifndef SYNFIN_EMIT_BPF_H
#define SYNFIN_EMIT_BPF_H

static __always_inline struct sf_event *event_reserve(const struct sf_conn *c, enum sf_event_type type,
						      __u64 ts)
{
	struct sf_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		lose(SF_LOST_DROPPED);
		return NULL;
	}
	__builtin_memset(e, 0, __builtin_offsetof(struct sf_event, conn));
	__builtin_memcpy(&e->conn, c, sizeof(*c));
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

/* `c` is carried by `object`, NULL for a SYN that was dropped; `o` is its opening, which may have left it. */
static __always_inline void emit_with(const void *object, const struct sf_conn *c, const struct sf_opening *o,
				      enum sf_event_type type, enum sf_outcome outcome, __u64 ts)
{
	struct sf_event *e;

	if (cfg_tally) {
		if (object)
			tally(as_number(object), type, outcome, ts);
		else
			tally_dropped_syn(c);
		return;
	}
	e = event_reserve(c, type, ts);
	if (!e)
		return;
	e->outcome = outcome;
	if (o != &c->opening)
		__builtin_memcpy(&e->conn.opening, o, sizeof(*o));
	event_submit(e);
}

static __always_inline void emit(const void *object, const struct sf_conn *c, enum sf_event_type type,
				 enum sf_outcome outcome, __u64 ts)
{
	emit_with(object, c, &c->opening, type, outcome, ts);
}

/* What a segment said, where the stage is one of a segment. */
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
