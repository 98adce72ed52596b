/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READABLE_BY_ALL 0644

static int fill(int fd, struct str *text)
{
	int err = str__write(text, fd);

	if (!err && (fchmod(fd, READABLE_BY_ALL) || fsync(fd)))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

bool file__is_replaceable(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

int file__replace(const char *path, struct str *text)
{
	struct str temporary = {0};
	int fd, err;

	str__appendf(&temporary, "%s.XXXXXX", path);
	err = file__is_replaceable(path) ? str__error(&temporary) : -EOPNOTSUPP;
	fd = err ? -1 : mkstemp(temporary.buf);
	if (!err && fd < 0)
		err = -errno;
	if (!err) {
		err = fill(fd, text);
		if (!err && rename(temporary.buf, path))
			err = -errno;
		if (err)
			unlink(temporary.buf);
	}
	str__reset(text);
	str__fini(&temporary);
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
