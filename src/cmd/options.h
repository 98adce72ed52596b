/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line: one parser for all commands, each of which accepts a part of the options. */
#ifndef SYNFIN_CMD_OPTIONS_H
#define SYNFIN_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/term.h"
#include "cmd/config.h"
#include "http/host.h"
#include "http/listen.h"
#include "kernel/tracer.h"
#include "model/by.h"
#include "model/edges.h"
#include "model/filter.h"
#include "out/families.h"

/* Exit statuses of the contract. */
enum exit_status { EXIT_DONE = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_UNABLE = 3 };

#define OPTIONS_KEYS 0x280 /* above the key of every option */

struct options {
	struct filter filter;
	bool json;
	bool stages;	      /* trace */
	bool alive;	      /* trace: what is there now, then exit */
	const char *output;   /* trace: where records go; NULL: standard output */
	int output_fd;	      /* the same, opened; whoever opens it closes it */
	struct by by;	      /* hist, export, trace --alive */
	uint64_t max_conns;   /* trace, hist, export; 0: not given */
	uint64_t max_series;  /* hist, export */
	uint64_t expire_ns;   /* export: sets that are idle for this long are removed; 0: never */
	uint64_t interval_ns; /* hist, export; 0: once, at exit */
	uint64_t duration_ns; /* trace, hist; 0: until a signal */
	uint64_t count;	      /* trace: records; hist: intervals; 0: any number */
	bool serve;	      /* export */
	bool has_listen;      /* the address was given */
	struct listen_addr listen;
	struct host_list hosts; /* points into argv and `config` */
	const char *textfile;	/* NULL: none */
	struct edges edges;
	enum naming naming;
	const char *state;	  /* NULL: none */
	const char *config_path;  /* NULL: none */
	struct config config;	  /* owned; textfile and state may point into it */
	bool given[OPTIONS_KEYS]; /* by key: the option is on the command line, which overrides the file */
	bool is_from_file;	  /* a line of --config is being parsed */
	char **files;		  /* merge */
	int file_cnt;
	uint64_t max_input; /* merge: bytes of a line */
	bool stats;
	bool quiet;
	bool verbose;
	bool keep_rights;  /* --no-sandbox */
	bool changes_user; /* --user, to these */
	uint32_t user_uid;
	uint32_t user_gid;
	bool force_tier;
	enum tier tier;
	enum term_color color; /* trace */
	bool bars;	       /* hist, merge */
	char **cmd;	       /* trace -- CMD...; NULL: none */
};

/* Which options a command accepts. */
enum options_set {
	OPTIONS_TRACE = 1 << 0,
	OPTIONS_HIST = 1 << 1,
	OPTIONS_CHECK = 1 << 2,
	OPTIONS_EXPORT = 1 << 3,
	OPTIONS_MERGE = 1 << 4,
};

/*
 * Parses argv[1...] of a command; argv[0] is its name. Returns EXIT_DONE, or EXIT_USAGE after one line on
 * stderr. --help prints and exits. `usage` is what follows the options in --help, `doc` says what
 * the command does.
 */
enum exit_status options__parse(enum options_set set, const char *usage, const char *doc, int argc,
				char **argv, struct options *ret_opts);
/* On standard output. */
enum exit_status options__show_version(void);

/* To be called after options__parse() has returned EXIT_DONE; only --config leaves anything to free. */
void options__fini(struct options *opts);

#endif
