/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One JSON object an interval. Buckets are [upper bound in ns, count] with inclusive bounds, only those
 * that are not empty; counts are not cumulative; the bucket without an upper bound has null.
 */
#include "base/json.h"
#include "model/names.h"
#include "out/impl.h"
#include "out/interval.h"

/* "comm=curl rport=443" for people, and as an object for programs. */
static void put_key(struct json *j, const struct by *by, const struct series_item *item)
{
	struct str value = {0};

	out__append_key(&value, by, item->key);
	json__key_string(j, "key", str__text(&value));
	json__key(j, "by");
	json__begin_object(j);
	for (unsigned int i = 0; i < by->cnt; i++) {
		struct by_value v = by__value(item->key, i);

		str__reset(&value);
		str__append_bytes(&value, v.at, v.len);
		json__key_string(j, by__name(by->fields[i]), str__text(&value));
	}
	json__end_object(j);
	j->out->failed |= value.failed;
	str__fini(&value);
}

static void put_head(struct json *j, const struct by *by, const struct series_item *item)
{
	unsigned int i;

	put_key(j, by, item);
	json__key_bool(j, "other", item->is_other);
	json__key_string(j, "metric", series__metric_name(item->metric));
	json__key(j, "labels");
	json__begin_object(j);
	for (i = 0; i < 2 && item->label[i].name; i++)
		json__key_string(j, item->label[i].name, item->label[i].value);
	json__end_object(j);
	json__key_u64(j, "count", item->count);
}

static void put_buckets(struct json *j, const struct hist *h)
{
	unsigned int i;

	json__key(j, "buckets");
	json__begin_array(j);
	for (i = 0; i < SF_HIST_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		json__begin_array(j);
		if (i < SF_HIST_BUCKETS - 1)
			json__u64(j, sf_hist_upper(i));
		else
			json__null(j);
		json__u64(j, h->buckets[i]);
		json__end_array(j);
	}
	json__end_array(j);
}

static void put_hist(struct json *j, const struct by *by, const struct series_item *item)
{
	const struct hist *h = item->hist;

	json__begin_object(j);
	put_head(j, by, item);
	json__key(j, "sum_ns");
	json__u128(j, h->sum_ns);
	json__key_u64(j, "min_ns", h->min_ns);
	json__key_u64(j, "max_ns", h->max_ns);
	json__key_u64(j, "p50_ns", hist__quantile(h, 500000));
	json__key_u64(j, "p90_ns", hist__quantile(h, 900000));
	json__key_u64(j, "p99_ns", hist__quantile(h, 990000));
	json__key_u64(j, "p999_ns", hist__quantile(h, 999000));
	put_buckets(j, h);
	json__end_object(j);
}

static void put_counter(struct json *j, const struct by *by, const struct series_item *item)
{
	json__begin_object(j);
	put_head(j, by, item);
	json__end_object(j);
}

/* All items of one kind, as an array. */
static void put_items(struct json *j, const struct series *s, const char *key, bool hists)
{
	struct series_iter it = {0};
	struct series_item item;

	json__key(j, key);
	json__begin_array(j);
	while (series__next(s, &it, &item)) {
		if (SERIES_IS_HIST(item.metric) != hists)
			continue;
		if (hists)
			put_hist(j, series__by(s), &item);
		else
			put_counter(j, series__by(s), &item);
	}
	json__end_array(j);
}

static void put_group(struct json *j, const struct census_group *g)
{
	json__begin_object(j);
	json__key_string(j, "state", census__state_name(g->state));
	json__key_nonzero(j, "pid", g->pid);
	json__key_string(j, "comm", g->pid ? g->comm : NULL);
	json__key_u64(j, "count", g->count);
	json__key(j, "oldest_ns");
	if (g->oldest_ns == SF_ABSENT)
		json__null(j);
	else
		json__i64(j, g->oldest_ns);
	json__key_bool(j, "at_least", g->at_least);
	json__end_object(j);
}

static void put_census(struct json *j, struct census *census)
{
	const struct census_group *groups;
	unsigned int state;
	size_t cnt, i;

	json__key(j, "alive");
	json__begin_object(j);
	for (state = 0; state < CENSUS_STATES; state++)
		if (census__count(census, state))
			json__key_u64(j, census__state_name(state), census__count(census, state));
	json__end_object(j);
	groups = census__groups(census, &cnt);
	json__key(j, "piled_up");
	json__begin_array(j);
	for (i = 0; i < cnt; i++)
		put_group(j, &groups[i]);
	json__end_array(j);
}

static void put_fields(struct json *j, const struct by *by)
{
	json__key(j, "by");
	json__begin_array(j);
	for (unsigned int i = 0; i < by->cnt; i++)
		json__string(j, by__name(by->fields[i]));
	json__end_array(j);
}

static void put_lost(struct json *j, const struct report *r)
{
	json__key(j, "lost");
	json__begin_object(j);
	for (unsigned int i = 0; i < __SF_LOST_MAX; i++)
		json__key_u64(j, names__lost(i), r->lost[i]);
	json__end_object(j);
}

void report__write_json(struct str *s, const struct report *r)
{
	char time[CLOCK_RFC3339_SZ];
	struct json j;

	json__init(&j, s);
	json__begin_object(&j);
	json__key_u64(&j, "v", 1);
	json__key_string(&j, "type", "hist");
	json__key_string(&j, "time", clock__rfc3339(r->end_ns, time));
	json__key_nonzero(&j, "mono_ns", r->mono_ns);
	json__key_u64(&j, "interval_ns", r->interval_ns);
	put_fields(&j, series__by(r->series));
	put_items(&j, r->series, "histograms", true);
	put_items(&j, r->series, "counters", false);
	if (r->census)
		put_census(&j, r->census);
	json__key_u64(&j, "lower_bounds", series__totals(r->series)->bounds);
	json__key_u64(&j, "folded", series__totals(r->series)->folded);
	json__key_u64(&j, "misplaced", series__totals(r->series)->misplaced);
	put_lost(&j, r);
	json__end_object(&j);
	str__append_char(s, '\n', 1);
}

int out__new_histjson(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, struct out **ret_out)
{
	return interval_out__new(fd, clk, source, max_sets, by, NULL, report__write_json, ret_out);
}
