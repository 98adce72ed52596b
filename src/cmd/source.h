/* SPDX-License-Identifier: GPL-2.0-only */
/* The tracer as the source of the sums that hist and export show. */
#ifndef SYNFIN_CMD_SOURCE_H
#define SYNFIN_CMD_SOURCE_H

#include "kernel/tracer.h"
#include "out/source.h"

/* `t` is borrowed. */
struct out_source source__of(struct tracer *t);

#endif
