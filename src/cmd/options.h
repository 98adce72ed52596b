/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line: one parser for all commands, each of which takes a part of the options. */
#ifndef SYNFIN_CMD_OPTIONS_H
#define SYNFIN_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/tracer.h"
#include "model/filter.h"

/* Exit statuses of the contract. */
enum exit_status { EXIT_DONE = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_UNABLE = 3 };

struct options {
	struct filter filter;
	bool json;
	bool stages;	      /* trace */
	bool alive;	      /* trace: what is there now, then exit */
	uint64_t interval_ns; /* hist; 0: once, at exit */
	bool quiet;
	bool verbose;
	bool force_tier;
	enum tier tier;
	char **cmd; /* trace -- CMD...; NULL: none */
};

/* Which options a command takes. */
enum options_set {
	OPTIONS_TRACE = 1 << 0,
	OPTIONS_HIST = 1 << 1,
	OPTIONS_CHECK = 1 << 2,
};

/*
 * Parses argv[1...] of a command; argv[0] is its name. Returns EXIT_DONE, or EXIT_USAGE after one line on
 * stderr. --help prints and exits. `usage` is what follows the options in --help, `doc` says what
 * the command does.
 */
enum exit_status options__parse(enum options_set set, const char *usage, const char *doc, int argc,
				char **argv, struct options *ret_opts);

#endif
