/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of connections followed, keyed by the address of the kernel object that carries each of them.
 *
 * Connections are born into `pairs`, and most of them stay there. It is an array: a lookup is an addition and
 * a comparison, and an insertion allocates no memory. Each address has two places in its pair. If both are
 * taken, the connection goes to the hash `conns`, and the pair counts it (`spilled`). If a pair has spilled
 * none, a key that is not in the pair is not in the table at all. Minisocks, which do nothing for a minute,
 * are in `conns` and not counted, or in `waits` (waits.bpf.h).
 *
 * Long-lived connections must not crowd out new ones: a pair keeps one established connection.
 *
 * One context at a time inserts and removes a key, the one that owns the object (INTERNALS.md, "Who may write
 * what"). The places of a pair are claimed by many contexts, by an atomic addition. A connection that was
 * found stays where it is until the owner of its object removes it.
 *
 * Errors are int, because before 6.4 (commit d7ba4cc900bf) the upper half of the value that an update returns
 * is not that of a long.
 */
#ifndef SYNFIN_TABLE_BPF_H
#define SYNFIN_TABLE_BPF_H

#include "core.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"

/* Spreads addresses evenly over 2^bits. */
static __always_inline __u32 spread(__u64 key, __u32 bits)
{
	return (key * 0x9e3779b97f4a7c15ULL) >> (64 - bits);
}

static __always_inline struct sf_pair *pair_of(__u64 key)
{
	__u32 index = spread(key, SF_PAIR_BITS);

	return bpf_map_lookup_elem(&pairs, &index);
}

enum place { FIRST, SECOND, NOWHERE };

/* The place of this key in its pair. No object has the key 0. */
static __always_inline enum place place_of(const struct sf_pair *p, __u64 key)
{
	if (!key)
		return NOWHERE;
	if (READ_ONCE(p->keys[FIRST]) == key)
		return FIRST;
	return READ_ONCE(p->keys[SECOND]) == key ? SECOND : NOWHERE;
}

/*
 * FIRST or SECOND, but the verifier does not follow both: it knows nothing of a value that was read from a
 * map, as `unknown` was.
 */
static __always_inline __u64 hidden(__u64 unknown, enum place at)
{
	__u64 place = at;

	asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(place) : "r"(unknown));
	return place & 1;
}

static __always_inline struct sf_conn *conn_find(const void *object)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);
	enum place at;

	if (!p)
		return NULL;
	at = place_of(p, key);
	if (at != NOWHERE)
		return &p->conns[hidden(p->spilled, at)];
	return p->spilled ? bpf_map_lookup_elem(&conns, &key) : NULL;
}

static __always_inline struct sf_conn *minisock_find(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	return bpf_map_lookup_elem(&conns, &key);
}

/* For an object whose kind is not known. */
static __always_inline struct sf_conn *any_find(__u64 key)
{
	struct sf_pair *p = pair_of(key);
	enum place at = p ? place_of(p, key) : NOWHERE;

	if (p && at != NOWHERE)
		return &p->conns[hidden(p->spilled, at)];
	return bpf_map_lookup_elem(&conns, &key);
}

/*
 * A program claims a place by adding one to its claims and then reading 1. Two programs at once may both read
 * 2, and then both go elsewhere: additions that return the old value need 5.12 (commit 5ca419f2864a). The
 * addition does not order memory either: on processors that reorder stores, a reader in between may see the
 * key before the connection that it stands for.
 */
static __always_inline bool claim(__u32 *claims)
{
	if (READ_ONCE(*claims))
		return false;
	__sync_fetch_and_add(claims, 1);
	if (READ_ONCE(*claims) == 1)
		return true;
	__sync_fetch_and_add(claims, -1);
	return false;
}

static __always_inline void leave_place(struct sf_pair *p, enum place at)
{
	__u64 i = hidden(p->spilled, at);

	WRITE_ONCE(p->keys[i], 0);
	__sync_fetch_and_add(&p->claims[i], -1);
}

static __always_inline int take_place(struct sf_pair *p, __u64 key, const struct sf_conn *c)
{
	__u64 i = hidden(p->spilled, READ_ONCE(p->claims[FIRST]) ? SECOND : FIRST);

	if (!claim(&p->claims[i]))
		return -EBUSY;
	__builtin_memcpy(&p->conns[i], c, sizeof(*c));
	barrier();
	WRITE_ONCE(p->keys[i], key);
	return 0;
}

static __always_inline int spill(struct sf_pair *p, __u64 key, const struct sf_conn *c)
{
	int err;

	__sync_fetch_and_add(&p->spilled, 1);
	err = bpf_map_update_elem(&conns, &key, c, BPF_NOEXIST);
	if (err)
		__sync_fetch_and_add(&p->spilled, -1);
	return err;
}

/* The connection may live long: it is established, or is the child of a handshake that is about to be. */
static __always_inline bool lasts(const struct sf_conn *c)
{
	return c->est_ts || c->state == TCP_SYN_RECV;
}

/* 0, -EEXIST, or another error if there is no room. */
static __always_inline int conn_add(const void *object, const struct sf_conn *c)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);
	int err;

	if (!p)
		return -ENOMEM;
	if (place_of(p, key) != NOWHERE || (p->spilled && bpf_map_lookup_elem(&conns, &key)))
		return -EEXIST;
	if (lasts(c) && (p->claims[FIRST] || p->claims[SECOND]) && !spill(p, key, c))
		return 0;
	err = take_place(p, key, c);
	return err == -EBUSY ? spill(p, key, c) : err;
}

static __always_inline void conn_remove(const void *object)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);
	enum place at;

	if (!p)
		return;
	at = place_of(p, key);
	if (at != NOWHERE)
		leave_place(p, at);
	else if (p->spilled && !bpf_map_delete_elem(&conns, &key))
		__sync_fetch_and_add(&p->spilled, -1);
}

/*
 * Moves an established connection to `conns` if it has a neighbour in its pair. Called under the socket's
 * lock and before accept() can find the connection, so that nobody else holds `c`, which is void afterwards.
 */
static __always_inline void conn_make_room(const void *object, const struct sf_conn *c)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);
	enum place at = p ? place_of(p, key) : NOWHERE;

	if (p && at != NOWHERE && p->claims[FIRST] && p->claims[SECOND] && !spill(p, key, c))
		leave_place(p, at);
}

static __always_inline int minisock_add(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	__u64 key = as_number(tw);

	return bpf_map_update_elem(&conns, &key, c, BPF_NOEXIST);
}

/* False: it was not there. */
static __always_inline bool minisock_remove(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	return !bpf_map_delete_elem(&conns, &key);
}

#endif
