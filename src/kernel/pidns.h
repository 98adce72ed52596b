/* SPDX-License-Identifier: GPL-2.0-only */
/* The PID namespace that we run in. */
#ifndef SYNFIN_KERNEL_PIDNS_H
#define SYNFIN_KERNEL_PIDNS_H

#include <stdbool.h>

/* Whether the PIDs we see are those that the kernel side compares. True also when that cannot be told. */
bool pidns__is_initial(void);

#endif
