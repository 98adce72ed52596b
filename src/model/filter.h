/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user's filter as plain data. It is filled from the command line, and kernel/filters.c carries it into
 * the kernel. Values of one kind are alternatives; different kinds must all match; an empty kind matches
 * everything.
 */
#ifndef SYNFIN_MODEL_FILTER_H
#define SYNFIN_MODEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/parse.h"
#include "synfin.h"

#define FILTER_MAX_PIDS	    1024
#define FILTER_MAX_TREES    64
#define FILTER_MAX_UIDS	    1024
#define FILTER_MAX_NETNS    64
#define FILTER_MAX_CGROUPS  64
#define FILTER_MAX_NETWORKS 256
#define FILTER_TEXT_SZ	    200

/* Networks that one end's address may be in. */
struct network_set {
	struct network networks[FILTER_MAX_NETWORKS];
	size_t cnt;
};

struct filter {
	uint32_t pids[FILTER_MAX_PIDS];
	size_t pid_cnt;
	uint32_t trees[FILTER_MAX_TREES]; /* these processes and all their descendants, present and future */
	size_t tree_cnt;
	uint32_t uids[FILTER_MAX_UIDS];
	size_t uid_cnt;
	uint64_t cgroups[FILTER_MAX_CGROUPS]; /* inodes; cgroups below them match, too */
	size_t cgroup_cnt;
	char comms[SF_MAX_COMMS][SF_GLOB_LEN];
	size_t comm_cnt;
	uint32_t netns[FILTER_MAX_NETNS]; /* inodes */
	size_t netns_cnt;
	struct port_set ports, lports, rports;	  /* either end, local, remote */
	struct port_set services;		  /* the port listened on */
	struct network_set addrs, laddrs, raddrs; /* either end, local, remote */
	uint8_t family;				  /* 0, SF_AF_INET, SF_AF_INET6 */
	uint8_t roles;				  /* bits 1 << enum sf_role; 0: all */
	/* Which records of a matching connection are reported. */
	uint32_t outcomes; /* bits 1 << enum sf_outcome, of `open` and `close` */
	bool failed;	   /* only outcomes that are neither established nor fin */
	uint64_t min_handshake_ns;
	uint64_t min_close_ns;
	char text
		[FILTER_TEXT_SZ]; /* for display: the options as they were given, cut with "..." if too long */
};

/* True if the filter matches everything. */
bool filter__is_empty(const struct filter *f);

/* Bits 1 << enum sf_outcome of the records that `outcomes` and `failed` select. */
uint32_t filter__outcomes(const struct filter *f);

#endif
