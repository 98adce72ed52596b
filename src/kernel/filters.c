/* SPDX-License-Identifier: GPL-2.0-only */
/* Each kind of filter is a switch in rodata, so that a kind not asked for leaves no code behind, and at most
 * one table. */
#include "kernel/filters.h"

#include <bpf/bpf.h>

#include "synfin.skel.h"

static uint8_t port_ends(const struct filter *f)
{
	return (port_set__is_empty(&f->ports) ? 0 : SF_PORT_EITHER) |
	       (port_set__is_empty(&f->lports) ? 0 : SF_PORT_LOCAL) |
	       (port_set__is_empty(&f->rports) ? 0 : SF_PORT_REMOTE);
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
	skel->rodata->cfg_by_tree = f->tree_pid != 0;
	skel->rodata->cfg_by_netns = f->netns_cnt > 0;
	skel->rodata->cfg_port_ends = port_ends(f);
	skel->rodata->cfg_family = f->family;
	skel->rodata->cfg_roles = f->roles;
	skel->rodata->cfg_comm_cnt = f->comm_cnt;
	for (size_t i = 0; i < f->comm_cnt; i++)
		compile_glob(f->comms[i], &skel->rodata->cfg_comms[i]);
	skel->rodata->cfg_by_task = f->pid_cnt || f->tree_pid || f->comm_cnt;
}

static int fill_set(struct bpf_map *map, const uint32_t *keys, size_t cnt)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		err = bpf_map__update_elem(map, &keys[i], sizeof(keys[i]), &one, sizeof(one), BPF_ANY);
	return err;
}

static int fill_ports(struct bpf_map *map, const struct filter *f)
{
	int err = 0;

	for (uint32_t port = 0; port < 65536 && !err; port++) {
		uint8_t bits = (port_set__has(&f->lports, port) ? SF_PORT_LOCAL : 0) |
			       (port_set__has(&f->rports, port) ? SF_PORT_REMOTE : 0) |
			       (port_set__has(&f->ports, port) ? SF_PORT_EITHER : 0);

		if (bits)
			err = bpf_map__update_elem(map, &port, sizeof(port), &bits, sizeof(bits), BPF_ANY);
	}
	return err;
}

int filters__fill(struct synfin_bpf *skel, const struct filter *f)
{
	int err = fill_set(skel->maps.flt_pids, f->pids, f->pid_cnt);

	if (!err)
		err = fill_set(skel->maps.flt_netns, f->netns, f->netns_cnt);
	if (!err && f->tree_pid)
		err = fill_set(skel->maps.flt_tree, &f->tree_pid, 1);
	if (!err)
		err = fill_ports(skel->maps.flt_ports, f);
	return err;
}
