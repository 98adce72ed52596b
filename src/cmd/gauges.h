/* SPDX-License-Identifier: GPL-2.0-only */
/* What is alive, for whoever asks and from any thread: looked at anew when somebody asks, but once a second at most. */
#ifndef SYNFIN_CMD_GAUGES_H
#define SYNFIN_CMD_GAUGES_H

#include "kernel/tracer.h"
#include "model/census.h"

struct gauges;

/* The tracer is borrowed. 0 or -ENOMEM. */
int gauges__new(const struct tracer *tracer, struct gauges **ret_gauges);
/* NULL is fine. */
void gauges__free(struct gauges *g);

/* The census, the caller's until gauges__unlock(); NULL when it could not be taken. */
struct census *gauges__lock(struct gauges *g);
void gauges__unlock(struct gauges *g);

#endif
