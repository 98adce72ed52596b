/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYNFIN_HTTP_GZIP_H
#define SYNFIN_HTTP_GZIP_H

#include "base/str.h"

/* Replaces the text by its gzip form; speed before size. 0, or -ENOMEM and it is as it was. */
int gzip__compress(struct str *s);

#endif
