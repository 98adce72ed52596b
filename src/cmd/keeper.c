/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "cmd/options.h"
#include "cmd/signals.h"

struct worker {
	pid_t pid; /* 0: none */
	int line;  /* -1: none */
};

struct keeper {
	const struct keeper_ops *ops;
	void *ctx;
	struct signals signals;
	struct worker now;    /* does the work */
	struct worker next;   /* will, when it is attached and the other is gone */
	bool is_handing_over; /* the next one is attached, and the other told to end */
	bool is_asked_again;  /* meanwhile */
	bool is_ending;	      /* a signal asked for that: nobody begins any more */
	bool is_done;
	int status;
};

static const struct worker no_worker = {.line = -1};

/* It has nothing of the others, and does not outlive its parent. */
static _Noreturn void work(struct keeper *k, int line, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_RUNTIME);
	signals__close(&k->signals);
	if (k->now.line >= 0)
		close(k->now.line);
	exit(k->ops->work(k->ctx, line));
}

static int spawn(struct keeper *k, struct worker *ret_worker)
{
	pid_t self = getpid(), pid;
	int line[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(line[0]);
		work(k, line[1], self);
	}
	close(line[1]);
	if (pid < 0) {
		int err = -errno;

		close(line[0]);
		return err;
	}
	*ret_worker = (struct worker){.pid = pid, .line = line[0]};
	return 0;
}

static void hang_up(struct worker *w)
{
	if (w->line >= 0)
		close(w->line);
	*w = no_worker;
}

static void give_up_next(struct keeper *k)
{
	hang_up(&k->next);
	k->ops->settle(k->ctx, false);
	notify__send("READY=1"); /* no longer RELOADING */
}

static void end_next(struct keeper *k)
{
	if (!k->next.pid)
		return;
	kill(k->next.pid, SIGKILL);
	while (waitpid(k->next.pid, NULL, 0) < 0 && errno == EINTR)
		;
	give_up_next(k);
}

static void reload(struct keeper *k)
{
	int err;

	if (k->is_ending)
		return;
	if (k->is_handing_over) {
		k->is_asked_again = true;
		return;
	}
	end_next(k);
	if (!k->ops->prepare(k->ctx))
		return;
	notify__send("RELOADING=1");
	err = spawn(k, &k->next);
	if (err) {
		log__error("cannot begin anew: %s", strerror(-err));
		give_up_next(k);
	}
}

static void let_go(struct worker *w)
{
	(void)send(w->line, "", 1,
		   MSG_NOSIGNAL | MSG_DONTWAIT); /* whoever does not listen is not waited for */
}

static void take_turns(struct keeper *k)
{
	hang_up(&k->now);
	k->now = k->next;
	k->next = no_worker;
	k->is_handing_over = false;
	k->ops->settle(k->ctx, true);
	let_go(&k->now);
	if (k->is_asked_again) {
		k->is_asked_again = false;
		reload(k);
	}
}

/* A new worker that died when this one was told to end leaves nobody, which is a failure. */
static void finish(struct keeper *k, int status)
{
	if (WIFSIGNALED(status))
		log__error("the worker was ended by signal %d", WTERMSIG(status));
	if (k->is_handing_over)
		log__error("the new worker was ended when it was to take over: nobody is left");
	k->status = WIFEXITED(status) && !k->is_handing_over ? WEXITSTATUS(status) : EXIT_RUNTIME;
	k->is_done = true;
}

static void on_end(struct keeper *k, pid_t pid, int status)
{
	if (pid == k->next.pid)
		give_up_next(k);
	else if (pid == k->now.pid && k->is_handing_over && k->next.pid)
		take_turns(k);
	else if (pid == k->now.pid)
		finish(k, status);
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(k->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		while (!k->is_done && (pid = waitpid(-1, &status, WNOHANG)) > 0)
			on_end(k, pid, status);
		break;
	case SIGHUP:
		reload(k);
		break;
	case SIGUSR1:
		kill(k->now.pid, SIGUSR1);
		break;
	default:
		k->is_ending = true;
		end_next(k);
		k->is_handing_over = false;
		notify__send("STOPPING=1");
		kill(k->now.pid, SIGTERM);
	}
}

/* Whatever else it says means nothing. */
static void on_word(struct keeper *k, struct worker *w)
{
	char word;

	if (read(w->line, &word, 1) != 1) { /* its end is told by a signal */
		close(w->line);
		w->line = -1;
	} else if (word == KEEPER_ATTACHED && w == &k->next) {
		k->is_handing_over = true;
		kill(k->now.pid, SIGTERM);
	} else if (word == KEEPER_ATTACHED) {
		let_go(w);
	} else if (word == KEEPER_READY && w == &k->now) {
		notify__send("READY=1");
	} else if (word == KEEPER_ALIVE && w == &k->now) {
		notify__send("WATCHDOG=1");
	}
}

static void step(struct keeper *k)
{
	struct pollfd fds[] = {
		{.fd = k->now.line, .events = POLLIN},
		{.fd = k->next.line, .events = POLLIN},
		{.fd = k->signals.fd, .events = POLLIN},
	};

	if (poll(fds, 3, -1) < 0)
		return;
	if (fds[0].revents)
		on_word(k, &k->now);
	if (fds[1].revents)
		on_word(k, &k->next);
	if (fds[2].revents)
		on_signal(k); /* last: workers change with it */
}

int keeper__run(const struct keeper_ops *ops, void *ctx)
{
	struct keeper k = {.ops = ops, .ctx = ctx, .signals.fd = -1, .now = no_worker, .next = no_worker};
	int err = signals__open(&k.signals, true);

	/* What little it can do is nobody else's to change. */
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)))
		err = -errno;
	if (!err)
		err = spawn(&k, &k.now);
	if (err) {
		log__error("cannot start: %s", strerror(-err));
		return EXIT_RUNTIME;
	}
	while (!k.is_done)
		step(&k);
	end_next(&k);
	hang_up(&k.now);
	signals__close(&k.signals);
	return k.status;
}

void keeper__say(int line, enum keeper_word word)
{
	char byte = (char)word;

	(void)write(line, &byte, 1); /* without a parent a signal ends us */
}

int keeper__take_over(int line)
{
	char byte;

	keeper__say(line, KEEPER_ATTACHED);
	return read(line, &byte, 1) == 1 ? 0 : -ECANCELED;
}
