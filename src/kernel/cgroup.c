/* SPDX-License-Identifier: GPL-2.0-only */
/* A cgroup's number is the inode of its directory. */
#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"

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

/* --- by number ------------------------------------------------------------------------------------------ */

#define SLOTS	      512 /* a power of 2 */
#define ASK_AGAIN_NS  1000000000ULL
#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h */

/* A number is never given to another cgroup, so that a path stays right for good. */
struct slot {
	uint64_t id;
	char *path;	   /* NULL: not found at asked_ns, or (id 0) nothing here */
	uint64_t asked_ns; /* CLOCK_MONOTONIC */
};

struct cgroups {
	int mount;	/* a descriptor of the top; -1: there is none */
	size_t top_len; /* of the path before what is ours */
	struct slot slots[SLOTS];
};

/* A handle as name_to_handle_at() makes them for a directory of the hierarchy: its number. */
static int open_by_id(const struct cgroups *c, uint64_t id)
{
	struct {
		struct file_handle head;
		uint64_t id;
	} handle = {.head = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}, .id = id};

	return open_by_handle_at(c->mount, &handle.head, O_PATH | O_CLOEXEC);
}

/* What the kernel calls an open directory. -errno; -ENOENT: it was removed, or lies outside of what is mounted. */
static int read_path(int fd, char *ret_path, size_t sz)
{
	char link[32];
	ssize_t len;
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, ret_path, sz - 1);
	if (len < 0)
		return -errno;
	ret_path[len] = '\0';
	return ret_path[0] == '/' && !fstat(fd, &st) && st.st_nlink ? 0 : -ENOENT;
}

static char *find_path(const struct cgroups *c, uint64_t id)
{
	int fd = open_by_id(c, id);
	char path[PATH_MAX];
	char *found = NULL;

	if (fd < 0)
		return NULL;
	if (!read_path(fd, path, sizeof(path)) && strlen(path) >= c->top_len)
		found = strdup(path[c->top_len] ? path + c->top_len : "/");
	close(fd);
	return found;
}

static struct slot *slot_of(struct cgroups *c, uint64_t id)
{
	return &c->slots[(id ^ id >> 9) & (SLOTS - 1)];
}

const char *cgroups__path(struct cgroups *c, uint64_t id)
{
	struct slot *s = slot_of(c, id);
	uint64_t now;

	if (!id || c->mount < 0)
		return NULL;
	if (s->id == id && s->path)
		return s->path;
	now = clock__mono_ns();
	if (s->id == id && now - s->asked_ns < ASK_AGAIN_NS)
		return NULL;
	free(s->path);
	*s = (struct slot){.id = id, .path = find_path(c, id), .asked_ns = now};
	return s->path;
}

/* *ret_len: of what the names of all cgroups begin with; "/" is no part of it. */
static int open_top(size_t *ret_len)
{
	char mount[PATH_MAX], name[PATH_MAX];
	int fd;

	if (find_mount(mount, sizeof(mount)))
		return -1;
	fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && read_path(fd, name, sizeof(name))) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		*ret_len = strcmp(name, "/") == 0 ? 0 : strlen(name);
	return fd;
}

int cgroups__new(struct cgroups **ret_cgroups)
{
	struct cgroups *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->mount = open_top(&c->top_len);
	*ret_cgroups = c;
	return 0;
}

void cgroups__free(struct cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(c->slots[i].path);
	if (c->mount >= 0)
		close(c->mount);
	free(c);
}
