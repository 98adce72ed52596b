/* SPDX-License-Identifier: GPL-2.0-only */
/* Parses an address and listens on it; takes sockets that a service manager hands over. */
#ifndef SYNFIN_HTTP_LISTEN_H
#define SYNFIN_HTTP_LISTEN_H

#include <netinet/in.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/parse.h"

#define LISTEN_TEXT_SZ (sizeof("unix:,mode=0777") + sizeof(((struct sockaddr_un *)0)->sun_path))

struct listen_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	};
	mode_t mode; /* of a Unix socket */
};

/*
 * "127.0.0.1:9842", "[::1]:9842", ":9842" (all addresses), "localhost:9842"; no other names are accepted, and
 * port 0 selects a free port. "unix:PATH", "unix:PATH,mode=0660"; the default mode is 0600. 0 or -EINVAL.
 */
int listen__parse(const char *what, const char *text, struct listen_addr *ret_addr, struct parse_error *err);

/*
 * Returns a non-blocking listening socket, which the caller closes, or -errno. *ret_bound is where it listens. A Unix
 * socket without a listener is replaced; for any other file the result is -EADDRINUSE.
 */
int listen__open(const struct listen_addr *addr, struct listen_addr *ret_bound);

/* Writes the address as listen__parse() accepts it; a mode of 0600 is left out. Returns `buf`. */
const char *listen__format(const struct listen_addr *addr, char buf[LISTEN_TEXT_SZ]);

/*
 * Takes the sockets that were handed over (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), and removes these variables from
 * the environment. Returns how many there are, or -errno, and `err` says what is wrong with them.
 */
int listen__inherit(int *fds, size_t cap, struct parse_error *err);
/* The address of a listening socket. 0 or -errno. */
int listen__find(int fd, struct listen_addr *ret_addr);

#endif
