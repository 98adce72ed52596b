/* SPDX-License-Identifier: GPL-2.0-only */
/* What is added is a histogram first, so that its sum and extremes are what hist.c makes of them. */
#include "model/packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t size_of(uint32_t row_cnt)
{
	return sizeof(struct packed) + row_cnt * sizeof(struct packed_row);
}

/* The row of this number, made if it is not there; rows mostly come in order. NULL: out of memory. */
static struct packed_row *get_row(struct packed **p, uint32_t number)
{
	uint32_t cnt = *p ? (*p)->row_cnt : 0, at = cnt;
	struct packed *bigger;

	while (at && (*p)->rows[at - 1].number > number)
		at--;
	if (at && (*p)->rows[at - 1].number == number)
		return &(*p)->rows[at - 1];
	bigger = realloc(*p, size_of(cnt + 1));
	if (!bigger)
		return NULL;
	if (!cnt)
		*bigger = (struct packed){0};
	memmove(&bigger->rows[at + 1], &bigger->rows[at], (cnt - at) * sizeof(bigger->rows[0]));
	bigger->rows[at] = (struct packed_row){.number = number};
	bigger->row_cnt = cnt + 1;
	*p = bigger;
	return &bigger->rows[at];
}

static bool has_row(const struct hist *h, uint32_t number)
{
	for (uint32_t i = 0; i < SF_ROW_CNT; i++) {
		uint32_t bucket = sf_hist_bucket(number, i);

		if (bucket < SF_HIST_BUCKETS && h->buckets[bucket])
			return true;
	}
	return false;
}

static void add_row(struct packed_row *row, const struct hist *from)
{
	for (uint32_t i = 0; i < SF_ROW_CNT; i++) {
		uint32_t bucket = sf_hist_bucket(row->number, i);

		if (bucket < SF_HIST_BUCKETS)
			row->counts[i] += from->buckets[bucket];
	}
}

static void add_totals(struct packed *p, const struct hist *from)
{
	if (!p->count || from->min_ns < p->min_ns)
		p->min_ns = from->min_ns;
	if (!p->count || from->max_ns > p->max_ns)
		p->max_ns = from->max_ns;
	p->count += from->count;
	p->sum_ns += from->sum_ns;
}

/* What lies in rows from `begin` to before `end`, where all of it lies. First all is made that can fail. */
static int add_rows(struct packed **p, const struct hist *from, uint32_t begin, uint32_t end)
{
	for (uint32_t number = begin; number < end; number++) {
		if (has_row(from, number) && !get_row(p, number))
			return -ENOMEM;
	}
	if (!from->count)
		return 0;
	add_totals(*p, from);
	for (uint32_t i = 0; i < (*p)->row_cnt; i++) {
		if ((*p)->rows[i].number >= begin && (*p)->rows[i].number < end)
			add_row(&(*p)->rows[i], from);
	}
	return 0;
}

int packed__add_row(struct packed **p, uint32_t number, const struct sf_row *r)
{
	struct hist h = {0};

	hist__add_row(&h, number, r);
	return add_rows(p, &h, number, number + 1);
}

int packed__add(struct packed **p, const struct hist *from)
{
	return add_rows(p, from, 0, SF_HIST_ROWS);
}

void packed__unpack(const struct packed *p, struct hist *ret_hist)
{
	*ret_hist = (struct hist){0};
	if (!p)
		return;
	ret_hist->count = p->count;
	ret_hist->sum_ns = p->sum_ns;
	ret_hist->min_ns = p->min_ns;
	ret_hist->max_ns = p->max_ns;
	for (uint32_t i = 0; i < p->row_cnt; i++) {
		for (uint32_t k = 0; k < SF_ROW_CNT; k++) {
			uint32_t bucket = sf_hist_bucket(p->rows[i].number, k);

			if (bucket < SF_HIST_BUCKETS)
				ret_hist->buckets[bucket] = p->rows[i].counts[k];
		}
	}
}
