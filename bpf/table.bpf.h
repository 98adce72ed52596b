/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of connections followed, by the address of the kernel object that carries each.
 *
 * `pairs` is where they are born and where most of them spend their life: an array, in which finding is an addition and a
 * comparison, and inserting takes no memory from anybody. An address has two places there. Who finds both taken goes to the
 * hash `conns`, and the pair counts it (`spilled`), so that who is not in a pair that has spilled nothing is nowhere.
 * Minisocks, which do nothing for a minute, are always in `conns` and not counted.
 *
 * What lives long must not crowd out what is born: of established connections a pair keeps one.
 *
 * Errors are int: before 6.4 (commit d7ba4cc900bf) the upper half of what an update returns is not that of a long.
 */
#ifndef SYNFIN_TABLE_BPF_H
#define SYNFIN_TABLE_BPF_H

static __always_inline struct sf_pair *pair_of(__u64 key)
{
	__u32 index = (key * 0x9e3779b97f4a7c15ULL) >> (64 - SF_PAIR_BITS);

	return bpf_map_lookup_elem(&pairs, &index);
}

/* 0 or 1, and the verifier does not follow both: it knows nothing of what was read from a map. */
static __always_inline __u64 choose_place(const struct sf_pair *p, bool second)
{
	__u64 place = second, unknown = p->spilled;

	asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(place) : "r"(unknown));
	return place & 1;
}

static __always_inline bool is_in_pair(const struct sf_pair *p, __u64 key)
{
	return p->keys[0] == key || p->keys[1] == key;
}

static __always_inline struct sf_conn *conn_find(const void *object)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);

	if (!p)
		return NULL;
	if (is_in_pair(p, key))
		return &p->conns[choose_place(p, p->keys[1] == key)];
	return p->spilled ? bpf_map_lookup_elem(&conns, &key) : NULL;
}

static __always_inline struct sf_conn *minisock_find(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	return bpf_map_lookup_elem(&conns, &key);
}

/* Where nothing tells what kind of object it is. */
static __always_inline struct sf_conn *any_find(__u64 key)
{
	struct sf_pair *p = pair_of(key);

	if (p && is_in_pair(p, key))
		return &p->conns[choose_place(p, p->keys[1] == key)];
	return bpf_map_lookup_elem(&conns, &key);
}

/*
 * A place is claimed by who adds one to its claims and then reads 1. Two at a time may both read 2, and both go elsewhere:
 * additions that return what was there need 5.12 (commit 5ffa25502b5a).
 */
static __always_inline bool take_place(struct sf_pair *p, __u64 key, const struct sf_conn *c)
{
	__u64 i = choose_place(p, p->claims[0] != 0);

	if (p->claims[i])
		return false;
	__sync_fetch_and_add(&p->claims[i], 1);
	if (READ_ONCE(p->claims[i]) != 1) {
		__sync_fetch_and_add(&p->claims[i], -1);
		return false;
	}
	__builtin_memcpy(&p->conns[i], c, sizeof(*c));
	WRITE_ONCE(p->keys[i], key);
	return true;
}

static __always_inline void leave_place(struct sf_pair *p, __u64 key)
{
	__u64 i = choose_place(p, p->keys[1] == key);

	WRITE_ONCE(p->keys[i], 0);
	__sync_fetch_and_add(&p->claims[i], -1);
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

/* It may live long: it is established, or the child of a handshake that is about to be. */
static __always_inline bool lasts(const struct sf_conn *c)
{
	return c->est_ts || c->state == TCP_SYN_RECV;
}

/* 0, -EEXIST, or another error where there is no room. */
static __always_inline int conn_add(const void *object, const struct sf_conn *c)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);

	if (!p)
		return -ENOMEM;
	if (is_in_pair(p, key) || (p->spilled && bpf_map_lookup_elem(&conns, &key)))
		return -EEXIST;
	if (lasts(c) && (p->claims[0] || p->claims[1]))
		return spill(p, key, c);
	return take_place(p, key, c) ? 0 : spill(p, key, c);
}

static __always_inline void conn_remove(const void *object)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);

	if (!p)
		return;
	if (is_in_pair(p, key))
		leave_place(p, key);
	else if (p->spilled && !bpf_map_delete_elem(&conns, &key))
		__sync_fetch_and_add(&p->spilled, -1);
}

/*
 * It is established: if it has a neighbour, it goes. Under its socket's lock and before accept() can meet it, so that nobody
 * else holds `c`, which is void afterwards.
 */
static __always_inline void conn_make_room(const void *object, const struct sf_conn *c)
{
	__u64 key = as_number(object);
	struct sf_pair *p = pair_of(key);

	if (p && is_in_pair(p, key) && p->claims[0] && p->claims[1] && !spill(p, key, c))
		leave_place(p, key);
}

static __always_inline int minisock_add(const struct inet_timewait_sock *tw, const struct sf_conn *c)
{
	__u64 key = as_number(tw);

	return bpf_map_update_elem(&conns, &key, c, BPF_NOEXIST);
}

static __always_inline void minisock_remove(const struct inet_timewait_sock *tw)
{
	__u64 key = as_number(tw);

	bpf_map_delete_elem(&conns, &key);
}

#endif
