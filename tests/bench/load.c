/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loads that `make bench` and `make bench-insn` measure under. All of them stay on the loopback of the network
 * namespace they are started in and are bounded in time and number. Each prints one JSON line with what it did by
 * its own count and clock. Exit: 0 done, 1 failed, 2 usage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/ip.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: load churn [options]   one thread connects and closes, one accepts and closes\n"
	"       load talk [options]    64 bytes there and back over --count connections, no new ones, on one "
	"processor\n"
	"       load crowd [options]   --count idle connections, held until stdin ends\n"
	"       load flood [options]   SYNs of spoofed sources (198.18.0.0/15) to a listener\n"
	"       load client|server|reset|refused|request|threads --count N [--watch PID]\n"
	"                              for each byte of stdin a round: N connections that end in this way\n"
	"--seconds S   at most so long (10)\n"
	"--count N     at most so many connections or SYNs; 0: no limit but the time (0)\n"
	"--rate N      so many a second (as fast as it goes)\n"
	"--sources N   connect from so many addresses of 127.0.0.0/8 in turn, each with ports of its own "
	"(1)\n"
	"--watch PID   report how much CPU time this process had used before and after each round, too\n";

#define SECOND_NS   1000000000ULL
#define BATCH_NS    1000000ULL /* a paced load sleeps between batches, not between connections */
#define IN_FLIGHT   1000       /* connected and not accepted: far from filling the accept queue */
#define BACKLOG	    65535      /* bounded by net.core.somaxconn */
#define SAMPLES_MAX (1U << 20) /* connect() times kept for the quantiles */
#define PAYLOAD	    64
#define CHURN_PORT  900 /* always the same and not an ephemeral one: a run meets the TIME_WAITs of the last */
#define NOBODY_PORT 901
#define REUSE_NS    1200000000ULL /* a TIME_WAIT's ports are taken again after a second */
#define SPIN_NS	    16000000ULL	  /* RCU has freed by then what a round has left it */
#define PHASE_NS    100000000ULL  /* a multiple of a tick at any HZ */
#define THREADS_MAX 16
#define FLOOD_NET   0xc6120000U /* 198.18.0.0/15, for benchmarks (RFC 2544) */
#define FLOOD_HOSTS (1U << 17)

struct options {
	double seconds;
	uint64_t count;
	uint64_t rate;
	uint32_t sources;
	uint32_t watch;
};

/* A listener with the thread that takes its connections. */
struct server {
	int fd;
	struct sockaddr_in addr;
	pthread_t thread;
	atomic_ullong accepted;
};

struct pair {
	int client;
	int server;
};

/* Until when, and how fast. */
struct pace {
	uint64_t begin;
	uint64_t end;
	uint64_t rate;
	uint64_t limit;
};

struct times {
	uint32_t *ns;
	uint32_t cnt;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct pace pace_of(const struct options *o)
{
	uint64_t now = now_ns();

	return (struct pace){
		.begin = now,
		.end = now + (uint64_t)(o->seconds * SECOND_NS),
		.rate = o->rate,
		.limit = o->count ? o->count : UINT64_MAX,
	};
}

/* Waits until number `done` is due. False: enough was done. */
static bool is_due(const struct pace *p, uint64_t done)
{
	uint64_t now = now_ns();

	if (done >= p->limit || now >= p->end)
		return false;
	if (p->rate && done > (now - p->begin) * (double)p->rate / SECOND_NS) {
		uint64_t at = now + BATCH_NS;
		struct timespec ts = {.tv_sec = at / SECOND_NS, .tv_nsec = at % SECOND_NS};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
	return true;
}

static double seconds_since(const struct pace *p)
{
	return (double)(now_ns() - p->begin) / SECOND_NS;
}

/*
 * This thread and those it starts stay on one processor. Two threads that wait for each other run at one of two speeds,
 * by whether the scheduler puts them together, and it changes its mind.
 */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

/* --- sockets ---------------------------------------------------------------------------------------------- */

/* How many pairs this process may hold; without CAP_SYS_RESOURCE the hard limit stands. */
static uint64_t pairs_allowed(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		fail("getrlimit");
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim))
		fail("setrlimit");
	return (lim.rlim_cur - 64) / 2;
}

static void listen_on_loopback(struct server *s, uint16_t port)
{
	socklen_t len = sizeof(s->addr);
	int one = 1;

	s->addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(s->fd, (struct sockaddr *)&s->addr, len) || listen(s->fd, BACKLOG) ||
	    getsockname(s->fd, (struct sockaddr *)&s->addr, &len))
		fail("listen");
}

/* With one source the kernel chooses address and port, as for any client. Else 127.0.0.0/8 is walked through. */
static int bind_source(int fd, uint32_t sources, uint64_t serial)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int one = 1;

	if (sources <= 1)
		return 0;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + serial % sources);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)))
		return -1;
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* A connected socket, or -1. */
static int connect_to(const struct sockaddr_in *addr, uint32_t sources, uint64_t serial)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	if (!bind_source(fd, sources, serial) && !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	close(fd);
	return -1;
}

/* --- churn ------------------------------------------------------------------------------------------------ */

static void *accept_and_close(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL, 0)) >= 0) {
		close(fd);
		atomic_fetch_add_explicit(&s->accepted, 1, memory_order_relaxed);
	}
	return NULL;
}

static void start_server(struct server *s)
{
	listen_on_loopback(s, CHURN_PORT);
	if (pthread_create(&s->thread, NULL, accept_and_close, s))
		fail("pthread_create");
}

static void stop_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR); /* accept() returns */
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t quantile(const struct times *t, double q)
{
	return t->cnt ? t->ns[(uint32_t)(q * (t->cnt - 1))] : 0;
}

static void keep_time(struct times *t, uint64_t ns)
{
	if (t->cnt < SAMPLES_MAX)
		t->ns[t->cnt++] = ns > UINT32_MAX ? UINT32_MAX : ns;
}

static int churn(const struct options *o)
{
	struct times times = {.ns = calloc(SAMPLES_MAX, sizeof(uint32_t))};
	struct server server = {};
	uint64_t done = 0, failed = 0;
	struct pace pace;
	double took;

	if (!times.ns)
		fail("calloc");
	memset(times.ns, 1, SAMPLES_MAX * sizeof(uint32_t)); /* no page faults while measuring */
	start_server(&server);
	pace = pace_of(o);
	while (is_due(&pace, done + failed)) {
		uint64_t begin = now_ns();
		int fd = connect_to(&server.addr, o->sources, done);

		if (fd < 0) {
			failed++;
			continue;
		}
		keep_time(&times, now_ns() - begin);
		close(fd);
		done++;
		while (done - atomic_load_explicit(&server.accepted, memory_order_relaxed) > IN_FLIGHT)
			sched_yield();
	}
	took = seconds_since(&pace);
	stop_server(&server);
	qsort(times.ns, times.cnt, sizeof(*times.ns), compare_u32);
	printf("{\"connections\":%llu,\"failed\":%llu,\"seconds\":%.6f,\"connect_p50_ns\":%u,\"connect_p99_"
	       "ns\":%u}\n",
	       (unsigned long long)done, (unsigned long long)failed, took, quantile(&times, 0.5),
	       quantile(&times, 0.99));
	free(times.ns);
	return 0;
}

/* --- rounds of single connections ------------------------------------------------------------------------ */

/* Another process's CPU time, by the files that tell it. They stay open: reading them takes few instructions. */
struct watch {
	int fds[THREADS_MAX];
	uint32_t cnt;
};

static void watch_process(struct watch *w, uint32_t pid)
{
	char pattern[64];
	glob_t tasks;

	if (!pid)
		return;
	snprintf(pattern, sizeof(pattern), "/proc/%u/task/*/schedstat", pid);
	if (glob(pattern, 0, NULL, &tasks))
		fail(pattern);
	for (size_t i = 0; i < tasks.gl_pathc && w->cnt < THREADS_MAX; i++) {
		int fd = open(tasks.gl_pathv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			fail(tasks.gl_pathv[i]);
		w->fds[w->cnt++] = fd;
	}
	globfree(&tasks);
}

static uint64_t watched_ns(const struct watch *w)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->cnt; i++) {
		char text[64] = {};

		if (pread(w->fds[i], text, sizeof(text) - 1, 0) <= 0)
			fail("schedstat");
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

/*
 * How long others run in the next SPIN_NS. Where a clock counts instructions, each turn of the loop takes about the
 * same time unless it is interrupted.
 */
static uint64_t others_ns(void)
{
	uint64_t begin = now_ns(), last = begin, turn = UINT64_MAX, others = 0;

	while (last - begin < SPIN_NS) {
		uint64_t now = now_ns(), took = now - last;

		if (took < turn)
			turn = took;
		else if (took > 8 * turn)
			others += took;
		last = now;
	}
	return others;
}

/*
 * Sleeps until the ports of the last round may be taken again, and to the same place between two ticks of the kernel
 * for every round: what ticks start, such as a grace period of RCU, then happens at the same connections.
 */
static void await_round(void)
{
	uint64_t at = (now_ns() + REUSE_NS) / PHASE_NS * PHASE_NS + PHASE_NS / 100;
	struct timespec ts = {.tv_sec = at / SECOND_NS, .tv_nsec = at % SECOND_NS};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/*
 * The connections of a round, from their beginning to their end. But for `threads` one thread is client and server in
 * turn: a second one would be let run now sooner, now later.
 */
typedef void round_fn(struct server *s, uint64_t cnt);

static struct pair connect_pair(const struct server *s)
{
	struct pair p = {.client = connect_to(&s->addr, 1, 0)};

	if (p.client < 0)
		fail("connect");
	p.server = accept4(s->fd, NULL, NULL, 0);
	if (p.server < 0)
		fail("accept");
	return p;
}

static void pass_payload(int from, int to)
{
	char buf[PAYLOAD] = {};

	if (send(from, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf) ||
	    recv(to, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
		fail("64 bytes");
}

static void close_client_first(struct server *s, uint64_t cnt)
{
	while (cnt--) {
		struct pair p = connect_pair(s);

		close(p.client);
		close(p.server);
	}
}

static void close_server_first(struct server *s, uint64_t cnt)
{
	while (cnt--) {
		struct pair p = connect_pair(s);

		close(p.server);
		close(p.client);
	}
}

static void reset_by_client(struct server *s, uint64_t cnt)
{
	while (cnt--) {
		struct linger at_once = {.l_onoff = 1};
		struct pair p = connect_pair(s);

		if (setsockopt(p.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
			fail("SO_LINGER");
		close(p.client);
		close(p.server);
	}
}

static void be_refused(struct server *s, uint64_t cnt)
{
	struct sockaddr_in addr = s->addr;

	addr.sin_port = htons(NOBODY_PORT);
	while (cnt--)
		if (connect_to(&addr, 1, 0) >= 0)
			fail("somebody listens");
}

static void ask_once(struct server *s, uint64_t cnt)
{
	while (cnt--) {
		struct pair p = connect_pair(s);

		pass_payload(p.client, p.server);
		pass_payload(p.server, p.client);
		close(p.client);
		close(p.server);
	}
}

static void close_beside_server(struct server *s, uint64_t cnt)
{
	uint64_t goal = atomic_load(&s->accepted) + cnt;

	while (cnt--) {
		int fd = connect_to(&s->addr, 1, 0);

		if (fd < 0)
			fail("connect");
		close(fd);
	}
	while (atomic_load_explicit(&s->accepted, memory_order_relaxed) < goal)
		sched_yield();
}

static int run_rounds(const struct options *o, round_fn *round, struct server *server)
{
	struct watch watch = {};
	char byte;

	if (!o->count) {
		errno = EINVAL;
		fail("--count");
	}
	watch_process(&watch, o->watch);
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		uint64_t begin, took, before, after;

		await_round();
		before = watched_ns(&watch);
		begin = now_ns();
		round(server, o->count);
		took = now_ns() - begin + others_ns();
		after = watched_ns(&watch);
		printf("{\"connections\":%llu,\"ns\":%llu,\"observer_ns\":[%llu,%llu]}\n",
		       (unsigned long long)o->count, (unsigned long long)took, (unsigned long long)before,
		       (unsigned long long)after);
		fflush(stdout);
	}
	return 0;
}

static int alone(const struct options *o, round_fn *round)
{
	struct server server = {};

	listen_on_loopback(&server, CHURN_PORT);
	return run_rounds(o, round, &server);
}

static int client(const struct options *o)
{
	return alone(o, close_client_first);
}

static int server(const struct options *o)
{
	return alone(o, close_server_first);
}

static int reset(const struct options *o)
{
	return alone(o, reset_by_client);
}

static int refused(const struct options *o)
{
	return alone(o, be_refused);
}

static int request(const struct options *o)
{
	return alone(o, ask_once);
}

static int threads(const struct options *o)
{
	struct server server = {};

	start_server(&server);
	run_rounds(o, close_beside_server, &server);
	stop_server(&server);
	return 0;
}

/* --- pairs of connected sockets --------------------------------------------------------------------------- */

static struct pair *make_pairs(const struct options *o, uint64_t cnt)
{
	struct pair *pairs = calloc(cnt, sizeof(*pairs));
	struct server server = {};

	if (!pairs)
		fail("calloc");
	if (cnt > pairs_allowed()) {
		errno = EMFILE;
		fail("so many connections in one process");
	}
	listen_on_loopback(&server, 0);
	for (uint64_t i = 0; i < cnt; i++) {
		pairs[i].client = connect_to(&server.addr, o->sources, i);
		pairs[i].server = pairs[i].client < 0 ? -1 : accept(server.fd, NULL, NULL);
		if (pairs[i].server < 0)
			fail("connect (a larger --sources gives more ports)");
	}
	close(server.fd);
	return pairs;
}

static void *echo(void *arg)
{
	const struct pair *pairs = arg;
	char buf[PAYLOAD];
	ssize_t got;

	/* In the order in which the other thread asks; the first connection's end is the end. */
	for (size_t i = 0; (got = recv(pairs[i].server, buf, sizeof(buf), MSG_WAITALL)) == sizeof(buf);
	     i = pairs[i + 1].server ? i + 1 : 0)
		if (send(pairs[i].server, buf, got, MSG_NOSIGNAL) != got)
			break;
	return NULL;
}

static int talk(const struct options *o)
{
	uint64_t cnt = o->count ? o->count : 16, done = 0;
	struct options made = *o;
	struct pair *pairs;
	pthread_t thread;
	char buf[PAYLOAD] = {};
	struct pace pace;
	double took;

	pairs = make_pairs(o, cnt);
	pairs = realloc(pairs, (cnt + 1) * sizeof(*pairs));
	if (!pairs)
		fail("realloc");
	pairs[cnt] = (struct pair){};
	stay_on_one_cpu();
	if (pthread_create(&thread, NULL, echo, pairs))
		fail("pthread_create");
	made.count = 0;
	pace = pace_of(&made);
	for (; is_due(&pace, done); done++) {
		int fd = pairs[done % cnt].client;

		if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf) ||
		    recv(fd, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
			fail("talk");
	}
	took = seconds_since(&pace);
	shutdown(pairs[done % cnt].client, SHUT_RDWR);
	pthread_join(thread, NULL);
	printf("{\"requests\":%llu,\"seconds\":%.6f}\n", (unsigned long long)done, took);
	free(pairs);
	return 0;
}

/* One process of a crowd: makes its share, says so by a byte, and holds it until stdin ends. */
static int hold_share(const struct options *o, uint64_t cnt, int ready)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	struct pair *pairs = make_pairs(o, cnt);

	if (write(ready, "", 1) != 1)
		fail("write");
	poll(&in, 1, (int)(o->seconds * 1000));
	free(pairs);
	return 0; /* the kernel closes them all at once */
}

static bool all_ready(int fd, int cnt)
{
	char byte;

	while (cnt && read(fd, &byte, 1) == 1)
		cnt--;
	return cnt == 0;
}

static int crowd(const struct options *o)
{
	uint64_t left = o->count, share = pairs_allowed();
	int ready[2], processes = 0;

	if (pipe(ready))
		fail("pipe");
	for (; left; processes++) {
		uint64_t cnt = left < share ? left : share;

		if (!fork())
			exit(hold_share(o, cnt, ready[1]));
		left -= cnt;
	}
	close(ready[1]);
	if (!all_ready(ready[0], processes))
		return 1;
	printf("{\"connections\":%llu}\n", (unsigned long long)o->count);
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* --- SYN flood -------------------------------------------------------------------------------------------- */

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint32_t add_words(uint32_t sum, const void *data, size_t sz)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < sz; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

/* The TCP checksum covers addresses, protocol and length too. */
static void sum_up(struct syn *s)
{
	uint32_t sum = IPPROTO_TCP + sizeof(s->tcp);

	s->tcp.check = 0;
	sum = add_words(sum, &s->ip.saddr, 2 * sizeof(s->ip.saddr));
	sum = add_words(sum, &s->tcp, sizeof(s->tcp));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	s->tcp.check = htons(~sum & 0xffff);
}

static int flood(const struct options *o)
{
	struct server server = {};
	uint64_t done = 0, refused = 0;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct pace pace;
	struct syn s = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .tot_len = htons(sizeof(s))},
		.tcp = {.doff = 5, .syn = 1, .window = htons(65535)},
	};

	if (raw < 0)
		fail("raw socket");
	listen_on_loopback(&server, 0);
	s.ip.daddr = server.addr.sin_addr.s_addr;
	s.tcp.dest = server.addr.sin_port;
	for (pace = pace_of(o); is_due(&pace, done + refused);) {
		uint64_t serial = done + refused;

		s.ip.saddr = htonl(FLOOD_NET + serial % FLOOD_HOSTS);
		s.tcp.source = htons(1024 + serial / FLOOD_HOSTS % 60000);
		s.tcp.seq = htonl((uint32_t)serial);
		sum_up(&s);
		if (sendto(raw, &s, sizeof(s), 0, (struct sockaddr *)&server.addr, sizeof(server.addr)) < 0)
			refused++;
		else
			done++;
	}
	printf("{\"syns\":%llu,\"refused\":%llu,\"seconds\":%.6f}\n", (unsigned long long)done,
	       (unsigned long long)refused, seconds_since(&pace));
	close(raw);
	close(server.fd);
	return 0;
}

/* --- command line ----------------------------------------------------------------------------------------- */

static int usage(void)
{
	fputs(usage_text, stderr);
	return 2;
}

static bool parse_number(const char *text, double max, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= 0 && number <= max))
		return false;
	*ret_number = number;
	return true;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"seconds", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},	   {"sources", required_argument, NULL, 'a'},
		{"watch", required_argument, NULL, 'w'},   {},
	};
	double number;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == '?' || !parse_number(optarg, opt == 's' ? 3600 : 1e9, &number))
			return false;
		if (opt == 's')
			o->seconds = number;
		else if (opt == 'n')
			o->count = (uint64_t)number;
		else if (opt == 'r')
			o->rate = (uint64_t)number;
		else if (opt == 'w')
			o->watch = (uint32_t)number;
		else
			o->sources = (uint32_t)number;
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o);
	} loads[] = {{"churn", churn},	   {"talk", talk},	{"crowd", crowd}, {"flood", flood},
		     {"client", client},   {"server", server},	{"reset", reset}, {"refused", refused},
		     {"request", request}, {"threads", threads}};
	struct options o = {.seconds = 10, .sources = 1};

	if (argc < 2 || !parse_options(argc - 1, argv + 1, &o))
		return usage();
	for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++)
		if (!strcmp(argv[1], loads[i].name))
			return loads[i].run(&o);
	return usage();
}
