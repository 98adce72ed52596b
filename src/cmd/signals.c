/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool is_ignored(int signo)
{
	struct sigaction action;

	return !sigaction(signo, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* SIGINT is taken even where it was ignored: a script that starts us in the background wants to end us by it. */
static void choose(sigset_t *set, bool has_orders)
{
	static const int always[] = {SIGINT, SIGTERM, SIGCHLD}, orders[] = {SIGHUP, SIGUSR1},
			 unless_ignored[] = {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		sigaddset(set, always[i]);
	for (size_t i = 0; has_orders && i < sizeof(orders) / sizeof(orders[0]); i++)
		sigaddset(set, orders[i]);
	for (size_t i = 0; i < sizeof(unless_ignored) / sizeof(unless_ignored[0]); i++) {
		if (!is_ignored(unless_ignored[i]))
			sigaddset(set, unless_ignored[i]);
	}
}

int signals__open(struct signals *s, bool has_orders)
{
	static const struct sigaction ignore = {.sa_handler = SIG_IGN}, dfl = {.sa_handler = SIG_DFL};

	choose(&s->taken, has_orders);
	/* Where SIGCHLD is ignored nobody is told that a child has ended, and its status is lost. */
	if (sigaction(SIGPIPE, &ignore, &s->pipe) || sigaction(SIGCHLD, &dfl, &s->child) ||
	    sigprocmask(SIG_BLOCK, &s->taken, &s->old_mask))
		return -errno;
	s->fd = signalfd(-1, &s->taken, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

int signals__take(struct signals *s, int signo)
{
	sigaddset(&s->taken, signo);
	if (sigprocmask(SIG_BLOCK, &s->taken, NULL) || signalfd(s->fd, &s->taken, 0) < 0)
		return -errno;
	return 0;
}

void signals__restore(const struct signals *s)
{
	sigaction(SIGPIPE, &s->pipe, NULL);
	sigaction(SIGCHLD, &s->child, NULL);
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

void signals__close(struct signals *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
