/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYNFIN_BASE_FILE_H
#define SYNFIN_BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

/* True for a regular file, or none. A file must not take the place of a device, pipe or link. */
bool file__is_replaceable(const char *path);

/*
 * Creates a file, or empties the existing one, for output that is written as it comes; pipes and devices are
 * accepted, too. A pipe without a reader fails with -ENXIO instead of waiting. Returns the descriptor or
 * -errno.
 */
int file__create(const char *path);

/*
 * Checks whether file__replace() could work, by creating a file beside `path` and removing it. 0 or -errno:
 * -EINVAL the path is empty, -EISDIR it names a directory, -EOPNOTSUPP it is not replaceable.
 */
int file__check_replace(const char *path);

/* A file that will replace another. */
struct file_new {
	int fd;
	struct str temporary; /* its name until file__end() */
};

/*
 * Creates a file beside `path`. Its contents are written by file__add(), a pieces_fn whose `ctx` is the
 * struct file_new. 0 or -errno. -EOPNOTSUPP: `path` is not replaceable.
 */
int file__begin(const char *path, struct file_new *ret_new);
int file__add(void *ctx, const char *bytes, size_t sz);
/*
 * Syncs the file, gives it this mode whatever the umask, and renames it to `path`. If `err` is set, the file
 * is incomplete and is removed instead. 0 or -errno, or `err`.
 */
int file__end(struct file_new *f, const char *path, mode_t mode, int err);

/*
 * Replaces the file at `path` by such a file with this text. Anyone who opens `path` sees either the old
 * contents or the new ones, whole. Empties the text. 0, or -errno and the old file is unchanged. -EOPNOTSUPP:
 * it is not replaceable.
 */
int file__replace(const char *path, struct str *text, mode_t mode);

/*
 * Reads a whole regular file; its contents replace those of the text. 0, or -errno and the text is empty.
 * -EFBIG: the file has more than `max` bytes. -EOPNOTSUPP: it is not a regular file, and reading it might
 * never begin or never end.
 */
int file__read(const char *path, size_t max, struct str *ret_text);

#endif
