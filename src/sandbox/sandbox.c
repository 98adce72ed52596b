/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order matters. The bounding set needs CAP_SETPCAP, so it is first. Then comes the user, since the capabilities that it needs are
 * found by trying as that user. Landlock and seccomp need no_new_privs. seccomp is last, since its list forbids the other steps.
 */
#include "sandbox/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/parts.h"

static int landlock_version; /* of what this process is restricted by */

/* --- capabilities --------------------------------------------------------------------------------------- */

/* 5.10 asks for it wherever kernel.unprivileged_bpf_disabled is set; newer ones only to create and load (5.19). */
static bool may_read_maps(void)
{
	union bpf_attr attr = {.map_fd = (__u32)-1};

	return !syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) || errno != EPERM;
}

/* Root without CAP_DAC_OVERRIDE is as anybody in the directories of others. */
static bool may_replace(const char *file)
{
	char *copy = strdup(file);
	bool may = copy && !faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS);

	free(copy);
	return may || !copy;
}

const char *sandbox__cap_name(unsigned int cap)
{
	switch (cap) {
	case CAP_BPF:
		return "CAP_BPF";
	case CAP_DAC_OVERRIDE:
		return "CAP_DAC_OVERRIDE";
	case CAP_DAC_READ_SEARCH:
		return "CAP_DAC_READ_SEARCH";
	case CAP_KILL:
		return "CAP_KILL";
	default:
		return NULL;
	}
}

static uint64_t try_without(const struct sandbox *box)
{
	uint64_t caps = 0;

	if (box->needs & SANDBOX_MAPS && !may_read_maps())
		caps |= 1ULL << CAP_BPF;
	if (box->needs & SANDBOX_CGROUPS) /* every kernel asks open_by_handle_at(2) for it */
		caps |= 1ULL << CAP_DAC_READ_SEARCH;
	if (box->needs & SANDBOX_COMMAND)
		caps |= 1ULL << CAP_KILL;
	for (int i = 0; i < SANDBOX_MAX_FILES; i++)
		if (box->files[i] && !may_replace(box->files[i]))
			caps |= 1ULL << CAP_DAC_OVERRIDE;
	return caps;
}

/* Of those that are permitted. */
static void set_caps(uint64_t effective, uint64_t permitted)
{
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		capng_update(effective & 1ULL << cap ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, cap);
		capng_update(permitted & 1ULL << cap ? CAPNG_ADD : CAPNG_DROP, CAPNG_PERMITTED, cap);
	}
}

static uint64_t get_caps(capng_type_t type)
{
	uint64_t caps = 0;

	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (capng_have_capability(type, cap))
			caps |= 1ULL << cap;
	return caps;
}

uint64_t sandbox__needed_caps(const struct sandbox *box)
{
	uint64_t effective, permitted, needed;

	capng_get_caps_process();
	effective = get_caps(CAPNG_EFFECTIVE);
	permitted = get_caps(CAPNG_PERMITTED);
	set_caps(0, permitted);
	capng_apply(CAPNG_SELECT_CAPS);
	needed = try_without(box);
	set_caps(effective, permitted);
	capng_apply(CAPNG_SELECT_CAPS);
	return needed & permitted;
}

static int drop_caps(const struct sandbox *box)
{
	uint64_t needed = sandbox__needed_caps(box);

	capng_clear(CAPNG_SELECT_ALL);
	set_caps(needed, needed);
	return capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT) ? -EPERM : 0;
}

/* Only where that is allowed (CAP_SETPCAP): nothing is executed any more, anyway. */
static int drop_bounds(const struct sandbox *box)
{
	(void)box;
	capng_get_caps_process();
	capng_clear(CAPNG_SELECT_BOUNDS);
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	return 0;
}

/* Capabilities stay for the next step; what a parent has asked for is lost with the change (commit_creds()). */
static int change_user(const struct sandbox *box)
{
	int death_signal = 0;

	if (!box->changes_user)
		return 0;
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	capng_get_caps_process();
	if (capng_change_id((int)box->uid, (int)box->gid, CAPNG_DROP_SUPP_GRP))
		return -EPERM;
	return prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) ? -errno : 0;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static int restrict_files(const struct sandbox *box)
{
	return landlock__restrict(box, &landlock_version);
}

static int forbid_gains(const struct sandbox *box)
{
	(void)box;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}

int sandbox__enter(const struct sandbox *box)
{
	static const struct {
		int (*take)(const struct sandbox *box);
		const char *what;
	} steps[] = {
		{drop_bounds, "bounding set"},	{change_user, "user"},	      {drop_caps, "capabilities"},
		{forbid_gains, "no_new_privs"}, {restrict_files, "Landlock"}, {seccomp__restrict, "seccomp"},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int err = steps[i].take(box);

		if (err) {
			log__error("cannot give up rights (%s): %s; --no-sandbox goes on with all of them",
				   steps[i].what, strerror(-err));
			return err;
		}
	}
	return 0;
}

void sandbox__read_state(struct sandbox_state *ret_state)
{
	ret_state->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	ret_state->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
	ret_state->landlock = landlock_version;
}
