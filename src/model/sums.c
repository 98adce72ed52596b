/* SPDX-License-Identifier: GPL-2.0-only */
/* Two sorted arrays; what is asked of them is answered by walking them side by side. */
#include "model/sums.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct row {
	uint64_t set;
	uint32_t number;
	struct sf_row sums;
};

struct set {
	uint64_t number;
	struct by_set of; /* .cgroup is owned */
};

struct sums {
	struct row *rows;
	size_t row_cnt, row_cap;
	struct set *sets;
	size_t set_cnt, set_cap;
	bool is_sorted;
	struct series_totals totals;
};

int sums__new(struct sums **ret_sums)
{
	*ret_sums = calloc(1, sizeof(**ret_sums));
	return *ret_sums ? 0 : -ENOMEM;
}

void sums__free(struct sums *s)
{
	if (!s)
		return;
	sums__reset(s);
	free(s->rows);
	free(s->sets);
	free(s);
}

void sums__reset(struct sums *s)
{
	for (size_t i = 0; i < s->set_cnt; i++)
		free((char *)s->sets[i].of.cgroup);
	s->row_cnt = 0;
	s->set_cnt = 0;
	s->is_sorted = false;
}

int sums__add_row(struct sums *s, uint64_t set, uint32_t row, const struct sf_row *r)
{
	int err = array__grow((void **)&s->rows, s->row_cnt, &s->row_cap, sizeof(*s->rows));

	if (!err)
		s->rows[s->row_cnt++] = (struct row){set, row, *r};
	return err;
}

int sums__add_set(struct sums *s, uint64_t set, const struct by_set *of)
{
	int err = array__grow((void **)&s->sets, s->set_cnt, &s->set_cap, sizeof(*s->sets));
	char *cgroup = of->cgroup ? strdup(of->cgroup) : NULL;

	if (of->cgroup && !cgroup)
		err = -ENOMEM;
	if (err)
		free(cgroup);
	else
		s->sets[s->set_cnt++] = (struct set){set, {.key = of->key, .cgroup = cgroup}};
	return err;
}

void sums__set_totals(struct sums *s, const struct series_totals *totals)
{
	s->totals = *totals;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int compare_sets(const void *a, const void *b)
{
	const struct set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void sort(struct sums *s)
{
	if (s->is_sorted)
		return;
	if (s->row_cnt)
		qsort(s->rows, s->row_cnt, sizeof(*s->rows), compare_rows);
	if (s->set_cnt)
		qsort(s->sets, s->set_cnt, sizeof(*s->sets), compare_sets);
	s->is_sorted = true;
}

/* The extremes stay those of all time, which hist__add_row() narrows. */
static void subtract(struct sf_row *now, const struct sf_row *before)
{
	for (unsigned int i = 0; i < SF_ROW_CNT; i++)
		now->counts[i] -= before->counts[i];
	now->sum_ns -= before->sum_ns;
}

/* A row that did not grow says nothing, nor does a new one: the kernel side publishes a row before its first count. */
static bool has_counts(const struct sf_row *row)
{
	for (unsigned int i = 0; i < SF_ROW_CNT; i++) {
		if (row->counts[i])
			return true;
	}
	return false;
}

/* NULL: that of all, or of what found no room. */
static const struct by_set *find_set(const struct sums *s, uint64_t set)
{
	const struct set wanted = {.number = set}, *found = s->set_cnt
								    ? bsearch(&wanted, s->sets, s->set_cnt,
									      sizeof(*s->sets), compare_sets)
								    : NULL;

	return found ? &found->of : NULL;
}

static int add_rows(struct sums *now, const struct sums *before, struct series *series)
{
	size_t old = 0;
	int err = 0;

	for (size_t i = 0; !err && i < now->row_cnt; i++) {
		struct row row = now->rows[i];

		while (before && old < before->row_cnt && compare_rows(&before->rows[old], &row) < 0)
			old++;
		if (before && old < before->row_cnt && !compare_rows(&before->rows[old], &row))
			subtract(&row.sums, &before->rows[old].sums);
		if (has_counts(&row.sums))
			err = series__add_row(series, find_set(now, row.set), row.number, &row.sums);
	}
	return err;
}

int sums__add_to(struct sums *now, struct sums *before, struct series *series)
{
	struct series_totals totals = now->totals;
	int err;

	sort(now);
	if (before)
		sort(before);
	err = add_rows(now, before, series);
	if (err)
		return err;
	if (before) {
		totals.folded -= before->totals.folded;
		totals.misplaced -= before->totals.misplaced;
		totals.bounds -= before->totals.bounds;
		totals.expired -= before->totals.expired;
	}
	return series__put_totals(series, &totals);
}
