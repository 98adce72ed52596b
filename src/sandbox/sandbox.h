/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives up rights, for good: an attacker who takes over the process can do little with it. Everything that
 * needs rights is opened before.
 */
#ifndef SYNFIN_SANDBOX_SANDBOX_H
#define SYNFIN_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* The parts of its work that the process continues to do. Open descriptors and messages always work. */
enum sandbox_need {
	SANDBOX_MAPS = 1 << 0,	  /* reads BPF maps */
	SANDBOX_CGROUPS = 1 << 1, /* finds cgroups by their numbers */
	SANDBOX_SERVES = 1 << 2,  /* accepts connections, in a thread of its own */
	SANDBOX_COMMAND = 1 << 3, /* signals a child, which may have changed its user, and waits for it */
};

#define SANDBOX_MAX_FILES 2

struct sandbox {
	unsigned int needs;
	const char *files[SANDBOX_MAX_FILES]; /* replaced again and again; NULL: none */
	const char *removed; /* removed once, at the end, if that needs no capability; NULL: none */
	bool changes_user;   /* to `uid` and `gid`, and no other group */
	uint32_t uid;
	uint32_t gid;
};

/* Those of our capabilities (1 << CAP_...) that this kernel requires, found by trying without them. */
uint64_t sandbox__needed_caps(const struct sandbox *box);

/* The name ("CAP_...") of a capability that is ever needed; NULL for others. */
const char *sandbox__cap_name(unsigned int cap);

/*
 * Restricts the calling thread and the threads that it creates later, so it must be called before there is
 * any other thread. 0, or -errno after one line on stderr; some rights may have been given up by then. A
 * kernel without Landlock is no failure.
 */
int sandbox__enter(const struct sandbox *box);

/* The state of the calling thread, as the kernel reports it. */
struct sandbox_state {
	bool no_new_privs;
	bool seccomp;
	int landlock; /* the kernel's version; 0: the kernel has none, or it restricts nothing */
};
void sandbox__read_state(struct sandbox_state *ret_state);

#endif
