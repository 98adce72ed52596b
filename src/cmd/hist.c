/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin hist: latency histograms, each interval or at exit. */
#include "cmd/command.h"
#include "cmd/session.h"

#include <unistd.h>

#define MAX_SETS 1000

static int make_out(const struct options *opts, const struct clock *clk, struct out **ret_out)
{
	return opts->json ? out__new_histjson(STDOUT_FILENO, clk, MAX_SETS, NULL, ret_out)
			  : out__new_histtext(STDOUT_FILENO, clk, MAX_SETS, NULL, ret_out);
}

int cmd__hist(int argc, char **argv)
{
	struct options opts;
	int status =
		options__parse(OPTIONS_HIST, NULL,
			       "Histograms of handshakes, accept waits, closes and lives of TCP connections.",
			       argc, argv, &opts);

	return status ? status : session__run(&opts, make_out);
}
