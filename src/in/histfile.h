/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads what `hist --json` and `export --state` wrote, and adds it up. Every line is checked whole before any of
 * it is added, and nothing in it is taken on trust: a sum with a wrong part would be a wrong number.
 */
#ifndef SYNFIN_IN_HISTFILE_H
#define SYNFIN_IN_HISTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "model/series.h"
#include "synfin.h"

/* Zero-initialised is empty. */
struct histsum {
	struct series *series; /* NULL: no line yet, which says by what it is kept apart; owned */
	uint64_t begin_ns;     /* wall clock: the earliest begin and the latest end */
	uint64_t end_ns;
	uint64_t lost[__SF_LOST_MAX];
};

struct histfile_error {
	char text[256]; /* one clause; foreign bytes in it */
};

/* One line, without or with its newline. 0; -EINVAL with `err` told; -ENOMEM. */
int histfile__add_line(struct histsum *sum, const char *line, size_t len, struct histfile_error *err);
void histsum__fini(struct histsum *sum);

#endif
