/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmicrohttpd parses and sends, and refuses requests that are malformed or too large. Its timeouts measure inactivity
 * only, and when it is full it accepts nobody. Therefore this file accepts connections, and shuts down clients that are
 * too slow or have to give way; libmicrohttpd notices that in its next MHD_run() and closes them.
 */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/clients.h"
#include "http/gzip.h"

#define NS_PER_MS      1000000ULL
#define NS_PER_SEC     1000000000ULL
#define REQUEST_BYTES  (16 << 10) /* of a connection: request line, headers, answer's headers */
#define PLAIN_BYTES    (64 << 10) /* of a page that is unpacked for a client, at a time */
#define ACCEPTS	       64	  /* in a row, before clients are served again */
#define PAUSE_NS       (100 * NS_PER_MS)
#define PAGE_FRESH_NS  (100 * NS_PER_MS) /* maximum age of the sums when the request comes */
#define REFUSED_LENGTH 64		 /* bytes of a host name in the log */

const struct server_limits server_default_limits = {
	.asking = 128,
	.answering = 128,
	.request_ns = 10 * NS_PER_SEC,
	.answer_ns = 30 * NS_PER_SEC,
	.held_bytes = 256 << 20,
};

/* The memory of a page: its own, and that of all clients that are being sent it. */
struct held {
	struct server *srv;
	unsigned int users;
	struct str gzip;
	size_t plain_sz;
};

/* One form of the metrics, shared by all clients. */
struct page {
	struct held *held;	   /* NULL: rendering failed */
	struct MHD_Response *gzip; /* for those that take it so; each of the others has one of its own */
	bool is_there;
	bool is_asked;
	uint64_t read_ns;
};

/* Unpacks a page for one client. */
struct reader {
	struct held *held;
	struct gunzip *gunzip;
};

struct server {
	struct server_config config;
	int fds[SERVER_MAX_LISTENERS]; /* duplicates, since the caller may close its own at any time */
	size_t fd_cnt;
	struct MHD_Daemon *daemon;
	struct renderer *renderer;
	struct clients clients;
	struct client *newcomer; /* during MHD_add_connection() */
	struct page pages[__HTTP_FORM_MAX];
	size_t held;	    /* bytes of all pages that have not been freed */
	uint64_t accept_ns; /* when to accept again, after an error */
	bool has_refused_host;
	int wake_fd;
	pthread_t thread;
	atomic_bool stop;
};

static const char front_page[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>synfin</title></head>\n"
	"<body><h1>synfin " SYNFIN_VERSION "</h1>\n"
	"<p>Latencies and outcomes of the TCP connections of this host, from the first SYN to the end of\n"
	"TIME_WAIT, for Prometheus.</p>\n"
	"<ul><li><a href=\"/metrics\">/metrics</a>: OpenMetrics, or the classic text format, as the client "
	"asks\n"
	"for</li>\n<li><a href=\"/healthz\">/healthz</a>: 200 while connections are being "
	"followed</li></ul>\n"
	"</body></html>\n";

static enum MHD_Result answer_static(struct MHD_Connection *c, unsigned int status, const char *type,
				     const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned int status, const char *text)
{
	return answer_static(c, status, "text/plain; charset=utf-8", text);
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* An unfinished answer ends with a reset: the kernel would keep the rest of it for a client that does not read. */
static void drop(struct server *srv, struct client *client)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (client->stage != CLIENT_ASKING)
		(void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)shutdown(client->fd, SHUT_RDWR);
	if (client->waits_for != CLIENT_WAITS_FOR_NONE) {
		client->waits_for = CLIENT_WAITS_FOR_NONE;
		MHD_resume_connection(client->connection);
	}
	clients__move(&srv->clients, client, CLIENT_DROPPED, 0);
}

/* The headers of a request are complete. */
static void begin_answer(struct server *srv, struct client *client, bool is_scrape)
{
	enum client_stage stage = is_scrape ? CLIENT_SCRAPING : CLIENT_ANSWERING;
	struct client *victim = clients__find_victim(&srv->clients, stage);

	if (victim)
		drop(srv, victim);
	client->asked_ns = clock__mono_ns();
	clients__move(&srv->clients, client, stage, client->asked_ns);
}

/* libmicrohttpd has sent an answer, or gave up. */
static void end_answer(void *ctx, struct MHD_Connection *c, void **request,
		       enum MHD_RequestTerminationCode code)
{
	struct client *client = *request;
	struct server *srv = ctx;

	(void)c;
	(void)code;
	if (!client || client->stage == CLIENT_DROPPED)
		return;
	client->holds_page = false;
	clients__move(&srv->clients, client, CLIENT_ASKING, clock__mono_ns());
}

static enum MHD_Result wait_for_page(struct server *srv, struct client *client, enum http_form form)
{
	if (!srv->pages[form].is_asked)
		renderer__ask(srv->renderer, form);
	srv->pages[form].is_asked = true;
	client->waits_for = (int)form;
	MHD_suspend_connection(client->connection);
	return MHD_YES;
}

static void drop_held(struct held *held)
{
	if (!held || --held->users)
		return;
	held->srv->held -= held->gzip.len;
	str__fini(&held->gzip);
	free(held);
}

static void drop_held_fn(void *ctx)
{
	drop_held(ctx);
}

/* Takes the text over. NULL: out of memory. */
static struct held *hold(struct server *srv, struct rendered *rendered)
{
	struct held *held = malloc(sizeof(*held));

	if (!held) {
		str__fini(&rendered->gzip);
		return NULL;
	}
	*held = (struct held){.srv = srv, .users = 1, .gzip = rendered->gzip, .plain_sz = rendered->plain_sz};
	srv->held += held->gzip.len;
	return held;
}

static void add_headers(struct MHD_Response *response, enum http_form form)
{
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, accept__content_type(form));
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
}

static struct MHD_Response *make_gzip_response(struct held *held, enum http_form form)
{
	struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
		held->gzip.len, held->gzip.buf, drop_held_fn, held);

	if (!response)
		return NULL;
	held->users++;
	add_headers(response, form);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	return response;
}

static ssize_t read_plain(void *ctx, uint64_t at, char *buf, size_t sz)
{
	struct reader *reader = ctx;
	ssize_t got = gunzip__read(reader->gunzip, buf, sz);

	(void)at; /* each byte is asked for once, in order */
	return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_reader(void *ctx)
{
	struct reader *reader = ctx;

	gunzip__free(reader->gunzip);
	drop_held(reader->held);
	free(reader);
}

/* NULL: out of memory. */
static struct reader *make_reader(struct held *held)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	if (gunzip__new(&held->gzip, &reader->gunzip)) {
		free(reader);
		return NULL;
	}
	reader->held = held;
	held->users++;
	return reader;
}

static struct MHD_Response *make_plain_response(struct held *held, enum http_form form)
{
	struct reader *reader = make_reader(held);
	struct MHD_Response *response;

	if (!reader)
		return NULL;
	response = MHD_create_response_from_callback(held->plain_sz, PLAIN_BYTES, read_plain, reader,
						     free_reader);
	if (!response) {
		free_reader(reader);
		return NULL;
	}
	add_headers(response, form);
	return response;
}

/* The page lives on until all clients that are being sent it have it. */
static void retire_page(struct page *page)
{
	if (page->gzip)
		MHD_destroy_response(page->gzip);
	drop_held(page->held);
	page->gzip = NULL;
	page->held = NULL;
	page->is_there = false;
}

static enum MHD_Result send_plain(struct MHD_Connection *c, const struct page *page, enum http_form form)
{
	struct MHD_Response *response = make_plain_response(page->held, form);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result = MHD_queue_response(c, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* Called again when the page that the client waits for is there. */
static enum MHD_Result answer_metrics(struct server *srv, struct client *client)
{
	struct MHD_Connection *c = client->connection;
	enum http_form form = accept__form(header(c, MHD_HTTP_HEADER_ACCEPT));
	const struct page *page = &srv->pages[form];

	if (!page->is_there || page->read_ns + PAGE_FRESH_NS <= client->asked_ns)
		return wait_for_page(srv, client, form);
	if (!page->held)
		return answer_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the metrics could not be read\n");
	client->holds_page = true;
	if (accept__has_gzip(header(c, MHD_HTTP_HEADER_ACCEPT_ENCODING)))
		return MHD_queue_response(c, MHD_HTTP_OK, page->gzip);
	return send_plain(c, page, form);
}

static bool has_body(struct MHD_Connection *c)
{
	const char *length = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return header(c, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
	       (length && strspn(length, "0") != strlen(length));
}

/* The first refusal is logged, because a scraper shows no more than the status. */
static bool is_refused_host(struct server *srv, const struct client *client)
{
	const char *host = header(client->connection, MHD_HTTP_HEADER_HOST);
	char own_name[HOST_NAME_SZ] = "";

	if (client->is_local || !host)
		return false;
	(void)gethostname(own_name, sizeof(own_name) - 1);
	if (host__is_allowed(host, own_name, srv->config.hosts))
		return false;
	if (!srv->has_refused_host)
		log__warn(
			"a request for host '%.*s' was refused: if that is this host, add --allow-host NAME",
			REFUSED_LENGTH, host);
	srv->has_refused_host = true;
	return true;
}

/* An answer from here is sent before any body is read, and closes the connection. */
static enum MHD_Result check_request(struct server *srv, struct client *client, const char *method)
{
	struct MHD_Connection *c = client->connection;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (has_body(c))
		return answer_text(c, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body here\n");
	if (is_refused_host(srv, client))
		return answer_text(c, MHD_HTTP_MISDIRECTED_REQUEST,
				   "this name is not served here: see --allow-host of synfin export\n");
	return MHD_YES;
}

/* Called when the headers are complete, when the request is, and after each wait. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *body, size_t *body_sz, void **request)
{
	struct server *srv = ctx;
	struct client *client =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

	(void)version;
	(void)body;
	if (client->stage == CLIENT_DROPPED || *body_sz)
		return MHD_NO;
	if (!*request) {
		*request = client;
		begin_answer(srv, client, !strcmp(url, "/metrics"));
		return check_request(srv, client, method);
	}
	if (!strcmp(url, "/metrics"))
		return answer_metrics(srv, client);
	if (!strcmp(url, "/healthz"))
		return srv->config.is_alive(srv->config.ctx)
			       ? answer_text(c, MHD_HTTP_OK, "ok\n")
			       : answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE,
					     "connections are not being read\n");
	if (!strcmp(url, "/"))
		return answer_static(c, MHD_HTTP_OK, "text/html; charset=utf-8", front_page);
	return answer_text(c, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
}

static struct client *find_holder(struct server *srv)
{
	struct client *client = NULL;

	TAILQ_FOREACH(client, &srv->clients.stage[CLIENT_SCRAPING], entry)
	{
		if (client->holds_page)
			return client;
	}
	return NULL;
}

/* Makes room for a page of this size: first by retiring pages, then by dropping their oldest readers. */
static void make_room(struct server *srv, size_t sz)
{
	struct client *holder;

	for (int i = 0; i < __HTTP_FORM_MAX && srv->held + sz > srv->config.limits.held_bytes; i++)
		retire_page(&srv->pages[i]);
	while (srv->held + sz > srv->config.limits.held_bytes && (holder = find_holder(srv))) {
		drop(srv, holder);
		(void)MHD_run(srv->daemon);
	}
}

static void resume_waiting(struct server *srv, enum http_form form)
{
	struct client *client = NULL;

	TAILQ_FOREACH(client, &srv->clients.stage[CLIENT_SCRAPING], entry)
	{
		if (client->waits_for != (int)form)
			continue;
		client->waits_for = CLIENT_WAITS_FOR_NONE;
		MHD_resume_connection(client->connection);
	}
}

static void publish(struct server *srv, enum http_form form, struct rendered *rendered)
{
	struct page *page = &srv->pages[form];

	make_room(srv, rendered->gzip.len);
	retire_page(page);
	*page = (struct page){
		.held = rendered->err ? NULL : hold(srv, rendered),
		.is_there = true,
		.read_ns = rendered->err ? clock__mono_ns() : rendered->read_ns,
	};
	if (page->held)
		page->gzip = make_gzip_response(page->held, form);
	resume_waiting(srv, form);
	(void)MHD_run(srv->daemon); /* before room is made for the next page */
}

static void take_pages(struct server *srv)
{
	struct rendered rendered;

	for (int i = 0; i < __HTTP_FORM_MAX; i++) {
		if (srv->pages[i].is_asked && renderer__take(srv->renderer, (enum http_form)i, &rendered))
			publish(srv, (enum http_form)i, &rendered);
	}
}

/* Frees pages that are too old for any new request. Returns whether any others are left. */
static bool retire_stale(struct server *srv, uint64_t now)
{
	bool is_any_left = false;

	for (int i = 0; i < __HTTP_FORM_MAX; i++) {
		if (srv->pages[i].is_there && srv->pages[i].read_ns + PAGE_FRESH_NS <= now)
			retire_page(&srv->pages[i]);
		is_any_left |= srv->pages[i].is_there;
	}
	return is_any_left;
}

/* libmicrohttpd has taken a connection, or closes it. */
static void on_connection(void *ctx, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *srv = ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		srv->newcomer->connection = c;
		*context = srv->newcomer;
		srv->newcomer = NULL;
	} else {
		clients__remove(&srv->clients, *context);
	}
}

/* Requests that have arrived are read first: their clients are not asking any more and can stay. */
static void make_place(struct server *srv)
{
	struct client *victim;

	if (!clients__find_victim(&srv->clients, CLIENT_ASKING))
		return;
	(void)MHD_run(srv->daemon);
	victim = clients__find_victim(&srv->clients, CLIENT_ASKING);
	if (!victim)
		return;
	drop(srv, victim);
	(void)MHD_run(srv->daemon);
}

/* A new client always gets a place. */
static void let_in(struct server *srv, int fd, const struct sockaddr *addr, socklen_t sz)
{
	make_place(srv);
	srv->newcomer = clients__add(&srv->clients, fd, clock__mono_ns());
	if (!srv->newcomer) {
		close(fd);
		return;
	}
	srv->newcomer->is_local = addr->sa_family == AF_UNIX;
	if (MHD_add_connection(srv->daemon, fd, addr, sz) != MHD_YES && srv->newcomer)
		clients__remove(&srv->clients, srv->newcomer);
	srv->newcomer = NULL;
}

/* When descriptors run out the oldest client gives way. false: there is no client. */
static bool free_descriptor(struct server *srv)
{
	struct client *oldest = clients__find_oldest(&srv->clients);

	if (!oldest)
		return false;
	drop(srv, oldest);
	(void)MHD_run(srv->daemon);
	return true;
}

/* Returns whether to try again. An error that stays would otherwise keep us busy, so the next attempt is later. */
static bool handle_accept_error(struct server *srv, int err)
{
	if (err == EAGAIN)
		return false;
	if (err == EINTR || err == ECONNABORTED)
		return true;
	if ((err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM) && free_descriptor(srv))
		return true;
	srv->accept_ns = clock__mono_ns() + PAUSE_NS;
	return false;
}

static void accept_some(struct server *srv, int listen_fd)
{
	struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};

	for (int i = 0; i < ACCEPTS; i++) {
		socklen_t sz = sizeof(addr);
		int fd = accept4(listen_fd, (struct sockaddr *)&addr, &sz, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			let_in(srv, fd, (struct sockaddr *)&addr, sz);
		else if (!handle_accept_error(srv, errno))
			return;
	}
}

static int poll_ms(const struct server *srv, uint64_t now, bool has_pages)
{
	uint64_t next = clients__next_deadline(&srv->clients);
	MHD_UNSIGNED_LONG_LONG pending;

	if (MHD_get_timeout(srv->daemon, &pending) == MHD_YES && !pending)
		return 0;
	if (has_pages && next > now + PAGE_FRESH_NS)
		next = now + PAGE_FRESH_NS;
	if (srv->accept_ns > now && srv->accept_ns < next)
		next = srv->accept_ns;
	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

/* Sleeps until there is something to do, and accepts new connections. */
static void wait_and_accept(struct server *srv)
{
	uint64_t now = clock__mono_ns();
	bool has_pages = retire_stale(srv, now), accepts = srv->accept_ns <= now;
	size_t cnt = srv->fd_cnt;
	struct pollfd fds[SERVER_MAX_LISTENERS + 2];
	eventfd_t ignored;

	for (size_t i = 0; i < cnt; i++)
		fds[i] = (struct pollfd){.fd = accepts ? srv->fds[i] : -1, .events = POLLIN};
	fds[cnt] = (struct pollfd){.fd = srv->wake_fd, .events = POLLIN};
	fds[cnt + 1] = (struct pollfd){
		.fd = MHD_get_daemon_info(srv->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN};
	if (poll(fds, cnt + 2, poll_ms(srv, now, has_pages)) <= 0)
		return;
	if (fds[cnt].revents)
		(void)eventfd_read(srv->wake_fd, &ignored);
	for (size_t i = 0; i < cnt; i++) {
		if (fds[i].revents)
			accept_some(srv, srv->fds[i]);
	}
}

static void *serve(void *arg)
{
	struct server *srv = arg;
	struct client *late;

	while (!atomic_load(&srv->stop)) {
		wait_and_accept(srv);
		take_pages(srv);
		while ((late = clients__find_expired(&srv->clients, clock__mono_ns())))
			drop(srv, late);
		(void)MHD_run(srv->daemon);
	}
	return NULL;
}

/* Mistakes of clients do not concern the user. */
__attribute__((format(printf, 2, 0))) static void log_library(void *ctx, const char *fmt, va_list ap)
{
	(void)ctx;
	log__vwrite(LOG_LEVEL_DEBUG, fmt, ap);
}

static struct MHD_Daemon *start_daemon(struct server *srv)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
					MHD_USE_ERROR_LOG,
				0, NULL, NULL, on_request, srv, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
				srv, MHD_OPTION_NOTIFY_COMPLETED, end_answer, srv,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_END);
}

static void free_server(struct server *srv)
{
	if (srv->daemon)
		MHD_stop_daemon(srv->daemon);
	renderer__stop(srv->renderer);
	for (int i = 0; i < __HTTP_FORM_MAX; i++)
		retire_page(&srv->pages[i]);
	clients__fini(&srv->clients);
	while (srv->fd_cnt)
		close(srv->fds[--srv->fd_cnt]);
	if (srv->wake_fd >= 0)
		close(srv->wake_fd);
	free(srv);
}

static int copy_listeners(struct server *srv)
{
	for (; srv->fd_cnt < srv->config.fd_cnt; srv->fd_cnt++) {
		int fd = fcntl(srv->config.fds[srv->fd_cnt], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		srv->fds[srv->fd_cnt] = fd;
	}
	return 0;
}

static int start(struct server *srv)
{
	const struct server_limits *l = &srv->config.limits;
	int err = clients__init(&srv->clients, l->asking, l->request_ns, l->answering, l->answer_ns);

	if (!err)
		err = copy_listeners(srv);
	if (err)
		return err;
	srv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (srv->wake_fd < 0)
		return -errno;
	srv->daemon = start_daemon(srv);
	if (!srv->daemon)
		return -ENOMEM;
	err = renderer__start(srv->config.render, srv->config.ctx, srv->wake_fd, &srv->renderer);
	return err ? err : -pthread_create(&srv->thread, NULL, serve, srv);
}

int server__start(const struct server_config *config, struct server **ret_server)
{
	struct server *srv = calloc(1, sizeof(*srv));
	int err;

	if (!srv)
		return -ENOMEM;
	srv->config = *config;
	srv->wake_fd = -1;
	err = start(srv);
	if (err)
		free_server(srv);
	else
		*ret_server = srv;
	return err;
}

void server__stop(struct server *srv)
{
	if (!srv)
		return;
	atomic_store(&srv->stop, true);
	(void)eventfd_write(srv->wake_fd, 1);
	pthread_join(srv->thread, NULL);
	for (int form = 0; form < __HTTP_FORM_MAX; form++)
		resume_waiting(srv, (enum http_form)form);
	free_server(srv);
}
