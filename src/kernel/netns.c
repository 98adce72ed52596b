/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces are told apart by the inode of their file in nsfs. */
#include "kernel/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

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
			 "--netns: '%.100s' is no network namespace (%s): give a PID, a path like "
			 "/run/netns/NAME, or an inode",
			 text, res == -ENOTTY ? "another kind of file" : strerror(-res));
	return res;
}
