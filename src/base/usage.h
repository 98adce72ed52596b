/* SPDX-License-Identifier: GPL-2.0-only */
/* The resources that this process has used, as the kernel counts them. */
#ifndef SYNFIN_BASE_USAGE_H
#define SYNFIN_BASE_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t cpu_ns; /* user and system, of all threads */
	uint64_t resident_bytes;
	uint64_t start_ns; /* wall clock: when the process began */
};

/*
 * Opens the files that usage__read() needs, while the process can still open files; they describe the calling
 * process. 0 or -errno.
 */
int usage__open(void);
/* After usage__open(). 0 or -errno. */
int usage__read(struct usage *ret_usage);

#endif
