/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYNFIN_BASE_FILE_H
#define SYNFIN_BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

/* Nothing, or a regular file: no device, pipe or link, whose place a file must not take. */
bool file__is_replaceable(const char *path);

/*
 * A new file, or one that is there emptied, to be written as we go; pipes and devices, too. A pipe that nobody reads fails
 * with -ENXIO instead of waiting. The descriptor or -errno.
 */
int file__create(const char *path);

/*
 * Tries whether file__replace() would find a place: a file beside `path` is made and removed. 0 or -errno: -EINVAL the path is
 * empty, -EISDIR it names a directory, -EOPNOTSUPP it is not replaceable.
 */
int file__check_replace(const char *path);

/* A file that is to take the place of another. */
struct file_new {
	int fd;
	struct str temporary; /* its name so far */
};

/*
 * A new file beside `path`, to be filled by file__add(), a pieces_fn whose `ctx` it is. 0 or -errno. -EOPNOTSUPP: `path` is not
 * replaceable.
 */
int file__begin(const char *path, struct file_new *ret_new);
int file__add(void *ctx, const char *bytes, size_t sz);
/* It takes the name `path`, synced and with this mode whatever the umask, unless `err` says that it is not whole. 0 or -errno, or `err`. */
int file__end(struct file_new *f, const char *path, mode_t mode, int err);

/*
 * Puts the text where `path` is by such a file, so that whoever opens it sees the old contents or the new ones, whole. Empties the text. 0 or -errno; then what was
 * there stands. -EOPNOTSUPP: it is not replaceable.
 */
int file__replace(const char *path, struct str *text, mode_t mode);

/*
 * The whole of a regular file, in the place of what is in the text. 0 or -errno, then the text is empty. -EFBIG: there is more
 * than `max` bytes; -EOPNOTSUPP: it is no regular file, which may never end or never begin.
 */
int file__read(const char *path, size_t max, struct str *ret_text);

#endif
