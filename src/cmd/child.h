/* SPDX-License-Identifier: GPL-2.0-only */
/* The command of `trace -- CMD...`: started before the tracer, so that its pid is known, let go when that is
 * ready. */
#ifndef SYNFIN_CMD_CHILD_H
#define SYNFIN_CMD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* 0: none, or reaped */
	int gate;   /* a byte written lets the command run, closing it without one ends it; -1: it runs */
	int status; /* as the shell would report it, once reaped */
};

/* Forks; the child waits. 0 or -errno. */
int child__prepare(struct child *c, char **argv);
/* Lets it run. */
void child__release(struct child *c);
/* True when it has ended; `status` is set. Never blocks. */
bool child__reap(struct child *c);
/* SIGTERM, and a second later SIGKILL; returns when it has ended. */
void child__end(struct child *c);
/* Passes a signal on. */
void child__signal(struct child *c, int sig);

#endif
