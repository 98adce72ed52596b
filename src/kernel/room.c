/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/room.h"

#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "synfin.h"
#include "synfin.skel.h"

#define BUCKET_BYTES 16 /* struct bucket */
#define HEADER_BYTES 48 /* struct htab_elem, before its key */
#define NODE_BYTES   8	/* that bpf_mem_alloc_init() adds to each (kernel/bpf/memalloc.c) */

int room__set(struct synfin_bpf *skel, uint64_t conns)
{
	struct bpf_map *const maps[] = {skel->maps.conns, skel->maps.waits, skel->maps.found};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(maps) / sizeof(maps[0]); i++)
		err = bpf_map__set_max_entries(maps[i], (uint32_t)conns);
	return err;
}

static uint64_t bytes_of_buckets(const struct bpf_map *map)
{
	uint64_t buckets = 1;

	while (buckets < bpf_map__max_entries(map))
		buckets *= 2;
	return buckets * BUCKET_BYTES;
}

static uint64_t bytes_of_element(const struct bpf_map *map)
{
	return HEADER_BYTES + bpf_map__key_size(map) + bpf_map__value_size(map);
}

/* One at a time, by kmalloc(), whose sizes of this order are powers of two. */
static uint64_t bytes_of_allocated(const struct bpf_map *map)
{
	uint64_t bytes = 1;

	while (bytes < bytes_of_element(map) + NODE_BYTES)
		bytes *= 2;
	return bytes;
}

/* `found` is for the start alone: its elements are freed, or are there all the time. */
struct room room__of(const struct synfin_bpf *skel)
{
	const struct bpf_map *const maps[] = {skel->maps.conns, skel->maps.waits, skel->maps.found};
	bool is_preallocated = !(bpf_map__map_flags(skel->maps.conns) & BPF_F_NO_PREALLOC);
	uint64_t conns = bpf_map__max_entries(skel->maps.conns), buckets = 0, elements = 0;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		buckets += bytes_of_buckets(maps[i]);
		if (is_preallocated)
			elements += conns * bytes_of_element(maps[i]);
	}
	return (struct room){
		.conns = conns,
		.bytes_now = buckets + elements,
		.bytes_full =
			buckets + (is_preallocated ? elements : conns * bytes_of_allocated(skel->maps.conns)),
	};
}
