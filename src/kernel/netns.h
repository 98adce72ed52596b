/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces: the inode of one that the user names, and a visit to all that exist. */
#ifndef SYNFIN_KERNEL_NETNS_H
#define SYNFIN_KERNEL_NETNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"

/*
 * `text` is a PID, a path (/run/netns/x, /proc/1/ns/net) or an inode ("4026531840", "net:[4026531840]"). A
 * number from 0xf0000000 on, where the kernel's dynamic inodes begin (PROC_DYNAMIC_FIRST), is an inode. 0 or
 * -errno with *err.
 */
int netns__resolve(const char *text, uint32_t *ret_inode, struct parse_error *err);

/*
 * Calls `fn` once inside each network namespace that a process is in or that is mounted where we can see it.
 * If `cnt` is not 0, only namespaces with these inodes are visited. Only the calling thread is moved, and it
 * is moved back at the end. A namespace that cannot be entered is skipped (with a debug message). 0, what
 * `fn` returned if not 0, or -errno when our own namespace could not be entered again.
 */
int netns__visit(const uint32_t *inodes, size_t cnt, int (*fn)(void *ctx), void *ctx);

#endif
