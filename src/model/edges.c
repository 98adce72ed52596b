/* SPDX-License-Identifier: GPL-2.0-only */
/* Choosing bounds. */
#include "model/edges.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bucket whose upper bound is nearest; of the last one, which has none, the one before. */
static uint16_t find_nearest(uint64_t ns)
{
	uint32_t i = sf_hist_index(ns);

	if (i == SF_HIST_BUCKETS - 1)
		return SF_HIST_BUCKETS - 2;
	if (i && ns - sf_hist_upper(i - 1) < sf_hist_upper(i) - ns)
		i--;
	return (uint16_t)i;
}

void edges__default(struct edges *ret_edges)
{
	uint64_t decade;

	ret_edges->cnt = 0;
	ret_edges->bucket[ret_edges->cnt++] = find_nearest(5000);
	for (decade = 10000; decade < 1000000000000; decade *= 10) {
		ret_edges->bucket[ret_edges->cnt++] = find_nearest(decade);
		ret_edges->bucket[ret_edges->cnt++] = find_nearest(2 * decade);
		ret_edges->bucket[ret_edges->cnt++] = find_nearest(5 * decade);
	}
	ret_edges->bucket[ret_edges->cnt++] = find_nearest(decade);
}

static void take_all(struct edges *ret_edges)
{
	for (ret_edges->cnt = 0; ret_edges->cnt < SF_HIST_BUCKETS - 1; ret_edges->cnt++)
		ret_edges->bucket[ret_edges->cnt] = (uint16_t)ret_edges->cnt;
}

static int parse_edge(const char *what, const char *word, uint16_t *ret_bucket, struct parse_error *err)
{
	uint64_t ns = 0, nearest;
	int code = parse__duration(what, word, &ns, err);

	if (code)
		return -EINVAL;
	*ret_bucket = find_nearest(ns);
	nearest = sf_hist_upper(*ret_bucket);
	if (nearest == ns)
		return 0;
	snprintf(err->text, sizeof(err->text),
		 "%s: '%s' is no bound of a bucket that is measured, so its count would be a guess: the "
		 "nearest "
		 "is %" PRIu64 "ns",
		 what, word, nearest);
	return -EINVAL;
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Ascending, each once. */
static void sort(struct edges *e)
{
	unsigned int i, n = 0;

	qsort(e->bucket, e->cnt, sizeof(e->bucket[0]), compare);
	for (i = 0; i < e->cnt; i++) {
		if (!n || e->bucket[i] != e->bucket[n - 1])
			e->bucket[n++] = e->bucket[i];
	}
	e->cnt = n;
}

static int parse_list(const char *what, const char *text, struct edges *ret_edges, struct parse_error *err)
{
	struct edges sum = {.cnt = 0};
	size_t len;
	char word[64];

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		snprintf(word, sizeof(word), "%.*s", len < sizeof(word) ? (int)len : (int)sizeof(word), text);
		if (sum.cnt == SF_HIST_BUCKETS - 1) {
			snprintf(err->text, sizeof(err->text), "%s: too many: 'exact' takes all there are",
				 what);
			return -EINVAL;
		}
		if (parse_edge(what, word, &sum.bucket[sum.cnt++], err))
			return -EINVAL;
		if (!text[len])
			break;
	}
	sort(&sum);
	*ret_edges = sum;
	return 0;
}

int edges__parse(const char *what, const char *text, struct edges *ret_edges, struct parse_error *err)
{
	if (!strcmp(text, "default"))
		edges__default(ret_edges);
	else if (!strcmp(text, "exact"))
		take_all(ret_edges);
	else
		return parse_list(what, text, ret_edges, err);
	return 0;
}
