/* SPDX-License-Identifier: GPL-2.0-only */
/* Options as an argp table; each value is checked by base/parse.c, so that a mistake is told in one line. */
#include "cmd/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/filter_options.h"

#define DEFAULT_PORT	  9842
#define DEFAULT_SERIES	  1000
#define MAX_SERIES	  100000
#define DEFAULT_INPUT	  (64 << 20)
#define LEAST_CONNS	  65536
#define MAX_CONNS	  (4 << 20)
#define DEFAULT_EXPIRE_NS 3600000000000ULL
#define LARGEST_INPUT	  (1ULL << 40)

enum key {
	KEY_TIER = 0x100,
	KEY_STATS,
	KEY_MAX_CONNS,
	KEY_JSON,
	KEY_STAGES,
	KEY_ALIVE,
	KEY_COLOR,
	KEY_BARS,
	KEY_BY,
	KEY_MAX_SERIES,
	KEY_EXPIRE,
	KEY_LISTEN,
	KEY_ALLOW_HOST,
	KEY_TEXTFILE,
	KEY_BUCKETS,
	KEY_SEMCONV,
	KEY_STATE,
	KEY_CONFIG,
	KEY_USER,
	KEY_NO_SANDBOX,
	KEY_VERBOSE,
	KEY_DURATION,
	KEY_COUNT,
	KEY_MAX_INPUT,
};

static const struct argp_option trace_options[] = {
	{"stages", KEY_STAGES, NULL, 0,
	 "also print each stage (SYN, SYN-ACK, ... FIN) with its sequence numbers", 2},
	{"alive", KEY_ALIVE, NULL, 0, "print the connections that exist now (state, owner, age) and exit", 2},
	{"output", 'o', "FILE", 0, "write to this file instead of standard output", 2},
	{"by", KEY_BY, "FIELD,...", 0,
	 "with --alive: count them by state for each comm pid service lport rport raddr cgroup "
	 "netns role",
	 2},
	{"color", KEY_COLOR, "WHEN", 0,
	 "show failures in colour: auto (on a terminal, unless NO_COLOR is set), always, never", 3},
	{0},
};

static const struct argp_option series_options[] = {
	{"by", KEY_BY, "FIELD,...", 0,
	 "a set of histograms for each comm pid service lport rport raddr cgroup netns role", 2},
	{"max-series", KEY_MAX_SERIES, "N", 0, "keep at most N such sets, and add the rest to 'other' (1000)",
	 2},
	{0},
};

static const struct argp_option hist_options[] = {
	{"interval", 'i', "SEC", 0, "print every SEC seconds (or 500ms, 2m), not only at exit", 2},
	{0},
};

static const struct argp_option export_options[] = {
	{"expire", KEY_EXPIRE, "SEC", 0,
	 "drop a set of --by when nothing was added to it for SEC seconds (or 90m, 2h, never; 1h)", 2},
	{"listen", KEY_LISTEN, "ADDR:PORT", 0,
	 "serve HTTP at this address (127.0.0.1:9842); [ADDR]:PORT for IPv6, unix:PATH[,mode=0600] for a "
	 "Unix socket",
	 2},
	{"allow-host", KEY_ALLOW_HOST, "NAME,...", 0,
	 "also answer requests for these host names, besides addresses, localhost and the name of this "
	 "machine; "
	 "*.example.com, or * for any",
	 2},
	{"textfile", KEY_TEXTFILE, "PATH", 0,
	 "write the metrics to this file every interval and at exit, and serve HTTP only if --listen is "
	 "given",
	 2},
	{"interval", 'i', "SEC", 0, "write the text file every SEC seconds (or 500ms, 2m)", 2},
	{"state", KEY_STATE, "PATH", 0, "write all histograms to this file at SIGUSR1, for synfin merge", 2},
	{"config", KEY_CONFIG, "FILE", 0,
	 "read options from this file, and again at SIGHUP: one per line, as \"rport = 443\"", 2},
	{"buckets", KEY_BUCKETS, "SET", 0,
	 "bounds of the histograms: default, exact (all that are measured), or a list: 1048576ns,...", 2},
	{"semconv", KEY_SEMCONV, "NAMES", 0,
	 "names of the metrics: synfin, or otel (as proposed for OpenTelemetry)", 2},
	{0},
};

static const struct argp_option end_options[] = {
	{"duration", KEY_DURATION, "SEC", 0, "stop after SEC seconds (or 500ms, 2m)", 2},
	{"count", KEY_COUNT, "N", 0, "stop after N records (trace) or N intervals (hist)", 2},
	{0},
};

static const struct argp_option json_options[] = {
	{"json", KEY_JSON, NULL, 0, "print JSON lines", 3},
	{0},
};

static const struct argp_option kernel_options[] = {
	{"max-connections", KEY_MAX_CONNS, "N", 0,
	 "follow up to N connections at a time (262144; before Linux 6.1 65536)", 3},
	{"stats", KEY_STATS, NULL, 0, "let the kernel count how often and how long the BPF programs run", 3},
	{0},
};

static const struct argp_option merge_options[] = {
	{"max-input", KEY_MAX_INPUT, "SIZE", 0, "refuse lines longer than this (64M)", 2},
	{0},
};

static const struct argp_option bars_options[] = {
	{"bars", KEY_BARS, NULL, 0, "draw each histogram with bars, instead of one line each on a terminal",
	 3},
	{0},
};

static const struct argp_option tier_options[] = {
	{"tier", KEY_TIER, "TIER", 0,
	 "use this tier (full, kprobe, tracepoint) instead of the best one available", 3},
	{0},
};

static const struct argp_option common_options[] = {
	{"quiet", 'q', NULL, 0, "print no messages but errors", 3},
	{"user", KEY_USER, "NAME", 0, "change to this user once everything is attached", 3},
	{"no-sandbox", KEY_NO_SANDBOX, NULL, 0, "keep all rights after the start (for debugging)", 3},
	{"verbose", KEY_VERBOSE, NULL, 0, "say what is tried, and why it fails", 3},
	{"help", 'h', NULL, 0, "print this list", 3},
	{"version", 'V', NULL, 0, "print the version", 3},
	{0},
};

/* A number alone is seconds. */
static error_t set_seconds(const char *what, uint64_t *ret_ns, const char *arg)
{
	struct parse_error err;
	struct str text = {0};
	bool bare = arg[0] && strspn(arg, "0123456789.") == strlen(arg);
	int code;

	str__appendf(&text, "%s%s", arg, bare ? "s" : "");
	code = str__error(&text);
	if (code)
		log__error("%s: %s", what, strerror(-code));
	else if (parse__duration(what, str__text(&text), ret_ns, &err))
		code = options__refuse(&err);
	str__fini(&text);
	if (code)
		return OPTIONS_TOLD;
	if (*ret_ns < 10000000) {
		log__error("%s: '%s' is too short: at least 10ms", what, arg);
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
	       : o->duration_ns	     ? "--duration"
	       : o->count	     ? "--count"
	       : o->stats	     ? "--stats"
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

/* As where $CMD is empty: without a command all of the host would be traced. */
static error_t refuse_nothing(void)
{
	log__error("there is no command after --: name one, or leave out the --");
	return OPTIONS_TOLD;
}

static error_t set_color(enum term_color *ret_color, const char *arg)
{
	if (!term__parse_color(arg, ret_color))
		return 0;
	log__error("--color: '%s' is not a choice: use auto, always or never", arg);
	return OPTIONS_TOLD;
}

static error_t check_trace(const struct options *o)
{
	if (o->by.cnt && !o->alive) {
		log__error("--by groups what --alive finds: add --alive, or see synfin hist");
		return OPTIONS_TOLD;
	}
	return o->alive ? refuse_course(o) : 0;
}

static error_t parse_trace(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_STAGES:
		o->stages = true;
		return 0;
	case KEY_ALIVE:
		o->alive = true;
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case KEY_COLOR:
		return set_color(&o->color, arg);
	case KEY_BY:
		return by__parse("--by", arg, &o->by, &err) ? options__refuse(&err) : 0;
	case ARGP_KEY_END:
		if (state->quoted && !o->cmd)
			return refuse_nothing();
		return check_trace(o);
	case ARGP_KEY_ARG:
		if (!state->quoted) {
			log__error(
				"'%s' is not an option: to trace a command write -- before it: synfin trace "
				"-- %s",
				arg, arg);
			return OPTIONS_TOLD;
		}
		o->cmd = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

bool options__is_overridden(struct options *o, int key)
{
	if (key <= 0 || key >= OPTIONS_KEYS) /* argp's own */
		return false;
	if (!o->is_from_file)
		o->given[key] = true;
	return o->is_from_file && o->given[key];
}

static error_t add_by(struct options *o, const char *arg)
{
	struct by unused = {0}, *by = options__is_overridden(o, KEY_BY) ? &unused : &o->by;
	struct parse_error err;

	return by__parse("--by", arg, by, &err) ? options__refuse(&err) : 0;
}

static error_t parse_series(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_BY:
		return add_by(o, arg);
	case KEY_MAX_SERIES:
		return parse__u64("--max-series", arg, 1, MAX_SERIES, &o->max_series, &err)
			       ? options__refuse(&err)
			       : 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_hist(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'i':
		return set_seconds("--interval", &o->interval_ns, arg);
	case ARGP_KEY_END:
		if (!o->count || o->interval_ns)
			return 0;
		log__error("--count: there are no intervals to count: add --interval SEC");
		return OPTIONS_TOLD;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t set_naming(enum naming *ret_naming, const char *arg)
{
	if (!strcmp(arg, "synfin")) {
		*ret_naming = NAMING_SYNFIN;
	} else if (!strcmp(arg, "otel")) {
		*ret_naming = NAMING_OTEL;
	} else {
		log__error("--semconv: '%s' is not a set of names: choose synfin or otel", arg);
		return OPTIONS_TOLD;
	}
	return 0;
}

/* A file that is written anew each time; as root a new one would take the place of a device, too. */
static error_t set_path(const char *what, const char **ret_path, const char *arg)
{
	int err = file__check_replace(arg);

	switch (err) {
	case 0:
		*ret_path = arg;
		return 0;
	case -EINVAL:
		log__error("%s: '' is empty: give the path of a file", what);
		break;
	case -EOPNOTSUPP:
		log__error("%s: '%s' exists and is not a regular file: choose another name", what, arg);
		break;
	default:
		log__error("%s: '%s' cannot be written: %s", what, arg, strerror(-err));
	}
	return OPTIONS_TOLD;
}

static error_t add_hosts(struct options *o, const char *arg)
{
	struct host_list unused = {0};
	struct host_list *hosts = options__is_overridden(o, KEY_ALLOW_HOST) ? &unused : &o->hosts;
	struct parse_error err;

	return host__parse("--allow-host", arg, hosts, &err) ? options__refuse(&err) : 0;
}

static error_t set_expire(uint64_t *ret_ns, const char *arg)
{
	if (strcmp(arg, "never") != 0)
		return set_seconds("--expire", ret_ns, arg);
	*ret_ns = 0;
	return 0;
}

static error_t parse_export(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_LISTEN:
		o->has_listen = true;
		return listen__parse("--listen", arg, &o->listen, &err) ? options__refuse(&err) : 0;
	case KEY_ALLOW_HOST:
		return add_hosts(o, arg);
	case KEY_EXPIRE:
		return set_expire(&o->expire_ns, arg);
	case KEY_TEXTFILE:
		return set_path("--textfile", &o->textfile, arg);
	case KEY_CONFIG:
		o->config_path = arg;
		return 0;
	case KEY_STATE:
		return set_path("--state", &o->state, arg);
	case KEY_BUCKETS:
		return edges__parse("--buckets", arg, &o->edges, &err) ? options__refuse(&err) : 0;
	case KEY_SEMCONV:
		return set_naming(&o->naming, arg);
	case 'i':
		return set_seconds("--interval", &o->interval_ns, arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_end(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_DURATION:
		return set_seconds("--duration", &o->duration_ns, arg);
	case KEY_COUNT:
		return parse__u64("--count", arg, 1, UINT64_MAX, &o->count, &err) ? options__refuse(&err) : 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	(void)arg;
	if (key != KEY_JSON)
		return ARGP_ERR_UNKNOWN;
	o->json = true;
	return 0;
}

static error_t parse_bars(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	(void)arg;
	if (key != KEY_BARS)
		return ARGP_ERR_UNKNOWN;
	o->bars = true;
	return 0;
}

static error_t parse_kernel(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_MAX_CONNS:
		return parse__u64("--max-connections", arg, LEAST_CONNS, MAX_CONNS, &o->max_conns, &err)
			       ? options__refuse(&err)
			       : 0;
	case KEY_STATS:
		o->stats = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_tier(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key != KEY_TIER)
		return ARGP_ERR_UNKNOWN;
	if (tier__parse(arg, &o->tier)) {
		log__error("--tier: '%s' is not a tier: choose full, kprobe or tracepoint", arg);
		return OPTIONS_TOLD;
	}
	o->force_tier = true;
	return 0;
}

/* The files are collected at the front of argv, where all has been read by then. */
static error_t parse_merge(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct parse_error err;

	switch (key) {
	case KEY_MAX_INPUT:
		return parse__bytes("--max-input", arg, 1, LARGEST_INPUT, &o->max_input, &err)
			       ? options__refuse(&err)
			       : 0;
	case ARGP_KEY_ARG:
		o->files = &state->argv[1];
		o->files[o->file_cnt++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->file_cnt)
			return 0;
		log__error("which files? give those that hist --json or export --state wrote");
		return OPTIONS_TOLD;
	}
	return ARGP_ERR_UNKNOWN;
}

enum exit_status options__show_version(void)
{
	printf("synfin " SYNFIN_VERSION "\n");
	return fflush(stdout) ? EXIT_RUNTIME : EXIT_DONE;
}

static error_t set_user(struct options *o, const char *arg)
{
	struct parse_error err;

	if (parse__user("--user", arg, &o->user_uid, &o->user_gid, &err))
		return options__refuse(&err);
	o->changes_user = true;
	return 0;
}

/* Where no rights are given up the user stays, too. */
static error_t check_user(const struct options *o)
{
	if (!o->changes_user || !o->keep_rights)
		return 0;
	log__error("--user and --no-sandbox exclude each other: leave one out");
	return OPTIONS_TOLD;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'q':
		o->quiet = true;
		return 0;
	case KEY_USER:
		return set_user(o, arg);
	case KEY_NO_SANDBOX:
		o->keep_rights = true;
		return 0;
	case KEY_VERBOSE:
		o->verbose = true;
		return 0;
	case 'h':
		argp_help(state->root_argp, stdout, ARGP_HELP_STD_HELP, state->name);
		exit(fflush(stdout) ? EXIT_RUNTIME : EXIT_DONE);
	case 'V':
		exit(options__show_version());
	case ARGP_KEY_END:
		return check_user(o);
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
static const struct argp series_argp = {series_options, parse_series, NULL, NULL, NULL, NULL, NULL};
static const struct argp hist_argp = {hist_options, parse_hist, NULL, NULL, NULL, NULL, NULL};
static const struct argp export_argp = {export_options, parse_export, NULL, NULL, NULL, NULL, NULL};
static const struct argp end_argp = {end_options, parse_end, NULL, NULL, NULL, NULL, NULL};
static const struct argp json_argp = {json_options, parse_json, NULL, NULL, NULL, NULL, NULL};
static const struct argp kernel_argp = {kernel_options, parse_kernel, NULL, NULL, NULL, NULL, NULL};
static const struct argp bars_argp = {bars_options, parse_bars, NULL, NULL, NULL, NULL, NULL};
static const struct argp tier_argp = {tier_options, parse_tier, NULL, NULL, NULL, NULL, NULL};
static const struct argp merge_argp = {merge_options, parse_merge, NULL, NULL, NULL, NULL, NULL};
static const struct argp common_argp = {common_options, parse_common, NULL, NULL, NULL, NULL, NULL};

static void apply_level(const struct options *o)
{
	log__set_level(o->quiet ? LOG_LEVEL_ERROR : o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

static struct listen_addr default_listen(void)
{
	return (struct listen_addr){.v4 = {.sin_family = AF_INET,
					   .sin_port = htons(DEFAULT_PORT),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
}

/* Returns how many there are. */
static int find_children(enum options_set set, struct argp_child *children)
{
	int n = 0;

	if (set & (OPTIONS_TRACE | OPTIONS_HIST | OPTIONS_EXPORT)) {
		children[n++].argp = &filter_argp;
		children[n++].argp = &kernel_argp;
	}
	if (set & (OPTIONS_TRACE | OPTIONS_HIST))
		children[n++].argp = &end_argp;
	if (set & OPTIONS_TRACE)
		children[n++].argp = &trace_argp;
	if (set & (OPTIONS_HIST | OPTIONS_EXPORT))
		children[n++].argp = &series_argp;
	if (set & OPTIONS_HIST)
		children[n++].argp = &hist_argp;
	if (set & (OPTIONS_HIST | OPTIONS_MERGE))
		children[n++].argp = &bars_argp;
	children[n++].argp = set & OPTIONS_EXPORT ? &export_argp : &json_argp;
	children[n++].argp = set & OPTIONS_MERGE ? &merge_argp : &tier_argp;
	children[n++].argp = &common_argp;
	return n;
}

/* The options that a word may mean, as getopt_long() sees it: the one of that name, or all that begin so. */
struct candidates {
	const struct argp_option *option[64];
	unsigned int cnt;
};

static bool is_exact(const struct argp_option *o, const char *name, size_t len)
{
	return !strncmp(o->name, name, len) && !o->name[len];
}

static void find_candidates(const struct argp_child *children, const char *word, struct candidates *ret)
{
	const char *name = word + 2;
	size_t len = strcspn(name, "=");

	ret->cnt = 0;
	for (; children->argp; children++) {
		const struct argp_option *o = children->argp->options;

		for (; o && (o->name || o->doc); o++) {
			if (!o->name)
				continue;
			if (word[1] != '-' ? word[1] == o->key : is_exact(o, name, len)) {
				*ret = (struct candidates){.option = {o}, .cnt = 1};
				return;
			}
			if (word[1] == '-' && !strncmp(o->name, name, len) && ret->cnt < 64)
				ret->option[ret->cnt++] = o;
		}
	}
}

static void tell_ambiguous(const char *word, const struct candidates *c)
{
	struct str names = {0};

	for (unsigned int i = 0; i < c->cnt; i++)
		str__appendf(&names, " --%s", c->option[i]->name);
	log__error("'%s' may be several options:%s", word, str__text(&names));
	str__fini(&names);
}

/* In one line what argp did not take. */
static void tell_refused(const struct argp_child *children, const char *word, const char *command)
{
	const char *value = strchr(word, '=');
	struct candidates c = {.cnt = 0};

	if (word[0] == '-' && word[1])
		find_candidates(children, word, &c);
	if (c.cnt > 1)
		tell_ambiguous(word, &c);
	else if (c.cnt && value && !c.option[0]->arg)
		log__error("--%s takes no value, and '%s' is one: write it alone, or leave it out",
			   c.option[0]->name, value + 1);
	else if (c.cnt && c.option[0]->arg)
		log__error("'%s' needs a value: write --%s=%s", word, c.option[0]->name, c.option[0]->arg);
	else
		log__error("'%s' is not an option: see %s --help", word, command);
}

/* Parses one argument vector into what has been parsed so far. */
static enum exit_status parse_args(enum options_set set, const char *usage, const char *doc, int argc,
				   char **argv, struct options *opts)
{
	struct argp_child children[12] = {};
	struct argp top = {NULL, parse_top, usage, doc, children, NULL, NULL};
	struct top_input in = {.opts = opts};
	error_t err;

	in.child_cnt = find_children(set, children);
	err = argp_parse(&top, argc, argv, ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &in);
	if (!err && opts->cmd && opts->filter.tree_cnt) {
		log__error("--tree and a command exclude each other: the command is a tree of its own");
		err = OPTIONS_TOLD;
	}
	if (!err)
		return EXIT_DONE;
	if (err != OPTIONS_TOLD)
		tell_refused(children, in.stumbled_over ? in.stumbled_over : "", argv[0]);
	return EXIT_USAGE;
}

static void set_defaults(struct options *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->output_fd = STDOUT_FILENO;
	opts->max_series = DEFAULT_SERIES;
	opts->max_input = DEFAULT_INPUT;
	opts->expire_ns = DEFAULT_EXPIRE_NS;
	opts->listen = default_listen();
	edges__default(&opts->edges);
}

/* Line by line, so that the one line of a mistake can say where it is. */
static enum exit_status parse_config(enum options_set set, const char *path, char *name, struct options *opts)
{
	enum exit_status status = EXIT_DONE;

	if (config__read(path, &opts->config))
		return EXIT_USAGE;
	opts->is_from_file = true;
	for (size_t i = 0; !status && i < opts->config.cnt; i++) {
		char *argv[] = {name, opts->config.lines[i].arg, NULL};
		struct str place = {0};

		str__appendf(&place, "%s:%u: ", path, opts->config.lines[i].number);
		log__set_place(str__text(&place));
		status = parse_args(set, NULL, NULL, 2, argv, opts);
		log__set_place(NULL);
		str__fini(&place);
	}
	opts->is_from_file = false;
	return status;
}

static enum exit_status check_export(struct options *o)
{
	if (o->interval_ns && !o->textfile) {
		log__error("--interval: there is no file to write each time: add --textfile PATH");
		return EXIT_USAGE;
	}
	o->serve = o->has_listen || !o->textfile;
	return EXIT_DONE;
}

enum exit_status options__parse(enum options_set set, const char *usage, const char *doc, int argc,
				char **argv, struct options *ret_opts)
{
	bool given[OPTIONS_KEYS];
	enum exit_status status;
	const char *path;

	set_defaults(ret_opts);
	status = parse_args(set, usage, doc, argc, argv, ret_opts);
	path = ret_opts->config_path;
	if (!status && path) {
		/* The command line has the last word: it is parsed again upon what the file says. */
		memcpy(given, ret_opts->given, sizeof(given));
		set_defaults(ret_opts);
		memcpy(ret_opts->given, given, sizeof(given));
		status = parse_config(set, path, argv[0], ret_opts);
		if (!status)
			status = parse_args(set, usage, doc, argc, argv, ret_opts);
	}
	if (!status && set & OPTIONS_EXPORT)
		status = check_export(ret_opts);
	if (status)
		options__fini(ret_opts);
	else
		apply_level(ret_opts);
	return status;
}

void options__fini(struct options *opts)
{
	config__fini(&opts->config);
}
