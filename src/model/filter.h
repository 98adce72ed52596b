/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the user wants to see, as plain data: filled from the command line, carried into the kernel by
 * kernel/filters.c. Several values of a kind are alternatives, different kinds must all hold; an empty kind
 * lets all through.
 */
#ifndef SYNFIN_MODEL_FILTER_H
#define SYNFIN_MODEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "synfin.h"

#define FILTER_MAX_PIDS	 1024
#define FILTER_MAX_NETNS 64

struct filter {
	uint32_t pids[FILTER_MAX_PIDS];
	size_t pid_cnt;
	char comms[SF_MAX_COMMS][SF_GLOB_LEN];
	size_t comm_cnt;
	uint32_t netns[FILTER_MAX_NETNS]; /* inodes */
	size_t netns_cnt;
	struct port_set ports, lports, rports; /* either end, local, remote */
	uint8_t family;			       /* 0, SF_AF_INET, SF_AF_INET6 */
	uint8_t roles;			       /* bits 1 << enum sf_role; 0: all */
	uint32_t tree_pid;		       /* 0: none; else this process and its descendants to come */
};

#endif
