/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses are numbers: a name would be asked of a server that may not answer. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/str.h"

#define BACKLOG	      1024
#define FIRST_HANDED  3 /* SD_LISTEN_FDS_START */
#define DEFAULT_MODE  0600
#define MODE_PREFIX   ",mode="
#define UNIX_PREFIX   "unix:"
#define UNIX_LEN      (sizeof(UNIX_PREFIX) - 1)
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static int refuse(const char *what, const char *text, const char *why, struct parse_error *err)
{
	struct str s = {0};
	size_t len = strlen(text);

	str__append_safe(&s, text, len < 40 ? len : 40, false);
	snprintf(err->text, sizeof(err->text), "%s: '%s' %s", what, str__text(&s), why);
	str__fini(&s);
	return -EINVAL;
}

/* "0660": octal, as for chmod(1). */
static bool parse_mode(const char *text, mode_t *ret_mode)
{
	size_t len = strlen(text);

	if (!len || len > 4 || strspn(text, "01234567") != len || (len == 4 && text[0] != '0'))
		return false;
	*ret_mode = (mode_t)strtoul(text, NULL, 8);
	return true;
}

static int parse_unix(const char *what, const char *text, struct listen_addr *ret_addr,
		      struct parse_error *err)
{
	const char *path = text + UNIX_LEN, *mode = strstr(path, MODE_PREFIX);
	size_t len = mode ? (size_t)(mode - path) : strlen(path);
	struct listen_addr addr;

	memset(&addr, 0, sizeof(addr));
	addr.mode = DEFAULT_MODE;
	if (!len || path[0] == '@')
		return refuse(what, text, "has no path: write unix:/run/synfin.sock", err);
	if (len > UNIX_PATH_MAX)
		return refuse(what, text, "is too long: a socket's path has at most 107 bytes", err);
	if (mode && !parse_mode(mode + strlen(MODE_PREFIX), &addr.mode))
		return refuse(what, text, "has no octal mode: write unix:PATH,mode=0660", err);
	addr.un.sun_family = AF_UNIX;
	memcpy(addr.un.sun_path, path, len);
	*ret_addr = addr;
	return 0;
}

int listen__parse(const char *what, const char *text, struct listen_addr *ret_addr, struct parse_error *err)
{
	static const char why[] =
		"is no address and port: write 127.0.0.1:9842, [::1]:9842, :9842 or unix:/run/synfin.sock";
	const char *colon = strrchr(text, ':');
	struct listen_addr addr;
	size_t len = colon ? (size_t)(colon - text) : 0;
	struct parse_error ignored;
	char host[INET6_ADDRSTRLEN];
	uint64_t port = 0;
	bool is_v6;

	if (!strncmp(text, UNIX_PREFIX, UNIX_LEN))
		return parse_unix(what, text, ret_addr, err);
	memset(&addr, 0, sizeof(addr));
	if (!colon || parse__u64(what, colon + 1, 0, 65535, &port, &ignored))
		return refuse(what, text, why, err);
	is_v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	if (len - 2 * is_v6 >= sizeof(host))
		return refuse(what, text, why, err);
	snprintf(host, sizeof(host), "%.*s", (int)(len - 2 * is_v6), text + is_v6);
	/* A port alone is every address. localhost is no name to look up: it is the same everywhere. */
	if (!len) {
		is_v6 = true;
		memcpy(host, "::", sizeof("::"));
	} else if (!is_v6 && !strcmp(host, "localhost")) {
		memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	}
	addr.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
	if (inet_pton(addr.any.sa_family, host,
		      is_v6 ? (void *)&addr.v6.sin6_addr : (void *)&addr.v4.sin_addr) != 1)
		return refuse(what, text, why, err);
	if (is_v6)
		addr.v6.sin6_port = htons((uint16_t)port);
	else
		addr.v4.sin_port = htons((uint16_t)port);
	*ret_addr = addr;
	return 0;
}

static socklen_t size_of(const struct listen_addr *addr)
{
	return addr->any.sa_family == AF_UNIX	 ? sizeof(addr->un)
	       : addr->any.sa_family == AF_INET6 ? sizeof(addr->v6)
						 : sizeof(addr->v4);
}

/* Its process is gone: connections are refused. */
static bool is_abandoned(const struct listen_addr *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return false;
	refused = connect(fd, &addr->any, sizeof(addr->un)) && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

/* The umask sets the mode at creation: a later chmod() would leave a moment in which anybody can connect. */
static int bind_unix(int fd, const struct listen_addr *addr)
{
	mode_t before = umask(0777 & ~addr->mode);
	int err = bind(fd, &addr->any, sizeof(addr->un)) ? -errno : 0;
	struct stat st;

	/* lstat(): connections to a file that is not a socket are refused as well. */
	if (err == -EADDRINUSE && !lstat(addr->un.sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    is_abandoned(addr) && !unlink(addr->un.sun_path))
		err = bind(fd, &addr->any, sizeof(addr->un)) ? -errno : 0;
	umask(before);
	return err;
}

static int bind_inet(int fd, const struct listen_addr *addr)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &addr->any, size_of(addr)))
		return -errno;
	return 0;
}

int listen__open(const struct listen_addr *addr, struct listen_addr *ret_bound)
{
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = addr->any.sa_family == AF_UNIX ? bind_unix(fd, addr) : bind_inet(fd, addr);
	if (!err && listen(fd, BACKLOG))
		err = -errno;
	if (!err)
		err = listen__find(fd, ret_bound);
	if (err) {
		close(fd);
		return err;
	}
	ret_bound->mode = addr->mode;
	return fd;
}

int listen__find(int fd, struct listen_addr *ret_addr)
{
	struct listen_addr addr;
	socklen_t sz = sizeof(addr.un);

	memset(&addr, 0, sizeof(addr));
	addr.mode = DEFAULT_MODE;
	if (getsockname(fd, &addr.any, &sz))
		return -errno;
	*ret_addr = addr;
	return 0;
}

const char *listen__format(const struct listen_addr *addr, char buf[LISTEN_TEXT_SZ])
{
	char host[INET6_ADDRSTRLEN];

	if (addr->any.sa_family == AF_UNIX) {
		int len = snprintf(buf, LISTEN_TEXT_SZ, UNIX_PREFIX "%.*s", (int)UNIX_PATH_MAX,
				   addr->un.sun_path);

		if (addr->mode != DEFAULT_MODE)
			snprintf(buf + len, LISTEN_TEXT_SZ - (size_t)len, MODE_PREFIX "%04o", addr->mode);
	} else if (addr->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
		snprintf(buf, LISTEN_TEXT_SZ, "[%s]:%u", host, ntohs(addr->v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(buf, LISTEN_TEXT_SZ, "%s:%u", host, ntohs(addr->v4.sin_port));
	}
	return buf;
}

static int get_option(int fd, int option)
{
	int value = -1;
	socklen_t sz = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &sz) ? -1 : value;
}

/* It must be a listening stream socket of a family whose address we can print. */
static bool is_usable(int fd)
{
	int family = get_option(fd, SO_DOMAIN);

	return get_option(fd, SO_TYPE) == SOCK_STREAM && get_option(fd, SO_ACCEPTCONN) == 1 &&
	       (family == AF_INET || family == AF_INET6 || family == AF_UNIX) &&
	       !fcntl(fd, F_SETFD, FD_CLOEXEC) && !fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int take_handed(uint64_t cnt, int *fds, size_t cap, struct parse_error *err)
{
	if (cnt > cap) {
		snprintf(err->text, sizeof(err->text), "LISTEN_FDS: %llu sockets are too many: at most %zu",
			 (unsigned long long)cnt, cap);
		return -E2BIG;
	}
	for (uint64_t i = 0; i < cnt; i++) {
		fds[i] = FIRST_HANDED + (int)i;
		if (!is_usable(fds[i])) {
			snprintf(err->text, sizeof(err->text),
				 "LISTEN_FDS: descriptor %d is not a listening stream socket: use "
				 "ListenStream= with Accept=no",
				 fds[i]);
			return -EINVAL;
		}
	}
	return (int)cnt;
}

int listen__inherit(int *fds, size_t cap, struct parse_error *err)
{
	const char *pid_text = getenv("LISTEN_PID"), *cnt_text = getenv("LISTEN_FDS");
	struct parse_error ignored;
	uint64_t pid = 0, cnt = 0;
	int result = 0;

	if (pid_text && cnt_text && !parse__u64("", pid_text, 1, PARSE_PID_MAX, &pid, &ignored) &&
	    pid == (uint64_t)getpid()) {
		result = parse__u64("LISTEN_FDS", cnt_text, 0, INT32_MAX, &cnt, err);
		if (!result)
			result = take_handed(cnt, fds, cap, err);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return result;
}
