/* SPDX-License-Identifier: GPL-2.0-only */
/* How a character affects the line of text that contains it. */
#ifndef SYNFIN_BASE_UNICODE_H
#define SYNFIN_BASE_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* A control character, a line separator, or a mark that reorders or hides the text around it or is itself invisible. */
bool unicode__is_control(uint32_t c);

/* The columns of a character on a terminal: 0 (combining), 1 or 2 (East Asian wide). Not for controls. */
unsigned int unicode__columns(uint32_t c);

#endif
