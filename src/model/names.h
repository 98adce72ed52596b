/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of the contract for the numbers of synfin.h, both ways. A number without a word (out of range,
 * or "none" where that means not known) gives NULL, which JSON shows as null and a table as "-".
 */
#ifndef SYNFIN_MODEL_NAMES_H
#define SYNFIN_MODEL_NAMES_H

#include <stdint.h>

#include "model/record.h"
#include "synfin.h"

#define NAMES_RST_REASON_CNT 25

const char *names__event(unsigned int type);
const char *names__role(unsigned int role);
const char *names__source(unsigned int source);
const char *names__outcome(unsigned int outcome);
const char *names__stage(unsigned int stage);
const char *names__side(unsigned int side);
const char *names__lost(unsigned int lost);
const char *names__missed(unsigned int how);
/* The word for one bit of SF_FLAGS_SHOWN. */
const char *names__flag(uint32_t flag);
/* A kernel state number (TCP_ESTABLISHED is 1), lower snake case: "fin_wait1". */
const char *names__state(unsigned int state);
/* The kernel's enum sk_rst_reason, 6.12 and later; the values are the same in all of them so far. */
const char *names__rst_reason(int reason);
/* "ECONNREFUSED"; NULL for 0 and what TCP does not produce. */
const char *names__errno(int error);

/* 0 or -EINVAL. SF_ROLE_NONE has no word. */
int names__parse_role(const char *text, enum sf_role *ret_role);
/* Of open and close records. */
int names__parse_outcome(const char *text, enum sf_outcome *ret_outcome);

#endif
