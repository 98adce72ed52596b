/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop: records are drained every POLL_MS, sooner when many wait; what was lost is asked for every second. Records do
 * not wake us one by one, since a wakeup costs the traced host more than all else. Where sums are wanted there are no
 * records, and it sleeps until something is due.
 */
#include "cmd/session.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/usage.h"
#include "cmd/child.h"
#include "cmd/rights.h"
#include "cmd/signals.h"
#include "kernel/cgroup.h"
#include "kernel/tracer.h"
#include "model/names.h"

#define POLL_MS	  20
#define SECOND_NS 1000000000ULL
#define LINGER_NS SECOND_NS /* for connections of the command that are not over when it is */

#define SWEEP_NS    (30 * SECOND_NS) /* a connection that ended unseen shows after two */
#define LAST_DRAINS 40		     /* as many as a full ring buffer takes */
#define PATIENCE_NS 500000000ULL     /* with a reader that has stalled, once we are to end */
#define REPEAT_NS   200000000ULL /* a signal that comes sooner is the same again: timeout(1) sends each twice */

struct session {
	const struct options *opts;
	const struct session_hooks *hooks;
	void *ctx; /* of the hooks */
	struct clock clk;
	struct tracer *tracer;
	struct out *out;
	struct write_watch watch; /* of what writes to the output and standard error */
	struct cgroups *cgroups;
	struct child child;
	struct signals signals;
	struct tracer_stats stats;
	uint64_t malformed;
	uint64_t backwards;
	uint64_t next_second;
	uint64_t next_sweep;
	uint64_t next_tick; /* UINT64_MAX: none */
	bool has_more;	    /* records may wait that were not drained */
	uint64_t deadline;  /* UINT64_MAX: none */
	uint64_t end;	    /* of --duration; UINT64_MAX: none */
	uint64_t cnt;	    /* of what --count counts */
	uint64_t signal_ns; /* when a signal first asked for the end; 0: none has */
	bool is_urgent;	    /* it did so again, or something was given up already */
	size_t unread;	    /* records that came when nothing was written any more */
	bool is_last;	    /* the last interval is being written */
	int err;	    /* the first failure; it has been told */
	bool is_over;	    /* nothing is written any more; only the command is waited for */
	bool stop;
};

/* Nothing is written from here on; a command is not ours to end: it goes on, and is waited for. */
static void stop_writing(struct session *s)
{
	s->is_over = true;
	s->stop |= !s->child.pid;
}

/* A record or an interval, for --count. */
static void count_one(struct session *s)
{
	if (++s->cnt == s->opts->count)
		stop_writing(s);
}

static int on_record(void *ctx, const void *data, size_t sz)
{
	struct session *s = ctx;
	struct record rec;
	int err;

	if (s->is_over) {
		s->unread++;
		return 0;
	}
	if (record__decode(data, sz, &rec)) {
		s->malformed++;
		return 0;
	}
	s->backwards += __builtin_popcount(rec.backwards);
	rec.owner.cgroup = cgroups__path(s->cgroups, rec.owner.cgroup_id);
	err = out__record(s->out, &rec);
	count_one(s);
	return err;
}

/* Reads the counters, and tells the reader of the stream what was lost since it was told last. */
static int update_stats(struct session *s, uint64_t now)
{
	struct tracer_stats stats;
	struct losses delta;
	int err = tracer__stats(s->tracer, &stats);

	if (err)
		return err;
	delta = stats.losses;
	losses__subtract(&delta, &s->stats.losses);
	s->stats = stats;
	return s->is_over ? 0 : out__lost(s->out, now, &delta);
}

static int drain(struct session *s)
{
	bool was_over = s->is_over; /* with the last record of --count it becomes so meanwhile */
	int err = tracer__drain(s->tracer, on_record, s);

	s->has_more = err != 0;
	err = err < 0 ? err : 0;
	return err || was_over ? err : out__flush(s->out);
}

static void call(const struct session *s, void (*hook)(void *ctx))
{
	if (hook)
		hook(s->ctx);
}

/* The end of an interval. */
static int tick(struct session *s, uint64_t now)
{
	int err = out__tick(s->out, now);

	if (!err) {
		call(s, s->hooks->tick);
		count_one(s);
	}
	return err;
}

static void check_ends(struct session *s, uint64_t now)
{
	if (now >= s->deadline)
		s->stop = true;
	/* What is left is written at the stop; with a command that may be long after. */
	if (now >= s->end && s->child.pid)
		s->is_over = true;
	else if (now >= s->end)
		s->stop = true;
}

/* What the clock asks for. */
static int do_periodic(struct session *s, uint64_t now)
{
	int err = 0;

	if (now >= s->next_second) {
		s->next_second = now + SECOND_NS;
		clock__sync(&s->clk);
		err = update_stats(s, now);
		call(s, s->hooks->second);
		child__follow_terminal(&s->child);
	}
	if (!err && now >= s->next_sweep) {
		s->next_sweep = now + SWEEP_NS;
		err = tracer__sweep(s->tracer);
	}
	if (!err && !s->is_over && now >= s->next_tick) {
		s->next_tick += s->opts->interval_ns;
		err = tick(s, now);
	}
	check_ends(s, now);
	return err;
}

/* What the tables hold, not what the counters leave: those may have missed something. All zero if they cannot be read. */
static struct tracer_alive count_alive(const struct session *s)
{
	struct tracer_alive alive = {};
	int err = tracer__count_alive(s->tracer, &alive);

	if (err)
		log__warn("cannot count what is alive: %s", strerror(-err));
	return alive;
}

static void on_end_signal(struct session *s)
{
	uint64_t now = clock__mono_ns();

	if (!s->signal_ns)
		s->signal_ns = now;
	else if (now - s->signal_ns > REPEAT_NS)
		s->is_urgent = true;
	s->stop |= !s->child.pid || s->is_urgent;
}

/* The command decides what comes of it; a second request for the end ends us without it. */
static void pass_on(struct session *s, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;
	bool asks_for_end = signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;

	/*
	 * What the terminal sends to our process group, the command has got as well if it is in there. A hangup it
	 * tells the leader of the session alone, which we may be.
	 */
	if (info->ssi_code == SI_KERNEL && s->child.tty < 0 && signo != SIGHUP)
		return;
	if (!asks_for_end || !s->signal_ns)
		child__signal(&s->child, signo);
	if (asks_for_end)
		on_end_signal(s);
}

static void on_signal(struct session *s, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD) {
		if (child__reap(&s->child))
			s->deadline = clock__mono_ns() + LINGER_NS;
	} else if (s->hooks->signal && (signo == SIGUSR1 || signo == SIGHUP)) {
		s->stop |= s->hooks->signal(s->ctx, signo);
	} else if (s->child.pid) {
		pass_on(s, info);
	} else if (signo != SIGTSTP) {
		on_end_signal(s);
	}
}

static void read_signals(struct session *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals.fd, &info, sizeof(info)) == sizeof(info))
		on_signal(s, &info);
}

/* Of a write that waits for its reader; see base/write.h. */
static bool gives_up(void *ctx, uint64_t stalled_ns)
{
	struct session *s = ctx;

	read_signals(s);
	if (!s->signal_ns)
		return false;
	s->is_urgent |= stalled_ns > PATIENCE_NS && clock__mono_ns() - s->signal_ns > PATIENCE_NS;
	return s->is_urgent;
}

/* The command is done: stay for its connections that are still closing, not longer than the deadline. */
static int check_command_done(struct session *s, uint64_t now)
{
	int err;

	if (!s->opts->cmd || s->child.pid)
		return 0;
	err = update_stats(s, now);
	if (s->is_over || !count_alive(s).conns)
		s->stop = true;
	return err;
}

/* Records are polled; sums wait for whoever reads them, so that nothing is to be done before the next date. */
static int poll_ms(const struct session *s)
{
	uint64_t now = clock__mono_ns(), next = s->next_second;

	next = s->next_tick < next ? s->next_tick : next;
	next = s->end < next ? s->end : next;
	if (!s->hooks->wants_sums)
		return s->has_more ? 0 : POLL_MS;
	return next > now ? (int)((next - now) / 1000000) + 1 : 0;
}

static int step(struct session *s)
{
	struct pollfd fds[] = {
		{.fd = s->signals.fd, .events = POLLIN},
		{.fd = tracer__fd(s->tracer), .events = POLLIN},
		/* POLLERR: whoever read it is gone */
		{.fd = s->hooks->writes_output && !s->is_over ? s->opts->output_fd : -1, .events = 0},
	};
	uint64_t now;
	int err;

	if (poll(fds, 3, poll_ms(s)) < 0 && errno != EINTR)
		return -errno;
	if (fds[0].revents & POLLIN)
		read_signals(s);
	if (fds[2].revents & POLLERR)
		return -EPIPE;
	now = clock__mono_ns();
	err = check_command_done(s, now);
	if (!err)
		err = drain(s);
	return err ? err : do_periodic(s, now);
}

static void tell_ready(const struct session *s)
{
	const struct filter *f = &s->opts->filter;
	bool is_filtered = !filter__is_empty(f);
	char missing[128] = "";

	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_choice *c = tracer__choice(s->tracer, id);

		if (c->wanted && !c->variant) {
			size_t len = strlen(missing);

			snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
				 hooks[id].name);
		}
	}
	log__info("ready: %s%s%s, tier %s, missing: %s%s",
		  s->opts->cmd	? "connections of the command"
		  : is_filtered ? "connections"
				: "every TCP connection of this host",
		  is_filtered ? " with " : "", f->text, tier__name(tracer__tier(s->tracer)),
		  missing[0] ? missing : "nothing",
		  s->opts->keep_rights ? "; all rights are kept (--no-sandbox)" : "");
}

static void tell_missed(const struct losses *losses)
{
	for (unsigned int i = 0; i < __SF_MISSED_MAX; i++)
		if (losses->missed[i])
			log__info("missed, %s: %" PRIu64, names__missed(i), losses->missed[i]);
}

static void tell_run(void *ctx, const struct tracer_run *run)
{
	(void)ctx;
	log__info("%s: %" PRIu64 " runs, %" PRIu64 " ns each", run->program, run->cnt, run->ns / run->cnt);
}

/* What all this has cost. */
static void tell_usage(const struct session *s)
{
	struct usage usage;

	if (!usage__read(&usage))
		log__info("synfin itself used %" PRIu64 " ms of CPU and %" PRIu64 " MiB of memory",
			  usage.cpu_ns / 1000000, usage.resident_bytes >> 20);
	if (!s->opts->stats)
		return;
	tell_missed(&s->stats.losses);
	tracer__run_times(s->tracer, tell_run, NULL);
}

static void tell_summary(const struct session *s)
{
	const uint64_t *c = s->stats.counts, *l = s->stats.losses.lost;
	struct tracer_alive alive = count_alive(s);
	char waiting[48] = "";

	if (alive.time_waits)
		snprintf(waiting, sizeof(waiting), ", %" PRIu64 " in time_wait", alive.time_waits);

	log__info("%" PRIu64 " client and %" PRIu64 " server opens begun, %" PRIu64 " established, %" PRIu64
		  " found open, %" PRIu64 " failed, %" PRIu64 " closed, %" PRIu64 " alive%s; lost: %" PRIu64
		  " dropped, %" PRIu64 " missed, %" PRIu64 " evicted, %" PRIu64 " unattributed",
		  c[SF_CNT_CLIENT_TRIED], c[SF_CNT_SERVER_TRIED], c[SF_CNT_OPENED], c[SF_CNT_FOUND],
		  c[SF_CNT_FAILED], c[SF_CNT_ENDED], alive.conns, waiting, l[SF_LOST_DROPPED],
		  l[SF_LOST_MISSED], l[SF_LOST_EVICTED], l[SF_LOST_UNATTRIBUTED]);
	if (s->malformed)
		log__warn("%" PRIu64 " malformed records from the kernel side: please report this",
			  s->malformed);
	if (s->backwards + c[SF_CNT_BACKWARDS])
		log__warn("%" PRIu64 " intervals left out because their ends came in the wrong order",
			  s->backwards + c[SF_CNT_BACKWARDS]);
}

static void tell_room(struct room room)
{
	log__info("room for %" PRIu64 " connections at a time: %" PRIu64
		  " MiB of kernel memory at once, %" PRIu64 " when all are there",
		  room.conns, room.bytes_now >> 20, room.bytes_full >> 20);
}

/* All that needs rights. */
static int attach(struct session *s)
{
	struct filter filter = s->opts->filter;
	struct tracer_opts topts = {
		.filter = &filter,
		.stages = s->opts->stages,
		.stats = s->opts->stats,
		.sums = s->hooks->wants_sums,
		.by = by__mask(&s->opts->by),
		.max_sets = s->opts->max_series,
		.max_conns = s->opts->max_conns,
		.force_tier = s->opts->force_tier,
		.tier = s->opts->tier,
	};
	int err = signals__open(&s->signals, s->hooks->signal);

	if (!err && s->opts->cmd) {
		err = child__prepare(&s->child, s->opts->cmd, &s->signals);
		filter.trees[filter.tree_cnt++] = (uint32_t)s->child.pid;
		if (!err && s->child.tty >= 0)
			err = signals__take(&s->signals, SIGTSTP);
	}
	if (err) {
		log__error("cannot start: %s", strerror(-err));
		return err;
	}
	err = tracer__new(&topts, &s->tracer);
	if (err)
		return err;
	if (s->opts->max_conns)
		tell_room(tracer__room(s->tracer));
	/* The first interval begins here, not when loading began. */
	err = clock__sync(&s->clk);
	if (!err)
		err = cgroups__new(&s->cgroups);
	if (err)
		log__error("cannot start: %s", strerror(-err));
	return err;
}

static int start(struct session *s)
{
	int err = attach(s);

	if (!err)
		err = rights__drop(s->opts, rights__of_session(s->opts, s->hooks->wants_sums));
	if (err)
		return err;
	err = s->hooks->make_out(s->ctx, s->tracer, &s->clk, &s->out);
	if (err)
		log__error("cannot start: %s", strerror(-err));
	else
		out__set_watch(s->out, &s->watch);
	return err;
}

static const char *output_name(const struct session *s)
{
	return s->opts->output ? s->opts->output : "standard output";
}

static void tell_end(const struct session *s)
{
	/* Each record would have been a line. */
	if (s->err == -ECANCELED)
		log__error("%s stalled: %zu lines were not written%s", output_name(s),
			   out__unwritten(s->out) + s->unread,
			   s->hooks->wants_sums && !s->is_last ? ", nor what was counted after them" : "");
	else if (s->err)
		return;
	tell_summary(s);
	tell_usage(s);
}

/* Not each error of a run is one of its output: reading the kernel side fails, too, and memory may run out. */
static bool is_write_error(const struct session *s, int err)
{
	return s->hooks->writes_output && (err == -EPIPE || (err == out__error(s->out) && err != -ENOMEM));
}

/* A reader that has gone away (`| head -1`) has what it wants, which is no failure. */
static void fail(struct session *s, int err)
{
	bool is_output = is_write_error(s, err);

	err = err == -EPIPE && is_output ? 0 : err;
	if (err && !s->err && err != -ECANCELED)
		log__error("cannot %s%s: %s%s", is_output ? "write to " : "go on",
			   is_output ? output_name(s) : "", strerror(-err),
			   s->child.pid ? "; the command goes on" : "");
	s->err = s->err ? s->err : err;
	stop_writing(s);
}

/*
 * What waits in the ring buffer now, not what comes meanwhile. After a failure, or a second signal, what is left of that is
 * only counted.
 */
static void drain_last(struct session *s)
{
	int err;

	s->has_more = true;
	for (int i = 0; i < LAST_DRAINS && s->has_more; i++) {
		err = drain(s);
		read_signals(s);
		if (!err && s->has_more && s->is_urgent)
			err = -ECANCELED;
		if (err)
			fail(s, err);
	}
}

/* Writes what is left. */
static void finish(struct session *s)
{
	int err;

	drain_last(s);
	err = update_stats(s, clock__mono_ns());
	s->is_last = !s->is_over;
	if (!err && !s->is_over)
		err = tick(s, clock__mono_ns());
	if (err)
		fail(s, err);
}

static void loop(struct session *s)
{
	uint64_t now = clock__mono_ns();
	int err;

	s->next_second = now + SECOND_NS;
	s->next_sweep = now + SWEEP_NS;
	s->next_tick = s->opts->interval_ns ? now + s->opts->interval_ns : UINT64_MAX;
	s->deadline = UINT64_MAX;
	s->end = s->opts->duration_ns ? now + s->opts->duration_ns : UINT64_MAX;
	tell_ready(s);
	call(s, s->hooks->ready);
	if (s->child.pid)
		child__release(&s->child);
	while (!s->stop) {
		err = step(s);
		if (err)
			fail(s, err);
	}
	finish(s);
	tell_end(s);
}

enum exit_status session__exit_status(int err)
{
	return err == -EPERM || err == -ENOENT || err == -EOPNOTSUPP ? EXIT_UNABLE : EXIT_RUNTIME;
}

int session__run(const struct options *opts, const struct session_hooks *hooks, void *ctx)
{
	struct session s = {.opts = opts, .hooks = hooks, .ctx = ctx, .signals.fd = -1};
	int err, status;

	s.watch = (struct write_watch){.gives_up = gives_up, .ctx = &s};
	/* The server's thread of export writes messages, too; a watched write is for one thread. */
	if (hooks->writes_output)
		log__set_watch(&s.watch);
	err = start(&s);
	if (err) {
		status = session__exit_status(err);
		child__end(&s.child);
	} else {
		loop(&s);
		child__end(&s.child);
		status = s.child.status ? s.child.status : s.err ? EXIT_RUNTIME : EXIT_DONE;
	}
	call(&s, hooks->stop);
	log__set_watch(NULL);
	tracer__free(s.tracer);
	out__free(s.out);
	cgroups__free(s.cgroups);
	signals__close(&s.signals);
	return status;
}
