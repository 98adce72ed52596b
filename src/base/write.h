/* SPDX-License-Identifier: GPL-2.0-only */
/* write(2) of all of it, to a reader that may take its time. */
#ifndef SYNFIN_BASE_WRITE_H
#define SYNFIN_BASE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whoever must not be kept waiting by a stalled reader. Zero-initialised: nobody. */
struct write_watch {
	/*
	 * Asked some 20 times a second while a write waits; `stalled_ns`: since its last progress. True gives up. It runs
	 * outside of signal handlers, and in the thread that writes; no other thread may have a watched write.
	 */
	bool (*gives_up)(void *ctx, uint64_t stalled_ns);
	void *ctx;
};

/*
 * Writes everything to `fd`, waiting if the descriptor does not block; `ret_done` is how much was written, also on failure.
 * 0, -errno (EPIPE, ENOSPC, ...), or -ECANCELED when `watch` gave up. NULL: no watch.
 */
int write__all(int fd, const char *bytes, size_t sz, const struct write_watch *watch, size_t *ret_done);

#endif
