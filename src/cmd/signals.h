/* SPDX-License-Identifier: GPL-2.0-only */
/* The signals of a run: read from a descriptor, where they wait until somebody looks. */
#ifndef SYNFIN_CMD_SIGNALS_H
#define SYNFIN_CMD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	int fd;		       /* signalfd, does not block; -1: not open */
	sigset_t taken;	       /* what `fd` gives */
	sigset_t old_mask;     /* as we were started */
	struct sigaction pipe; /* what was to happen at SIGPIPE and SIGCHLD, as we were started */
	struct sigaction child;
};

/*
 * Takes those that ask for the end, and SIGCHLD. With `has_orders` SIGHUP and SIGUSR1 ask for something else, and are taken
 * even if we were started with them ignored, as by nohup(1). 0 or -errno.
 */
int signals__open(struct signals *s, bool has_orders);
/* One more. 0 or -errno. */
int signals__take(struct signals *s, int signo);
/* In a forked child: as if we had never been. */
void signals__restore(const struct signals *s);
/* They stay blocked. */
void signals__close(struct signals *s);

#endif
