/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sweep over the table: the kernel side compares each connection with the kernel's own object
 * (bpf/sweep.bpf.h). The sweep needs no rights but the descriptors.
 */
#ifndef SYNFIN_KERNEL_SWEEP_H
#define SYNFIN_KERNEL_SWEEP_H

struct synfin_bpf;

/* Sweeps the table once. A connection found dead by two sweeps in a row is counted as missed. 0 or -errno. */
int sweep__run(const struct synfin_bpf *skel);

#endif
