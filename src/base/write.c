/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A write() to a pipe or terminal that nobody reads waits for ever, even after poll() has said that there is room: for
 * some, not for all. O_NONBLOCK is no way out, because the description of standard output belongs to other programs, too.
 * So a timer interrupts the write again and again, and between two tries the watch is asked.
 */
#include "base/write.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK_NS 50000000

/* Not SIGALRM: whoever started us may have set an alarm of its own. */
#define TICK_SIGNAL SIGRTMIN

static void interrupt(int signo)
{
	(void)signo;
}

/* Made once, by the first watched write. */
static int make_timer(timer_t *ret_timer)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = TICK_SIGNAL};
	struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART */
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, TICK_SIGNAL);
	return sigaction(TICK_SIGNAL, &action, NULL) || sigprocmask(SIG_UNBLOCK, &set, NULL) ||
			       timer_create(CLOCK_MONOTONIC, &event, ret_timer)
		       ? -errno
		       : 0;
}

static int set_ticks(long interval_ns, struct itimerspec *ret_old)
{
	static timer_t timer;
	static bool is_made;
	struct itimerspec ticks = {{0, interval_ns}, {0, interval_ns}};
	int err = is_made ? 0 : make_timer(&timer);

	if (err)
		return err;
	is_made = true;
	return timer_settime(timer, 0, &ticks, ret_old) ? -errno : 0;
}

static int wait_writable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	return poll(&pfd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int write__all(int fd, const char *bytes, size_t sz, const struct write_watch *watch, size_t *ret_done)
{
	bool is_watched = watch && watch->gives_up;
	uint64_t moved_ns = clock__mono_ns();
	struct itimerspec old = {0};
	size_t done = 0;
	int err = is_watched ? set_ticks(TICK_NS, &old) : 0;
	ssize_t n;

	while (!err && done < sz) {
		n = write(fd, bytes + done, sz - done);
		if (n > 0) {
			done += (size_t)n;
			moved_ns = clock__mono_ns();
		} else if (n < 0 && errno == EAGAIN) {
			err = wait_writable(fd);
		} else if (n < 0 && errno != EINTR) {
			err = -errno;
		}
		if (!err && is_watched && done < sz &&
		    watch->gives_up(watch->ctx, clock__mono_ns() - moved_ns))
			err = -ECANCELED;
	}
	/* Within a write that is watched, too, such as a message of whoever was asked, its ticks go on. */
	if (is_watched)
		set_ticks(old.it_interval.tv_nsec, &old);
	*ret_done = done;
	return err;
}
