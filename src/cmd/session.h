/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run of the tracer with an output, from "ready" to the summary: what trace and hist have in common.
 */
#ifndef SYNFIN_CMD_SESSION_H
#define SYNFIN_CMD_SESSION_H

#include "base/clock.h"
#include "cmd/options.h"
#include "out/out.h"

/* Makes the output that the command writes to standard output. 0 or -errno. */
typedef int (*session_out_fn)(const struct options *opts, const struct clock *clk, struct out **ret_out);

/* Runs until a signal, the end of the command, or an error. Returns the exit status. */
int session__run(const struct options *opts, session_out_fn make_out);

/* Of what did not start: `err` is tracer__new()'s. */
enum exit_status session__exit_status(int err);

#endif
