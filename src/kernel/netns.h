/* SPDX-License-Identifier: GPL-2.0-only */
/* A network namespace as the user names it. */
#ifndef SYNFIN_KERNEL_NETNS_H
#define SYNFIN_KERNEL_NETNS_H

#include <stdint.h>

#include "base/parse.h"

/*
 * A PID, a path (/run/netns/x, /proc/1/ns/net) or an inode ("4026531840", "net:[4026531840]"); a number from
 * 0xf0000000 on, where the kernel's dynamic inodes begin (PROC_DYNAMIC_FIRST), is an inode. 0 or -errno with
 * *err.
 */
int netns__resolve(const char *text, uint32_t *ret_inode, struct parse_error *err);

#endif
