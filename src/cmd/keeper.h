/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that has given up its rights cannot load programs again, so a parent keeps the rights. The parent
 * takes nothing from the network and nothing foreign from the kernel. It only starts workers: one at the
 * start, and at SIGHUP another one, which replaces the first as soon as the new one is attached. SIGUSR1 is
 * passed on to the worker; any other signal that asks for the end ends both.
 */
#ifndef SYNFIN_CMD_KEEPER_H
#define SYNFIN_CMD_KEEPER_H

#include <stdbool.h>

struct keeper_ops {
	/* Runs in the child; `line` is its end of the line to the parent. Returns the child's exit status. */
	int (*work)(void *ctx, int line);
	/* At SIGHUP: whether another worker is to be started. */
	bool (*prepare)(void *ctx);
	/* `is_taken`: the state that was prepared has replaced the one before; else it has been given up. */
	void (*settle)(void *ctx, bool is_taken);
};

/* Runs until a signal or the end of the worker. Returns the exit status; a failure has been logged. */
int keeper__run(const struct keeper_ops *ops, void *ctx);

/* The reports of a worker, one byte each; the parent informs the service manager. */
enum keeper_word { KEEPER_ATTACHED = 'a', KEEPER_READY = 'r', KEEPER_ALIVE = 'w' };
void keeper__say(int line, enum keeper_word word);
/*
 * Reports that this worker is attached, and waits until the worker before it is gone. 0; -ECANCELED: the
 * parent is gone.
 */
int keeper__take_over(int line);

#endif
