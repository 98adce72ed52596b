/* SPDX-License-Identifier: GPL-2.0-only */
/* Each kind of filter is a switch in rodata, so that a kind not asked for leaves no code behind, and at most
 * one table. */
#include "kernel/filters.h"

#include <string.h>

#include <bpf/bpf.h>

#include "synfin.skel.h"

static uint8_t port_ends(const struct filter *f)
{
	return (port_set__is_empty(&f->ports) ? 0 : SF_END_EITHER) |
	       (port_set__is_empty(&f->lports) ? 0 : SF_END_LOCAL) |
	       (port_set__is_empty(&f->rports) ? 0 : SF_END_REMOTE) |
	       (port_set__is_empty(&f->services) ? 0 : SF_END_SERVICE);
}

static uint8_t addr_ends(const struct filter *f)
{
	return (f->addrs.cnt ? SF_END_EITHER : 0) | (f->laddrs.cnt ? SF_END_LOCAL : 0) |
	       (f->raddrs.cnt ? SF_END_REMOTE : 0);
}

/* *ret_glob is zeroed. The pattern was checked by parse__comm_glob(). */
static void compile_glob(const char *pattern, struct sf_glob *ret_glob)
{
	uint32_t element = 1;

	for (const char *p = pattern; *p; p++) {
		if (*p == '*') {
			ret_glob->loop |= element;
			continue;
		}
		for (int ch = 1; ch < 256; ch++)
			if (*p == '?' || (unsigned char)*p == ch)
				ret_glob->accept[ch] |= element;
		element <<= 1;
	}
	ret_glob->final = element;
}

void filters__configure(struct synfin_bpf *skel, const struct filter *f)
{
	skel->rodata->cfg_by_pid = f->pid_cnt > 0;
	skel->rodata->cfg_by_tree = f->tree_cnt > 0;
	skel->rodata->cfg_by_uid = f->uid_cnt > 0;
	skel->rodata->cfg_by_cgroup = f->cgroup_cnt > 0;
	skel->rodata->cfg_by_netns = f->netns_cnt > 0;
	skel->rodata->cfg_port_ends = port_ends(f);
	skel->rodata->cfg_addr_ends = addr_ends(f);
	skel->rodata->cfg_family = f->family;
	skel->rodata->cfg_roles = f->roles;
	skel->rodata->cfg_comm_cnt = f->comm_cnt;
	for (size_t i = 0; i < f->comm_cnt; i++)
		compile_glob(f->comms[i], &skel->rodata->cfg_comms[i]);
	skel->rodata->cfg_by_task = f->pid_cnt || f->tree_cnt || f->uid_cnt || f->cgroup_cnt || f->comm_cnt;
	skel->rodata->cfg_by_outcome = f->outcomes || f->failed;
	skel->rodata->cfg_outcomes = filter__outcomes(f);
	skel->rodata->cfg_min_handshake_ns = f->min_handshake_ns;
	skel->rodata->cfg_min_close_ns = f->min_close_ns;
}

static int fill_set(struct bpf_map *map, const void *keys, size_t key_sz, size_t cnt)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		err = bpf_map__update_elem(map, (const char *)keys + i * key_sz, key_sz, &one, sizeof(one),
					   BPF_ANY);
	return err;
}

/* The ends for which a set asks for all of this network. */
static uint8_t ends_of(const struct network_set *set, const struct network *n, uint8_t ends)
{
	for (size_t i = 0; i < set->cnt; i++)
		if (network__covers(&set->networks[i], n))
			return ends;
	return 0;
}

static int fill_networks(struct bpf_map *map, const struct filter *f, const struct network_set *set)
{
	int err = 0;

	for (size_t i = 0; i < set->cnt && !err; i++) {
		const struct network *n = &set->networks[i];
		struct sf_network key = {.prefix_len = 32 + n->len, .family = (uint32_t)n->af};
		uint8_t ends = ends_of(&f->addrs, n, SF_END_EITHER) | ends_of(&f->laddrs, n, SF_END_LOCAL) |
			       ends_of(&f->raddrs, n, SF_END_REMOTE);

		memcpy(key.addr, n->bytes, sizeof(key.addr));
		err = bpf_map__update_elem(map, &key, sizeof(key), &ends, sizeof(ends), BPF_ANY);
	}
	return err;
}

static int fill_ports(struct bpf_map *map, const struct filter *f)
{
	int err = 0;

	for (uint32_t port = 0; port < 65536 && !err; port++) {
		uint8_t bits = (port_set__has(&f->lports, port) ? SF_END_LOCAL : 0) |
			       (port_set__has(&f->rports, port) ? SF_END_REMOTE : 0) |
			       (port_set__has(&f->ports, port) ? SF_END_EITHER : 0) |
			       (port_set__has(&f->services, port) ? SF_END_SERVICE : 0);

		if (bits)
			err = bpf_map__update_elem(map, &port, sizeof(port), &bits, sizeof(bits), BPF_ANY);
	}
	return err;
}

int filters__fill(struct synfin_bpf *skel, const struct filter *f)
{
	const struct {
		struct bpf_map *map;
		const void *keys;
		size_t key_sz, cnt;
	} sets[] = {
		{skel->maps.flt_pids, f->pids, sizeof(f->pids[0]), f->pid_cnt},
		{skel->maps.flt_tree, f->trees, sizeof(f->trees[0]), f->tree_cnt},
		{skel->maps.flt_uids, f->uids, sizeof(f->uids[0]), f->uid_cnt},
		{skel->maps.flt_cgroups, f->cgroups, sizeof(f->cgroups[0]), f->cgroup_cnt},
		{skel->maps.flt_netns, f->netns, sizeof(f->netns[0]), f->netns_cnt},
	};
	const struct network_set *const networks[] = {&f->addrs, &f->laddrs, &f->raddrs};
	int err = fill_ports(skel->maps.flt_ports, f);

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && !err; i++)
		err = fill_set(sets[i].map, sets[i].keys, sets[i].key_sz, sets[i].cnt);
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]) && !err; i++)
		err = fill_networks(skel->maps.flt_networks, f, networks[i]);
	return err;
}
