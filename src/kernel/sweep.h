/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sweep over the table: has the kernel side hold each connection against the kernel (bpf/sweep.bpf.h). Needs no rights but
 * the descriptors.
 */
#ifndef SYNFIN_KERNEL_SWEEP_H
#define SYNFIN_KERNEL_SWEEP_H

struct synfin_bpf;

/* The whole table once. A connection that is found dead by two sweeps in a row is counted as missed. 0 or -errno. */
int sweep__run(const struct synfin_bpf *skel);

#endif
