/* SPDX-License-Identifier: GPL-2.0-only */
/* What each command needs when it has started, and giving up the rest. */
#ifndef SYNFIN_CMD_RIGHTS_H
#define SYNFIN_CMD_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "cmd/options.h"

/* enum sandbox_need of trace, hist and export with these options. */
unsigned int rights__of_session(const struct options *opts, bool wants_sums);

/*
 * Gives up all but these needs and the files that the options name, unless --no-sandbox. What needs more is open by now,
 * and no other thread is there. 0, or -errno after one line on stderr.
 */
int rights__drop(const struct options *opts, unsigned int needs);

#define RIGHTS_COMMANDS 5

/* Capabilities that each command keeps of those that we have, as `synfin check` shows them. */
struct rights {
	uint64_t caps[RIGHTS_COMMANDS];
};

/* Before rights__drop(). */
struct rights rights__probe(void);
/* After it: they also ask the kernel what it enforces. */
void rights__write_text(const struct rights *rights, struct str *s);
void rights__write_json(const struct rights *rights, struct json *j);

#endif
