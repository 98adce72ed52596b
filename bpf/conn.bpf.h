/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Birth, hand-over and death of a followed connection, and who owns it. Nothing here knows which hook called.
 */
#ifndef SYNFIN_CONN_BPF_H
#define SYNFIN_CONN_BPF_H

#include "accept.bpf.h"
#include "core.bpf.h"
#include "filter.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"
#include "table.bpf.h"
#include "tell.bpf.h"

/*
 * `c` is the element under `object`, void afterwards. Only the owner of the object may call this: its
 * creator, the holder of the socket's lock, or the softirq that ends a request.
 */
static __always_inline void conn_forget(const void *object, const struct sf_conn *c)
{
	if (cfg_by_task && c->flags & SF_F_PENDING)
		bpf_map_delete_elem(&parked, &c->id);
	conn_remove(object);
}

/*
 * Unique in a run, without atomics: the CPU in the low bits, above it the source, above that the source's own
 * count.
 */
static __always_inline __u64 new_id(enum id_source source)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	return ++cpu->next_ids[source] << 14 | (__u64)source << 12 | (bpf_get_smp_processor_id() & 0xfff);
}

/*
 * The connection is over for us. It is forgotten; or, while accept() may still find it, it is kept and marked
 * as fully reported. accept() may have looked since the caller last asked.
 */
static __always_inline void conn_leave(const void *object, struct sf_conn *c)
{
	if (!awaits_accept(c)) {
		settle_accept(object, c);
		conn_forget(object, c);
	} else if (!(c->flags & SF_F_END_TOLD)) {
		__sync_fetch_and_add(&c->flags, SF_F_END_TOLD);
	}
}

/* The element that on_child() keeps until the kind of the child is known. */
static __always_inline bool is_tentative(const struct sf_conn *c)
{
	return c->flags & SF_F_PENDING && c->flags & SF_F_FASTOPEN && c->state == TCP_SYN_RECV;
}

/* The end of this connection was missed. False: the sweep has counted that already (sweep.bpf.h). */
static __always_inline bool is_first_to_miss(const struct sf_conn *c)
{
	__u64 id = c->id;

	return !bpf_map_delete_elem(&suspects, &id) || bpf_map_delete_elem(&ghosts, &id);
}

/*
 * The end of `c` was missed. Counts that, and reports the connection with what is known, unless the sweep has
 * done so. Called by the owner of the object that has the address by now.
 */
static __always_inline void end_missed(const void *object, struct sf_conn *c)
{
	if (!is_first_to_miss(c))
		return;
	miss(SF_MISSED_REUSED);
	if (c->flags & SF_F_PENDING || !(c->flags & SF_F_OPENED))
		return;
	c->flags |= SF_F_GAP;
	if (c->flags & SF_F_TIME_WAIT) {
		count(SF_CNT_TW_GONE);
		return;
	}
	if (!(c->flags & SF_F_CLOSING))
		__builtin_memset(&c->closing, 0, sizeof(c->closing));
	c->flags |= SF_F_CLOSING;
	write_close(object, c, SF_OUT_NONE, bpf_ktime_get_ns());
}

/*
 * A connection is still under this address: its end was missed, or it was aborted and no RST was sent for it.
 */
__noinline int evict(__u64 address) /* not static: as tell() */
{
	const void *object = (const void *)address;
	struct sf_conn *c = conn_find(object);

	if (!c)
		return 0;
	if (c->flags & SF_F_ENDED)
		write_close(object, c, SF_OUT_ABORTED, bpf_ktime_get_ns());
	else if (!is_tentative(c) && !(c->flags & SF_F_END_TOLD))
		end_missed(object, c);
	conn_forget(object, c);
	return 0;
}

static __always_inline void conn_evict(const void *object)
{
	if (conn_find(object))
		evict(as_number(object));
}

/*
 * Inserts `c`, built by the caller, into the table unless the filter rejects it. False: the filter rejects
 * it, there is no room, or another CPU has met the same object. The caller evicts a connection that is still
 * under this address before it builds `c`, because both do not fit the stack.
 */
static __always_inline bool conn_insert(const void *object, struct sf_conn *c, enum id_source source)
{
	enum verdict v;
	int err;

	if (!active)
		return false;
	v = judge(c);
	if (v == REJECT)
		return false;
	c->id = new_id(source);
	if (v == UNDECIDED)
		c->flags |= SF_F_PENDING;
	err = conn_add(object, c);
	if (err && err != -EEXIST)
		lose(SF_LOST_EVICTED);
	if (!err && v == ACCEPT)
		count_tried(c);
	return !err;
}

/*
 * The connection is carried by another request or socket from now on. `c` is the element under `from`, void
 * afterwards.
 */
static __always_inline void conn_move(const void *from, const void *to, struct sf_conn *c)
{
	conn_evict(to);
	if (conn_add(to, c))
		lose(SF_LOST_EVICTED);
	conn_remove(from);
}

/*
 * Asks the filter again. False: the connection is not wanted, and was left. True: it is wanted, or still
 * undecided (SF_F_PENDING says which). A connection whose `open` was parked is counted where that `open` is
 * reported (settle_accept() comes first).
 */
static __always_inline bool conn_decide(const void *object, struct sf_conn *c)
{
	enum verdict v;

	if (!(c->flags & SF_F_PENDING))
		return true;
	v = judge(c);
	if (v == REJECT) {
		conn_leave(object, c);
		return false;
	}
	if (v == ACCEPT) {
		c->flags &= ~SF_F_PENDING;
		if (!(c->flags & SF_F_OPENED))
			count_tried(c);
	}
	return true;
}

#endif
