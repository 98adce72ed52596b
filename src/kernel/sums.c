/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows of set 0 lie in an array, of which each CPU has its own; those of all other sets in a hash that is read in batches. */
#include "kernel/sums.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/batch.h"
#include "kernel/cgroup.h"
#include "kernel/expiry.h"
#include "synfin.skel.h"

#define ROWS_PER_SET 64 /* connections of one kind fill some 30 */

int sums__configure(struct synfin_bpf *skel, uint32_t by, uint64_t max_sets)
{
	int err = bpf_map__set_max_entries(skel->maps.rows, SF_ROWS);

	skel->rodata->cfg_tally = true;
	skel->rodata->cfg_by = by;
	if (!err && by)
		err = bpf_map__set_max_entries(skel->maps.sets, max_sets);
	if (!err && by)
		err = bpf_map__set_max_entries(skel->maps.keyed_rows, max_sets * ROWS_PER_SET);
	return err;
}

/* All CPUs' into the first one's place. False: all are empty. */
static bool add_up(struct sf_row *rows, int cpu_cnt)
{
	bool is_used = false;

	for (int cpu = 1; cpu < cpu_cnt; cpu++) {
		rows->sum_ns += rows[cpu].sum_ns;
		if (rows[cpu].most_ns > rows->most_ns)
			rows->most_ns = rows[cpu].most_ns;
		if (rows[cpu].least_ns > rows->least_ns)
			rows->least_ns = rows[cpu].least_ns;
		for (int i = 0; i < SF_ROW_CNT; i++)
			rows->counts[i] += rows[cpu].counts[i];
	}
	for (int i = 0; i < SF_ROW_CNT; i++)
		is_used |= rows->counts[i] != 0;
	return is_used;
}

static int read_rows(int map, int cpu_cnt, struct sums *sums)
{
	struct sf_row *rows = calloc(cpu_cnt, sizeof(*rows));
	int err = rows ? 0 : -ENOMEM;

	for (uint32_t row = 0; !err && row < SF_ROWS; row++) {
		err = bpf_map_lookup_elem(map, &row, rows);
		if (!err && add_up(rows, cpu_cnt))
			err = sums__add_row(sums, 0, row, rows);
	}
	free(rows);
	return err;
}

struct reading {
	struct sums *sums;
	struct cgroups *cgroups;
	const struct expiry *expiry;
};

static int add_rows(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	const struct reading *r = ctx;
	const struct sf_row_key *key = keys;
	const struct sf_row *row = values;
	int err = 0;

	for (uint32_t i = 0; !err && i < cnt; i++) {
		if (!expiry__hides(r->expiry, key[i].set))
			err = sums__add_row(r->sums, key[i].set, key[i].row, &row[i]);
	}
	return err;
}

static int add_set(void *ctx, uint64_t number, const struct sf_set_key *key)
{
	const struct reading *r = ctx;
	struct by_set set = {.key = *key};

	if (r->cgroups)
		set.cgroup = cgroups__path(r->cgroups, key->cgroup_id);
	return sums__add_set(r->sums, number, &set);
}

static int add_sets(void *ctx, const void *keys, void *values, uint32_t cnt)
{
	const struct sf_set_key *key = keys;
	const uint64_t *number = values;
	int err = 0;

	for (uint32_t i = 0; !err && i < cnt; i++)
		err = add_set(ctx, number[i], &key[i]);
	return err;
}

int sums__read(const struct synfin_bpf *skel, int cpu_cnt, struct cgroups *cgroups,
	       const struct expiry *expiry, struct sums *sums)
{
	struct reading r = {.sums = sums, .cgroups = cgroups, .expiry = expiry};
	int err = read_rows(bpf_map__fd(skel->maps.rows), cpu_cnt, sums);

	if (err || !skel->rodata->cfg_by)
		return err;
	err = batch__read(bpf_map__fd(skel->maps.keyed_rows), sizeof(struct sf_row_key),
			  sizeof(struct sf_row), add_rows, &r);
	if (!err)
		err = batch__read(bpf_map__fd(skel->maps.sets), sizeof(struct sf_set_key), sizeof(uint64_t),
				  add_sets, &r);
	return err ? err : expiry__walk_late(expiry, add_set, &r);
}
