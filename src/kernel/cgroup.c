/* SPDX-License-Identifier: GPL-2.0-only */
/* A cgroup's number is the inode of its directory. */
#include "kernel/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int inode_of(const char *path, uint64_t *ret_id)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || stat(path, &st))
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOTTY;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*ret_id = st.st_ino;
	return 0;
}

/* Where the hierarchy is mounted. 0, or -ENODEV: nowhere. */
static int find_mount(char *ret_path, size_t sz)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	int err = -ENODEV;
	struct mntent *m;

	if (!mounts)
		return -errno;
	while (err && (m = getmntent(mounts)))
		if (strcmp(m->mnt_type, "cgroup2") == 0 &&
		    (size_t)snprintf(ret_path, sz, "%s", m->mnt_dir) < sz)
			err = 0;
	endmntent(mounts);
	return err;
}

static const char *explain(int err)
{
	switch (err) {
	case -ENODEV:
		return "this host has none mounted";
	case -ENOTTY:
		return "it is something else";
	default:
		return strerror(-err);
	}
}

int cgroup__resolve(const char *text, uint64_t *ret_id, struct parse_error *err)
{
	char mount[PATH_MAX], path[2 * PATH_MAX];
	int res = text[0] == '/' ? inode_of(text, ret_id) : -ENOENT;

	if (res && text[0]) {
		int below = find_mount(mount, sizeof(mount));

		if (!below && (size_t)snprintf(path, sizeof(path), "%s/%s", mount, text) >= sizeof(path))
			below = -ENAMETOOLONG;
		if (!below)
			below = inode_of(path, ret_id);
		res = res == -ENOENT || !below ? below : res;
	}
	if (res)
		snprintf(err->text, sizeof(err->text),
			 "--cgroup: '%.100s' is no cgroup of version 2 (%s): give its directory, or its path "
			 "below "
			 "the mount as in /proc/PID/cgroup",
			 text, explain(res));
	return res;
}
