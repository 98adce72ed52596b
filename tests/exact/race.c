/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The load of the exact tests: `race ENDINGS CLIENTS SERVERS COUNT [WINDOW_NS] [options]`. Both ends of its
 * connections are threads of this process, and it chooses how each one ends, so that it knows what there was. It
 * stays on the loopback of the network namespace it is started in, is bounded in time and number, and prints one
 * JSON line: its own counts, and by how much those of the namespace (/proc/net/snmp) have grown. Exit: 0 done,
 * 1 failed, 2 usage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: race ENDINGS CLIENTS SERVERS COUNT [WINDOW_NS] [options]\n"
	"CLIENTS threads make COUNT connections each, SERVERS threads accept them. ENDINGS is a word of "
	"these\n"
	"letters, which are taken in turn:\n"
	"  c the client closes first     r the client resets     b both close, at about the same time\n"
	"  s the server closes first     R the server resets     n the client closes its half, then resets\n"
	"WINDOW_NS is the most that the ends of r, b and n wait, at random, before they act (0)\n"
	"--port P        the first port that is listened on (900)\n"
	"--listeners N   so many ports in a row, at most one for each server (1)\n"
	"--reuseport     all of these on one port, by SO_REUSEPORT\n"
	"--sources N     each client connects from so many addresses in turn; 0: the kernel chooses (200)\n"
	"--delay US      the servers sleep so long, then accept all there are (0: accept at once)\n"
	"--fastopen      TCP Fast Open: the SYN carries data\n"
	"--uid N         become this user, after listen()\n"
	"--seconds S     at most so long (60)\n";

#define SECOND_NS   1000000000ULL
#define THREADS_MAX 64
#define BACKLOG	    65535 /* bounded by net.core.somaxconn */
#define IN_FLIGHT   900	  /* connected and not accepted: far from filling the accept queue */
#define BATCH	    256	  /* connections that a server takes between two sleeps */
#define DRAIN_NS    (10 * SECOND_NS)
#define NET	    0x7f000000U /* 127.0.0.0/8 */
#define HOSTS	    (NET | 10)	/* the first of the servers' addresses, one for each letter of ENDINGS */
#define SOURCES(id) (NET | (id) << 16) /* the clients' addresses */

static struct {
	const char *endings;
	uint32_t ending_cnt;
	uint32_t clients;
	uint32_t servers;
	uint64_t count;
	uint64_t window_ns;
	uint16_t port;
	uint32_t listeners;
	bool reuseport;
	uint32_t sources;
	uint32_t delay_us;
	bool fastopen;
	uint32_t uid;
	double seconds;
} cfg = {.port = 900, .listeners = 1, .sources = 200, .seconds = 60};

static int listeners[THREADS_MAX];
static atomic_ullong connected, accepted, reset_early, refused, no_port, failed;
static atomic_bool stopping;
static uint64_t deadline_ns;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- endings ---------------------------------------------------------------------------------------------- */

/* The same numbers in each run (xorshift32). */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void wait_in_window(uint32_t *seed)
{
	uint64_t until;

	if (!cfg.window_ns)
		return;
	until = now_ns() + next_random(seed) % cfg.window_ns;
	while (now_ns() < until)
		;
}

static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* Until the peer has closed, in one way or another. */
static void await_end(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void end_client(int fd, char ending, uint32_t *seed)
{
	switch (ending) {
	case 's':
	case 'R':
		await_end(fd);
		close(fd);
		break;
	case 'n':
		shutdown(fd, SHUT_WR);
		wait_in_window(seed);
		reset(fd);
		break;
	case 'r':
		wait_in_window(seed);
		reset(fd);
		break;
	case 'b':
		wait_in_window(seed);
		close(fd);
		break;
	default:
		close(fd);
	}
}

/* Which ending, tells the address that the client has connected to: that remains when the peer is gone. */
static char ending_of(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		fail("getsockname");
	return cfg.endings[ntohl(addr.sin_addr.s_addr) - HOSTS];
}

static void end_server(int fd, uint32_t *seed)
{
	char byte, ending = ending_of(fd);

	if (cfg.fastopen) /* or close() would reset for what was not read */
		recv(fd, &byte, 1, 0);
	switch (ending) {
	case 'R':
		reset(fd);
		break;
	case 'b':
		wait_in_window(seed);
		close(fd);
		break;
	case 'c':
	case 'n':
		if (!cfg.delay_us && next_random(seed) & 1) /* in CLOSE_WAIT; else likely before the FIN */
			await_end(fd);
		close(fd);
		break;
	default:
		close(fd);
	}
}

/* --- servers ---------------------------------------------------------------------------------------------- */

static void open_listener(uint32_t nth)
{
	int fd = socket(AF_INET, SOCK_STREAM | (cfg.delay_us ? SOCK_NONBLOCK : 0), 0);
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(cfg.port + (cfg.reuseport ? 0 : nth)),
	};
	int one = 1, queue = BACKLOG;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (cfg.reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))) ||
	    (cfg.fastopen && setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue))) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, BACKLOG))
		fail("listen");
	listeners[nth] = fd;
}

/* Takes a connection and ends it. False: there is none. */
static bool serve_one(int listener, uint32_t *seed)
{
	int fd = accept4(listener, NULL, NULL, 0);

	if (fd < 0 && errno != EAGAIN && !atomic_load(&stopping))
		fail("accept");
	if (fd < 0)
		return false;
	atomic_fetch_add(&accepted, 1);
	end_server(fd, seed);
	return true;
}

static void *serve(void *arg)
{
	uint32_t id = (uintptr_t)arg, seed = 7919 * (id + 1);
	int listener = listeners[id % cfg.listeners];

	prctl(PR_SET_NAME, "race-server");
	while (!atomic_load(&stopping)) {
		if (cfg.delay_us)
			usleep(cfg.delay_us);
		for (int i = 0; i < BATCH && serve_one(listener, &seed); i++)
			;
	}
	return NULL;
}

/* --- clients ---------------------------------------------------------------------------------------------- */

static int bind_source(int fd, uint32_t id, uint64_t serial)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int one = 1;

	if (!cfg.sources)
		return 0;
	addr.sin_addr.s_addr = htonl(SOURCES(id + 1) + 1 + serial % cfg.sources);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)))
		return -1;
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* The SYN leaves with a byte of data; the handshake is over when the socket can be written to. */
static int connect_fast(int fd, const struct sockaddr_in *to)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(errno);
	int error;

	if (sendto(fd, "", 1, MSG_FASTOPEN, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return -1;
	if (poll(&poller, 1, -1) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		fail("poll");
	errno = error;
	return error ? -1 : 0;
}

static int connect_plainly(int fd, const struct sockaddr_in *to)
{
	return connect(fd, (const struct sockaddr *)to, sizeof(*to));
}

static void count_failure(void)
{
	if (errno == ECONNRESET || errno == EPIPE) /* it was established, and has ended before we were told */
		atomic_fetch_add(&reset_early, 1);
	else if (errno == ECONNREFUSED && cfg.fastopen) /* the server has reset before its SYN-ACK came */
		atomic_fetch_add(&refused, 1);
	else if (errno == EADDRNOTAVAIL)
		atomic_fetch_add(&no_port, 1);
	else
		atomic_fetch_add(&failed, 1);
}

static void connect_one(uint32_t id, uint64_t serial, uint32_t *seed)
{
	uint32_t nth = serial % cfg.ending_cnt;
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(cfg.port + (cfg.reuseport ? 0 : (serial + id) % cfg.listeners)),
		.sin_addr.s_addr = htonl(HOSTS + nth),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	if (bind_source(fd, id, serial))
		fail("bind");
	if (cfg.fastopen ? connect_fast(fd, &to) : connect_plainly(fd, &to)) {
		count_failure();
		close(fd);
		return;
	}
	atomic_fetch_add(&connected, 1);
	end_client(fd, cfg.endings[nth], seed);
}

static void *dial(void *arg)
{
	uint32_t id = (uintptr_t)arg, seed = 104729 * (id + 1);

	prctl(PR_SET_NAME, "race-client");
	for (uint64_t i = 0; i < cfg.count && now_ns() < deadline_ns; i++) {
		connect_one(id, i, &seed);
		while ((int64_t)(atomic_load(&connected) - atomic_load(&accepted)) > IN_FLIGHT)
			sched_yield();
	}
	return NULL;
}

/* --- what the kernel counts ------------------------------------------------------------------------------- */

#define COUNTERS_MAX 32

struct snmp {
	char text[2048]; /* that `names` point into */
	char *names[COUNTERS_MAX];
	int64_t values[COUNTERS_MAX];
	int cnt;
};

static void read_snmp(struct snmp *s)
{
	FILE *file = fopen("/proc/thread-self/net/snmp", "r");
	char values[2048], *save_name, *save_value;
	bool found = false;

	if (!file)
		fail("/proc/thread-self/net/snmp");
	while (!found && fgets(s->text, sizeof(s->text), file) && fgets(values, sizeof(values), file))
		found = !strncmp(s->text, "Tcp:", 4);
	fclose(file);
	s->cnt = 0;
	if (!found)
		return;
	strtok_r(s->text, " \n", &save_name);
	strtok_r(values, " \n", &save_value);
	while (s->cnt < COUNTERS_MAX) {
		char *name = strtok_r(NULL, " \n", &save_name), *value = strtok_r(NULL, " \n", &save_value);

		if (!name || !value)
			break;
		s->names[s->cnt] = name;
		s->values[s->cnt++] = strtoll(value, NULL, 10);
	}
}

static int64_t snmp_value(const struct snmp *s, const char *name)
{
	for (int i = 0; i < s->cnt; i++)
		if (!strcmp(s->names[i], name))
			return s->values[i];
	errno = ENOENT;
	fail(name);
	return 0;
}

/* What the clients have left in the accept queue is taken, too. */
static void await_accepts(const struct snmp *begin)
{
	uint64_t until = now_ns() + DRAIN_NS;
	int64_t before = snmp_value(begin, "PassiveOpens");
	struct snmp now;

	do {
		usleep(10000);
		read_snmp(&now);
	} while (snmp_value(&now, "PassiveOpens") - before > (int64_t)atomic_load(&accepted) &&
		 now_ns() < until);
}

static void print_counts(const struct snmp *begin, uint64_t begin_ns)
{
	static const char *const names[] = {"ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets"};
	struct snmp end;

	read_snmp(&end);
	printf("{\"connected\":%llu,\"reset_early\":%llu,\"refused\":%llu,\"no_port\":%llu,\"failed\":%llu,"
	       "\"accepted\":%llu",
	       connected, reset_early, refused, no_port, failed, accepted);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf(",\"%s\":%lld", names[i],
		       (long long)(snmp_value(&end, names[i]) - snmp_value(begin, names[i])));
	printf(",\"seconds\":%.3f}\n", (double)(now_ns() - begin_ns) / SECOND_NS);
}

/* --- options ---------------------------------------------------------------------------------------------- */

static void usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static uint64_t number_in(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (!*text || *end || value < min || value > max)
		usage();
	return value;
}

static void read_option(int opt)
{
	switch (opt) {
	case 'p':
		cfg.port = number_in(optarg, 1, 65535);
		break;
	case 'l':
		cfg.listeners = number_in(optarg, 1, THREADS_MAX);
		break;
	case 'r':
		cfg.reuseport = true;
		break;
	case 's':
		cfg.sources = number_in(optarg, 0, 65000);
		break;
	case 'd':
		cfg.delay_us = number_in(optarg, 0, 1000000);
		break;
	case 'f':
		cfg.fastopen = true;
		break;
	case 'u':
		cfg.uid = number_in(optarg, 1, UINT32_MAX - 1);
		break;
	case 't':
		cfg.seconds = number_in(optarg, 1, 3600);
		break;
	default:
		usage();
	}
}

static void read_words(int argc, char **argv)
{
	if (argc < 4 || argc > 5)
		usage();
	cfg.endings = argv[0];
	cfg.ending_cnt = strlen(argv[0]);
	cfg.clients = number_in(argv[1], 1, THREADS_MAX);
	cfg.servers = number_in(argv[2], 1, THREADS_MAX);
	cfg.count = number_in(argv[3], 1, UINT32_MAX);
	if (argc == 5)
		cfg.window_ns = number_in(argv[4], 0, SECOND_NS);
	if (!cfg.ending_cnt || cfg.ending_cnt > 200 || strspn(cfg.endings, "csrRbn") != cfg.ending_cnt ||
	    cfg.listeners > cfg.servers)
		usage();
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"listeners", required_argument, NULL, 'l'},
		{"reuseport", no_argument, NULL, 'r'},
		{"sources", required_argument, NULL, 's'},
		{"delay", required_argument, NULL, 'd'},
		{"fastopen", no_argument, NULL, 'f'},
		{"uid", required_argument, NULL, 'u'},
		{"seconds", required_argument, NULL, 't'},
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(opt);
	read_words(argc - optind, argv + optind);
}

static void start_threads(pthread_t *threads, uint32_t cnt, void *(*run)(void *))
{
	for (uint32_t i = 0; i < cnt; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i))
			fail("pthread_create");
}

static void join_threads(const pthread_t *threads, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		pthread_join(threads[i], NULL);
}

static void stop_servers(const pthread_t *servers)
{
	atomic_store(&stopping, true);
	for (uint32_t i = 0; i < cfg.listeners; i++)
		shutdown(listeners[i], SHUT_RDWR); /* accept() returns */
	join_threads(servers, cfg.servers);
	for (uint32_t i = 0; i < cfg.listeners; i++)
		close(listeners[i]);
}

int main(int argc, char **argv)
{
	pthread_t clients[THREADS_MAX], servers[THREADS_MAX];
	struct snmp begin;
	uint64_t begin_ns;

	parse_options(argc, argv);
	read_snmp(&begin);
	begin_ns = now_ns();
	deadline_ns = begin_ns + (uint64_t)(cfg.seconds * SECOND_NS);
	for (uint32_t i = 0; i < cfg.listeners; i++)
		open_listener(i);
	if (cfg.uid && setresuid(cfg.uid, cfg.uid, cfg.uid))
		fail("setresuid");
	start_threads(servers, cfg.servers, serve);
	start_threads(clients, cfg.clients, dial);
	join_threads(clients, cfg.clients);
	await_accepts(&begin);
	stop_servers(servers);
	print_counts(&begin, begin_ns);
	return 0;
}
