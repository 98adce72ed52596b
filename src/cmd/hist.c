/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin hist: latency histograms, each interval or at exit. */
#include "cmd/command.h"
#include "cmd/session.h"
#include "cmd/source.h"

#include <unistd.h>

static int make_out(void *ctx, struct tracer *t, const struct clock *clk, struct out **ret_out)
{
	const struct options *opts = ctx;
	const struct out_source source = source__of(t);
	struct term term;

	if (opts->json)
		return out__new_histjson(STDOUT_FILENO, clk, &source, opts->max_series, &opts->by, ret_out);
	term__probe(STDOUT_FILENO, TERM_COLOR_NEVER, &term);
	if (!term.columns || opts->bars)
		return out__new_histtext(STDOUT_FILENO, clk, &source, opts->max_series, &opts->by, ret_out);
	return out__new_histlines(STDOUT_FILENO, clk, &source, opts->max_series, &opts->by, &term, ret_out);
}

static const struct session_hooks session_hooks = {
	.make_out = make_out, .wants_sums = true, .writes_output = true};

int cmd__hist(int argc, char **argv)
{
	struct options opts;
	int status = options__parse(OPTIONS_HIST, NULL,
				    "Print histograms of how long handshakes, accept waits, closes and lives "
				    "of TCP connections take.",
				    argc, argv, &opts);

	return status ? status : session__run(&opts, &session_hooks, &opts);
}
