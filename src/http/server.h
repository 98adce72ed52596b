/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP server of `export`: /metrics, /healthz and a page that says what this is. One thread serves all
 * clients and waits for none; an answer is rendered whole before its first byte is sent, so that a client that
 * reads slowly holds nothing but its own answer.
 */
#ifndef SYNFIN_HTTP_SERVER_H
#define SYNFIN_HTTP_SERVER_H

#include <stdbool.h>

#include "base/str.h"
#include "http/accept.h"

struct server;

/* Called in the server's thread. */
struct server_ops {
	/* Append the metrics. 0 or -errno. */
	int (*render)(void *ctx, enum http_form form, struct str *ret_text);
	bool (*is_alive)(void *ctx);
};

/* Serves who connects to this socket, which stays the caller's and open. 0 or -errno. */
int server__start(int fd, const struct server_ops *ops, void *ctx, struct server **ret_server);
/* Whoever connects from now on waits at the socket. When it returns no callback runs any more. NULL is fine. */
void server__stop(struct server *srv);

#endif
