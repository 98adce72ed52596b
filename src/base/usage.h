/* SPDX-License-Identifier: GPL-2.0-only */
/* What this process itself has used, as the kernel counts it. */
#ifndef SYNFIN_BASE_USAGE_H
#define SYNFIN_BASE_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t cpu_ns; /* user and system, of all threads */
	uint64_t resident_bytes;
	uint64_t start_ns; /* wall clock: when the process began */
};

/* Opens what is read later, when no file can be opened any more: of the process that calls it. 0 or -errno. */
int usage__open(void);
/* After usage__open(). 0 or -errno. */
int usage__read(struct usage *ret_usage);

#endif
