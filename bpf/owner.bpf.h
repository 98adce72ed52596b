/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Describes a task: its PIDs as synfin's PID namespace shows them, the start of its process, its user, name
 * and cgroup, and whether that cgroup is one asked for. All this is read together, once, when a task comes to
 * own something, so that a filter never needs the task again.
 */
#ifndef SYNFIN_OWNER_BPF_H
#define SYNFIN_OWNER_BPF_H

#include "core.bpf.h"
#include "maps.bpf.h"
#include "synfin.h"

#define MAX_PID_NS_LEVEL 32
#define MAX_CGROUP_LEVEL 64

/* The number that a task has in synfin's PID namespace, which may lie above its own; 0: it has none there. */
static __noinline __u32 number_here(const struct pid *pid)
{
	__u32 level = KREAD(pid, level);

	for (__u32 up = 0; up <= MAX_PID_NS_LEVEL; up++) {
		const struct upid *number;

		if (up > level)
			break;
		number = (const void *)pid + bpf_core_field_offset(struct pid, numbers) +
			 (level - up) * bpf_core_type_size(struct upid);
		if (KREAD(number, ns, ns.inum) == cfg_pidns)
			return KREAD(number, nr);
	}
	return 0;
}

static __always_inline __u32 tid_of(const struct task_struct *task)
{
	return cfg_pidns ? number_here(KREAD(task, thread_pid)) : KREAD(task, pid);
}

static __always_inline __u32 tgid_of(const struct task_struct *task)
{
	return cfg_pidns ? number_here(KREAD(task, group_leader, thread_pid)) : KREAD(task, tgid);
}

#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */

/*
 * io_uring's own threads, iou-wrk-PID and iou-sqp-PID, belong to the process that has the ring since 5.12;
 * before, they were kernel threads.
 */
static __always_inline bool is_ring_worker(const struct task_struct *task)
{
	return KREAD(task, flags) & PF_IO_WORKER;
}

/* The task whose name is reported. A ring's worker does what some thread of the process asked for. */
static __always_inline const struct task_struct *asker(const struct task_struct *task)
{
	return is_ring_worker(task) ? KREAD(task, group_leader) : task;
}

/* This cgroup, or one above it, was asked for. */
static __noinline bool is_wanted_cgroup(const struct cgroup *cgroup)
{
	for (int up = 0; up < MAX_CGROUP_LEVEL && cgroup; up++) {
		__u64 id = KREAD(cgroup, kn, id);

		if (bpf_map_lookup_elem(&flt_cgroups, &id))
			return true;
		cgroup = KREAD(cgroup, self.parent, cgroup);
	}
	return false;
}

/* Reads what records contain about a task, and neither a sum nor a gauge. */
static __always_inline void read_owner_in_full(struct sf_owner *o, const struct task_struct *task)
{
	o->tid = is_ring_worker(task) ? 0 : tid_of(task);
	o->start_ns = KREAD(task, group_leader, start_time);
}

static __always_inline void read_owner(struct sf_owner *o, const struct task_struct *task,
				       enum sf_source source)
{
	const struct cgroup *cgroup;

	__builtin_memset(o, 0, sizeof(*o));
	o->source = source;
	o->pid = tgid_of(task);
	if (!cfg_tally)
		read_owner_in_full(o, task);
	if (!cfg_tally || cfg_by_uid)
		o->uid = KREAD(task, cred, uid.val);
	if (!cfg_tally || cfg_by_cgroup || cfg_by & 1 << BY_CGROUP) {
		cgroup = KREAD(task, cgroups, dfl_cgrp);
		o->cgroup_id = KREAD(cgroup, kn, id);
		o->in_cgroup = cfg_by_cgroup && is_wanted_cgroup(cgroup);
	}
	BPF_CORE_READ_INTO(&o->comm, asker(task), comm);
}

/*
 * Only for calls that the running task makes itself: connect(), accept(), listen(), close(). Connections that
 * the kernel makes for itself (is_kernel_thread) have no owner.
 */
static __always_inline const struct task_struct *current_task(void)
{
	return (const struct task_struct *)bpf_get_current_task();
}

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* NFS, iSCSI and the like open and close sockets of their own. */
static __always_inline bool is_kernel_thread(const struct task_struct *task)
{
	return KREAD(task, flags) & PF_KTHREAD;
}

/*
 * accept() may be writing the owner, on another CPU or interrupted by us (accept.bpf.h). Its word is then
 * BUSY, or has changed by the end, and the copy may be a mixture of two owners.
 */
static __always_inline bool is_owner_whole(const struct sf_conn *c, __u64 word)
{
	barrier();
	return word != SF_ACC_BUSY && READ_ONCE(c->accept_ts) == word;
}

/* --- the owner of a connection -------------------------------------------------------------------------- */

/* Writes the words of the owner, and nothing else of `c`. */
static __always_inline void own(struct sf_conn *c, const struct sf_owner *o)
{
	c->pid = o->pid;
	c->tid = o->tid;
	c->uid = o->uid;
	c->cgroup_id = o->cgroup_id;
	c->start_ns = o->start_ns;
	c->source = o->source | (o->in_cgroup ? SF_SRC_IN_CGROUP : 0);
	__builtin_memcpy(c->comm, o->comm, sizeof(c->comm));
}

/* Not inlined, so that the stack it uses is free when it returns. */
static __noinline int own_by_current(struct sf_conn *c, enum sf_source source)
{
	const struct task_struct *task = current_task();
	struct sf_owner o;

	if (is_kernel_thread(task))
		return 0;
	read_owner(&o, task, source);
	own(c, &o);
	return 0;
}

/* Only before accept() can find the connection. */
static __always_inline void disown(struct sf_conn *c)
{
	struct sf_owner nobody = {.source = SF_SRC_NONE};

	own(c, &nobody);
}

static __always_inline void own_by_listener(struct sf_conn *c, const struct sock *listener)
{
	__u64 key = (__u64)listener;
	struct sf_owner *o = bpf_map_lookup_elem(&listeners, &key);

	if (o)
		own(c, o);
}

/* Only records name the closer; sums do not need it. */
static __always_inline void close_by_current(struct sf_conn *c)
{
	const struct task_struct *task = current_task();

	if (cfg_tally || is_kernel_thread(task))
		return;
	c->closing.closer_pid = tgid_of(task);
	BPF_CORE_READ_INTO(&c->closing.closer_comm, asker(task), comm);
}

#endif
