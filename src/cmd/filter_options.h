/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the command line that trace and hist share: which connections and records are wanted. */
#ifndef SYNFIN_CMD_FILTER_OPTIONS_H
#define SYNFIN_CMD_FILTER_OPTIONS_H

#include <argp.h>
#include <errno.h>

#include <stdbool.h>

#include "base/parse.h"

struct options;

/* A parser returns this after its one line on stderr; argp's own errors are other numbers. */
#define OPTIONS_TOLD ECANCELED

/* A parser of base/parse.c has refused: prints its sentence as the one line. Returns OPTIONS_TOLD. */
error_t options__refuse(const struct parse_error *err);

/*
 * For options whose values add up: values on the command line replace those in the file for the same option,
 * and the values in the file are checked nevertheless. Remembers that the option is on the command line.
 * True: the value that is being parsed is not to be used.
 */
bool options__is_overridden(struct options *o, int key);

/* The input of this parser is a struct options. */
extern const struct argp filter_argp;

#endif
