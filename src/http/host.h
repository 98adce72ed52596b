/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks that the header Host names this host. A web page can have its own name resolved to an address of this host
 * (DNS rebinding), and then the browser lets it read what we serve. The header still contains that name. Pure.
 */
#ifndef SYNFIN_HTTP_HOST_H
#define SYNFIN_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/parse.h"

#define HOST_NAME_SZ   256
#define HOST_MAX_LISTS 32

/* Comma-separated lists of names, as the user gave them; borrowed. */
struct host_list {
	const char *lists[HOST_MAX_LISTS];
	size_t cnt;
};

/* "a.example,*.b.example" or "*": added to `hosts`. 0, -EINVAL or -E2BIG. */
int host__parse(const char *what, const char *text, struct host_list *hosts, struct parse_error *err);

/*
 * Accepts addresses, since those are not resolved; localhost; `own_name`, the name of this machine, whole and up to its
 * first dot; and the names of the list, where "*.example" matches all names below it. A port may follow. The header may
 * contain any byte.
 */
bool host__is_allowed(const char *header, const char *own_name, const struct host_list *hosts);

#endif
