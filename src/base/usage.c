/* SPDX-License-Identifier: GPL-2.0-only */
/* /proc/self and getrusage(). */
#include "base/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SEC 1000000000ULL

static const char *const paths[] = {"/proc/self/stat", "/proc/self/statm"};
static int fds[] = {-1, -1};

enum file { FILE_STAT, FILE_STATM };

int usage__open(void)
{
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] < 0)
			fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

/* The text is made anew for whoever reads from the beginning. */
static int read_file(enum file file, char *buf, size_t sz)
{
	ssize_t n = pread(fds[file], buf, sz - 1, 0);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Field 22 of stat, in ticks since the boot; the second one, the name, may hold anything and ends with `)`. */
static int read_start(uint64_t *ret_ns)
{
	char buf[1024], *at;
	int err = read_file(FILE_STAT, buf, sizeof(buf));
	unsigned long long ticks = 0;

	if (err)
		return err;
	at = strrchr(buf, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EPROTO;
	ticks = strtoull(at, NULL, 10);
	*ret_ns = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME) +
		  ticks * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

static uint64_t to_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * NS_PER_SEC + (uint64_t)tv->tv_usec * 1000;
}

int usage__read(struct usage *ret_usage)
{
	struct usage u = {0};
	struct rusage ru;
	char buf[128], *at;
	int err;

	if (getrusage(RUSAGE_SELF, &ru))
		return -errno;
	u.cpu_ns = to_ns(&ru.ru_utime) + to_ns(&ru.ru_stime);
	err = read_file(FILE_STATM, buf, sizeof(buf));
	if (err)
		return err;
	at = strchr(buf, ' ');
	if (!at)
		return -EPROTO;
	u.resident_bytes = strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	err = read_start(&u.start_ns);
	if (!err)
		*ret_usage = u;
	return err;
}
