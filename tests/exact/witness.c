/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `witness FIRST LAST TW REQSK SKB`: counts what witness.bpf.c is shown, changes of state of the connections with a port
 * from FIRST to LAST alone. TW and REQSK: where the kernel has tw_timer_handler() and reqsk_timer_handler(). SKB: 1 where
 * kfree_skb names the receiver, else 0. Each line on stdin is answered by one JSON line with the counts since the start, until
 * stdin ends. `missed`: runs of the programs that the kernel has left out because one interrupted itself. Exit: 0 done, 1
 * failed, 2 usage.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct bpf_program *prog;
	uint64_t missed = 0;

	bpf_object__for_each_program(prog, skel->obj)
	{
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (!bpf_program__autoload(prog))
			continue;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			return -1;
		missed += info.recursion_misses;
	}
	printf("{\"total\":%llu,\"missed\":%llu,\"tasks\":{", (unsigned long long)skel->bss->total,
	       (unsigned long long)missed);
	print_tasks(skel);
	puts("}}");
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct witness_bpf *skel;
	char line[16];
	int failed;

	if (argc != 6) {
		fputs("usage: witness FIRST LAST TW REQSK SKB\n", stderr);
		return 2;
	}
	skel = witness_bpf__open();
	if (!skel)
		return 1;
	skel->rodata->first_port = strtoul(argv[1], NULL, 10);
	skel->rodata->last_port = strtoul(argv[2], NULL, 10);
	skel->rodata->tw_timer_handler = strtoull(argv[3], NULL, 16);
	skel->rodata->reqsk_timer_handler = strtoull(argv[4], NULL, 16);
	bpf_program__set_autoload(skel->progs.on_kfree_skb, strcmp(argv[5], "1") == 0);
	failed = witness_bpf__load(skel) || witness_bpf__attach(skel);
	while (!failed && fgets(line, sizeof(line), stdin))
		failed = print_counts(skel);
	witness_bpf__destroy(skel);
	return failed ? 1 : 0;
}
