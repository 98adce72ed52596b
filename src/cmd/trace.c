/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin trace: a line per record, live. */
#include "cmd/alive.h"
#include "cmd/command.h"
#include "cmd/session.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static int make_out(void *ctx, struct tracer *t, const struct clock *clk, struct out **ret_out)
{
	const struct options *opts = ctx;
	struct term term;

	(void)t;
	if (opts->json)
		return out__new_jsonl(opts->output_fd, clk, ret_out);
	term__probe(opts->output_fd, opts->color, &term);
	return out__new_table(opts->output_fd, clk, &term, ret_out);
}

static const struct session_hooks session_hooks = {.make_out = make_out, .writes_output = true};

static enum exit_status open_output(struct options *opts)
{
	int fd;

	if (!opts->output)
		return EXIT_DONE;
	fd = file__create(opts->output);
	if (fd < 0) {
		log__error("--output: cannot write to '%s': %s", opts->output, strerror(-fd));
		return EXIT_USAGE;
	}
	opts->output_fd = fd;
	return EXIT_DONE;
}

int cmd__trace(int argc, char **argv)
{
	struct options opts;
	int status = options__parse(
		OPTIONS_TRACE, "[-- CMD...]",
		"Print a line when a TCP connection opens, is accepted, closes or leaves TIME_WAIT. "
		"With CMD, run it, and print only the connections of CMD and its descendants until it ends; "
		"the exit "
		"status is that of CMD.",
		argc, argv, &opts);

	if (!status)
		status = open_output(&opts);
	if (status)
		return status;
	status = opts.alive ? alive__run(&opts, &session_hooks) : session__run(&opts, &session_hooks, &opts);
	if (opts.output)
		close(opts.output_fd);
	return status;
}
