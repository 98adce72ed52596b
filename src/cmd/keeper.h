/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has given up its rights cannot load programs again. So a parent keeps them for it: it takes nothing from the network
 * and nothing foreign from the kernel, and only begins workers: at the start, and at SIGHUP another that replaces the
 * first one as soon as it is attached. SIGUSR1 goes on to the worker, what else asks for the end ends both.
 */
#ifndef SYNFIN_CMD_KEEPER_H
#define SYNFIN_CMD_KEEPER_H

#include <stdbool.h>

struct keeper_ops {
	/* In the child, whose end of the line to the parent is `line`. Returns its exit status. */
	int (*work)(void *ctx, int line);
	/* SIGHUP: whether another worker is to begin. */
	bool (*prepare)(void *ctx);
	/* What was prepared has taken the place of what was before, or (false) is given up. */
	void (*settle)(void *ctx, bool is_taken);
};

/* Until a signal, or the end of the worker. Returns the exit status; what failed has been logged. */
int keeper__run(const struct keeper_ops *ops, void *ctx);

/* What a worker has to tell, a byte each; the parent tells the service manager. */
enum keeper_word { KEEPER_ATTACHED = 'a', KEEPER_READY = 'r', KEEPER_ALIVE = 'w' };
void keeper__say(int line, enum keeper_word word);
/* Says that it is attached, and waits until the one before is gone. 0; -ECANCELED: the parent is gone. */
int keeper__take_over(int line);

#endif
