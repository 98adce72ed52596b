/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Birth, hand-over and death of a followed connection, and who owns it. Nothing here knows which hook called.
 */
#ifndef SYNFIN_CONN_BPF_H
#define SYNFIN_CONN_BPF_H

static __always_inline struct sf_conn *conn_find(const void *object)
{
	__u64 key = (__u64)object;

	return bpf_map_lookup_elem(&conns, &key);
}

static __always_inline void conn_forget(const void *object, const struct sf_conn *c)
{
	__u64 key = (__u64)object;

	if (c->flags & SF_F_PENDING && c->flags & SF_F_CLOSING)
		bpf_map_delete_elem(&parked, &c->id);
	bpf_map_delete_elem(&conns, &key);
}

/*
 * Unique in a run without atomics: the CPU in the low bits, its own count above. connect() has a count of its own, because a
 * softirq may interrupt it in the middle of counting.
 */
static __always_inline __u64 new_id(bool in_connect)
{
	struct sf_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	return (in_connect ? ++cpu->next_client_id : ++cpu->next_id) << 13 | (__u64)in_connect << 12 |
	       (bpf_get_smp_processor_id() & 0xfff);
}

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* NFS, iSCSI and the like open and close sockets of their own. */
static __always_inline bool is_kernel_thread(void)
{
	return BPF_CORE_READ((const struct task_struct *)bpf_get_current_task(), flags) & PF_KTHREAD;
}

/*
 * Only where the running task is the one that asked: connect(), accept(), listen(), close(). What the kernel does for
 * itself has no owner.
 */
static __always_inline void own_by_current(struct sf_conn *c, enum sf_source source)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (is_kernel_thread())
		return;
	c->pid = id >> 32;
	c->tid = id;
	c->uid = bpf_get_current_uid_gid();
	c->cgroup_id = bpf_get_current_cgroup_id();
	c->source = source;
	bpf_get_current_comm(c->comm, sizeof(c->comm));
}

static __always_inline void disown(struct sf_conn *c)
{
	c->source = SF_SRC_NONE;
	c->pid = 0;
	c->tid = 0;
	c->uid = 0;
	c->cgroup_id = 0;
	__builtin_memset(c->comm, 0, sizeof(c->comm));
}

static __always_inline void own(struct sf_conn *c, const struct sf_owner *o)
{
	c->pid = o->pid;
	c->tid = o->tid;
	c->uid = o->uid;
	c->cgroup_id = o->cgroup_id;
	c->source = o->source;
	__builtin_memcpy(c->comm, o->comm, sizeof(c->comm));
}

static __always_inline void own_by_listener(struct sf_conn *c, const struct sock *listener)
{
	__u64 key = (__u64)listener;
	struct sf_owner *o = bpf_map_lookup_elem(&listeners, &key);

	if (o)
		own(c, o);
}

static __always_inline void close_by_current(struct sf_conn *c)
{
	if (is_kernel_thread())
		return;
	c->closing.closer_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(c->closing.closer_comm, sizeof(c->closing.closer_comm));
}

/* Followed from here on, by what it has behind it already. */
static __always_inline void count_tried(const struct sf_conn *c)
{
	if (c->flags & SF_F_TIME_WAIT) {
		count(SF_CNT_TW_BEGUN);
		return;
	}
	if (c->flags & SF_F_OPENED) {
		count(SF_CNT_FOUND);
		return;
	}
	count(c->role == SF_ROLE_SERVER ? SF_CNT_SERVER_TRIED : SF_CNT_CLIENT_TRIED);
	if (c->flags & SF_F_LATE)
		count(SF_CNT_LATE);
}

static __always_inline void write_close(struct sf_conn *c, enum sf_outcome outcome, __u64 ts);

/* Something is under this address still: its end was not seen, or nothing was sent for an abort of it. */
static __always_inline void conn_evict(const void *object)
{
	struct sf_conn *c = conn_find(object);

	if (!c)
		return;
	if (c->flags & SF_F_ENDED)
		write_close(c, SF_OUT_ABORTED, bpf_ktime_get_ns());
	else
		lose(SF_LOST_MISSED);
	conn_forget(object, c);
}

/* Takes `c`, built by the caller, into the table if the filter lets it. False: not followed. */
static __always_inline bool conn_birth(const void *object, struct sf_conn *c)
{
	__u64 key = (__u64)object;
	enum verdict v;

	if (!active)
		return false;
	v = judge(c);
	if (v == REJECT)
		return false;
	c->id = new_id(c->role == SF_ROLE_CLIENT);
	if (v == UNDECIDED)
		c->flags |= SF_F_PENDING;
	if (bpf_map_update_elem(&conns, &key, c, BPF_NOEXIST)) {
		conn_evict(object);
		if (bpf_map_update_elem(&conns, &key, c, BPF_ANY)) {
			lose(SF_LOST_EVICTED);
			return false;
		}
	}
	if (v == ACCEPT)
		count_tried(c);
	return true;
}

/* The connection is carried by another object from now on. `c` is the element under `from`, void afterwards. */
static __always_inline void conn_move(const void *from, const void *to, struct sf_conn *c)
{
	__u64 old = (__u64)from, new = (__u64)to;

	if (bpf_map_update_elem(&conns, &new, c, BPF_ANY))
		lose(SF_LOST_EVICTED);
	bpf_map_delete_elem(&conns, &old);
}

/*
 * Asks the filter again. False: not wanted after all, and forgotten. True: wanted, or still undecided
 * (SF_F_PENDING says which).
 */
static __always_inline bool conn_decide(const void *object, struct sf_conn *c)
{
	enum verdict v;

	if (!(c->flags & SF_F_PENDING))
		return true;
	v = judge(c);
	if (v == REJECT) {
		conn_forget(object, c);
		return false;
	}
	if (v == ACCEPT) {
		/* accept() may race with a softirq that sets another flag */
		__sync_fetch_and_add(&c->flags, -(__u32)SF_F_PENDING);
		count_tried(c);
	}
	return true;
}

#endif
