/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Load and attach. For each hook the best variant that this kernel may have is switched on; when the kernel
 * refuses one of its programs after all, that variant is crossed out and the whole is tried again with the
 * next.
 */
#include "kernel/tracer.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/filters.h"
#include "kernel/pidns.h"
#include "kernel/sums.h"
#include "kernel/sweep.h"
#include "kernel/syscall_tp.h"
#include "kernel/walk.h"
#include "kernel/warm.h"
#include "synfin.skel.h"

#define MAX_LINKS	   (__HOOK_MAX * HOOK_MAX_PROGS)
#define RING_SZ		   (8U << 20)
#define IDLE_RING_SZ	   65536U /* nothing is written; a multiple of any page's size */
#define PREALLOCATED_CONNS 65536
#define PREALLOCATED_ROWS  16384
#define DRAIN_MAX	   1024

struct tracer {
	struct tracer_opts opts;
	struct filter filter; /* opts.filter: the caller's need not outlive tracer__new() */
	struct caps caps;
	struct synfin_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link *links[MAX_LINKS];
	size_t link_cnt;
	int stats_fd;		 /* the kernel counts runs while it is open; -1: not by us */
	struct cgroups *cgroups; /* of sets by cgroup; NULL: there are none */
	struct hook_choice choices[__HOOK_MAX];
	bool refused[__HOOK_MAX][HOOK_MAX_VARIANTS];
	int cpu_cnt;
	tracer_record_fn fn; /* of the drain that is running */
	void *ctx;
	int drained; /* by it */
};

/* --- libbpf's messages: shown with the debug level, and searched for the program that was refused ---------
 */

static char refused_prog[64];

static void log_lines(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log__debug("%s", line);
}

static int on_libbpf_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text;

	if (level == LIBBPF_DEBUG || vasprintf(&text, fmt, ap) < 0)
		return 0;
	if (strstr(text, "BPF program load failed"))
		sscanf(text, "libbpf: prog '%63[^']'", refused_prog);
	log_lines(text);
	free(text);
	return 0;
}

/* --- choosing ------------------------------------------------------------------------------------------- */

static struct bpf_program *find_prog(const struct tracer *t, const char *name)
{
	return bpf_object__find_program_by_name(t->skel->obj, name);
}

static bool may_try(const struct tracer *t, const struct hook_variant *v)
{
	for (size_t i = 0; i < HOOK_MAX_PROGS && v->progs[i]; i++)
		if (!caps__may_attach(&t->caps, bpf_program__section_name(find_prog(t, v->progs[i])),
				      v->min_args))
			return false;
	return true;
}

static void choose(struct tracer *t, enum hook_id id)
{
	struct hook_choice *c = &t->choices[id];

	c->variant = NULL;
	for (size_t i = 0; i < HOOK_MAX_VARIANTS && hooks[id].variants[i].name; i++) {
		const struct hook_variant *v = &hooks[id].variants[i];

		if (!t->refused[id][i] && v->tier >= t->opts.tier && may_try(t, v)) {
			c->variant = v;
			return;
		}
	}
}

/* How this hook is attached; NULL: not at all. */
static const struct hook_variant *used_variant(const struct tracer *t, enum hook_id id)
{
	return t->choices[id].wanted ? t->choices[id].variant : NULL;
}

static bool uses(const struct tracer *t, enum hook_id id, const char *prog)
{
	const struct hook_variant *v = used_variant(t, id);

	return v && strcmp(v->progs[0], prog) == 0;
}

/* Where requests are not seen by their timers, their timers are of no use for migration; before 5.14 there is none. */
static void drop_useless(struct tracer *t)
{
	struct hook_choice *c = &t->choices[HOOK_MIGRATE];

	if (uses(t, HOOK_MIGRATE, "sf_tm_cancel") && !uses(t, HOOK_REQUEST, "sf_tm_cancel")) {
		c->variant = NULL;
		c->wanted = false;
	}
}

static bool has_function(const struct tracer *t, const char *name)
{
	return btf__find_by_name_kind(t->caps.btf, name, BTF_KIND_FUNC) > 0;
}

/* Switches on the programs of the chosen variants and tells the BPF side what it can rely on. */
static void configure(struct tracer *t)
{
	for (int id = 0; id < __HOOK_MAX; id++)
		choose(t, id);
	drop_useless(t);
	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *v = used_variant(t, id);

		for (size_t i = 0; v && i < HOOK_MAX_PROGS && v->progs[i]; i++)
			bpf_program__set_autoload(find_prog(t, v->progs[i]), true);
	}
	t->skel->rodata->cfg_stages = t->opts.stages;
	t->skel->rodata->cfg_wakeup_bytes = RING_SZ / 8;
	t->skel->rodata->has_rdonly_cast = has_function(t, "bpf_rdonly_cast");
	t->skel->rodata->cfg_tick_ns = clock__tick_ns();
	t->skel->rodata->has_tw = t->choices[HOOK_TIME_WAIT].variant != NULL;
	t->skel->rodata->has_requests = t->choices[HOOK_REQUEST].variant != NULL;
	t->skel->rodata->has_accept =
		t->choices[HOOK_ACCEPT].variant && t->choices[HOOK_ACCEPT].variant->tier == TIER_FULL;
	t->skel->rodata->timers_show_tw = uses(t, HOOK_TIME_WAIT, "sf_tm_cancel");
	t->skel->rodata->timers_show_requests = uses(t, HOOK_REQUEST, "sf_tm_cancel");
	t->skel->rodata->find_tw_by_header = uses(t, HOOK_TW_SEGMENT, "sf_tw_header");
	t->skel->rodata->cfg_pidns = pidns__own();
	filters__configure(t->skel, t->opts.filter);
}

/* Crosses out the variant that uses this program. False: none does. */
static bool cross_out(struct tracer *t, const char *prog)
{
	bool found = false;

	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *v = t->choices[id].variant;

		for (size_t i = 0; v && i < HOOK_MAX_PROGS && v->progs[i]; i++) {
			if (strcmp(v->progs[i], prog) == 0) {
				t->refused[id][v - hooks[id].variants] = true;
				found = true;
			}
		}
	}
	return found;
}

/* --- loading and attaching ------------------------------------------------------------------------------ */

static void unload(struct tracer *t)
{
	while (t->link_cnt)
		bpf_link__destroy(t->links[--t->link_cnt]);
	synfin_bpf__destroy(t->skel);
	t->skel = NULL;
}

static int attach_prog(struct tracer *t, struct bpf_program *prog)
{
	struct bpf_link *link = NULL;
	int err = 0;

	if (strncmp(bpf_program__section_name(prog), "tp/syscalls/", 12) == 0) {
		err = syscall_tp__attach(prog, &link);
	} else {
		link = bpf_program__attach(prog);
		if (!link)
			err = -errno;
	}
	if (!err)
		t->links[t->link_cnt++] = link;
	return err;
}

/* Iterators run when they are read, the sweep when it is asked for. */
static bool is_attachable(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);

	return strncmp(section, "iter/", 5) != 0 && strcmp(section, "raw_tp") != 0;
}

static bool attached_for_earlier_hook(const struct tracer *t, enum hook_id id, const char *prog)
{
	for (int other = 0; other < (int)id; other++) {
		const struct hook_variant *v = used_variant(t, other);

		for (size_t i = 0; v && i < HOOK_MAX_PROGS && v->progs[i]; i++)
			if (strcmp(v->progs[i], prog) == 0)
				return true;
	}
	return false;
}

/* 0, or -errno with the program that could not be attached. */
static int attach(struct tracer *t, const char **ret_prog)
{
	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *v = used_variant(t, id);

		for (size_t i = 0; v && i < HOOK_MAX_PROGS && v->progs[i]; i++) {
			int err;

			if (attached_for_earlier_hook(t, id, v->progs[i]) ||
			    !is_attachable(find_prog(t, v->progs[i])))
				continue;
			err = attach_prog(t, find_prog(t, v->progs[i]));
			if (err) {
				*ret_prog = v->progs[i];
				return err;
			}
		}
	}
	return 0;
}

static int set_up_sums(struct tracer *t)
{
	int err = sums__configure(t->skel, t->opts.by, t->opts.max_sets);

	return err ? err : bpf_map__set_max_entries(t->skel->maps.ring, IDLE_RING_SZ);
}

/* Of maps that the options or the hooks leave no use for, not more than must be. */
static int shrink_unused(const struct tracer *t)
{
	const struct {
		struct bpf_map *map;
		bool is_used;
	} maps[] = {
		{t->skel->maps.flt_pids, t->opts.filter->pid_cnt > 0},
		{t->skel->maps.flt_tree, t->opts.filter->tree_cnt > 0},
		{t->skel->maps.tw_headers, t->skel->rodata->find_tw_by_header},
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
static int preallocate_maps(struct tracer *t)
{
	struct bpf_map *map;
	int err = 0;

	if (btf__find_by_name_kind(t->caps.btf, "bpf_mem_alloc", BTF_KIND_STRUCT) > 0)
		return 0;
	bpf_object__for_each_map(map, t->skel->obj) if (!err && bpf_map__type(map) == BPF_MAP_TYPE_HASH) err =
		bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(uint32_t)BPF_F_NO_PREALLOC);
	if (!err)
		err = shrink_unused(t);
	if (!err && bpf_map__max_entries(t->skel->maps.keyed_rows) > PREALLOCATED_ROWS)
		err = bpf_map__set_max_entries(t->skel->maps.keyed_rows, PREALLOCATED_ROWS);
	if (!err)
		err = bpf_map__set_max_entries(t->skel->maps.found, PREALLOCATED_CONNS);
	if (!err)
		err = bpf_map__set_max_entries(t->skel->maps.waits, PREALLOCATED_CONNS);
	return err ? err : bpf_map__set_max_entries(t->skel->maps.conns, PREALLOCATED_CONNS);
}

/* One attempt with what is not crossed out. On failure *ret_prog is the program to blame, NULL if none is. */
static int try_load(struct tracer *t, const char **ret_prog)
{
	int err;

	*ret_prog = NULL;
	refused_prog[0] = '\0';
	t->skel = synfin_bpf__open();
	if (!t->skel)
		return -errno;
	configure(t);
	for (int id = 0; id < __HOOK_MAX; id++) {
		if (hooks[id].required && !t->choices[id].variant) {
			log__error("this kernel has no way to see %s; synfin cannot work without it",
				   hooks[id].measures);
			return -EOPNOTSUPP;
		}
	}
	err = t->opts.sums ? set_up_sums(t) : 0;
	if (!err)
		err = preallocate_maps(t);
	if (!err)
		err = synfin_bpf__load(t->skel);
	if (err) {
		*ret_prog = refused_prog[0] ? refused_prog : NULL;
		return err;
	}
	err = filters__fill(t->skel, t->opts.filter);
	return err ? err : attach(t, ret_prog);
}

static int load(struct tracer *t)
{
	const char *prog;
	int err;

	while ((err = try_load(t, &prog))) {
		bool again = prog && cross_out(t, prog);

		if (again)
			log__debug("%s is refused here (%s), trying the next way", prog, strerror(-err));
		unload(t);
		if (!again)
			return err;
	}
	return 0;
}

/* --- the tracer ------------------------------------------------------------------------------------------
 */

static int probe(struct tracer *t)
{
	int err = caps__probe(&t->caps);

	if (err == -EPERM || err == -EACCES) {
		log__error("not permitted to load BPF programs: run as root, or with CAP_BPF, CAP_PERFMON "
			   "and CAP_NET_ADMIN");
		return -EPERM;
	}
	if (err == -ENOENT)
		log__error(
			"this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF");
	else if (err)
		log__error("this kernel does not load BPF programs: %s", strerror(-err));
	return err;
}

static int check_tier(const struct tracer *t)
{
	int why = t->opts.tier == TIER_FULL ? t->caps.fentry_err : t->caps.kprobe_err;

	if (!t->opts.force_tier || tracer__tier(t) == t->opts.tier)
		return 0;
	log__error("tier %s is not to be had on this kernel (%s); the best here is %s, which is the default",
		   tier__name(t->opts.tier), why ? strerror(-why) : "a hook is missing, see synfin check",
		   tier__name(tracer__tier(t)));
	return -EOPNOTSUPP;
}

static int on_sample(void *ctx, void *data, size_t sz)
{
	struct tracer *t = ctx;

	int err = t->fn(t->ctx, data, sz);

	/* libbpf itself goes on for as long as records come. */
	return err ? err : ++t->drained < DRAIN_MAX ? 0 : -EAGAIN;
}

static void note_warm(struct tracer *t, enum hook_id id, int err)
{
	if (!err)
		return;
	log__warn("%s cannot be found: %s", hooks[id].measures, strerror(-err));
	t->choices[id].variant = NULL;
}

/* The tree is what descends from its roots when all are found that were there before the fork hook. */
static int run_family(struct tracer *t)
{
	uint32_t before;
	int err;

	do {
		before = t->skel->bss->relatives;
		err = warm__find(t->skel->progs.sf_family);
	} while (!err && t->skel->bss->relatives != before);
	return err;
}

static void find_family(struct tracer *t)
{
	if (used_variant(t, HOOK_TREE))
		note_warm(t, HOOK_TREE, run_family(t));
}

/* What was not adopted after all. */
static void forget_found(struct tracer *t)
{
	int map = bpf_map__fd(t->skel->maps.found);
	uint64_t key;

	while (bpf_map_get_next_key(map, NULL, &key) == 0)
		bpf_map_delete_elem(map, &key);
}

/*
 * All hooks work: what is born from now on is theirs. What filters ask for comes first; then the owners of what there is; then the
 * connections, each with its owner.
 */
static void start_warm(struct tracer *t)
{
	find_family(t);
	if (t->choices[HOOK_OWNERS].variant)
		note_warm(t, HOOK_OWNERS, warm__find(t->skel->progs.sf_owners));
	if (t->choices[HOOK_SOCKETS].variant)
		note_warm(t, HOOK_SOCKETS, warm__find_sockets(t->skel->progs.sf_sockets, t->opts.filter));
	forget_found(t);
}

static void enable_stats(struct tracer *t)
{
	t->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (t->stats_fd < 0)
		log__warn("--stats: this kernel does not count the runs of BPF programs: %s",
			  strerror(errno));
}

static int set_up(struct tracer *t)
{
	int err = probe(t);

	if (err)
		return err;
	t->cpu_cnt = libbpf_num_possible_cpus();
	if (t->cpu_cnt < 0)
		return t->cpu_cnt;
	if (t->opts.by & 1U << BY_CGROUP)
		err = cgroups__new(&t->cgroups);
	if (err)
		return err;
	err = load(t);
	if (err) {
		if (err != -EOPNOTSUPP)
			log__error("cannot load or attach the BPF programs: %s (--verbose tells more)",
				   strerror(-err));
		return err;
	}
	err = check_tier(t);
	if (err)
		return err;
	if (t->opts.stats)
		enable_stats(t);
	malloc_trim(0); /* what libbpf needed to load, most of all that we would use */
	t->skel->bss->active = true;
	start_warm(t);
	t->ring = ring_buffer__new(bpf_map__fd(t->skel->maps.ring), on_sample, t, NULL);
	if (!t->ring) {
		log__error("cannot map the ring buffer: %s", strerror(errno));
		return -ENOMEM;
	}
	return 0;
}

/* Shows what only a server's connection does. */
static bool is_of_servers(enum hook_id id)
{
	return id == HOOK_REQUEST || id == HOOK_SYN || id == HOOK_MIGRATE || id == HOOK_SYNACK_RETRANS ||
	       id == HOOK_ACCEPT;
}

/* A role that is not known may yet turn out to be a server's. */
static bool wants_servers(const struct filter *f)
{
	return !f->roles || f->roles & (1U << SF_ROLE_SERVER | 1U << SF_ROLE_NONE);
}

static bool is_wanted(const struct tracer_opts *opts, enum hook_id id)
{
	if (id == HOOK_TREE)
		return opts->filter->tree_cnt > 0;
	if (is_of_servers(id) && !wants_servers(opts->filter))
		return false;
	return !opts->snapshot || id == HOOK_SOCKETS || id == HOOK_OWNERS;
}

int tracer__new(const struct tracer_opts *opts, struct tracer **ret_tracer)
{
	struct tracer *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->opts = *opts;
	t->filter = *opts->filter;
	t->opts.filter = &t->filter;
	t->stats_fd = -1;
	for (int id = 0; id < __HOOK_MAX; id++)
		t->choices[id].wanted = is_wanted(opts, id);
	libbpf_set_print(on_libbpf_message);
	err = set_up(t);
	if (err) {
		tracer__free(t);
		return err;
	}
	*ret_tracer = t;
	return 0;
}

void tracer__free(struct tracer *t)
{
	if (!t)
		return;
	ring_buffer__free(t->ring);
	unload(t);
	if (t->stats_fd >= 0)
		close(t->stats_fd);
	cgroups__free(t->cgroups);
	caps__fini(&t->caps);
	free(t);
}

int tracer__drain(struct tracer *t, tracer_record_fn fn, void *ctx)
{
	int err;

	t->fn = fn;
	t->ctx = ctx;
	t->drained = 0;
	t->skel->bss->woken = false;
	err = ring_buffer__consume(t->ring);
	return err == -EAGAIN ? 1 : err < 0 ? err : 0;
}

int tracer__sweep(struct tracer *t)
{
	return used_variant(t, HOOK_SWEEP) ? sweep__run(t->skel) : 0;
}

int tracer__fd(const struct tracer *t)
{
	return ring_buffer__epoll_fd(t->ring);
}

int tracer__walk(const struct tracer *t, tracer_record_fn fn, void *ctx)
{
	return walk__table(t->skel, fn, ctx);
}

int tracer__count_alive(const struct tracer *t, struct tracer_alive *ret_alive)
{
	return walk__count(t->skel, ret_alive);
}

int tracer__count_waits(const struct tracer *t, size_t *ret_cnt)
{
	return walk__count_waits(t->skel, ret_cnt);
}

static bool get_info(const struct bpf_program *prog, struct bpf_prog_info *ret_info)
{
	uint32_t sz = sizeof(*ret_info);

	*ret_info = (struct bpf_prog_info){};
	return bpf_program__fd(prog) >= 0 && !bpf_obj_get_info_by_fd(bpf_program__fd(prog), ret_info, &sz);
}

void tracer__run_times(const struct tracer *t, tracer_run_fn fn, void *ctx)
{
	struct bpf_program *prog;
	struct bpf_prog_info info;

	bpf_object__for_each_program(prog, t->skel->obj)
	{
		if (get_info(prog, &info) && info.run_cnt)
			fn(ctx, &(struct tracer_run){.program = bpf_program__name(prog),
						     .cnt = info.run_cnt,
						     .ns = info.run_time_ns});
	}
}

/* Has a twin at the same place, which makes up for its skipped runs: sf_state, sf_destroy, sf_accept_fx and their _again. */
static bool has_twin(const char *prog)
{
	return strncmp(prog, "sf_state", 8) == 0 || strncmp(prog, "sf_destroy", 10) == 0 ||
	       strcmp(prog, "sf_accept_fx") == 0 || strcmp(prog, "sf_accept_again") == 0;
}

/* Runs that the kernel skipped because the program was active on that CPU already. */
static uint64_t skipped_runs(const struct tracer *t)
{
	struct bpf_program *prog;
	struct bpf_prog_info info;
	uint64_t sum = 0;

	bpf_object__for_each_program(prog, t->skel->obj)
	{
		if (has_twin(bpf_program__name(prog)))
			continue;
		if (get_info(prog, &info))
			sum += info.recursion_misses;
	}
	return sum;
}

int tracer__stats(const struct tracer *t, struct tracer_stats *ret_stats)
{
	struct sf_counters *per_cpu = calloc(t->cpu_cnt, sizeof(*per_cpu));
	struct tracer_stats s = {};
	uint32_t zero = 0;
	int err =
		per_cpu ? bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.counters), &zero, per_cpu) : -ENOMEM;

	for (int cpu = 0; !err && cpu < t->cpu_cnt; cpu++) {
		for (int i = 0; i < __SF_CNT_MAX; i++)
			s.counts[i] += per_cpu[cpu].counts[i];
		for (int i = 0; i < __SF_LOST_MAX; i++)
			s.losses.lost[i] += per_cpu[cpu].lost[i];
		for (int i = 0; i < __SF_MISSED_MAX; i++)
			s.losses.missed[i] += per_cpu[cpu].missed[i];
	}
	free(per_cpu);
	if (err)
		return err;
	s.losses.missed[SF_MISSED_SKIPPED] = skipped_runs(t);
	for (int i = 0; i < __SF_MISSED_MAX; i++)
		s.losses.lost[SF_LOST_MISSED] += s.losses.missed[i];
	*ret_stats = s;
	return 0;
}

int tracer__read_sums(const struct tracer *t, struct sums *sums)
{
	struct tracer_stats stats;
	int err = tracer__stats(t, &stats);

	if (err)
		return err;
	sums__reset(sums);
	sums__set_totals(sums, stats.counts[SF_CNT_FOLDED], stats.counts[SF_CNT_BOUNDS]);
	return sums__read(t->skel, t->cpu_cnt, t->cgroups, sums);
}

enum tier tracer__tier(const struct tracer *t)
{
	const struct hook_variant *req = t->choices[HOOK_REQUEST].variant,
				  *tw = t->choices[HOOK_TIME_WAIT].variant;

	if (!req || !tw)
		return TIER_TRACEPOINT;
	return req->tier > tw->tier ? req->tier : tw->tier;
}

const struct hook_choice *tracer__choice(const struct tracer *t, enum hook_id id)
{
	return &t->choices[id];
}
