/* SPDX-License-Identifier: GPL-2.0-only */
/* A cgroup of version 2 as the user names it. */
#ifndef SYNFIN_KERNEL_CGROUP_H
#define SYNFIN_KERNEL_CGROUP_H

#include <stdint.h>

#include "base/parse.h"

/*
 * A directory of a mounted cgroup2 file system, or a path from that one's top ("system.slice", or "/system.slice" as
 * /proc/PID/cgroup has it). *ret_id is the kernel's number of it. 0 or -errno with *err.
 */
int cgroup__resolve(const char *text, uint64_t *ret_id, struct parse_error *err);

#endif
