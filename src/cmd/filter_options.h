/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the command line that trace and hist have in common: which connections and records are wanted. */
#ifndef SYNFIN_CMD_FILTER_OPTIONS_H
#define SYNFIN_CMD_FILTER_OPTIONS_H

#include <argp.h>
#include <errno.h>

#include <stdbool.h>

#include "base/parse.h"

struct options;

/* What a parser returns after its one line on stderr; argp's own refusals are other numbers. */
#define OPTIONS_TOLD ECANCELED

/* A parser of base/parse.c has refused: its sentence is the one line. Returns OPTIONS_TOLD. */
error_t options__refuse(const struct parse_error *err);

/*
 * For options whose values add up: on the command line they take the place of what the file says of the same option, which is
 * checked nevertheless. Remembers that the option is on the command line. True: its value is not to be used.
 */
bool options__is_overridden(struct options *o, int key);

/* Its input is a struct options. */
extern const struct argp filter_argp;

#endif
