/* SPDX-License-Identifier: GPL-2.0-only */
/* What runs: the kernel side is loaded (kernel/load.c), told to begin, drained, asked, and swept. */
#include "kernel/tracer.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/expiry.h"
#include "kernel/load.h"
#include "kernel/messages.h"
#include "kernel/sums.h"
#include "kernel/sweep.h"
#include "kernel/walk.h"
#include "kernel/warm.h"
#include "synfin.skel.h"

#define DRAIN_MAX 1024

struct tracer {
	struct tracer_opts opts;
	struct filter filter; /* opts.filter: the caller's need not outlive tracer__new() */
	struct caps caps;
	struct choices choices;
	struct loaded loaded;
	struct synfin_bpf *skel; /* loaded.skel */
	struct ring_buffer *ring;
	int stats_fd;		 /* the kernel counts runs while it is open; -1: not by us */
	struct cgroups *cgroups; /* of sets by cgroup; NULL: there are none */
	struct expiry *expiry;	 /* of sets that leave; NULL: none does */
	int cpu_cnt;
	tracer_record_fn fn; /* of the drain that is running */
	void *ctx;
	int drained; /* by it */
};

/* --- starting --------------------------------------------------------------------------------------------- */

static int probe(struct tracer *t)
{
	int err = caps__probe(&t->caps);

	if (err == -EPERM || err == -EACCES) {
		log__error("not permitted to load BPF programs: run as root, or with CAP_BPF, CAP_PERFMON "
			   "and CAP_SYS_ADMIN");
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
	log__error("tier %s is not available on this kernel (%s); the best here is %s, which is the default",
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
	t->choices.hooks[id].variant = NULL;
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
	if (choices__used(&t->choices, HOOK_TREE))
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
	if (t->choices.hooks[HOOK_OWNERS].variant)
		note_warm(t, HOOK_OWNERS, warm__find(t->skel->progs.sf_owners));
	if (t->choices.hooks[HOOK_SOCKETS].variant)
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
	err = load__all(&t->loaded, &t->choices, &t->caps, &t->opts);
	if (err) {
		if (err != -EOPNOTSUPP)
			log__error("cannot load or attach the BPF programs: %s (--verbose says more)",
				   strerror(-err));
		return err;
	}
	t->skel = t->loaded.skel;
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
	messages__take();
	choices__init(&t->choices, &t->filter, opts->snapshot);
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
	load__fini(&t->loaded);
	if (t->stats_fd >= 0)
		close(t->stats_fd);
	cgroups__free(t->cgroups);
	expiry__free(t->expiry);
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
	return choices__used(&t->choices, HOOK_SWEEP) ? sweep__run(t->skel) : 0;
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

/* Runs that the kernel skipped because the program was active on that CPU already. */
static uint64_t skipped_runs(const struct tracer *t)
{
	struct bpf_program *prog;
	struct bpf_prog_info info;
	uint64_t sum = 0;

	bpf_object__for_each_program(prog, t->skel->obj)
	{
		if (!hooks__has_twin(bpf_program__name(prog)) && get_info(prog, &info))
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

int tracer__read_sums(const struct tracer *t, struct sums *sums, struct losses *ret_losses)
{
	struct tracer_stats stats;
	int err;

	sums__reset(sums);
	err = sums__read(t->skel, t->cpu_cnt, t->cgroups, t->expiry, sums);
	if (!err)
		err = tracer__stats(t, &stats);
	if (err)
		return err;
	sums__set_totals(sums, &(struct series_totals){
				       .folded = stats.counts[SF_CNT_FOLDED],
				       .misplaced = stats.counts[SF_CNT_MISPLACED],
				       .bounds = stats.counts[SF_CNT_BOUNDS],
				       .expired = expiry__gone(t->expiry),
			       });
	*ret_losses = stats.losses;
	return 0;
}

int tracer__expire(struct tracer *t, uint64_t idle_ns)
{
	int err = 0;

	if (!t->skel->rodata->cfg_by)
		return 0;
	if (!t->expiry)
		err = expiry__new(&t->expiry);
	return err ? err : expiry__look(t->expiry, t->skel, clock__mono_ns(), idle_ns);
}

struct room tracer__room(const struct tracer *t)
{
	return room__of(t->skel);
}

enum tier tracer__tier(const struct tracer *t)
{
	return choices__tier(&t->choices);
}

const struct hook_choice *tracer__choice(const struct tracer *t, enum hook_id id)
{
	return &t->choices.hooks[id];
}
