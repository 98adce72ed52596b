/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/rights.h"

#include <time.h>

#include "base/notify.h"
#include "base/usage.h"
#include "sandbox/sandbox.h"

#define CAPS 64

static const struct {
	const char *name;
	unsigned int needs;
} commands[RIGHTS_COMMANDS] = {
	{"trace", SANDBOX_MAPS | SANDBOX_CGROUPS},
	{"trace -- CMD", SANDBOX_MAPS | SANDBOX_CGROUPS | SANDBOX_COMMAND},
	{"hist, export", SANDBOX_MAPS | SANDBOX_SERVES},
	{"with --by cgroup", SANDBOX_MAPS | SANDBOX_SERVES | SANDBOX_CGROUPS},
	{"merge, check", 0},
};

unsigned int rights__of_session(const struct options *opts, bool wants_sums)
{
	bool names_cgroups = !wants_sums || by__mask(&opts->by) & 1U << BY_CGROUP;

	return SANDBOX_MAPS | (names_cgroups ? SANDBOX_CGROUPS : 0) | (opts->cmd ? SANDBOX_COMMAND : 0) |
	       (opts->serve ? SANDBOX_SERVES : 0);
}

/* What libc and others open when they first need it, and then could not. */
static void open_early(void)
{
	tzset();
	(void)usage__open();
	notify__open();
}

/* A parent, if there is one, does it instead. */
static const char *socket_to_remove(const struct options *opts)
{
	bool is_unix = opts->serve && opts->listen.any.sa_family == AF_UNIX;

	return is_unix && !opts->config_path ? opts->listen.un.sun_path : NULL;
}

int rights__drop(const struct options *opts, unsigned int needs)
{
	struct sandbox box = {
		.needs = needs,
		.files = {opts->textfile, opts->state},
		.removed = socket_to_remove(opts),
		.changes_user = opts->changes_user,
		.uid = opts->user_uid,
		.gid = opts->user_gid,
	};

	open_early();
	return opts->keep_rights ? 0 : sandbox__enter(&box);
}

struct rights rights__probe(void)
{
	struct rights rights = {0};

	for (size_t i = 0; i < RIGHTS_COMMANDS; i++) {
		struct sandbox box = {.needs = commands[i].needs};

		rights.caps[i] = sandbox__needed_caps(&box);
	}
	return rights;
}

static void write_caps(uint64_t caps, struct str *s)
{
	if (!caps)
		str__append(s, " none");
	for (unsigned int cap = 0; cap < CAPS; cap++)
		if (caps & 1ULL << cap)
			str__appendf(s, " %s", sandbox__cap_name(cap));
	str__append(s, "\n");
}

void rights__write_text(const struct rights *rights, struct str *s)
{
	struct sandbox_state state;

	sandbox__read_state(&state);
	str__appendf(s, "\n%-18s CAPABILITIES LEFT AFTER THE START\n", "COMMAND");
	for (size_t i = 0; i < RIGHTS_COMMANDS; i++) {
		str__appendf(s, "%-18s", commands[i].name);
		write_caps(rights->caps[i], s);
	}
	str__appendf(s, "%-18s no_new_privs: %s, seccomp: %s, Landlock: ", "of all",
		     state.no_new_privs ? "yes" : "no", state.seccomp ? "yes" : "no");
	if (state.landlock)
		str__appendf(s, "version %d\n", state.landlock);
	else
		str__append(s, "no\n");
}

void rights__write_json(const struct rights *rights, struct json *j)
{
	struct sandbox_state state;

	sandbox__read_state(&state);
	json__begin_object(j);
	json__key(j, "capabilities");
	json__begin_object(j);
	for (size_t i = 0; i < RIGHTS_COMMANDS; i++) {
		json__key(j, commands[i].name);
		json__begin_array(j);
		for (unsigned int cap = 0; cap < CAPS; cap++)
			if (rights->caps[i] & 1ULL << cap)
				json__string(j, sandbox__cap_name(cap));
		json__end_array(j);
	}
	json__end_object(j);
	json__key_bool(j, "no_new_privs", state.no_new_privs);
	json__key_bool(j, "seccomp", state.seccomp);
	json__key_nonzero(j, "landlock", (uint64_t)state.landlock);
	json__end_object(j);
}
