/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Giving up rights, for good: whoever takes the process over finds little to do with it. All that needs rights is opened
 * before.
 */
#ifndef SYNFIN_SANDBOX_SANDBOX_H
#define SYNFIN_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* The parts of its work that the process goes on with. Descriptors that are open, and messages, always work. */
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
	const char *removed; /* once, at the end, where that takes no capability; NULL: none */
	bool changes_user;   /* to these, and no other group */
	uint32_t uid;
	uint32_t gid;
};

/* The capabilities (1 << CAP_...) of ours that this kernel asks for; found by trying, without the others. */
uint64_t sandbox__needed_caps(const struct sandbox *box);

/* "CAP_..." of those that are ever needed; NULL for others. */
const char *sandbox__cap_name(unsigned int cap);

/*
 * Of the calling thread and those it makes later, so before any other is there. 0, or -errno after one line on stderr;
 * some rights may be given up by then. That a kernel has no Landlock is no failure.
 */
int sandbox__enter(const struct sandbox *box);

/* What the kernel says of the calling thread. */
struct sandbox_state {
	bool no_new_privs;
	bool seccomp;
	int landlock; /* version of the kernel's; 0: it has none, or nothing is restricted by it */
};
void sandbox__read_state(struct sandbox_state *ret_state);

#endif
