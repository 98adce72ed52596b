/* SPDX-License-Identifier: GPL-2.0-only */
/* The signals of a run: they wait in a descriptor until they are read from it. */
#ifndef SYNFIN_CMD_SIGNALS_H
#define SYNFIN_CMD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	int fd;		       /* signalfd, does not block; -1: not open */
	sigset_t taken;	       /* the signals that `fd` reports */
	sigset_t old_mask;     /* the mask when we were started */
	struct sigaction pipe; /* the actions for SIGPIPE and SIGCHLD when we were started */
	struct sigaction child;
};

/*
 * Takes the signals that ask for the end, and SIGCHLD. With `has_orders`, SIGHUP and SIGUSR1 ask for
 * something else, and are taken even if they were ignored when we were started, as by nohup(1). 0 or -errno.
 */
int signals__open(struct signals *s, bool has_orders);
/* Takes one more signal. 0 or -errno. */
int signals__take(struct signals *s, int signo);
/* In a forked child: restores the signal settings that we were started with. */
void signals__restore(const struct signals *s);
/* The signals stay blocked. */
void signals__close(struct signals *s);

#endif
