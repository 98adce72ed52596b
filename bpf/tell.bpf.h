/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything reported about a connection is counted in the same place: opened + found = ended + alive + lost.
 */
#ifndef SYNFIN_TELL_BPF_H
#define SYNFIN_TELL_BPF_H

#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"

static __always_inline void add_tried(const struct sf_conn *c, __s64 delta)
{
	add_count(c->role == SF_ROLE_SERVER ? SF_CNT_SERVER_TRIED : SF_CNT_CLIENT_TRIED, delta);
	if (c->flags & SF_F_LATE)
		add_count(SF_CNT_LATE, delta);
}

/* The connection is followed from here on. Counts it by how far it has come. */
static __always_inline void count_tried(const struct sf_conn *c)
{
	if (c->flags & SF_F_TIME_WAIT)
		count(SF_CNT_TW_BEGUN);
	else if (c->flags & SF_F_OPENED)
		count(SF_CNT_FOUND);
	else
		add_tried(c, 1);
}

/* Takes back the count of a connection that turned out not to be wanted. */
static __always_inline void uncount_tried(const struct sf_conn *c)
{
	add_tried(c, -1);
}

/* The handshake has ended; `o` describes it. False: it is not wanted (--min-handshake). */
static __always_inline bool count_open(const struct sf_conn *c, const struct sf_opening *o,
				       enum sf_outcome outcome)
{
	if (!wants_handshake(c, o, outcome)) {
		uncount_tried(c);
		return false;
	}
	count(outcome == SF_OUT_ESTABLISHED ? SF_CNT_OPENED : SF_CNT_FAILED);
	return true;
}

static __always_inline void write_close(const void *object, struct sf_conn *c, enum sf_outcome outcome,
					__u64 ts)
{
	if (c->flags & SF_F_PENDING)
		return;
	count(SF_CNT_ENDED);
	if (c->source == SF_SRC_NONE)
		lose(SF_LOST_UNATTRIBUTED);
	emit_stage(c, SF_ST_END, ts);
	if (wants_close(c, outcome, ts))
		emit(object, SF_EV_CLOSE, outcome, ts);
	else
		c->flags |= SF_F_NO_CLOSE;
}

#endif
