/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/write.h"

#define READABLE_BY_ALL 0644

/* Neither waits for a writer nor touches what a device does when it is opened. */
static int open_regular(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

int file__read(const char *path, size_t max, struct str *ret_text)
{
	int fd = open_regular(path), err = fd < 0 ? fd : 0;
	char part[4096];
	ssize_t n = 1;

	str__reset(ret_text);
	while (!err && n) {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			str__append_bytes(ret_text, part, (size_t)n);
		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (ret_text->len > max)
			err = -EFBIG;
		else
			err = str__error(ret_text);
	}
	if (fd >= 0)
		close(fd);
	if (err)
		str__reset(ret_text);
	return err;
}

bool file__is_replaceable(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

/* A new file beside `path`. A descriptor, which the caller closes, or -errno. */
static int make_temporary(const char *path, struct str *ret_name)
{
	int fd;

	str__appendf(ret_name, "%s.XXXXXX", path);
	if (!file__is_replaceable(path))
		return -EOPNOTSUPP;
	if (str__error(ret_name))
		return -ENOMEM;
	fd = mkstemp(ret_name->buf);
	return fd < 0 ? -errno : fd;
}

int file__check_replace(const char *path)
{
	struct str temporary = {0};
	size_t len = strlen(path);
	int fd;

	if (!len)
		return -EINVAL;
	if (path[len - 1] == '/')
		return -EISDIR;
	fd = make_temporary(path, &temporary);
	if (fd >= 0) {
		close(fd);
		unlink(temporary.buf);
	}
	str__fini(&temporary);
	return fd < 0 ? fd : 0;
}

int file__begin(const char *path, struct file_new *ret_new)
{
	struct file_new f = {0};

	f.fd = make_temporary(path, &f.temporary);
	if (f.fd < 0) {
		str__fini(&f.temporary);
		return f.fd;
	}
	*ret_new = f;
	return 0;
}

int file__add(void *ctx, const char *bytes, size_t sz)
{
	const struct file_new *f = ctx;
	size_t done;

	return write__all(f->fd, bytes, sz, NULL, &done);
}

int file__end(struct file_new *f, const char *path, mode_t mode, int err)
{
	if (!err && (fchmod(f->fd, mode) || fsync(f->fd)))
		err = -errno;
	if (close(f->fd) && !err)
		err = -errno;
	if (!err && rename(f->temporary.buf, path))
		err = -errno;
	if (err)
		unlink(str__text(&f->temporary));
	str__fini(&f->temporary);
	return err;
}

int file__replace(const char *path, struct str *text, mode_t mode)
{
	struct file_new f = {.fd = -1};
	int err = file__begin(path, &f);

	if (!err)
		err = file__end(&f, path, mode, str__write(text, f.fd));
	str__reset(text);
	return err;
}

int file__create(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, READABLE_BY_ALL);
	int err = fd < 0 || fcntl(fd, F_SETFL, 0) ? -errno : 0;

	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}
