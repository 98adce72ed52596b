/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel side as the rest of the program sees it: it is started with options, drained of records, asked
 * for its counters, and stopped. The only user of the skeleton and of libbpf's objects.
 */
#ifndef SYNFIN_KERNEL_TRACER_H
#define SYNFIN_KERNEL_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/choice.h"
#include "kernel/room.h"
#include "model/filter.h"
#include "model/losses.h"
#include "model/sums.h"

struct tracer;

struct tracer_opts {
	const struct filter *filter;
	bool stages;
	bool sums;	    /* add up in the kernel, for tracer__read_sums(): no records */
	uint32_t by;	    /* ... kept apart by these fields, by__mask() */
	uint64_t max_sets;  /* ... in at most this many sets */
	uint64_t max_conns; /* followed at a time; 0: the default on this kernel */
	bool stats;	    /* have the kernel count runs, for tracer__run_times(), while the tracer lives */
	bool snapshot;	 /* only find what is there now: no connection's hook is attached, nothing to drain */
	bool force_tier; /* use `tier`, or fail if it is not available; else the best */
	enum tier tier;
};

/*
 * Loads and attaches. 0; -EPERM not permitted; -ENOENT no BTF in this kernel; -EOPNOTSUPP a required
 * hook or the forced tier is not available; other -errno. The failure has been logged.
 */
int tracer__new(const struct tracer_opts *opts, struct tracer **ret_tracer);
/* NULL is fine. Detaches everything. */
void tracer__free(struct tracer *t);

/* A record: `data` is raw, for record__decode(). Non-zero stops the drain and is returned by it. */
typedef int (*tracer_record_fn)(void *ctx, const void *data, size_t sz);

/*
 * Passes the waiting records to `fn`, at most 1,024: a flood of records must not keep the caller from all
 * other work. 0, 1 when more records may be waiting, or what `fn` returned, which must not be -EAGAIN.
 */
int tracer__drain(struct tracer *t, tracer_record_fn fn, void *ctx);
/* Readable when records are waiting that should not wait any longer. */
int tracer__fd(const struct tracer *t);

/*
 * Passes every connection that is followed now to `fn`, as a record of type SF_EV_ALIVE. Connections that the
 * filter has not decided on are left out. A connection that changes meanwhile may be missed or reported
 * twice. May be called from any thread. 0, what `fn` returned, or -errno.
 */
int tracer__walk(const struct tracer *t, tracer_record_fn fn, void *ctx);

/*
 * Compares the table with the kernel's own objects. A connection that two sweeps find dead is counted as
 * missed and reported, and no longer counts as alive. To be called every half minute or so. 0 or -errno.
 */
int tracer__sweep(struct tracer *t);

/* Connections that are in the tables now and have passed the filter. */
struct tracer_alive {
	uint64_t conns; /* established and not over */
	uint64_t time_waits;
};
/* 0 or -errno. */
int tracer__count_alive(const struct tracer *t, struct tracer_alive *ret_alive);

/*
 * Counts the TIME_WAIT entries that tracer__walk() does not report: when sums are needed and no records,
 * nothing is known about these entries but that they exist. 0 or -errno.
 */
int tracer__count_waits(const struct tracer *t, size_t *ret_cnt);

/* Since the start. */
struct tracer_stats {
	uint64_t counts[__SF_CNT_MAX];
	struct losses losses;
};
int tracer__stats(const struct tracer *t, struct tracer_stats *ret_stats);

/*
 * Replaces the contents of `sums`; the losses are read after the sums. Any thread may call this and
 * tracer__walk(). 0 or -errno.
 */
int tracer__read_sums(const struct tracer *t, struct sums *sums, struct losses *ret_losses);

/*
 * Removes sets of sums to which nothing was added for `idle_ns`, step by step. To be called again and again,
 * at least EXPIRY_LEAST_NS apart, and never while tracer__read_sums() runs. 0 or -errno.
 */
int tracer__expire(struct tracer *t, uint64_t idle_ns);

/* How often and how long a program has run, on all CPUs; the name is borrowed. */
struct tracer_run {
	const char *program;
	uint64_t cnt;
	uint64_t ns;
};
typedef void (*tracer_run_fn)(void *ctx, const struct tracer_run *run);
/* Reports programs whose runs the kernel counts (kernel.bpf_stats_enabled). May be called from any thread. */
void tracer__run_times(const struct tracer *t, tracer_run_fn fn, void *ctx);

struct room tracer__room(const struct tracer *t);
enum tier tracer__tier(const struct tracer *t);
const struct hook_choice *tracer__choice(const struct tracer *t, enum hook_id id);

#endif
