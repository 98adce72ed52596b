/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Landlock: no file but those that are written, no TCP port, and no signal to anyone else. libc has no wrappers, and the
 * headers of Debian 12 know less than newer kernels do.
 */
#include "sandbox/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/landlock.h */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* 4 */
	uint64_t scoped;	     /* 6 */
};
struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH      1
#define FS_WRITE_FILE	       (1ULL << 1)
#define FS_READ_FILE	       (1ULL << 2)
#define FS_REMOVE_FILE	       (1ULL << 5)
#define FS_MAKE_REG	       (1ULL << 8)
#define SCOPE_SIGNAL	       (1ULL << 1)
#define BITS(n)		       ((1ULL << (n)) - 1)

/* All that this version can refuse. */
static struct ruleset_attr all_of(int version)
{
	static const int fs_bits[] = {0, 13, 14, 15, 15, 16};
	const int last = sizeof(fs_bits) / sizeof(fs_bits[0]) - 1;

	return (struct ruleset_attr){
		.handled_access_fs = BITS(fs_bits[version < last ? version : last]),
		.handled_access_net = version >= 4 ? BITS(2) : 0,
		.scoped = version >= 6 ? SCOPE_SIGNAL : 0,
	};
}

static int allow_directory(int ruleset, const char *file, uint64_t access)
{
	char *copy = strdup(file);
	struct path_beneath_attr rule = {
		.allowed_access = access,
		.parent_fd = copy ? open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1,
	};
	int err = 0;

	free(copy);
	if (rule.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0))
		err = -errno;
	close(rule.parent_fd);
	return err;
}

/* mkstemp() opens for reading, too. */
static int allow_directories(int ruleset, const struct sandbox *box)
{
	int err = box->removed ? allow_directory(ruleset, box->removed, FS_REMOVE_FILE) : 0;

	if (err == -EACCES) /* then it could not be removed, anyway */
		err = 0;

	for (int i = 0; !err && i < SANDBOX_MAX_FILES; i++)
		if (box->files[i])
			err = allow_directory(ruleset, box->files[i],
					      FS_READ_FILE | FS_WRITE_FILE | FS_MAKE_REG | FS_REMOVE_FILE);
	return err;
}

int landlock__restrict(const struct sandbox *box, int *ret_version)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION), ruleset,
	    err;
	struct ruleset_attr attr = all_of(version > 0 ? version : 0);

	if (version <= 0) {
		*ret_version = 0;
		return 0;
	}
	if (box->needs & SANDBOX_COMMAND)
		attr.scoped = 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	err = allow_directories(ruleset, box);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	if (!err)
		*ret_version = version;
	return err;
}
