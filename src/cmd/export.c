/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * synfin export: sums from the start on, served to Prometheus or written to a file of node_exporter's.
 * HTTP has two threads of its own, one of which reads the kernel side's sums on request; the main thread keeps the time.
 * With --config all three are in a worker, and what can begin anew is its parent (keeper.h); without, there is one process.
 */
#include "cmd/command.h"
#include "cmd/keeper.h"
#include "cmd/session.h"
#include "cmd/source.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "http/server.h"
#include "out/collector.h"
#include "out/openmetrics.h"
#include "out/protobuf.h"
#include "out/report.h"

#define MAX_RUNS   128		  /* more than there are programs */
#define STALLED_NS 10000000000ULL /* the main thread stood still for so long: not alive */
#define PAGE_BYTES (128UL << 20)  /* of one page, before it is compressed */
#define PROTOBUF_BYTES \
	(32UL << 20) /* of one of protobuf, whose families have to be whole before they are told */
#define MMAP_BYTES     (128 << 10)    /* glibc's own threshold, which it raises as it likes */
#define EXPIRE_LOOK_NS 60000000000ULL /* how often at least idle sets are looked for */
#define TEXTFILE_MODE  0644	      /* node_exporter is another user */
#define STATE_MODE     0600	      /* names and PIDs are in it */

/* Where HTTP is served. */
struct listeners {
	int fds[SERVER_MAX_LISTENERS];
	size_t cnt;
	bool is_handed_over;	  /* the service manager opened them */
	struct listen_addr bound; /* what we opened */
};

struct exporter {
	int argc;
	char **argv;
	struct options opts;
	/* What the next worker begins with, from SIGHUP until it has taken over. */
	struct options next;
	struct listeners next_listeners; /* may be the same as those of now */
	enum log_level level;		 /* ... and what it was before */
	bool is_prepared;
	struct metrics_hook hooks[__HOOK_MAX];
	const struct tracer *tracer; /* of this run, as is the collector */
	struct out *collector;
	struct server *server;
	struct listeners listeners;
	int parent;		   /* in a worker; -1: there is none */
	_Atomic uint64_t alive_ns; /* CLOCK_MONOTONIC: when the main thread last said so */
	uint64_t expired_ns;	   /* ... and when sets that are idle were last looked for */
	int file_err;		   /* of the last text file */
};

/* One rendering. */
struct rendering {
	const struct exporter *exporter;
	enum http_form form;
	struct pieces *to;
	uint64_t read_ns; /* of the sums */
	struct metrics_run runs[MAX_RUNS];
	size_t run_cnt;
};

static void add_run(void *ctx, const struct tracer_run *run)
{
	struct rendering *r = ctx;

	if (r->run_cnt < MAX_RUNS)
		r->runs[r->run_cnt++] = (struct metrics_run){run->program, run->cnt, run->ns};
}

static void render_locked(void *ctx, const struct metrics *m)
{
	struct rendering *r = ctx;
	const struct options *opts = &r->exporter->opts;
	struct metrics named = *m;

	named.naming = opts->naming;
	named.runs = r->runs;
	named.run_cnt = r->run_cnt;
	named.max_bytes = r->form == HTTP_FORM_PROTOBUF ? PROTOBUF_BYTES : PAGE_BYTES;
	r->read_ns = m->read_ns;
	switch (r->form) {
	case HTTP_FORM_OPENMETRICS:
		openmetrics__write(r->to, &named, &opts->edges);
		break;
	case HTTP_FORM_PROTOBUF:
		protobuf__write(r->to, &named, &opts->edges);
		break;
	default:
		openmetrics__write_classic(r->to, &named, &opts->edges);
	}
}

static int render(void *ctx, enum http_form form, struct pieces *to, uint64_t *ret_read_ns)
{
	struct exporter *e = ctx;
	struct rendering r = {.exporter = e, .form = form, .to = to};
	int err;

	tracer__run_times(e->tracer, add_run, &r);
	err = collector__read(e->collector, render_locked, &r);
	*ret_read_ns = r.read_ns;
	return err;
}

static bool is_alive(void *ctx)
{
	struct exporter *e = ctx;

	return clock__mono_ns() - atomic_load(&e->alive_ns) < STALLED_NS;
}

static int serve(struct exporter *e)
{
	const struct server_config config = {
		.fds = e->listeners.fds,
		.fd_cnt = e->listeners.cnt,
		.hosts = &e->opts.hosts,
		.limits = server_default_limits,
		.render = render,
		.is_alive = is_alive,
		.ctx = e,
	};

	return server__start(&config, &e->server);
}

static int make_out(void *ctx, struct tracer *t, const struct clock *clk, struct out **ret_out)
{
	const struct out_source source = source__of(t);
	struct exporter *e = ctx;
	int err;

	for (int id = 0; id < __HOOK_MAX; id++) {
		const struct hook_variant *v = tracer__choice(t, id)->variant;

		e->hooks[id] = (struct metrics_hook){hooks[id].name, v ? v->name : NULL};
	}
	err = collector__new(clk, &source, e->opts.max_series, &e->opts.by, e->hooks, __HOOK_MAX,
			     &e->collector);
	if (err)
		return err;
	*ret_out = e->collector;
	e->tracer = t;
	err = e->parent < 0 ? 0 : keeper__take_over(e->parent);
	if (err)
		return err;
	atomic_store(&e->alive_ns, clock__mono_ns());
	return e->listeners.cnt ? serve(e) : 0;
}

static void tell_address(int fd)
{
	char text[LISTEN_TEXT_SZ];
	struct listen_addr addr;

	if (listen__find(fd, &addr))
		return;
	listen__format(&addr, text);
	if (addr.any.sa_family == AF_UNIX)
		log__info("serving on %s: /metrics", text);
	else
		log__info("serving http://%s/metrics", text);
}

/* Which listens to the main process alone. */
static void tell_manager(const struct exporter *e, enum keeper_word word, const char *state)
{
	if (e->parent >= 0)
		keeper__say(e->parent, word);
	else
		notify__send(state);
}

static void tell_ready(void *ctx)
{
	const struct exporter *e = ctx;

	for (size_t i = 0; i < e->listeners.cnt; i++)
		tell_address(e->listeners.fds[i]);
	tell_manager(e, KEEPER_READY, "READY=1");
}

/* A failure (of memory) is no reason to end: the next look goes on. */
static void expire(struct exporter *e, uint64_t now)
{
	uint64_t period = e->opts.expire_ns / 8;

	if (period > EXPIRE_LOOK_NS)
		period = EXPIRE_LOOK_NS;
	if (!e->opts.expire_ns || now - e->expired_ns < period)
		return;
	e->expired_ns = now;
	(void)collector__expire(e->collector, e->opts.expire_ns);
}

static void each_second(void *ctx)
{
	struct exporter *e = ctx;
	uint64_t now = clock__mono_ns();

	atomic_store(&e->alive_ns, now);
	tell_manager(e, KEEPER_ALIVE, "WATCHDOG=1");
	expire(e, now);
}

static int replace_textfile(struct exporter *e)
{
	struct file_new file = {.fd = -1};
	struct pieces to = {.take = file__add, .ctx = &file};
	uint64_t read_ns;
	int err = file__begin(e->opts.textfile, &file), end;

	if (err)
		return err;
	err = render(e, HTTP_FORM_CLASSIC, &to, &read_ns);
	end = pieces__end(&to);
	pieces__fini(&to);
	return file__end(&file, e->opts.textfile, TEXTFILE_MODE, err ? err : end);
}

/* A disk that is full for a while is no reason to lose the sums: it is told once and tried again. */
static void write_textfile(void *ctx)
{
	struct exporter *e = ctx;
	int err;

	if (!e->opts.textfile)
		return;
	err = replace_textfile(e);
	if (err && err != e->file_err)
		log__error("cannot write %s: %s", e->opts.textfile, strerror(-err));
	e->file_err = err;
}

static void report_locked(void *ctx, const struct metrics *m)
{
	struct clock clk = {0};
	struct report r = {.series = m->series, .census = m->census, .mono_ns = clock__mono_ns()};

	clock__sync(&clk);
	r.end_ns = clock__real_ns(&clk, r.mono_ns);
	r.interval_ns = r.end_ns > m->created_ns ? r.end_ns - m->created_ns : 0;
	memcpy(r.lost, m->losses.lost, sizeof(r.lost));
	report__write_json(ctx, &r);
}

static void write_state(const struct exporter *e)
{
	struct str text = {0};
	int err;

	if (!e->opts.state) {
		log__warn("SIGUSR1: there is no --state to write to");
		return;
	}
	err = collector__read(e->collector, report_locked, &text);
	if (!err)
		err = str__error(&text);
	if (!err)
		err = file__replace(e->opts.state, &text, STATE_MODE);
	str__fini(&text);
	if (err)
		log__error("cannot write %s: %s", e->opts.state, strerror(-err));
	else
		log__info("state written to %s", e->opts.state);
}

static enum exit_status parse(const struct exporter *e, struct options *ret_opts)
{
	return options__parse(OPTIONS_EXPORT, NULL,
			      "Serve histograms and counters of TCP connections to Prometheus.", e->argc,
			      e->argv, ret_opts);
}

/* The modes of Unix sockets may differ. */
static bool is_same_address(struct listen_addr a, struct listen_addr b)
{
	char a_text[LISTEN_TEXT_SZ], b_text[LISTEN_TEXT_SZ];

	a.mode = b.mode = 0;
	return !strcmp(listen__format(&a, a_text), listen__format(&b, b_text));
}

static int set_mode(struct listeners *l, const struct listen_addr *wanted)
{
	if (wanted->any.sa_family != AF_UNIX || wanted->mode == l->bound.mode)
		return 0;
	if (chmod(wanted->un.sun_path, wanted->mode)) {
		int err = -errno;

		log__error("cannot change the mode of %s: %s", wanted->un.sun_path, strerror(-err));
		return err;
	}
	l->bound.mode = wanted->mode;
	return 0;
}

static void close_listeners(struct listeners *l)
{
	while (l->cnt)
		close(l->fds[--l->cnt]);
}

/* For good; a worker only closes its own copies. */
static void drop_listeners(struct listeners *l)
{
	if (l->cnt && !l->is_handed_over && l->bound.any.sa_family == AF_UNIX)
		unlink(l->bound.un.sun_path);
	close_listeners(l);
}

/* Sockets that were handed over stay for all workers, so --listen would have no effect. */
static int check_handed(const struct options *opts)
{
	if (!opts->has_listen)
		return 0;
	log__error("--listen: the service manager has handed over sockets already: leave one of the two out");
	return -EINVAL;
}

static bool keeps_listeners(const struct exporter *e, const struct options *opts)
{
	return e->listeners.is_handed_over ||
	       (opts->serve && e->listeners.cnt && is_same_address(opts->listen, e->opts.listen));
}

/*
 * Opens a listening socket at the address of these options. A socket that already listens there is kept, so that no client is
 * refused during a reload.
 */
static int find_listeners(const struct exporter *e, const struct options *opts,
			  struct listeners *ret_listeners)
{
	struct listeners found = {0};
	char addr[LISTEN_TEXT_SZ];
	int fd;

	if (keeps_listeners(e, opts))
		found = e->listeners;
	if (found.is_handed_over && check_handed(opts))
		return -EINVAL;
	if (found.cnt && !found.is_handed_over && set_mode(&found, &opts->listen))
		return -EINVAL;
	if (opts->serve && !found.cnt) {
		fd = listen__open(&opts->listen, &found.bound);
		if (fd < 0) {
			log__error("cannot listen on %s: %s: choose another address with --listen",
				   listen__format(&opts->listen, addr), strerror(-fd));
			return fd;
		}
		found.fds[found.cnt++] = fd;
	}
	*ret_listeners = found;
	return 0;
}

/* Before anything is loaded: an address in use is the commonest mistake. */
static enum exit_status begin_listening(struct exporter *e)
{
	struct listeners *l = &e->listeners;
	struct parse_error err;
	int cnt = listen__inherit(l->fds, SERVER_MAX_LISTENERS, &err);

	if (cnt < 0) {
		log__error("%s", err.text);
		return EXIT_USAGE;
	}
	l->cnt = (size_t)cnt;
	l->is_handed_over = cnt > 0;
	if (!find_listeners(e, &e->opts, l))
		return EXIT_DONE;
	return l->is_handed_over ? EXIT_USAGE : EXIT_RUNTIME;
}

static int read_next(struct exporter *e)
{
	int err = parse(e, &e->next) ? -EINVAL : find_listeners(e, &e->next, &e->next_listeners);

	if (err) {
		options__fini(&e->next);
		log__set_level(e->level);
	}
	return err;
}

/* Filters are part of what was loaded, so with other options all begins anew; with wrong ones nothing changes. */
static bool prepare(void *ctx)
{
	struct exporter *e = ctx;

	e->level = log__level();
	e->is_prepared = !read_next(e);
	if (!e->is_prepared)
		log__warn("%s is not used: all stays as it was", e->opts.config_path);
	return e->is_prepared;
}

static void use_next(struct exporter *e)
{
	options__fini(&e->opts);
	e->opts = e->next;
	e->listeners = e->next_listeners;
	e->is_prepared = false;
}

static void settle(void *ctx, bool is_taken)
{
	struct exporter *e = ctx;
	struct listeners *unused = is_taken ? &e->listeners : &e->next_listeners;

	if (!keeps_listeners(e, &e->next))
		drop_listeners(unused);
	else if (!is_taken && !e->listeners.is_handed_over)
		(void)set_mode(&e->next_listeners, &e->opts.listen);
	if (is_taken) {
		use_next(e);
		return;
	}
	log__set_level(e->level);
	log__warn("%s is not used: all stays as it was", e->opts.config_path);
	options__fini(&e->next);
	e->is_prepared = false;
}

static bool on_signal(void *ctx, int signo)
{
	struct exporter *e = ctx;

	if (signo == SIGUSR1)
		write_state(e);
	else if (e->parent < 0)
		log__warn("SIGHUP: there is no --config to read again");
	return false;
}

static void stop(void *ctx)
{
	struct exporter *e = ctx;

	if (e->parent < 0)
		notify__send("STOPPING=1");
	server__stop(e->server);
	e->server = NULL;
}

static const struct session_hooks session_hooks = {
	.make_out = make_out,
	.wants_sums = true,
	.ready = tell_ready,
	.second = each_second,
	.tick = write_textfile,
	.signal = on_signal,
	.stop = stop,
};

static int run(struct exporter *e)
{
	int status = session__run(&e->opts, &session_hooks, e);

	return !status && e->file_err ? EXIT_RUNTIME : status;
}

static int work(void *ctx, int line)
{
	struct exporter *e = ctx;

	e->parent = line;
	if (e->is_prepared) {
		if (!keeps_listeners(e, &e->next))
			close_listeners(&e->listeners);
		use_next(e);
	}
	return run(e);
}

static const struct keeper_ops keeper_ops = {.work = work, .prepare = prepare, .settle = settle};

int cmd__export(int argc, char **argv)
{
	struct exporter e = {.argc = argc, .argv = argv, .parent = -1};
	int status = parse(&e, &e.opts);

	if (status)
		return status;
	/* What is large (readings, pages) is soon freed, and is to go back to the system. */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	status = begin_listening(&e);
	if (!status)
		status = e.opts.config_path ? keeper__run(&keeper_ops, &e) : run(&e);
	drop_listeners(&e.listeners);
	options__fini(&e.opts);
	return status;
}
