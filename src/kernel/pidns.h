/* SPDX-License-Identifier: GPL-2.0-only */
/* The PID namespace that we run in. */
#ifndef SYNFIN_KERNEL_PIDNS_H
#define SYNFIN_KERNEL_PIDNS_H

#include <stdint.h>

/* Its inode; 0: the initial one, or that cannot be told (no /proc). */
uint32_t pidns__own(void);

#endif
