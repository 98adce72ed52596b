/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/tails.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* The map that leads to it has one element. */
static const struct {
	const char *prog;
	const char *map;
} tails[] = {
	{"sf_change", "change_body"},
	{"sf_destroyed", "destroy_body"},
	{"sf_accepted_sc", "accept_body"},
};

bool tails__is_tail(const char *prog)
{
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (strcmp(tails[i].prog, prog) == 0)
			return true;
	return false;
}

int tails__join(const struct bpf_object *obj)
{
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		int prog = bpf_program__fd(bpf_object__find_program_by_name(obj, tails[i].prog));
		int map = bpf_object__find_map_fd_by_name(obj, tails[i].map);
		uint32_t only = 0;

		if (prog >= 0 && bpf_map_update_elem(map, &only, &prog, BPF_ANY))
			return -errno;
	}
	return 0;
}
