/* SPDX-License-Identifier: GPL-2.0-only */
/* Carries struct filter into the BPF side: switches before load, tables after. */
#ifndef SYNFIN_KERNEL_FILTERS_H
#define SYNFIN_KERNEL_FILTERS_H

#include "model/filter.h"

struct synfin_bpf;

/* Before load. */
void filters__configure(struct synfin_bpf *skel, const struct filter *f);
/* After load, before attach. 0 or -errno. */
int filters__fill(struct synfin_bpf *skel, const struct filter *f);

#endif
