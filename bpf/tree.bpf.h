/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes of --tree and `trace -- CMD`: those that belong to it by birth.
 */
#ifndef SYNFIN_TREE_BPF_H
#define SYNFIN_TREE_BPF_H

#include "core.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"

/* The child of a member becomes a member. False: nothing changed. */
static __always_inline bool join_tree(const struct task_struct *parent, const struct task_struct *child)
{
	__u32 from = tgid_of(parent), to = tgid_of(child);
	__u8 one = 1;

	return from != to && bpf_map_lookup_elem(&flt_tree, &from) &&
	       !bpf_map_update_elem(&flt_tree, &to, &one, BPF_NOEXIST);
}

/*
 * The last thread has left, and the number may be given to an unrelated process. The connections of the dead
 * process keep their verdict.
 */
static __always_inline bool drop_if_dead(const struct task_struct *task)
{
	__u32 tgid = tgid_of(task);

	if (KREAD(task, signal, live.counter) != 0)
		return false;
	bpf_map_delete_elem(&flt_tree, &tgid);
	return true;
}

/* For a task that is older than the hooks. The exit hook may have looked before us. */
static __always_inline void join_family(const struct task_struct *task)
{
	if (drop_if_dead(task))
		return;
	if (join_tree(KREAD(task, real_parent), task)) {
		relatives++;
		drop_if_dead(task);
	}
}

#endif
