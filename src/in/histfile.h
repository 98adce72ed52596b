/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the output of `hist --json` and `export --state`, and adds it up. Each line is checked completely
 * before any of it is added, and nothing in it is trusted: a sum with one wrong part would be a wrong number.
 */
#ifndef SYNFIN_IN_HISTFILE_H
#define SYNFIN_IN_HISTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "model/series.h"
#include "synfin.h"

/* Zero-initialised is empty. */
struct histsum {
	struct series *series; /* NULL: no line yet, since the first one decides the --by fields; owned */
	uint64_t begin_ns;     /* wall clock: the earliest begin and the latest end */
	uint64_t end_ns;
	uint64_t lost[__SF_LOST_MAX];
};

struct histfile_error {
	char text[256]; /* one clause; may contain foreign bytes */
};

/* Adds one line, with or without its newline. 0; -EINVAL, and `err` says why; -ENOMEM. */
int histfile__add_line(struct histsum *sum, const char *line, size_t len, struct histfile_error *err);
void histsum__fini(struct histsum *sum);

#endif
