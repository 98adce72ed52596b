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

/*
 * Puts the text where `path` is, so that whoever opens it sees the old contents or the new ones, whole: a new
 * file of the same directory, synced and with this mode whatever the umask, takes its name. Empties the text. 0 or -errno; then what was
 * there stands. -EOPNOTSUPP: it is not replaceable.
 */
int file__replace(const char *path, struct str *text, mode_t mode);

/*
 * The whole of a regular file, in the place of what is in the text. 0 or -errno, then the text is empty. -EFBIG: there is more
 * than `max` bytes; -EOPNOTSUPP: it is no regular file, which may never end or never begin.
 */
int file__read(const char *path, size_t max, struct str *ret_text);

#endif
