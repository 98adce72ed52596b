/* SPDX-License-Identifier: GPL-2.0-only */
/* From words to struct filter. What has to exist (processes, users, cgroups, namespaces) is looked up here and now. */
#include "cmd/filter_options.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "cmd/options.h"
#include "kernel/cgroup.h"
#include "kernel/netns.h"
#include "model/names.h"

#define NETNS_DIR "/run/netns"

enum key {
	KEY_LPORT = 0x200,
	KEY_RPORT,
	KEY_SERVICE,
	KEY_ADDR,
	KEY_LADDR,
	KEY_RADDR,
	KEY_NETNS,
	KEY_ROLE,
	KEY_TREE,
	KEY_CGROUP,
	KEY_OUTCOME,
	KEY_FAILED,
	KEY_MIN_HANDSHAKE,
	KEY_MIN_CLOSE,
	__KEY_MAX,
};

_Static_assert((int)__KEY_MAX <= OPTIONS_KEYS, "each has its place in options.given");

static const struct argp_option filter_options[] = {
	{NULL, 0, NULL, 0,
	 "Filters (a connection must pass all of them; of several values of one filter, any):", 1},
	{"pid", 'p', "PID,...", 0, "connections of these processes", 1},
	{"tree", KEY_TREE, "PID,...", 0, "of these processes and their descendants, present and future", 1},
	{"comm", 'c', "GLOB", 0, "of tasks whose name matches; * is any run of characters, ? any one", 1},
	{"uid", 'u', "USER,...", 0, "of tasks of these users (number or name)", 1},
	{"cgroup", KEY_CGROUP, "PATH", 0, "of tasks in this cgroup (v2) or below it", 1},
	{"port", 'P', "PORTS", 0, "with one of these ports on either end: 80,443,8000-8100", 1},
	{"service", KEY_SERVICE, "PORTS", 0, "with one of these ports on the listening end", 1},
	{"lport", KEY_LPORT, "PORTS", 0, "with one of these ports on this end", 1},
	{"rport", KEY_RPORT, "PORTS", 0, "with one of these ports on the other end", 1},
	{"addr", KEY_ADDR, "NET,...", 0,
	 "with either address in one of these networks: 10.0.0.0/8,fd00::/8,::1", 1},
	{"laddr", KEY_LADDR, "NET,...", 0, "with the address of this end in one of these networks", 1},
	{"raddr", KEY_RADDR, "NET,...", 0, "with the address of the other end in one of these networks", 1},
	{"netns", KEY_NETNS, "NAME|PID|PATH|INODE", 0, "in this network namespace; NAME as in ip netns", 1},
	{"ipv4", '4', NULL, 0, "IPv4 only, including v4-mapped", 1},
	{"ipv6", '6', NULL, 0, "IPv6 only", 1},
	{"role", KEY_ROLE, "ROLE,...", 0, "client, server or both (simultaneous open)", 1},
	{"outcome", KEY_OUTCOME, "WORD,...", 0, "only opens and closes with one of these outcomes", 1},
	{"failed", KEY_FAILED, NULL, 0, "only opens that were not established, and closes other than fin", 1},
	{"min-handshake", KEY_MIN_HANDSHAKE, "TIME", 0,
	 "whose handshake took at least TIME: 250us, 10ms, 1.5s", 1},
	{"min-close", KEY_MIN_CLOSE, "TIME", 0, "closes that took at least TIME from the first FIN", 1},
	{0},
};

error_t options__refuse(const struct parse_error *err)
{
	log__error("%s", err->text);
	return OPTIONS_TOLD;
}

static error_t add_pids(const char *what, const char *arg, uint32_t *pids, size_t cap, size_t *cnt)
{
	struct parse_error err;
	size_t before = *cnt;

	if (parse__pids(what, arg, pids, cap, cnt, &err))
		return options__refuse(&err);
	for (size_t i = before; i < *cnt; i++) {
		if (kill((pid_t)pids[i], 0) && errno == ESRCH) {
			log__error("%s: there is no process %u: see ps for the ones there are", what,
				   pids[i]);
			return OPTIONS_TOLD;
		}
	}
	return 0;
}

static error_t add_comm(struct filter *f, const char *arg)
{
	struct parse_error err;

	if (parse__comm_glob("--comm", arg, &err))
		return options__refuse(&err);
	if (f->comm_cnt == SF_MAX_COMMS) {
		log__error("--comm: at most %d patterns: combine some with *", SF_MAX_COMMS);
		return OPTIONS_TOLD;
	}
	snprintf(f->comms[f->comm_cnt++], SF_GLOB_LEN, "%s", arg);
	return 0;
}

static error_t add_ports(const char *what, const char *arg, struct port_set *set)
{
	struct parse_error err;

	return parse__ports(what, arg, set, &err) ? options__refuse(&err) : 0;
}

static error_t add_networks(const char *what, const char *arg, struct network_set *set)
{
	struct parse_error err;

	return parse__networks(what, arg, set->networks, FILTER_MAX_NETWORKS, &set->cnt, &err)
		       ? options__refuse(&err)
		       : 0;
}

/* A namespace that `ip netns` named, by its name. 0, or what is wrong is for who looks at the argument as it is. */
static int resolve_name(const char *name, uint32_t *ret_inode)
{
	struct parse_error ignored;
	char path[PATH_MAX];

	if (!name[0] || strchr(name, '/') || strspn(name, "0123456789") == strlen(name) ||
	    snprintf(path, sizeof(path), NETNS_DIR "/%s", name) >= (int)sizeof(path))
		return -EINVAL;
	return netns__resolve(path, ret_inode, &ignored);
}

static error_t add_netns(struct filter *f, const char *arg)
{
	struct parse_error err;

	if (f->netns_cnt == FILTER_MAX_NETNS) {
		log__error("--netns: at most %d namespaces", FILTER_MAX_NETNS);
		return OPTIONS_TOLD;
	}
	if (resolve_name(arg, &f->netns[f->netns_cnt]) && netns__resolve(arg, &f->netns[f->netns_cnt], &err))
		return options__refuse(&err);
	f->netns_cnt++;
	return 0;
}

static error_t add_cgroup(struct filter *f, const char *arg)
{
	struct parse_error err;

	if (f->cgroup_cnt == FILTER_MAX_CGROUPS) {
		log__error("--cgroup: at most %d cgroups: name one above them", FILTER_MAX_CGROUPS);
		return OPTIONS_TOLD;
	}
	if (cgroup__resolve(arg, &f->cgroups[f->cgroup_cnt], &err))
		return options__refuse(&err);
	f->cgroup_cnt++;
	return 0;
}

/* A list by commas: `add` takes each word, and tells what is wrong with it. */
static error_t add_words(const char *what, const char *arg,
			 error_t (*add)(struct filter *f, const char *word), struct filter *f)
{
	struct parse_error err;
	error_t told = 0;
	char word[64];

	while (arg && !told) {
		if (parse__word(what, &arg, word, sizeof(word), &err))
			return options__refuse(&err);
		told = add(f, word);
	}
	return told;
}

static error_t add_uid(struct filter *f, const char *word)
{
	struct parse_error err;

	if (f->uid_cnt == FILTER_MAX_UIDS) {
		log__error("--uid: at most %d users", FILTER_MAX_UIDS);
		return OPTIONS_TOLD;
	}
	if (parse__uid("--uid", word, &f->uids[f->uid_cnt], &err))
		return options__refuse(&err);
	f->uid_cnt++;
	return 0;
}

static error_t add_role(struct filter *f, const char *word)
{
	enum sf_role role;

	if (names__parse_role(word, &role)) {
		log__error("--role: '%s' is not a role: choose client, server or both", word);
		return OPTIONS_TOLD;
	}
	f->roles |= 1 << role;
	return 0;
}

/* All that can be chosen. */
static void tell_outcomes(const char *word)
{
	struct str text = {0};
	enum sf_outcome known;

	for (unsigned int i = 1; i < __SF_OUT_MAX; i++)
		if (!names__parse_outcome(names__outcome(i), &known) && known == i)
			str__appendf(&text, "%s%s", text.len ? ", " : "", names__outcome(i));
	log__error("--outcome: '%s' is not an outcome: choose from %s", word, str__text(&text));
	str__fini(&text);
}

static error_t add_outcome(struct filter *f, const char *word)
{
	enum sf_outcome outcome;

	if (names__parse_outcome(word, &outcome)) {
		tell_outcomes(word);
		return OPTIONS_TOLD;
	}
	f->outcomes |= 1U << outcome;
	return 0;
}

static error_t set_minimum(const char *what, const char *arg, uint64_t *ret_ns)
{
	struct parse_error err;

	if (parse__duration(what, arg, ret_ns, &err))
		return options__refuse(&err);
	if (!*ret_ns) {
		log__error("%s: '%s' is not a minimum: give a time above 0, or leave it out", what, arg);
		return OPTIONS_TOLD;
	}
	return 0;
}

static error_t set_family(struct filter *f, uint8_t family)
{
	if (f->family && f->family != family) {
		log__error("-4 and -6 exclude each other: leave both out to see both");
		return OPTIONS_TOLD;
	}
	f->family = family;
	return 0;
}

/* Of the owner. */
static error_t parse_task(int key, const char *arg, struct filter *f)
{
	switch (key) {
	case 'p':
		return add_pids("--pid", arg, f->pids, FILTER_MAX_PIDS, &f->pid_cnt);
	case KEY_TREE:
		return add_pids("--tree", arg, f->trees, FILTER_MAX_TREES, &f->tree_cnt);
	case 'c':
		return add_comm(f, arg);
	case 'u':
		return add_words("--uid", arg, add_uid, f);
	case KEY_CGROUP:
		return add_cgroup(f, arg);
	}
	return ARGP_ERR_UNKNOWN;
}

/* Of the ends. */
static error_t parse_ends(int key, const char *arg, struct filter *f)
{
	switch (key) {
	case 'P':
		return add_ports("--port", arg, &f->ports);
	case KEY_LPORT:
		return add_ports("--lport", arg, &f->lports);
	case KEY_RPORT:
		return add_ports("--rport", arg, &f->rports);
	case KEY_SERVICE:
		return add_ports("--service", arg, &f->services);
	case KEY_ADDR:
		return add_networks("--addr", arg, &f->addrs);
	case KEY_LADDR:
		return add_networks("--laddr", arg, &f->laddrs);
	case KEY_RADDR:
		return add_networks("--raddr", arg, &f->raddrs);
	case KEY_NETNS:
		return add_netns(f, arg);
	case '4':
		return set_family(f, SF_AF_INET);
	case '6':
		return set_family(f, SF_AF_INET6);
	}
	return ARGP_ERR_UNKNOWN;
}

/* Of what became of it. */
static error_t parse_course(int key, const char *arg, struct filter *f)
{
	switch (key) {
	case KEY_ROLE:
		return add_words("--role", arg, add_role, f);
	case KEY_OUTCOME:
		return add_words("--outcome", arg, add_outcome, f);
	case KEY_FAILED:
		f->failed = true;
		return 0;
	case KEY_MIN_HANDSHAKE:
		return set_minimum("--min-handshake", arg, &f->min_handshake_ns);
	case KEY_MIN_CLOSE:
		return set_minimum("--min-close", arg, &f->min_close_ns);
	}
	return ARGP_ERR_UNKNOWN;
}

/* Remembers an option that was taken. */
static void note(struct filter *f, int key, const char *arg)
{
	const struct argp_option *o = filter_options;
	size_t len = strlen(f->text), room = sizeof(f->text) - len;

	while (o->key != key)
		o++;
	if ((size_t)snprintf(f->text + len, room, "%s--%s%s%s", len ? " " : "", o->name, arg ? " " : "",
			     arg ? arg : "") >= room)
		memcpy(f->text + sizeof(f->text) - 4, "...", 4);
}

/* None of `open` and `close` would be shown. */
static error_t check_outcomes(const struct filter *f)
{
	if (!f->failed || filter__outcomes(f))
		return 0;
	log__error("--failed: none of the outcomes given is a failure: leave out --failed or --outcome");
	return OPTIONS_TOLD;
}

static error_t parse_filter(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct filter unused = {0}, *f = &o->filter;
	error_t err;

	if (key == ARGP_KEY_END)
		return check_outcomes(f);
	/* -4 and -6 are one option with two names. */
	if (options__is_overridden(o, key == '6' ? '4' : key))
		f = &unused;
	err = parse_task(key, arg, f);
	if (err == ARGP_ERR_UNKNOWN)
		err = parse_ends(key, arg, f);
	if (err == ARGP_ERR_UNKNOWN)
		err = parse_course(key, arg, f);
	if (!err)
		note(f, key, arg);
	return err;
}

const struct argp filter_argp = {filter_options, parse_filter, NULL, NULL, NULL, NULL, NULL};
