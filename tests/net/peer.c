/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two ends of the connections that the tests trace: `peer serve` and `peer load`, or both: `peer churn`. It does
 * one thing at a time, in the order the options say, and prints a JSON line for each connection with its own
 * CLOCK_MONOTONIC stamps, so that a test can hold a tracer against what was really done. A stamp that was
 * not taken prints as null. Exit: 0 when it ran to its end (failed connections are part of that), 2 usage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: peer serve --port P [--addr A] [options]\n"
	"       peer load --connect ADDR:PORT [options]    ([ADDR]:PORT for IPv6)\n"
	"       peer churn --connect ADDR:PORT --source-ports A-B [--count N]\n"
	"            both ends at once; server's close first and client's RST in turn; a line of numbers for "
	"each:\n"
	"            port, stamps of connect() begun and done, first close() begun, last one done, bytes "
	"sent, received\n"
	"both:  --count N            connections, then exit (1; serve: 0 = for ever)\n"
	"       --bytes N            payload each way, client first (0)\n"
	"       --close-first        close without waiting for the other end's FIN\n"
	"       --wait MS            sleep right before close()\n"
	"       --linger0            close by RST\n"
	"       --on-stdin           begin when a line or the end of stdin is read\n"
	"serve: --v6                 dual-stack listener on ::\n"
	"       --backlog N          of listen() (1024)\n"
	"       --accept-delay MS    let each connection wait so long for accept()\n"
	"       --no-accept          listen, then sleep until killed\n"
	"       --reuseport          share the port with other listeners\n"
	"load:  --source-ports A-B   bind to these ports in turn\n"
	"       --rate N             connections a second (as fast as it goes)\n"
	"       --hold               keep them open until a line or the end of stdin, then exit without "
	"close()\n"
	"       --shutdown-wr MS     half-close after sending, sleep MS, then read on\n";

struct options {
	const char *addr;
	const char *port;
	int count;
	int bytes;
	bool close_first;
	bool linger0;
	bool on_stdin;
	bool v6;
	bool no_accept;
	bool reuseport;
	bool hold;
	bool shutdown_wr;
	int backlog;
	int wait_ms;
	int accept_delay_ms;
	int shutdown_ms;
	int sport_first;
	int sport_last;
	int rate;
};

/* What one connection did, each stamp in ns of CLOCK_MONOTONIC, 0 = did not happen. */
struct outcome {
	uint64_t connect_begin_ns;
	uint64_t connect_end_ns;
	uint64_t accept_ns;
	uint64_t eof_ns;
	uint64_t shutdown_ns;
	uint64_t close_begin_ns;
	uint64_t close_end_ns;
	size_t bytes_in;
	size_t bytes_out;
	int err;
	struct sockaddr_storage local;
	struct sockaddr_storage remote;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_ms(int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (ms > 0 && nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static void await_stdin(void)
{
	int c;

	do
		c = getchar();
	while (c != EOF && c != '\n');
}

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void print_ns(const char *name, uint64_t ns)
{
	if (ns)
		printf(",\"%s\":%llu", name, (unsigned long long)ns);
	else
		printf(",\"%s\":null", name);
}

static void print_end(const char *prefix, const struct sockaddr_storage *ss)
{
	char host[INET6_ADDRSTRLEN] = "";
	unsigned int port = 0;

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		port = ntohs(in6->sin6_port);
	}
	printf(",\"%saddr\":\"%s\",\"%sport\":%u", prefix, host, prefix, port);
}

static void print_outcome(const struct outcome *out)
{
	printf("{\"event\":\"conn\",\"pid\":%d", (int)getpid());
	print_end("l", &out->local);
	print_end("r", &out->remote);
	print_ns("connect_begin_ns", out->connect_begin_ns);
	print_ns("connect_end_ns", out->connect_end_ns);
	print_ns("accept_ns", out->accept_ns);
	print_ns("eof_ns", out->eof_ns);
	print_ns("shutdown_ns", out->shutdown_ns);
	print_ns("close_begin_ns", out->close_begin_ns);
	print_ns("close_end_ns", out->close_end_ns);
	printf(",\"bytes_in\":%zu,\"bytes_out\":%zu,\"error\":", out->bytes_in, out->bytes_out);
	if (out->err)
		printf("\"%s\"}\n", strerrorname_np(out->err));
	else
		printf("null}\n");
	fflush(stdout);
}

static void learn_ends(int fd, struct outcome *out)
{
	socklen_t len = sizeof(out->local);

	getsockname(fd, (struct sockaddr *)&out->local, &len);
	len = sizeof(out->remote);
	getpeername(fd, (struct sockaddr *)&out->remote, &len);
}

static void send_payload(int fd, size_t bytes, struct outcome *out)
{
	static const char zeros[16384];

	while (out->bytes_out < bytes) {
		size_t left = bytes - out->bytes_out;
		ssize_t n = send(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), MSG_NOSIGNAL);

		if (n < 0) {
			out->err = errno;
			return;
		}
		out->bytes_out += (size_t)n;
	}
}

/* Reads up to `bytes` of payload, or to the end of the stream, whichever comes first. */
static void take_payload(int fd, size_t bytes, struct outcome *out)
{
	static char buf[16384];

	while (out->bytes_in < bytes) {
		size_t left = bytes - out->bytes_in;
		ssize_t n = recv(fd, buf, left < sizeof(buf) ? left : sizeof(buf), 0);

		if (n < 0)
			out->err = errno;
		if (n == 0)
			out->eof_ns = now_ns();
		if (n <= 0)
			return;
		out->bytes_in += (size_t)n;
	}
}

static void finish(int fd, const struct options *opt, struct outcome *out)
{
	if (!opt->close_first && !out->eof_ns && !out->err)
		take_payload(fd, SIZE_MAX, out);
	sleep_ms(opt->wait_ms);
	if (opt->linger0) {
		struct linger linger = {.l_onoff = 1, .l_linger = 0};

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	out->close_begin_ns = now_ns();
	close(fd);
	out->close_end_ns = now_ns();
	print_outcome(out);
}

static int open_listener(const struct options *opt)
{
	struct addrinfo hints = {.ai_family = opt->v6 ? AF_INET6 : AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const char *addr = opt->addr ? opt->addr : opt->v6 ? "::" : "0.0.0.0";
	struct addrinfo *ai;
	int fd, one = 1, zero = 0;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	if (getaddrinfo(addr, opt->port, &hints, &ai)) {
		errno = EINVAL;
		die(addr);
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, opt->reuseport ? SO_REUSEPORT : SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen))
		die("bind");
	if (listen(fd, opt->backlog))
		die("listen");
	freeaddrinfo(ai);
	return fd;
}

static int run_serve(const struct options *opt)
{
	int listener = open_listener(opt);
	int i;

	printf("{\"event\":\"listening\",\"pid\":%d}\n", (int)getpid());
	fflush(stdout);
	if (opt->no_accept)
		pause();
	for (i = 0; !opt->count || i < opt->count; i++) {
		struct outcome out = {0};
		int fd;

		poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1);
		sleep_ms(opt->accept_delay_ms);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			die("accept");
		out.accept_ns = now_ns();
		learn_ends(fd, &out);
		take_payload(fd, (size_t)opt->bytes, &out);
		if (!out.err)
			send_payload(fd, (size_t)opt->bytes, &out);
		finish(fd, opt, &out);
	}
	return 0;
}

static void bind_source(int fd, const struct options *opt, int family, int nth)
{
	int port = opt->sport_first + nth % (opt->sport_last - opt->sport_first + 1);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int one = 1, err;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET)
		err = bind(fd, (struct sockaddr *)&in, sizeof(in));
	else
		err = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	if (err)
		die("bind");
}

static void load_one(const struct options *opt, const struct addrinfo *ai, int nth)
{
	struct outcome out = {0};
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (opt->sport_first)
		bind_source(fd, opt, ai->ai_family, nth);
	out.connect_begin_ns = now_ns();
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		out.err = errno;
	out.connect_end_ns = now_ns();
	learn_ends(fd, &out);
	if (out.err) {
		memcpy(&out.remote, ai->ai_addr, ai->ai_addrlen);
		close(fd);
		print_outcome(&out);
		return;
	}
	send_payload(fd, (size_t)opt->bytes, &out);
	if (opt->hold) {
		print_outcome(&out);
		return;
	}
	if (opt->shutdown_wr && !out.err) {
		out.shutdown_ns = now_ns();
		shutdown(fd, SHUT_WR);
		sleep_ms(opt->shutdown_ms);
	}
	if (!out.err)
		take_payload(fd, (size_t)opt->bytes, &out);
	finish(fd, opt, &out);
}

static int run_load(const struct options *opt)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai;
	uint64_t begin;
	int i;

	if (getaddrinfo(opt->addr, opt->port, &hints, &ai)) {
		errno = EINVAL;
		die(opt->addr);
	}
	printf("{\"event\":\"loading\",\"pid\":%d}\n", (int)getpid());
	fflush(stdout);
	begin = now_ns();
	for (i = 0; i < opt->count; i++) {
		load_one(opt, ai, i);
		if (opt->rate) {
			uint64_t due = begin + (uint64_t)(i + 1) * 1000000000u / (uint64_t)opt->rate;
			uint64_t now = now_ns();

			sleep_ms(now < due ? (int)((due - now) / 1000000u) : 0);
		}
	}
	freeaddrinfo(ai);
	if (opt->hold)
		await_stdin();
	return 0;
}

/*
 * Payload of the nth connection, as good as a name among its neighbours; client's, then server's. The client's is small:
 * its next SYN takes a TIME_WAIT only with a sequence number beyond, and these grow by one each 64 ns.
 */
static size_t token_of(int nth)
{
	return 1 + (size_t)nth * 31 % 251;
}

static size_t reply_of(int nth)
{
	return 1 + (size_t)nth * 7919 % 8191;
}

static void converse(int client, int server, int nth)
{
	struct outcome at_client = {0}, at_server = {0};

	send_payload(client, token_of(nth), &at_client);
	take_payload(server, token_of(nth), &at_server);
	send_payload(server, reply_of(nth), &at_server);
	take_payload(client, reply_of(nth), &at_client);
	if (at_client.err || at_server.err) {
		errno = at_client.err ? at_client.err : at_server.err;
		die("churn");
	}
}

static void churn_one(const struct options *opt, const struct addrinfo *ai, int listener, int nth)
{
	int ports = opt->sport_last - opt->sport_first + 1;
	int client = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	uint64_t stamps[4];

	bind_source(client, opt, ai->ai_family, nth);
	stamps[0] = now_ns();
	if (connect(client, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	stamps[1] = now_ns();
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		die("accept");
	converse(client, server, nth);
	stamps[2] = now_ns();
	if (nth / ports % 2) {
		setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(client);
		close(server);
	} else {
		close(server);
		close(client);
	}
	stamps[3] = now_ns();
	printf("%d %llu %llu %llu %llu %zu %zu\n", opt->sport_first + nth % ports,
	       (unsigned long long)stamps[0], (unsigned long long)stamps[1], (unsigned long long)stamps[2],
	       (unsigned long long)stamps[3], token_of(nth), reply_of(nth));
}

static int run_churn(const struct options *opt)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	int listener = open_listener(opt);
	struct addrinfo *ai;
	int i;

	if (getaddrinfo(opt->addr, opt->port, &hints, &ai)) {
		errno = EINVAL;
		die(opt->addr);
	}
	for (i = 0; i < opt->count; i++)
		churn_one(opt, ai, listener, i);
	freeaddrinfo(ai);
	return 0;
}

static int usage_error(void)
{
	fputs(usage_text, stderr);
	return 2;
}

/* ADDR:PORT or [ADDR]:PORT, taken apart in place. */
static int take_target(char *arg, struct options *opt)
{
	char *colon = strrchr(arg, ':');

	if (!colon || colon == arg)
		return -EINVAL;
	*colon = '\0';
	opt->port = colon + 1;
	if (*arg == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		arg++;
	}
	opt->addr = arg;
	return 0;
}

static int take_source_ports(char *arg, struct options *opt)
{
	if (sscanf(arg, "%d-%d", &opt->sport_first, &opt->sport_last) != 2)
		return -EINVAL;
	return opt->sport_first > 0 && opt->sport_last >= opt->sport_first ? 0 : -EINVAL;
}

static int take_shutdown(char *arg, struct options *opt)
{
	opt->shutdown_wr = true;
	opt->shutdown_ms = atoi(arg);
	return 0;
}

enum kind { FLAG, NUMBER, TEXT, CALL };

static const struct entry {
	const char *name;
	enum kind kind;
	size_t offset; /* into struct options: a bool, an int or a const char * */
	int (*take)(char *arg, struct options *opt);
} entries[] = {
	{"port", TEXT, offsetof(struct options, port), NULL},
	{"addr", TEXT, offsetof(struct options, addr), NULL},
	{"connect", CALL, 0, take_target},
	{"count", NUMBER, offsetof(struct options, count), NULL},
	{"bytes", NUMBER, offsetof(struct options, bytes), NULL},
	{"close-first", FLAG, offsetof(struct options, close_first), NULL},
	{"wait", NUMBER, offsetof(struct options, wait_ms), NULL},
	{"linger0", FLAG, offsetof(struct options, linger0), NULL},
	{"on-stdin", FLAG, offsetof(struct options, on_stdin), NULL},
	{"v6", FLAG, offsetof(struct options, v6), NULL},
	{"backlog", NUMBER, offsetof(struct options, backlog), NULL},
	{"accept-delay", NUMBER, offsetof(struct options, accept_delay_ms), NULL},
	{"no-accept", FLAG, offsetof(struct options, no_accept), NULL},
	{"reuseport", FLAG, offsetof(struct options, reuseport), NULL},
	{"source-ports", CALL, 0, take_source_ports},
	{"hold", FLAG, offsetof(struct options, hold), NULL},
	{"rate", NUMBER, offsetof(struct options, rate), NULL},
	{"shutdown-wr", CALL, 0, take_shutdown},
};
#define ENTRY_CNT (sizeof(entries) / sizeof(entries[0]))

static int take_entry(const struct entry *entry, char *arg, struct options *opt)
{
	char *field = (char *)opt + entry->offset;

	switch (entry->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case NUMBER:
		*(int *)(void *)field = atoi(arg);
		return 0;
	case TEXT:
		*(const char **)(void *)field = arg;
		return 0;
	default:
		return entry->take(arg, opt);
	}
}

static int take_options(int argc, char **argv, struct options *opt)
{
	struct option longs[ENTRY_CNT + 1] = {0};
	size_t i;
	int key;

	for (i = 0; i < ENTRY_CNT; i++)
		longs[i] = (struct option){entries[i].name, entries[i].kind != FLAG, NULL, (int)i};
	while ((key = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (key == '?' || take_entry(&entries[key], optarg, opt))
			return -EINVAL;
	return optind < argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct options opt = {.count = 1, .backlog = 1024};
	const char *mode = argc > 1 ? argv[1] : "";
	bool serve = !strcmp(mode, "serve"), churn = !strcmp(mode, "churn");

	if (!serve && !churn && strcmp(mode, "load"))
		return usage_error();
	optind = 2;
	if (take_options(argc, argv, &opt) || !opt.port || (!serve && !opt.addr) ||
	    (churn && !opt.sport_first))
		return usage_error();
	if (opt.on_stdin)
		await_stdin();
	if (churn)
		return run_churn(&opt);
	return serve ? run_serve(&opt) : run_load(&opt);
}
