/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slots (slots.h) one record adds to. The includer defines the two functions that add: the kernel side
 * adds to its maps, a test to what it looks at.
 */
#ifndef SYNFIN_TALLY_H
#define SYNFIN_TALLY_H

#include "derive.h"
#include "slots.h"

/* `n` may be 0. */
int sf_add_count(__u64 set, __u32 slot, __u32 n);
int sf_add_duration(__u64 set, __u32 slot, __u64 from, __u64 to, enum sf_certainty certainty);

/* The set that a connection belongs to with these fields (bits 1 << enum by_field); `key` is zeroed. */
SF_INLINE void sf_fill_set_key(struct sf_set_key *key, const struct sf_conn *c, __u32 by)
{
	bool is_owned = c->source != SF_SRC_NONE;

	if (by & 1 << BY_COMM && is_owned)
		__builtin_memcpy(key->comm, c->comm, sizeof(key->comm));
	if (by & 1 << BY_PID && is_owned)
		key->pid = c->pid;
	if (by & 1 << BY_CGROUP && is_owned)
		key->cgroup_id = c->cgroup_id;
	if (by & 1 << BY_RADDR) {
		__builtin_memcpy(key->raddr, c->raddr, sizeof(key->raddr));
		key->family = c->family;
	}
	if (by & 1 << BY_NETNS)
		key->netns = c->netns;
	if (by & 1 << BY_SERVICE)
		key->service = sf_service_port(c);
	if (by & 1 << BY_LPORT)
		key->lport = c->lport;
	if (by & 1 << BY_RPORT)
		key->rport = c->rport;
	if (by & 1 << BY_ROLE)
		key->role = c->role;
}

/* Properties of the record that is being added. */
struct sf_sink {
	__u64 set;
	__u32 role;
	__u32 outcome;
	__u32 closed_by;
};

#define SF_NO_SLOT __SF_SLOT_MAX

/* The slot that a duration is added to; SF_NO_SLOT: none. */
SF_INLINE __u32 sf_slot_of(const struct sf_sink *s, enum record_dur dur)
{
	switch (dur) {
	case REC_HANDSHAKE:
	case REC_ATTEMPT:
		return SF_SLOT_HANDSHAKE + s->role * SF_OPEN_OUTCOMES + s->outcome;
	case REC_ACCEPT_WAIT:
		return SF_SLOT_ACCEPT_WAIT;
	case REC_CLOSE:
		return SF_SLOT_CLOSE + s->outcome * __REC_SIDE_MAX + s->closed_by;
	case REC_HALF_CLOSE:
		return SF_SLOT_HALF_CLOSE;
	case REC_LIFE:
		return SF_SLOT_LIFE + s->role;
	case REC_FIN_WAIT1 ... REC_TIME_WAIT:
		return SF_SLOT_STATE + (dur - REC_FIN_WAIT1);
	default:
		return SF_NO_SLOT;
	}
}

SF_INLINE void sf_measured(struct sf_sink *s, enum record_dur dur, __u64 from, __u64 to,
			   enum sf_certainty certainty)
{
	if (sf_slot_of(s, dur) != SF_NO_SLOT)
		sf_add_duration(s->set, sf_slot_of(s, dur), from, to, certainty);
}

/* From one stage to the next, both not earlier than the first one known. */
SF_INLINE void sf_tally_stage(const struct sf_sink *s, enum sf_stage stage, __u64 first, __u64 from, __u64 to)
{
	if (from >= first && to >= from)
		sf_add_duration(s->set, SF_SLOT_STAGE + s->role * SF_STAGES + stage, from, to, SF_EXACT);
}

SF_INLINE void sf_tally_stages(const struct sf_sink *s, const struct sf_conn *c, const struct sf_opening *o)
{
	__u64 connect = sf_stage_ts(c, o, SF_ST_CONNECT), syn = sf_stage_ts(c, o, SF_ST_SYN);
	__u64 synack = sf_stage_ts(c, o, SF_ST_SYNACK), first = connect ? connect : syn;

	if (c->flags & SF_F_LATE)
		return;
	if (sf_knows_port_search(c, o))
		sf_tally_stage(s, SF_ST_CONNECT, first, connect, syn);
	sf_tally_stage(s, SF_ST_SYN, first, syn, synack);
	sf_tally_stage(s, SF_ST_SYNACK, first, synack, c->est_ts);
}

/* A reason is known for a RST that this host sent; an attempt that died by a RST has none. */
SF_INLINE void sf_tally_resets(const struct sf_sink *s, const struct sf_conn *c, __u32 reason)
{
	if (c->flags & SF_F_RST_IN)
		sf_add_count(s->set, SF_SLOT_RESETS + SF_DIR_IN * SF_RST_REASONS, 1);
	if (c->flags & SF_F_RST_OUT)
		sf_add_count(s->set,
			     SF_SLOT_RESETS + SF_DIR_OUT * SF_RST_REASONS +
				     (reason < SF_RST_REASONS ? reason : 0),
			     1);
}

SF_INLINE void sf_tally_open(struct sf_sink *s, const struct sf_conn *c, const struct sf_opening *o, __u64 ts)
{
	sf_add_count(s->set, SF_SLOT_OPENS + s->role * SF_OPEN_OUTCOMES + s->outcome, 1);
	if (c->role != SF_ROLE_SERVER)
		sf_add_count(s->set, SF_SLOT_RETRANSMITS + SF_SEG_SYN, c->syn_retrans);
	else if (sf_knows_synack_retrans(c, o))
		sf_add_count(s->set, SF_SLOT_RETRANSMITS + SF_SEG_SYNACK, c->synack_retrans);
	sf_tally_resets(s, c, 0);
	sf_derive_open(s, c, o, s->outcome, ts);
	sf_tally_stages(s, c, o);
}

SF_INLINE void sf_tally_close(struct sf_sink *s, const struct sf_conn *c, __u64 ts)
{
	struct record_path path = sf_path(c, s->outcome, ts);

	s->closed_by = sf_closed_by(c, s->outcome, &path);
	sf_add_count(s->set, SF_SLOT_CLOSES + s->outcome * __REC_SIDE_MAX + s->closed_by, 1);
	sf_add_count(s->set, SF_SLOT_RETRANSMITS + SF_SEG_FIN, c->fin_retrans);
	sf_tally_resets(s, c, c->closing.rst_reason);
	sf_derive_close(s, c, s->outcome, ts, &path);
}

/*
 * `o` is the opening of `c`, which may not be in `c` any more. The outcome and the role must be possible for
 * a record of this type.
 */
SF_INLINE void sf_tally(__u64 set, const struct sf_conn *c, const struct sf_opening *o,
			enum sf_event_type type, enum sf_outcome outcome, __u64 ts)
{
	struct sf_sink s = {.set = set, .role = c->role, .outcome = outcome};

	if (type == SF_EV_OPEN)
		sf_tally_open(&s, c, o, ts);
	else if (type == SF_EV_ACCEPT)
		sf_derive_accept(&s, c, ts);
	else if (type == SF_EV_CLOSE)
		sf_tally_close(&s, c, ts);
	else if (type == SF_EV_GONE)
		sf_derive_gone(&s, c, outcome, ts);
}

#endif
