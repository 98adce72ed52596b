/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the command line that trace and hist have in common: which connections and records are wanted. */
#ifndef SYNFIN_CMD_FILTER_OPTIONS_H
#define SYNFIN_CMD_FILTER_OPTIONS_H

#include <argp.h>
#include <errno.h>

#include "base/parse.h"

/* What a parser returns after its one line on stderr; argp's own refusals are other numbers. */
#define OPTIONS_TOLD ECANCELED

/* A parser of base/parse.c has refused: its sentence is the one line. Returns OPTIONS_TOLD. */
error_t options__refuse(const struct parse_error *err);

/* Its input is a struct options. */
extern const struct argp filter_argp;

#endif
