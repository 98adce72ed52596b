/* SPDX-License-Identifier: GPL-2.0-only */
/* An address to listen on, from its text to a socket. */
#ifndef SYNFIN_HTTP_LISTEN_H
#define SYNFIN_HTTP_LISTEN_H

#include <netinet/in.h>

#include "base/parse.h"

#define LISTEN_TEXT_SZ (INET6_ADDRSTRLEN + sizeof("[]:65535"))

union listen_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* "127.0.0.1:9842", "[::1]:9842", ":9842" (all addresses), "localhost:9842"; no other names, port 0 takes a free one. 0 or -EINVAL. */
int listen__parse(const char *what, const char *text, union listen_addr *ret_addr, struct parse_error *err);

/* A listening socket, which the caller closes, or -errno. *ret_bound is where it listens. */
int listen__open(const union listen_addr *addr, union listen_addr *ret_bound);

/* As it was parsed. Returns `buf`. */
const char *listen__format(const union listen_addr *addr, char buf[LISTEN_TEXT_SZ]);

#endif
