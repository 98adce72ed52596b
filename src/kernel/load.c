/* SPDX-License-Identifier: GPL-2.0-only */
/* When the kernel refuses a program after all, the way that needs it is crossed out and the whole is tried again. */
#include "kernel/load.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/filters.h"
#include "kernel/messages.h"
#include "kernel/pidns.h"
#include "kernel/room.h"
#include "kernel/sums.h"
#include "kernel/syscall_tp.h"
#include "synfin.skel.h"

#define RING_SZ		   (8U << 20)
#define IDLE_RING_SZ	   65536U /* nothing is written; a multiple of any page's size */
#define PREALLOCATED_CONNS 65536
#define PREALLOCATED_ROWS  16384

/* --- before load ------------------------------------------------------------------------------------------ */

struct attempt {
	struct loaded *loaded;
	struct choices *choices;
	const struct caps *caps;
	const struct tracer_opts *opts;
	const char *refused; /* the program that the kernel did not take; NULL: none is to blame */
};

static int switch_on(void *ctx, const char *prog)
{
	const struct loaded *l = ctx;

	return bpf_program__set_autoload(bpf_object__find_program_by_name(l->skel->obj, prog), true);
}

/* Tells the BPF side what it can rely on. */
static void configure(const struct attempt *a)
{
	struct synfin_bpf *skel = a->loaded->skel;
	const struct choices *c = a->choices;
	const struct hook_variant *accept = c->hooks[HOOK_ACCEPT].variant;

	skel->rodata->cfg_stages = a->opts->stages;
	skel->rodata->cfg_wakeup_bytes = RING_SZ / 8;
	skel->rodata->has_rdonly_cast = caps__has_function(a->caps, "bpf_rdonly_cast");
	skel->rodata->cfg_tick_ns = clock__tick_ns();
	skel->rodata->has_tw = c->hooks[HOOK_TIME_WAIT].variant != NULL;
	skel->rodata->has_requests = c->hooks[HOOK_REQUEST].variant != NULL;
	skel->rodata->has_accept = accept && accept->tier == TIER_FULL;
	skel->rodata->timers_show_tw = choices__uses(c, HOOK_TIME_WAIT, "sf_tm_cancel");
	skel->rodata->timers_show_requests = choices__uses(c, HOOK_REQUEST, "sf_tm_cancel");
	skel->rodata->find_tw_by_header = choices__uses(c, HOOK_TW_SEGMENT, "sf_tw_header");
	skel->rodata->cfg_pidns = pidns__own();
	filters__configure(skel, a->opts->filter);
}

static int check_required(const struct choices *c)
{
	for (int id = 0; id < __HOOK_MAX; id++) {
		if (hooks[id].required && !c->hooks[id].variant) {
			log__error("this kernel has no way to see %s; synfin cannot work without it",
				   hooks[id].measures);
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static int set_up_sums(const struct attempt *a)
{
	struct synfin_bpf *skel = a->loaded->skel;
	int err = sums__configure(skel, a->opts->by, a->opts->max_sets);

	return err ? err : bpf_map__set_max_entries(skel->maps.ring, IDLE_RING_SZ);
}

/* Maps that these options or hooks do not use take as little memory as they can. */
static int shrink_unused(const struct attempt *a)
{
	struct synfin_bpf *skel = a->loaded->skel;
	const struct {
		struct bpf_map *map;
		bool is_used;
	} maps[] = {
		{skel->maps.flt_pids, a->opts->filter->pid_cnt > 0},
		{skel->maps.flt_tree, a->opts->filter->tree_cnt > 0},
		{skel->maps.tw_headers, skel->rodata->find_tw_by_header},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(maps) / sizeof(maps[0]); i++)
		if (!maps[i].is_used)
			err = bpf_map__set_max_entries(maps[i].map, 1);
	return err;
}

/*
 * Maps that grow on demand need bpf_mem_alloc in tracing programs (6.1, commits 7c8199e24fa0 and
 * 34dd3bad1a6f): before, an update from a kprobe may allocate where the kernel must not, and it warns of it
 * at load. There they are allocated at once, and the largest are made smaller for it.
 */
static int preallocate_maps(const struct attempt *a)
{
	struct synfin_bpf *skel = a->loaded->skel;
	struct bpf_map *map;
	int err = 0;

	if (btf__find_by_name_kind(a->caps->btf, "bpf_mem_alloc", BTF_KIND_STRUCT) > 0)
		return 0;
	bpf_object__for_each_map(map, skel->obj) if (!err && bpf_map__type(map) == BPF_MAP_TYPE_HASH) err =
		bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(uint32_t)BPF_F_NO_PREALLOC);
	if (!err)
		err = shrink_unused(a);
	if (!err && bpf_map__max_entries(skel->maps.keyed_rows) > PREALLOCATED_ROWS)
		err = bpf_map__set_max_entries(skel->maps.keyed_rows, PREALLOCATED_ROWS);
	return err ? err : room__set(skel, PREALLOCATED_CONNS);
}

/* The same for a map that every kernel allocates at once. */
static int shrink_unseen(const struct attempt *a)
{
	if (a->choices->hooks[HOOK_SYN].variant)
		return 0;
	return bpf_map__set_max_entries(a->loaded->skel->maps.dropped_syns, 1);
}

/* --- attaching -------------------------------------------------------------------------------------------- */

/* Iterators run when they are read, the sweep when it is asked for. */
static bool is_attachable(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);

	return strncmp(section, "iter/", 5) != 0 && strcmp(section, "raw_tp") != 0;
}

static int attach_prog(struct bpf_program *prog, struct bpf_link **ret_link)
{
	if (strncmp(bpf_program__section_name(prog), "tp/syscalls/", 12) == 0)
		return syscall_tp__attach(prog, ret_link);
	*ret_link = bpf_program__attach(prog);
	return *ret_link ? 0 : -errno;
}

static int attach_named(void *ctx, const char *name)
{
	struct attempt *a = ctx;
	struct bpf_program *prog = bpf_object__find_program_by_name(a->loaded->skel->obj, name);
	struct bpf_link *link = NULL;
	int err = is_attachable(prog) ? attach_prog(prog, &link) : 0;

	if (err)
		a->refused = name;
	else if (link)
		a->loaded->links[a->loaded->link_cnt++] = link;
	return err;
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static int prepare(const struct attempt *a)
{
	int err;

	choices__make(a->choices, a->caps, a->loaded->skel->obj, a->opts->tier);
	err = check_required(a->choices);
	if (err)
		return err;
	configure(a);
	err = choices__each_prog(a->choices, switch_on, a->loaded);
	if (!err && a->opts->sums)
		err = set_up_sums(a);
	if (!err)
		err = preallocate_maps(a);
	if (!err && a->opts->max_conns)
		err = room__set(a->loaded->skel, a->opts->max_conns);
	return err ? err : shrink_unseen(a);
}

/* With what is not crossed out. */
static int try_once(struct attempt *a)
{
	int err;

	a->refused = NULL;
	messages__forget();
	a->loaded->skel = synfin_bpf__open();
	if (!a->loaded->skel)
		return -errno;
	err = prepare(a);
	if (err)
		return err;
	err = synfin_bpf__load(a->loaded->skel);
	if (err) {
		a->refused = messages__refused();
		return err;
	}
	err = filters__fill(a->loaded->skel, a->opts->filter);
	return err ? err : choices__each_prog(a->choices, attach_named, a);
}

int load__all(struct loaded *ret_loaded, struct choices *c, const struct caps *caps,
	      const struct tracer_opts *opts)
{
	struct attempt a = {.loaded = ret_loaded, .choices = c, .caps = caps, .opts = opts};
	int err;

	*ret_loaded = (struct loaded){};
	while ((err = try_once(&a))) {
		bool again = a.refused && choices__cross_out(c, a.refused);

		if (again)
			log__debug("%s is refused here (%s), trying the next way", a.refused, strerror(-err));
		load__fini(ret_loaded);
		if (!again)
			return err;
	}
	return 0;
}

void load__fini(struct loaded *l)
{
	while (l->link_cnt)
		bpf_link__destroy(l->links[--l->link_cnt]);
	synfin_bpf__destroy(l->skel);
	l->skel = NULL;
}
