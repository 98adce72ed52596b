/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces are told apart by the inode of their file in nsfs. */
#include "kernel/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define FIRST_INODE 0xf0000000UL

static int inode_of(const char *path, uint32_t *ret_inode)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), type, err = 0;

	if (fd < 0)
		return -errno;
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type != CLONE_NEWNET)
		err = -ENOTTY;
	else if (fstat(fd, &st))
		err = -errno;
	else
		*ret_inode = st.st_ino;
	close(fd);
	return err;
}

static bool is_number(const char *text)
{
	return text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 10;
}

int netns__resolve(const char *text, uint32_t *ret_inode, struct parse_error *err)
{
	unsigned long number;
	char path[64];
	int res;

	if (sscanf(text, "net:[%lu]", &number) == 1 && number >= FIRST_INODE && number <= UINT32_MAX) {
		*ret_inode = number;
		return 0;
	}
	if (!is_number(text)) {
		res = inode_of(text, ret_inode);
	} else {
		number = strtoul(text, NULL, 10);
		if (number >= FIRST_INODE && number <= UINT32_MAX) {
			*ret_inode = number;
			return 0;
		}
		snprintf(path, sizeof(path), "/proc/%lu/ns/net", number);
		res = inode_of(path, ret_inode);
	}
	if (res)
		snprintf(err->text, sizeof(err->text),
			 "--netns: '%.100s' is no network namespace (%s): give a name that ip netns "
			 "knows, a PID, a path, or an inode",
			 text, res == -ENOTTY ? "another kind of file" : strerror(-res));
	return res;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

struct place {
	uint32_t inode;
	char path[128];
};

struct places {
	struct place *place;
	size_t cnt;
	const uint32_t *wanted; /* inodes; all if wanted_cnt is 0 */
	size_t wanted_cnt;
};

static bool is_wanted(const struct places *p, uint32_t inode)
{
	for (size_t i = 0; i < p->cnt; i++)
		if (p->place[i].inode == inode)
			return false;
	for (size_t i = 0; i < p->wanted_cnt; i++)
		if (p->wanted[i] == inode)
			return true;
	return !p->wanted_cnt;
}

static int add_place(struct places *p, uint32_t inode, const char *path)
{
	struct place *grown;

	if (!is_wanted(p, inode) || strlen(path) >= sizeof(grown->path))
		return 0;
	grown = realloc(p->place, (p->cnt + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->place = grown;
	grown[p->cnt].inode = inode;
	snprintf(grown[p->cnt++].path, sizeof(grown->path), "%s", path);
	return 0;
}

/* Of processes. */
static int add_processes(struct places *p)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int err = 0;

	if (!proc)
		return -errno;
	while (!err && (entry = readdir(proc))) {
		char path[64], target[32];
		uint32_t inode;
		ssize_t len;

		if (!is_number(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.10s/ns/net", entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (sscanf(target, "net:[%" SCNu32 "]", &inode) == 1)
			err = add_place(p, inode, path);
	}
	closedir(proc);
	return err;
}

/* That no process need be in: bind mounts, as `ip netns` makes them. */
static int add_mounts(struct places *p)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[128];
	size_t room = 0;
	uint32_t inode;
	int err = 0;

	if (!mounts)
		return -errno;
	while (!err && getline(&line, &room, mounts) > 0)
		if (sscanf(line, "%*s %*s %*s net:[%" SCNu32 "] %127s", &inode, path) == 2)
			err = add_place(p, inode, path);
	free(line);
	fclose(mounts);
	return err;
}

static int enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		err = -errno;
	close(fd);
	return err;
}

int netns__visit(const uint32_t *inodes, size_t cnt, int (*fn)(void *ctx), void *ctx)
{
	struct places p = {.wanted = inodes, .wanted_cnt = cnt};
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), err;

	if (home < 0)
		return -errno;
	err = add_processes(&p);
	if (!err)
		err = add_mounts(&p);
	for (size_t i = 0; !err && i < p.cnt; i++) {
		int res = enter(p.place[i].path);

		if (res)
			log__debug("cannot enter %s: %s", p.place[i].path, strerror(-res));
		else
			err = fn(ctx);
	}
	if (setns(home, CLONE_NEWNET) && !err)
		err = -errno;
	close(home);
	free(p.place);
	return err;
}
