/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups of version 2: as the user names one, and what the kernel's numbers stand for. */
#ifndef SYNFIN_KERNEL_CGROUP_H
#define SYNFIN_KERNEL_CGROUP_H

#include <stdint.h>

#include "base/parse.h"

/*
 * A directory of a mounted cgroup2 file system, or a path from that one's top ("system.slice", or "/system.slice" as
 * /proc/PID/cgroup has it). *ret_id is the kernel's number of it. 0 or -errno with *err.
 */
int cgroup__resolve(const char *text, uint64_t *ret_id, struct parse_error *err);

/* Paths by number, the last few hundred of them remembered: also those of cgroups that are gone. */
struct cgroups;

/* Where no hierarchy is mounted it knows none. 0 or -ENOMEM. */
int cgroups__new(struct cgroups **ret_cgroups);
void cgroups__free(struct cgroups *c);

/* From the top that is mounted here, as /proc/PID/cgroup has it. Valid until the next call; NULL: not known. */
const char *cgroups__path(struct cgroups *c, uint64_t id);

#endif
