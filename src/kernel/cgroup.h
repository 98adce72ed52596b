/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups of version 2: the number of a cgroup that the user names, and the path for a number. */
#ifndef SYNFIN_KERNEL_CGROUP_H
#define SYNFIN_KERNEL_CGROUP_H

#include <stdint.h>

#include "base/parse.h"

/*
 * `text` is a directory of a mounted cgroup2 file system, or a path below the top of that file system
 * ("system.slice", or "/system.slice" as in /proc/PID/cgroup). *ret_id is the kernel's number for this
 * cgroup. 0 or -errno with *err.
 */
int cgroup__resolve(const char *text, uint64_t *ret_id, struct parse_error *err);

/* Paths by number. The last few hundred paths are remembered, including those of cgroups that are gone. */
struct cgroups;

/* If no hierarchy is mounted, no path is known. 0 or -ENOMEM. */
int cgroups__new(struct cgroups **ret_cgroups);
void cgroups__free(struct cgroups *c);

/* The path below the mounted top, as in /proc/PID/cgroup. Valid until the next call; NULL: not known. */
const char *cgroups__path(struct cgroups *c, uint64_t id);

#endif
