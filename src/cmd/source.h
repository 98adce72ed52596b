/* SPDX-License-Identifier: GPL-2.0-only */
/* The tracer as what hist and export show sums of. */
#ifndef SYNFIN_CMD_SOURCE_H
#define SYNFIN_CMD_SOURCE_H

#include "kernel/tracer.h"
#include "out/source.h"

/* `t` is borrowed. */
struct out_source source__of(struct tracer *t);

#endif
