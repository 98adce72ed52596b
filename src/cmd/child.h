/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command of `trace -- CMD...`: forked before the tracer is loaded, so that its pid is known, and held at a gate until
 * the tracer is ready. Started as a job of its own at a terminal, it gets a process group of its own, which has the terminal
 * (Ctrl-C, Ctrl-Z); elsewhere, in a script or pipeline, it stays in ours with all the others.
 */
#ifndef SYNFIN_CMD_CHILD_H
#define SYNFIN_CMD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "cmd/signals.h"

struct child {
	pid_t pid;  /* 0: none, or reaped */
	int gate;   /* a byte written lets the command run, closing it without one ends it; -1: it runs */
	int status; /* as the shell would report it, once reaped */
	int tty;    /* the terminal that its process group has; -1: the process group is ours */
};

/* Forks; the child waits, and will run with the signals that we were started with. 0 or -errno. */
int child__prepare(struct child *c, char **argv, const struct signals *signals);
/* Lets it run, in the foreground. */
void child__release(struct child *c);
/*
 * True when it has ended; `status` is set. When it was stopped by the terminal this stops us, too, and both go on when the
 * shell says so; otherwise it never blocks.
 */
bool child__reap(struct child *c);
/* The shell has put us into the foreground: the command gets that. To be called now and then. */
void child__follow_terminal(const struct child *c);
/* SIGTERM, and a second later SIGKILL; returns when it has ended. */
void child__end(struct child *c);
/* Passes a signal on; SIGTSTP, which only a process group of its own can be sent, to all of that. */
void child__signal(const struct child *c, int sig);

#endif
