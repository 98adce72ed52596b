/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * synfin export: sums from the start on, served to Prometheus or written to a file of node_exporter's.
 * HTTP has a thread of its own, which reads the kernel side's sums when they are asked for; the main thread keeps the time.
 */
#include "cmd/command.h"
#include "cmd/session.h"
#include "cmd/source.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "http/server.h"
#include "out/collector.h"
#include "out/openmetrics.h"
#include "out/protobuf.h"
#include "out/report.h"

#define MAX_RUNS       128	      /* more than there are programs */
#define STALLED_NS     10000000000ULL /* the main thread stood still for so long: not alive */
#define PAGE_BYTES     (128UL << 20)  /* of one page */
#define PROTOBUF_SHARE 4	      /* its messages take so many times as much before they are packed */
#define TEXTFILE_MODE  0644	      /* node_exporter is another user */
#define STATE_MODE     0600	      /* names and PIDs are in it */

struct exporter {
	int argc;
	char **argv;
	struct options opts;
	struct options next; /* with is_reloading: what the next run begins with */
	bool is_reloading;
	struct metrics_hook hooks[__HOOK_MAX];
	const struct tracer *tracer; /* of this run, as is the collector */
	struct out *collector;
	struct server *server;
	int listen_fd; /* -1: none */
	union listen_addr bound;
	_Atomic uint64_t alive_ns; /* CLOCK_MONOTONIC: when the main thread last said so */
	int file_err;		   /* of the last text file */
};

/* One rendering. */
struct rendering {
	const struct exporter *exporter;
	enum http_form form;
	struct str *text;
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
	const struct rendering *r = ctx;
	const struct options *opts = &r->exporter->opts;
	struct metrics named = *m;

	named.naming = opts->naming;
	named.runs = r->runs;
	named.run_cnt = r->run_cnt;
	named.max_bytes = r->form == HTTP_FORM_PROTOBUF ? PAGE_BYTES / PROTOBUF_SHARE : PAGE_BYTES;
	switch (r->form) {
	case HTTP_FORM_OPENMETRICS:
		openmetrics__write(r->text, &named, &opts->edges);
		break;
	case HTTP_FORM_PROTOBUF:
		protobuf__write(r->text, &named, &opts->edges);
		break;
	default:
		openmetrics__write_classic(r->text, &named, &opts->edges);
	}
}

static int render(void *ctx, enum http_form form, struct str *ret_text)
{
	struct exporter *e = ctx;
	struct rendering r = {.exporter = e, .form = form, .text = ret_text};
	int err;

	tracer__run_times(e->tracer, add_run, &r);
	err = collector__read(e->collector, render_locked, &r);
	return err ? err : str__error(ret_text);
}

static bool is_alive(void *ctx)
{
	struct exporter *e = ctx;

	return clock__mono_ns() - atomic_load(&e->alive_ns) < STALLED_NS;
}

static const struct server_ops server_ops = {.render = render, .is_alive = is_alive};

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
	atomic_store(&e->alive_ns, clock__mono_ns());
	return e->listen_fd < 0 ? 0 : server__start(e->listen_fd, &server_ops, e, &e->server);
}

static void tell_ready(void *ctx)
{
	const struct exporter *e = ctx;
	char addr[LISTEN_TEXT_SZ];

	if (e->server)
		log__info("serving http://%s/metrics", listen__format(&e->bound, addr));
	notify__send("READY=1");
}

static void stay_alive(void *ctx)
{
	struct exporter *e = ctx;

	atomic_store(&e->alive_ns, clock__mono_ns());
	notify__send("WATCHDOG=1");
}

/* A disk that is full for a while is no reason to lose the sums: it is told once and tried again. */
static void write_textfile(void *ctx)
{
	struct exporter *e = ctx;
	struct str text = {0};
	int err;

	if (!e->opts.textfile)
		return;
	err = render(e, HTTP_FORM_CLASSIC, &text);
	if (!err)
		err = file__replace(e->opts.textfile, &text, TEXTFILE_MODE);
	str__fini(&text);
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
	memcpy(r.lost, m->lost, sizeof(r.lost));
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

static bool is_same_address(const union listen_addr *a, const union listen_addr *b)
{
	char a_text[LISTEN_TEXT_SZ], b_text[LISTEN_TEXT_SZ];

	return !strcmp(listen__format(a, a_text), listen__format(b, b_text));
}

static void drop_listener(struct exporter *e)
{
	if (e->listen_fd >= 0)
		close(e->listen_fd);
	e->listen_fd = -1;
}

/*
 * Listens where these options want it, instead of where those before them did. A socket for the same address is
 * kept, so that nobody is refused while all begins anew; where it fails, too.
 */
static int take_listener(struct exporter *e, const struct options *opts)
{
	union listen_addr bound;
	char addr[LISTEN_TEXT_SZ];
	int fd = -1;

	if (opts->serve && e->listen_fd >= 0 && is_same_address(&opts->listen, &e->opts.listen))
		return 0;
	if (opts->serve) {
		fd = listen__open(&opts->listen, &bound);
		if (fd < 0) {
			log__error("cannot listen on %s: %s: choose another address with --listen",
				   listen__format(&opts->listen, addr), strerror(-fd));
			return fd;
		}
		e->bound = bound;
	}
	drop_listener(e);
	e->listen_fd = fd;
	return 0;
}

static int read_next(struct exporter *e)
{
	enum log_level level = log__level();
	int err = parse(e, &e->next) ? -EINVAL : take_listener(e, &e->next);

	if (err) {
		options__fini(&e->next);
		log__set_level(level);
	}
	return err;
}

/* Filters are part of what was loaded, so with other options all begins anew; with wrong ones nothing changes. */
static bool reload(struct exporter *e)
{
	if (!e->opts.config_path) {
		log__warn("SIGHUP: there is no --config to read again");
		return false;
	}
	if (read_next(e)) {
		log__warn("%s is not used: all stays as it was", e->opts.config_path);
		return false;
	}
	notify__send("RELOADING=1");
	e->is_reloading = true;
	return true;
}

static bool on_signal(void *ctx, int signo)
{
	struct exporter *e = ctx;

	if (signo == SIGHUP)
		return reload(e);
	write_state(e);
	return false;
}

static void stop(void *ctx)
{
	struct exporter *e = ctx;

	if (!e->is_reloading)
		notify__send("STOPPING=1");
	server__stop(e->server);
	e->server = NULL;
}

static const struct session_hooks session_hooks = {
	.make_out = make_out,
	.wants_sums = true,
	.ready = tell_ready,
	.second = stay_alive,
	.tick = write_textfile,
	.signal = on_signal,
	.stop = stop,
};

/* A last text that could not be written is a failure of the end, not of a new beginning. */
static int run(struct exporter *e)
{
	int status;

	e->file_err = 0;
	status = session__run(&e->opts, &session_hooks, e);
	return !status && e->file_err && !e->is_reloading ? EXIT_RUNTIME : status;
}

int cmd__export(int argc, char **argv)
{
	struct exporter e = {.argc = argc, .argv = argv, .listen_fd = -1};
	int status = parse(&e, &e.opts);

	if (status)
		return status;
	/* Before anything is loaded: an address in use is the commonest mistake. */
	status = take_listener(&e, &e.opts) ? EXIT_RUNTIME : run(&e);
	while (e.is_reloading && !status) {
		options__fini(&e.opts);
		e.opts = e.next;
		e.is_reloading = false;
		status = run(&e);
	}
	drop_listener(&e);
	options__fini(&e.opts);
	return status;
}
