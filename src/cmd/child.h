/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command of `trace -- CMD...`. It is forked before the tracer is loaded, so that its pid is known, and
 * held at a gate until the tracer is ready. If synfin was started as a job of its own at a terminal, the
 * command gets a process group of its own, which has the terminal (Ctrl-C, Ctrl-Z). Elsewhere, in a script or
 * pipeline, the command stays in our process group with all the others.
 */
#ifndef SYNFIN_CMD_CHILD_H
#define SYNFIN_CMD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "cmd/signals.h"

struct child {
	pid_t pid;  /* 0: none, or reaped */
	int gate;   /* a byte starts the command, closing without one ends the command; -1: it runs */
	int status; /* as the shell would report it, once reaped */
	int tty;    /* the terminal of its own process group; -1: it is in our process group */
};

/* Forks; the child waits, and will run with the signal settings that we were started with. 0 or -errno. */
int child__prepare(struct child *c, char **argv, const struct signals *signals);
/* Lets the command run, in the foreground. */
void child__release(struct child *c);
/*
 * True when the command has ended; `status` is set. If the terminal has stopped the command, this call stops
 * us too, and both continue when the shell says so. Otherwise this call never blocks.
 */
bool child__reap(struct child *c);
/* If the shell has put us into the foreground, passes that on to the command. To be called now and then. */
void child__follow_terminal(const struct child *c);
/* Sends SIGTERM, and a second later SIGKILL; returns when the command has ended. */
void child__end(struct child *c);
/*
 * Passes a signal on to the command. SIGTSTP goes to its whole process group, and can be sent only if the
 * command has one of its own.
 */
void child__signal(const struct child *c, int sig);

#endif
