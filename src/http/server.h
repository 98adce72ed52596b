/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP server of `export`: /metrics, /healthz and a front page. One thread serves all clients and never waits for
 * one; a second thread renders. Each client is limited by deadlines for its request and its answer. Places and the memory of
 * pages are limited too, and the oldest client gives way to a new one.
 */
#ifndef SYNFIN_HTTP_SERVER_H
#define SYNFIN_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/host.h"
#include "http/renderer.h"

#define SERVER_MAX_LISTENERS 8

struct server;

struct server_limits {
	size_t asking;	  /* clients whose request is not complete */
	size_t answering; /* clients that are being answered: so many for /metrics, and so many for the rest */
	uint64_t request_ns; /* from the connection, or the last answer, to the end of the next request */
	uint64_t answer_ns;  /* from the end of a request to the end of its answer */
	size_t held_bytes;   /* of all pages that are being sent, as they lie in memory, compressed */
};

extern const struct server_limits server_default_limits;

struct server_config {
	const int *
		fds; /* non-blocking listening sockets, SERVER_MAX_LISTENERS at most; they belong to the caller */
	size_t fd_cnt;
	const struct host_list *hosts; /* borrowed */
	struct server_limits limits;
	render_fn *render;
	bool (*is_alive)(void *ctx); /* called in the server's thread */
	void *ctx;
};

/* Serves connections to these sockets. 0 or -errno. */
int server__start(const struct server_config *config, struct server **ret_server);
/* Connections that come later wait at the sockets. No callback runs after it returns. NULL is fine. */
void server__stop(struct server *srv);

#endif
