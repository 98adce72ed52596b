/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes a whole buffer with write(2), even if the reader is slow. */
#ifndef SYNFIN_BASE_WRITE_H
#define SYNFIN_BASE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Can give up a write when its reader stalls. Zero-initialised: never. */
struct write_watch {
	/*
	 * Called some 20 times a second while a write waits; `stalled_ns` is the time since its last
	 * progress. The write is given up if it returns true. It runs outside of signal handlers, in the
	 * thread that writes; no other thread may have a watched write.
	 */
	bool (*gives_up)(void *ctx, uint64_t stalled_ns);
	void *ctx;
};

/*
 * Writes everything to `fd`, waiting if the descriptor does not block. *ret_done is how much was written,
 * also on failure. 0, -errno (EPIPE, ENOSPC, ...), or -ECANCELED when `watch` gave up. `watch` NULL: no
 * watch.
 */
int write__all(int fd, const char *bytes, size_t sz, const struct write_watch *watch, size_t *ret_done);

#endif
