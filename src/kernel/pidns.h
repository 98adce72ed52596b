/* SPDX-License-Identifier: GPL-2.0-only */
/* The PID namespace that we run in. */
#ifndef SYNFIN_KERNEL_PIDNS_H
#define SYNFIN_KERNEL_PIDNS_H

#include <stdint.h>

/* The inode of this namespace; 0: it is the initial one, or the inode is not known (no /proc). */
uint32_t pidns__own(void);

#endif
