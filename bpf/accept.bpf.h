/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * accept(). It holds no lock of the socket that it returns: the child is in the queue before it becomes
 * ESTABLISHED, and a RST may end it on another CPU meanwhile. Each side therefore writes words of its own and
 * nothing of the other's:
 *
 *   accept()            sf_conn.accept_ts, and the words of the owner
 *   the lock's holder   all else; it does not remove the connection before accept() is done with it, or the
 *                       socket is destroyed
 *
 * Each side publishes by an atomic addition, then looks at the other's word. accept() follows up what the
 * lock's holder has reported by then (SF_F_OPENED, SF_F_END_TOLD): it reports `accept`, and what was parked
 * until its verdict. The lock's holder follows up what it reports later. accept() notes which flags it saw,
 * so that everything is reported exactly once. If the holder looks after accept() has published but before it
 * has made its note, the holder asks again at the connection's end (SF_F_ACCEPT_DUE).
 */
#ifndef SYNFIN_ACCEPT_BPF_H
#define SYNFIN_ACCEPT_BPF_H

#include "core.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tell.bpf.h"

/* A server's connection that accept() has not looked at yet. */
static __always_inline bool awaits_accept(const struct sf_conn *c)
{
	return c->role == SF_ROLE_SERVER && !(c->flags & SF_F_ACCEPTED) &&
	       !(READ_ONCE(c->accept_ts) & SF_ACC_LOOKED);
}

/* Sets a flag that accept() looks at. It must not be set yet. */
static __always_inline void publish(struct sf_conn *c, __u32 flag)
{
	__sync_fetch_and_add(&c->flags, flag);
}

/* --- reports that waited for the verdict ---------------------------------------------------------------- */

/*
 * Reports the `open` of a connection that accept() has decided on. False: it is not wanted (--min-handshake).
 * A connection that is older than the tracer has no `open`.
 */
static __always_inline bool tell_parked_open(const void *object, const struct sf_conn *c)
{
	const struct sf_parked *p = bpf_map_lookup_elem(&parked, &c->id);

	if (!p) {
		count_tried(c);
		return true;
	}
	add_tried(c, 1);
	if (!count_open(c, &p->opening, p->open_outcome))
		return false;
	if (wants_outcome(p->open_outcome))
		emit(object, SF_EV_OPEN, p->open_outcome, p->open_ts);
	return true;
}

static __always_inline void tell_parked_close(const void *object, const struct sf_conn *c)
{
	const struct sf_parked *p = bpf_map_lookup_elem(&parked, &c->id);

	if (!p || !p->end_ts)
		return;
	count(SF_CNT_ENDED);
	if (wants_close(c, p->outcome, p->end_ts))
		emit(object, SF_EV_CLOSE, p->outcome, p->end_ts);
}

static __always_inline void tell_accept(const void *object, const struct sf_conn *c)
{
	__u64 ts = READ_ONCE(c->accept_ts) & ~(__u64)SF_ACC_BITS;

	emit_stage(c, SF_ST_ACCEPT, ts);
	if (!(c->flags & SF_F_NO_OPEN) && wants_outcome(SF_OUT_ESTABLISHED))
		emit(object, SF_EV_ACCEPT, SF_OUT_NONE, ts);
}

/* --- the lock's holder ---------------------------------------------------------------------------------- */

/* Reports what accept() had not seen when it looked. */
__noinline int tell_unseen(__u64 address) /* not static: as tell() */
{
	const void *object = (const void *)address;
	struct sf_conn *c = conn_find(object);
	__u64 word = c ? READ_ONCE(c->accept_ts) : 0;

	if (!c || !(word & SF_ACC_LOOKED))
		return 0;
	c->flags &= ~SF_F_ACCEPT_DUE;
	if (word & SF_ACC_UNWANTED)
		return 0;
	if (!(word & SF_ACC_SAW_OPEN)) {
		if (c->flags & SF_F_PENDING && !tell_parked_open(object, c))
			return 0;
		tell_accept(object, c);
	}
	if (c->flags & SF_F_PENDING && c->flags & SF_F_END_TOLD && !(word & SF_ACC_SAW_END))
		tell_parked_close(object, c);
	return 0;
}

/* The same, if it is due and accept() has looked. */
static __always_inline void settle_accept(const void *object, const struct sf_conn *c)
{
	if (c->flags & SF_F_ACCEPT_DUE)
		tell_unseen(as_number(object));
}

/* A flag was published. If accept() came before and did not see it, we report what follows from it. */
static __always_inline void look_at_accept(const void *object, struct sf_conn *c, __u64 saw)
{
	__u64 word = READ_ONCE(c->accept_ts);

	if (word <= SF_ACC_BUSY || word & saw)
		return;
	c->flags |= SF_F_ACCEPT_DUE;
	settle_accept(object, c);
}

/* Keeps the handshake until accept() decides. */
static __noinline int park_opening(const struct sf_conn *c, __u32 outcome, __u64 ts)
{
	struct sf_parked p = {.open_outcome = outcome, .open_ts = ts};

	if (!c)
		return 0;
	p.opening = c->opening;
	if (bpf_map_update_elem(&parked, &c->id, &p, BPF_ANY))
		lose(SF_LOST_EVICTED);
	return 0;
}

static __always_inline void park_open(const void *object, struct sf_conn *c, enum sf_outcome outcome,
				      __u64 ts)
{
	park_opening(c, outcome, ts);
	publish(c, SF_F_OPENED);
	look_at_accept(object, c, SF_ACC_SAW_OPEN);
}

static __always_inline void park_close(const void *object, struct sf_conn *c, enum sf_outcome outcome,
				       __u64 ts)
{
	struct sf_parked *p = bpf_map_lookup_elem(&parked, &c->id);

	if (!p)
		return;
	p->end_ts = ts;
	p->outcome = outcome;
	publish(c, SF_F_END_TOLD);
	look_at_accept(object, c, SF_ACC_SAW_END);
}

/* --- accept() ------------------------------------------------------------------------------------------- */

/*
 * Reports what follows from `flags`. Returns the bits that say what was seen, and whether the connection is
 * wanted.
 */
static __always_inline __u64 follow_up(const struct sock *sk, const struct sf_conn *c, __u32 flags)
{
	__u64 seen = SF_ACC_LOOKED | (flags & SF_F_OPENED ? SF_ACC_SAW_OPEN : 0) |
		     (flags & SF_F_END_TOLD ? SF_ACC_SAW_END : 0);
	bool is_pending = flags & SF_F_PENDING;

	if (is_pending && cfg_by_task && !wants_task(c))
		return seen | SF_ACC_UNWANTED;
	if (!(flags & SF_F_OPENED))
		return seen;
	if (is_pending && !tell_parked_open(sk, c))
		return seen | SF_ACC_UNWANTED;
	tell_accept(sk, c);
	if (is_pending && flags & SF_F_END_TOLD)
		tell_parked_close(sk, c);
	return seen;
}

/* accept() is about to return this socket to the running task. */
static __always_inline void on_accept(const struct sock *sk)
{
	struct sf_conn *c = conn_find(sk);
	__u64 word;

	if (!c || c->role != SF_ROLE_SERVER || c->flags & SF_F_ACCEPTED || READ_ONCE(c->accept_ts))
		return;
	word = bpf_ktime_get_ns() & ~(__u64)SF_ACC_BITS;
	__sync_fetch_and_add(&c->accept_ts, SF_ACC_BUSY);
	own_by_current(c, SF_SRC_ACCEPT);
	__sync_fetch_and_add(&c->accept_ts, word - SF_ACC_BUSY);
	WRITE_ONCE(c->accept_ts, word | follow_up(sk, c, READ_ONCE(c->flags)));
}

/* Without function hooks: finds the socket behind the descriptor that accept() returns. */
static __always_inline int on_accept_return(long fd)
{
	const struct file *file = file_of_fd(fd);
	const struct socket *socket;

	if (!file)
		return 0;
	socket = KREAD(file, private_data);
	on_accept(KREAD(socket, sk));
	return 0;
}

#endif
