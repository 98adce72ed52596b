/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin trace --alive: what is there now, then exit. */
#ifndef SYNFIN_CMD_ALIVE_H
#define SYNFIN_CMD_ALIVE_H

#include "cmd/session.h"

/*
 * Writes a record for each connection that passes the filter, or a line for each group of --by. Returns the
 * exit status.
 */
int alive__run(struct options *opts, const struct session_hooks *hooks);

#endif
