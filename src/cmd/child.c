/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* As a shell: 127 no such command, 126 not to be run. */
static _Noreturn void run(int gate, char **argv)
{
	sigset_t none;
	char byte;

	if (read(gate, &byte, 1) != 1) /* the tracer did not come up */
		_exit(126);
	log__set_watch(NULL); /* its timer is not inherited */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	log__error("cannot run '%s': %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int child__prepare(struct child *c, char **argv)
{
	int fds[2];

	memset(c, 0, sizeof(*c));
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	c->pid = fork();
	if (c->pid == 0) {
		close(fds[1]);
		run(fds[0], argv);
	}
	close(fds[0]);
	c->gate = fds[1];
	if (c->pid < 0) {
		int err = -errno;

		close(c->gate);
		c->pid = 0;
		return err;
	}
	return 0;
}

void child__release(struct child *c)
{
	/* When it cannot be told it is gone, or goes with the gate. */
	(void)!write(c->gate, "", 1);
	close(c->gate);
	c->gate = -1;
}

bool child__reap(struct child *c)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return true;
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

void child__signal(struct child *c, int sig)
{
	if (c->pid)
		kill(c->pid, sig);
}
