/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses are numbers: a name would be asked of a server that may not answer. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/str.h"

#define BACKLOG 64

static int refuse(const char *what, const char *text, struct parse_error *err)
{
	struct str s = {0};
	size_t len = strlen(text);

	str__append_safe(&s, text, len < 60 ? len : 60, false);
	snprintf(err->text, sizeof(err->text),
		 "%s: '%s' is no address and port: write 127.0.0.1:9842, [::1]:9842 or :9842", what,
		 str__text(&s));
	str__fini(&s);
	return -EINVAL;
}

int listen__parse(const char *what, const char *text, union listen_addr *ret_addr, struct parse_error *err)
{
	const char *colon = strrchr(text, ':');
	union listen_addr addr = {.v4 = {0}};
	size_t len = colon ? (size_t)(colon - text) : 0;
	struct parse_error ignored;
	char host[INET6_ADDRSTRLEN];
	uint64_t port = 0;
	bool is_v6;

	memset(&addr, 0, sizeof(addr));
	if (!colon || parse__u64(what, colon + 1, 0, 65535, &port, &ignored))
		return refuse(what, text, err);
	is_v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	if (len - 2 * is_v6 >= sizeof(host))
		return refuse(what, text, err);
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
		return refuse(what, text, err);
	if (is_v6)
		addr.v6.sin6_port = htons((uint16_t)port);
	else
		addr.v4.sin_port = htons((uint16_t)port);
	*ret_addr = addr;
	return 0;
}

int listen__open(const union listen_addr *addr, union listen_addr *ret_bound)
{
	socklen_t sz = addr->any.sa_family == AF_INET6 ? sizeof(addr->v6) : sizeof(addr->v4);
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || bind(fd, &addr->any, sz) ||
	    listen(fd, BACKLOG) || getsockname(fd, &ret_bound->any, &sz)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

const char *listen__format(const union listen_addr *addr, char buf[LISTEN_TEXT_SZ])
{
	char host[INET6_ADDRSTRLEN];

	if (addr->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
		snprintf(buf, LISTEN_TEXT_SZ, "[%s]:%u", host, ntohs(addr->v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(buf, LISTEN_TEXT_SZ, "%s:%u", host, ntohs(addr->v4.sin_port));
	}
	return buf;
}
