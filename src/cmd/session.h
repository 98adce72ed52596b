/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run of the tracer with an output, from "ready" to the summary: what trace, hist and export share.
 */
#ifndef SYNFIN_CMD_SESSION_H
#define SYNFIN_CMD_SESSION_H

#include "base/clock.h"
#include "cmd/options.h"
#include "out/out.h"

/* A command's functions at points of a run; all but make_out may be NULL. All are called in one thread. */
struct session_hooks {
	/* Makes the output, once everything is attached. 0 or -errno. */
	int (*make_out)(void *ctx, struct tracer *t, const struct clock *clk, struct out **ret_out);
	bool wants_sums;    /* reads sums by tracer__read_sums(); there are no records then */
	bool writes_output; /* the run ends when nobody reads the output any more */
	void (*ready)(void *ctx);
	void (*second)(void *ctx); /* about once a second, as long as the loop runs */
	void (*tick)(void *ctx);   /* after each interval, and at the end */
	/* Called for SIGUSR1 and SIGHUP, which end the run if this is NULL; true ends the run. */
	bool (*signal)(void *ctx, int signo);
	void (*stop)(void *ctx); /* before the output is freed; also when the run failed to start */
};

/* Runs until a signal, the end of the command, or an error. Returns the exit status. */
int session__run(const struct options *opts, const struct session_hooks *hooks, void *ctx);

/* The exit status of a run that did not start; `err` is from tracer__new(). */
enum exit_status session__exit_status(int err);

#endif
