/* SPDX-License-Identifier: GPL-2.0-only */
/* Options as an argp table; each value is checked by base/parse.c, so that a mistake is told in one line. */
#include "cmd/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/filter_options.h"

enum key {
	KEY_TIER = 0x100,
	KEY_JSON,
	KEY_STAGES,
	KEY_ALIVE,
	KEY_VERBOSE,
	KEY_HELP,
};

static const struct argp_option trace_options[] = {
	{"stages", KEY_STAGES, NULL, 0,
	 "also a record for each stage: SYN, SYN-ACK, ... FIN, with sequence numbers", 2},
	{"alive", KEY_ALIVE, NULL, 0, "only the connections that are there now: state, owner, age; then exit",
	 2},
	{0},
};

static const struct argp_option hist_options[] = {
	{"interval", 'i', "SEC", 0, "print every SEC seconds (or 500ms, 2m), not only at exit", 2},
	{0},
};

static const struct argp_option common_options[] = {
	{"json", KEY_JSON, NULL, 0, "JSON lines", 3},
	{"tier", KEY_TIER, "TIER", 0, "full, kprobe or tracepoint instead of the best to be had", 3},
	{"quiet", 'q', NULL, 0, "no messages but errors", 3},
	{"verbose", KEY_VERBOSE, NULL, 0, "tell what is tried and why it fails", 3},
	{"help", KEY_HELP, NULL, 0, "this list", 3},
	{0},
};

static error_t set_interval(uint64_t *ret_ns, const char *arg)
{
	struct parse_error err;
	char text[64];
	bool bare = arg[0] && strspn(arg, "0123456789.") == strlen(arg);

	snprintf(text, sizeof(text), "%s%s", arg, bare ? "s" : "");
	if (parse__duration("--interval", text, ret_ns, &err))
		return options__refuse(&err);
	if (*ret_ns < 10000000) {
		log__error("--interval: '%s' is too short: at least 10ms", arg);
		return OPTIONS_TOLD;
	}
	return 0;
}

/* What asks about more than one moment, and so excludes --alive. NULL: nothing does. */
static const char *find_course(const struct options *o)
{
	const struct filter *f = &o->filter;

	return o->cmd		     ? "the command"
	       : o->stages	     ? "--stages"
	       : f->outcomes	     ? "--outcome"
	       : f->failed	     ? "--failed"
	       : f->min_handshake_ns ? "--min-handshake"
	       : f->min_close_ns     ? "--min-close"
				     : NULL;
}

static error_t refuse_course(const struct options *o)
{
	const char *course = find_course(o);

	if (!course)
		return 0;
	log__error("--alive looks once and follows nothing: leave out %s", course);
	return OPTIONS_TOLD;
}

static error_t parse_trace(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_STAGES:
		o->stages = true;
		return 0;
	case KEY_ALIVE:
		o->alive = true;
		return 0;
	case ARGP_KEY_END:
		return o->alive ? refuse_course(o) : 0;
	case ARGP_KEY_ARG:
		if (!state->quoted)
			return ARGP_ERR_UNKNOWN;
		(void)arg;
		o->cmd = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_hist(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	return key == 'i' ? set_interval(&o->interval_ns, arg) : ARGP_ERR_UNKNOWN;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_JSON:
		o->json = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case KEY_VERBOSE:
		o->verbose = true;
		return 0;
	case KEY_TIER:
		if (tier__parse(arg, &o->tier)) {
			log__error("--tier: '%s' is none: it is full, kprobe or tracepoint", arg);
			return OPTIONS_TOLD;
		}
		o->force_tier = true;
		return 0;
	case KEY_HELP:
		argp_help(state->root_argp, stdout, ARGP_HELP_STD_HELP, state->name);
		exit(fflush(stdout) ? EXIT_RUNTIME : EXIT_DONE);
	case ARGP_KEY_ARG:
		log__error("'%s' is one word too many: see synfin --help", arg);
		return OPTIONS_TOLD;
	}
	return ARGP_ERR_UNKNOWN;
}

/* argp's own refusals (no such option, no value for it) are told here, in one line instead of its two. */
struct top_input {
	struct options *opts;
	int child_cnt;
	const char *stumbled_over;
};

static error_t parse_top(int key, char *arg, struct argp_state *state)
{
	struct top_input *in = state->input;

	(void)arg;
	if (key == ARGP_KEY_INIT) {
		for (int i = 0; i < in->child_cnt; i++)
			state->child_inputs[i] = in->opts;
		return 0;
	}
	if (key == ARGP_KEY_ERROR && state->next > 0 && state->next <= state->argc)
		in->stumbled_over = state->argv[state->next - 1];
	return ARGP_ERR_UNKNOWN;
}

static const struct argp trace_argp = {trace_options, parse_trace, NULL, NULL, NULL, NULL, NULL};
static const struct argp hist_argp = {hist_options, parse_hist, NULL, NULL, NULL, NULL, NULL};
static const struct argp common_argp = {common_options, parse_common, NULL, NULL, NULL, NULL, NULL};

static void apply_level(const struct options *o)
{
	log__set_level(o->quiet ? LOG_LEVEL_ERROR : o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

enum exit_status options__parse(enum options_set set, const char *usage, const char *doc, int argc,
				char **argv, struct options *ret_opts)
{
	struct argp_child children[5] = {};
	struct argp top = {NULL, parse_top, usage, doc, children, NULL, NULL};
	struct top_input in = {.opts = ret_opts};
	error_t err;
	int n = 0;

	if (set & (OPTIONS_TRACE | OPTIONS_HIST))
		children[n++].argp = &filter_argp;
	if (set & OPTIONS_TRACE)
		children[n++].argp = &trace_argp;
	if (set & OPTIONS_HIST)
		children[n++].argp = &hist_argp;
	children[n++].argp = &common_argp;

	memset(ret_opts, 0, sizeof(*ret_opts));
	in.child_cnt = n;
	err = argp_parse(&top, argc, argv, ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &in);
	apply_level(ret_opts);
	if (!err && ret_opts->cmd && ret_opts->filter.tree_cnt) {
		log__error("--tree and a command exclude each other: the command is a tree of its own");
		err = OPTIONS_TOLD;
	}
	if (!err)
		return EXIT_DONE;
	if (err != OPTIONS_TOLD)
		log__error("'%s' is not an option, or lacks its value: see %s --help",
			   in.stumbled_over ? in.stumbled_over : "", argv[0]);
	return EXIT_USAGE;
}
