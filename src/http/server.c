/* SPDX-License-Identifier: GPL-2.0-only */
/* libmicrohttpd, which also refuses what is malformed, too large or too slow. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/gzip.h"

#define MAX_CLIENTS   128
#define IDLE_SECONDS  15
#define MAX_HELD      (256 << 20) /* bytes of answers that wait to be read, before others are refused */
#define REQUEST_BYTES (16 << 10)  /* of a connection: request line, headers, answer's headers */

struct server {
	struct MHD_Daemon *daemon;
	const struct server_ops *ops;
	void *ctx;
	size_t held; /* bytes of answers; known to its thread alone */
};

/* Metrics on their way. */
struct answer {
	struct server *srv;
	struct str text;
};

static const char page[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>synfin</title></head>\n"
	"<body><h1>synfin " SYNFIN_VERSION "</h1>\n"
	"<p>Latencies and outcomes of the TCP connections of this host, from the first SYN to the end of\n"
	"TIME_WAIT, for Prometheus.</p>\n"
	"<ul><li><a href=\"/metrics\">/metrics</a>: OpenMetrics, or the classic text format, as the client "
	"asks\n"
	"for</li>\n<li><a href=\"/healthz\">/healthz</a>: 200 while connections are being "
	"followed</li></ul>\n"
	"</body></html>\n";

static enum MHD_Result queue(struct MHD_Connection *c, unsigned int status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_static(struct MHD_Connection *c, unsigned int status, const char *type,
				     const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);

	if (response) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
		if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
			MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	}
	return queue(c, status, response);
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned int status, const char *text)
{
	return answer_static(c, status, "text/plain; charset=utf-8", text);
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static void free_answer(void *ctx)
{
	struct answer *answer = ctx;

	answer->srv->held -= answer->text.len;
	str__fini(&answer->text);
	free(answer);
}

static struct answer *make_answer(struct server *srv, enum http_form form)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return NULL;
	answer->srv = srv;
	if (srv->ops->render(srv->ctx, form, &answer->text) || !answer->text.len) {
		str__fini(&answer->text);
		free(answer);
		return NULL;
	}
	return answer;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct answer *answer, enum http_form form)
{
	bool is_gzip = accept__has_gzip(header(c, MHD_HTTP_HEADER_ACCEPT_ENCODING)) &&
		       !gzip__compress(&answer->text);
	struct MHD_Response *response;

	answer->srv->held += answer->text.len;
	response = MHD_create_response_from_buffer_with_free_callback_cls(answer->text.len, answer->text.buf,
									  free_answer, answer);
	if (!response) {
		free_answer(answer);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, accept__content_type(form));
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
	if (is_gzip)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	return queue(c, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_metrics(struct server *srv, struct MHD_Connection *c)
{
	enum http_form form = accept__form(header(c, MHD_HTTP_HEADER_ACCEPT));
	struct answer *answer;

	if (srv->held > MAX_HELD)
		return answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "too much waits to be read by others\n");
	answer = make_answer(srv, form);
	return answer ? send_answer(c, answer, form)
		      : answer_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
}

/* Called when the headers are there, and again for each part of a body, which is not read. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *body, size_t *body_sz, void **request)
{
	struct server *srv = ctx;

	(void)version;
	(void)body;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (!*request || *body_sz) {
		*request = srv;
		*body_sz = 0;
		return MHD_YES;
	}
	if (!strcmp(url, "/metrics"))
		return answer_metrics(srv, c);
	if (!strcmp(url, "/healthz"))
		return srv->ops->is_alive(srv->ctx) ? answer_text(c, MHD_HTTP_OK, "ok\n")
						    : answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE,
								  "connections are not being read\n");
	if (!strcmp(url, "/"))
		return answer_static(c, MHD_HTTP_OK, "text/html; charset=utf-8", page);
	return answer_text(c, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
}

/* What a client did wrong is no news for whoever runs this. */
__attribute__((format(printf, 2, 0))) static void log_library(void *ctx, const char *fmt, va_list ap)
{
	(void)ctx;
	log__vwrite(LOG_LEVEL_DEBUG, fmt, ap);
}

/* The daemon closes what it listens on, so it has a descriptor of its own. */
static struct MHD_Daemon *start_daemon(struct server *srv, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return NULL;
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL,
				NULL, on_request, srv, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
				MHD_OPTION_LISTEN_SOCKET, own, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MAX_CLIENTS,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_END);
}

int server__start(int fd, const struct server_ops *ops, void *ctx, struct server **ret_server)
{
	struct server *srv = calloc(1, sizeof(*srv));

	if (!srv)
		return -ENOMEM;
	*srv = (struct server){.ops = ops, .ctx = ctx};
	srv->daemon = start_daemon(srv, fd);
	if (!srv->daemon) {
		free(srv);
		return -ENOMEM;
	}
	*ret_server = srv;
	return 0;
}

/* Without the quiescence the daemon would shut the socket down, for its other descriptors as well. */
void server__stop(struct server *srv)
{
	MHD_socket own;

	if (!srv)
		return;
	own = MHD_quiesce_daemon(srv->daemon);
	MHD_stop_daemon(srv->daemon);
	if (own != MHD_INVALID_SOCKET)
		close(own);
	free(srv);
}
