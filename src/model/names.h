/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Converts the numbers of synfin.h to the words of the contract, and back. A number without a word (out of
 * range, or "none" where that means not known) becomes NULL, which JSON shows as null and a table as "-".
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
/* The name of a kernel state (TCP_ESTABLISHED is 1) in lower snake case: "fin_wait1". */
const char *names__state(unsigned int state);
/* The kernel's enum sk_rst_reason, 6.12 and later; so far its values are the same in all these versions. */
const char *names__rst_reason(int reason);
/* "ECONNREFUSED"; NULL for 0 and for errors that TCP does not produce. */
const char *names__errno(int error);

/* 0 or -EINVAL. SF_ROLE_NONE has no word. */
int names__parse_role(const char *text, enum sf_role *ret_role);
/* The outcomes of open and close records. 0 or -EINVAL. */
int names__parse_outcome(const char *text, enum sf_outcome *ret_outcome);

#endif
