/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* As a shell: 127 no such command, 126 not to be run. */
static _Noreturn void run(int gate, char **argv, const struct signals *signals)
{
	char byte;

	if (read(gate, &byte, 1) != 1) /* the tracer did not come up */
		_exit(126);
	log__set_watch(NULL); /* its timer is not inherited */
	signals__restore(signals);
	execvp(argv[0], argv);
	log__error("cannot run '%s': %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * The terminal, if we are all of a job in its foreground. The leader of a process group is the first of a pipeline, or what
 * a shell with job control has started alone; what stands behind us in a pipeline may want the terminal itself, as less(1)
 * does.
 */
static int open_terminal(void)
{
	struct stat st;
	int tty;

	if (getpgrp() != getpid() || fstat(STDOUT_FILENO, &st) || S_ISFIFO(st.st_mode) ||
	    S_ISSOCK(st.st_mode))
		return -1;
	tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty >= 0 && tcgetpgrp(tty) != getpgrp()) {
		close(tty);
		tty = -1;
	}
	return tty;
}

/* From here on the terminal is used from the background, too, which would stop us. */
static void block_ttou(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static pid_t start(int gate, int other_end, bool is_job, char **argv, const struct signals *signals)
{
	pid_t pid = fork();

	if (is_job && pid >= 0)
		setpgid(pid, 0); /* both do it, since either may be first */
	if (pid == 0) {
		close(other_end);
		run(gate, argv, signals);
	}
	return pid;
}

int child__prepare(struct child *c, char **argv, const struct signals *signals)
{
	int fds[2], err;

	memset(c, 0, sizeof(*c));
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	c->tty = open_terminal();
	c->pid = start(fds[0], fds[1], c->tty >= 0, argv, signals);
	err = -errno;
	close(fds[0]);
	c->gate = fds[1];
	if (c->pid < 0) {
		close(c->gate);
		c->pid = 0;
		return err;
	}
	if (c->tty >= 0)
		block_ttou();
	return 0;
}

void child__release(struct child *c)
{
	child__follow_terminal(c);
	/* When it cannot be told it is gone, or goes with the gate. */
	(void)!write(c->gate, "", 1);
	close(c->gate);
	c->gate = -1;
}

static bool is_in_foreground(const struct child *c, pid_t pgrp)
{
	return tcgetpgrp(c->tty) == pgrp;
}

void child__follow_terminal(const struct child *c)
{
	if (c->pid && c->tty >= 0 && is_in_foreground(c, getpgrp()))
		tcsetpgrp(c->tty, c->pid);
}

/* Stops us as Ctrl-Z does, where a shell is there to let us go on; in an orphaned process group this does nothing. */
static void suspend(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, &old);
	raise(SIGTSTP);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/*
 * The command was stopped, and so the whole job is, unless it was for want of a terminal that the shell has given us in the
 * meantime.
 */
static void on_stop(const struct child *c, int signo)
{
	bool lacks_terminal = signo == SIGTTIN || signo == SIGTTOU;

	if (!lacks_terminal || !is_in_foreground(c, getpgrp()))
		suspend();
	child__follow_terminal(c);
	kill(-c->pid, SIGCONT);
}

static void on_end(struct child *c, int status)
{
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (c->tty >= 0) {
		if (is_in_foreground(c, c->pid))
			tcsetpgrp(c->tty, getpgrp());
		close(c->tty);
		c->tty = -1;
	}
	c->pid = 0;
}

bool child__reap(struct child *c)
{
	int status, options = WNOHANG | (c->tty >= 0 ? WUNTRACED : 0);

	while (c->pid && waitpid(c->pid, &status, options) == c->pid) {
		if (!WIFSTOPPED(status)) {
			on_end(c, status);
			return true;
		}
		on_stop(c, WSTOPSIG(status));
	}
	return false;
}

void child__end(struct child *c)
{
	struct timespec pause = {.tv_nsec = 20000000};

	if (c->pid && c->gate >= 0)
		close(c->gate);
	child__signal(c, SIGTERM);
	for (int i = 0; i < 50 && c->pid && !child__reap(c); i++)
		nanosleep(&pause, NULL);
	if (!c->pid)
		return;
	child__signal(c, SIGKILL);
	while (c->pid && !child__reap(c))
		nanosleep(&pause, NULL);
}

void child__signal(const struct child *c, int sig)
{
	if (c->pid)
		kill(sig == SIGTSTP ? -c->pid : c->pid, sig);
}
