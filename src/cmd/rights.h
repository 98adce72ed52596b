/* SPDX-License-Identifier: GPL-2.0-only */
/* The rights that each command needs once it has started; the rest is given up. */
#ifndef SYNFIN_CMD_RIGHTS_H
#define SYNFIN_CMD_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "cmd/options.h"

/* The needs (enum sandbox_need) of trace, hist and export with these options. */
unsigned int rights__of_session(const struct options *opts, bool wants_sums);

/*
 * Gives up all rights but those for `needs` and for the files that the options name, unless --no-sandbox is
 * given. Everything that needs more rights must be open by now, and there must be no other thread. 0, or
 * -errno after one line on stderr.
 */
int rights__drop(const struct options *opts, unsigned int needs);

#define RIGHTS_COMMANDS 5

/* Those of our capabilities that each command keeps, as `synfin check` shows them. */
struct rights {
	uint64_t caps[RIGHTS_COMMANDS];
};

/* To be called before rights__drop(). */
struct rights rights__probe(void);
/* To be called after rights__drop(): these functions also ask the kernel what it enforces. */
void rights__write_text(const struct rights *rights, struct str *s);
void rights__write_json(const struct rights *rights, struct json *j);

#endif
