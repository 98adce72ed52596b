/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metrics as Prometheus' protobuf messages, each with its length before it. It is the only form that can
 * carry native histograms; the classic buckets are in it as well, for servers that do not want native ones.
 */
#ifndef SYNFIN_OUT_PROTOBUF_H
#define SYNFIN_OUT_PROTOBUF_H

#include "base/pieces.h"
#include "model/edges.h"
#include "out/families.h"

/* Writes to `to`; pieces__end() reports whether the output is complete. */
void protobuf__write(struct pieces *to, const struct metrics *m, const struct edges *edges);

#endif
