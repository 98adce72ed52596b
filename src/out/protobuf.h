/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metrics as Prometheus' protobuf messages, each with its length before it. It is the only form that can
 * carry native histograms; the classic buckets are in it as well, for a server that does not want those.
 */
#ifndef SYNFIN_OUT_PROTOBUF_H
#define SYNFIN_OUT_PROTOBUF_H

#include "base/pieces.h"
#include "model/edges.h"
#include "out/families.h"

/* Written to `to`, whose pieces__end() tells whether it is complete. */
void protobuf__write(struct pieces *to, const struct metrics *m, const struct edges *edges);

#endif
