/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `witness FIRST LAST`: counts what witness.bpf.c is shown of the connections with a port from FIRST to LAST. Each
 * line on stdin is answered by one JSON line with the counts since the start, until stdin ends. `missed`: runs of
 * the program that the kernel has left out because it interrupted itself. Exit: 0 done, 1 failed, 2 usage.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "witness.skel.h"

static void print_tasks(const struct witness_bpf *skel)
{
	uint32_t key, *last = NULL;
	const char *comma = "";
	int fd = bpf_map__fd(skel->maps.tasks);
	uint64_t count;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &count)) {
			printf("%s\"%u\":%llu", comma, key, (unsigned long long)count);
			comma = ",";
		}
		last = &key;
	}
}

static int print_counts(const struct witness_bpf *skel)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(skel->progs.on_set_state), &info, &len))
		return -1;
	printf("{\"total\":%llu,\"missed\":%llu,\"tasks\":{", (unsigned long long)skel->bss->total,
	       (unsigned long long)info.recursion_misses);
	print_tasks(skel);
	puts("}}");
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct witness_bpf *skel;
	char line[16];
	int failed;

	if (argc != 3) {
		fputs("usage: witness FIRST LAST\n", stderr);
		return 2;
	}
	skel = witness_bpf__open();
	if (!skel)
		return 1;
	skel->rodata->first_port = strtoul(argv[1], NULL, 10);
	skel->rodata->last_port = strtoul(argv[2], NULL, 10);
	failed = witness_bpf__load(skel) || witness_bpf__attach(skel);
	while (!failed && fgets(line, sizeof(line), stdin))
		failed = print_counts(skel);
	witness_bpf__destroy(skel);
	return failed ? 1 : 0;
}
