/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A histogram is some dozen lines that differ in `le` alone, and there may be thousands of them in a scrape:
 * labels and bounds are made once and copied.
 */
#include "out/openmetrics.h"

#include <string.h>

#define NS_PER_SEC 1000000000ULL

/* `0.00001024"} `: a bound, and what stands between it and the count. */
struct edge_text {
	char at[24];
	size_t len;
};

/* One writing. */
struct text {
	struct pieces *to;
	struct str *s; /* its text */
	const struct edges *edges;
	const struct metrics *m;
	struct str labels; /* of the sample: role="client",outcome="established" */
	struct str bucket; /* the head of its buckets' lines */
	struct edge_text le[SF_HIST_BUCKETS];
};

/* Seconds to the last digit, without noughts behind it: 0.00001024, 1.0. */
static void append_seconds(struct str *s, hist_sum ns)
{
	uint64_t fraction = (uint64_t)(ns % NS_PER_SEC);
	int digits = 9;

	for (; digits > 1 && fraction % 10 == 0; digits--)
		fraction /= 10;
	str__appendf(s, "%llu.%0*llu", (unsigned long long)(ns / NS_PER_SEC), digits,
		     (unsigned long long)fraction);
}

static void append_escaped(struct str *s, struct by_value value)
{
	size_t i;

	for (i = 0; i < value.len; i++) {
		if (value.at[i] == '\n') {
			str__append(s, "\\n");
			continue;
		}
		if (value.at[i] == '"' || value.at[i] == '\\')
			str__append_char(s, '\\', 1);
		str__append_char(s, value.at[i], 1);
	}
}

static void make_labels(struct text *t, const struct sample *sample)
{
	str__reset(&t->labels);
	for (unsigned int i = 0; i < sample->label_cnt; i++) {
		str__append(&t->labels, i ? "," : "");
		str__append(&t->labels, sample->label[i].name);
		str__append(&t->labels, "=\"");
		append_escaped(&t->labels, sample->label[i].value);
		str__append(&t->labels, "\"");
	}
	t->s->failed |= t->labels.failed;
}

/* name_suffix{labels} and a blank; the value follows. */
static void put_name(struct text *t, const struct family *family, const char *suffix)
{
	str__append(t->s, family->name);
	str__append(t->s, suffix);
	if (t->labels.len) {
		str__append_char(t->s, '{', 1);
		str__append_bytes(t->s, t->labels.buf, t->labels.len);
		str__append_char(t->s, '}', 1);
	}
	str__append_char(t->s, ' ', 1);
}

/* The lines of a histogram's buckets begin alike, up to the bound; what follows the bound is in t->le. */
static void make_bucket_head(struct text *t, const struct family *family)
{
	str__reset(&t->bucket);
	str__append(&t->bucket, family->name);
	str__append(&t->bucket, "_bucket{");
	if (t->labels.len) {
		str__append_bytes(&t->bucket, t->labels.buf, t->labels.len);
		str__append_char(&t->bucket, ',', 1);
	}
	str__append(&t->bucket, "le=\"");
	t->s->failed |= t->bucket.failed;
}

static void put_bucket(struct text *t, const struct edge_text *le, uint64_t count)
{
	str__append_bytes(t->s, t->bucket.buf, t->bucket.len);
	str__append_bytes(t->s, le->at, le->len);
	str__append_u64(t->s, count);
	str__append_char(t->s, '\n', 1);
}

static void put_hist(struct text *t, const struct family *family, const struct hist *h)
{
	unsigned int bucket = 0;
	uint64_t below = 0;

	make_bucket_head(t, family);
	for (unsigned int i = 0; i < t->edges->cnt; i++) {
		for (; bucket <= t->edges->bucket[i]; bucket++)
			below += h->buckets[bucket];
		put_bucket(t, &t->le[i], below);
	}
	put_bucket(t, &t->le[t->edges->cnt], h->count);
	put_name(t, family, "_sum");
	append_seconds(t->s, h->sum_ns);
	str__append_char(t->s, '\n', 1);
	put_name(t, family, "_count");
	str__append_u64(t->s, h->count);
	str__append_char(t->s, '\n', 1);
}

static void put_value(struct text *t, const struct family *family, const char *suffix, uint64_t value)
{
	put_name(t, family, suffix);
	if (family->unit == UNIT_SECONDS)
		append_seconds(t->s, value);
	else
		str__append_u64(t->s, value);
	str__append_char(t->s, '\n', 1);
}

/* What the two forms have in common. */
static void put_sample(struct text *t, const struct family *family, const struct sample *sample)
{
	make_labels(t, sample);
	if (family->type == FAMILY_HISTOGRAM)
		put_hist(t, family, sample->hist);
	else
		put_value(t, family, family__suffix(family), sample->value);
	pieces__pass(t->to);
}

static void begin_open(void *ctx, const struct family *family)
{
	static const char *const types[] = {[FAMILY_COUNTER] = "counter",
					    [FAMILY_GAUGE] = "gauge",
					    [FAMILY_INFO] = "info",
					    [FAMILY_HISTOGRAM] = "histogram"};
	static const char *const units[] = {[UNIT_SECONDS] = "seconds", [UNIT_BYTES] = "bytes"};
	struct text *t = ctx;

	str__appendf(t->s, "# TYPE %s %s\n", family->name, types[family->type]);
	if (family->unit != UNIT_NONE)
		str__appendf(t->s, "# UNIT %s %s\n", family->name, units[family->unit]);
	str__appendf(t->s, "# HELP %s %s\n", family->name, family->help);
}

static void sample_open(void *ctx, const struct family *family, const struct sample *sample)
{
	struct text *t = ctx;

	put_sample(t, family, sample);
	if (family->type != FAMILY_COUNTER && family->type != FAMILY_HISTOGRAM)
		return;
	put_name(t, family, "_created");
	append_seconds(t->s, t->m->created_ns);
	str__append_char(t->s, '\n', 1);
}

/* Here a family is called by the full name of its samples, and there is no such thing as info. */
static void begin_classic(void *ctx, const struct family *family)
{
	static const char *const types[] = {[FAMILY_COUNTER] = "counter",
					    [FAMILY_GAUGE] = "gauge",
					    [FAMILY_INFO] = "gauge",
					    [FAMILY_HISTOGRAM] = "histogram"};
	struct text *t = ctx;

	str__appendf(t->s, "# HELP %s%s %s\n", family->name, family__suffix(family), family->help);
	str__appendf(t->s, "# TYPE %s%s %s\n", family->name, family__suffix(family), types[family->type]);
}

static void sample_classic(void *ctx, const struct family *family, const struct sample *sample)
{
	put_sample(ctx, family, sample);
}

static size_t get_size(const void *ctx)
{
	const struct text *t = ctx;

	return pieces__len(t->to);
}

static void make_edges(struct text *t)
{
	struct str le = {0};

	for (unsigned int i = 0; i <= t->edges->cnt; i++) {
		struct edge_text *edge = &t->le[i];

		str__reset(&le);
		if (i < t->edges->cnt)
			append_seconds(&le, sf_hist_upper(t->edges->bucket[i]));
		else
			str__append(&le, "+Inf");
		str__append(&le, "\"} ");
		edge->len = le.len < sizeof(edge->at) ? le.len : sizeof(edge->at);
		memcpy(edge->at, str__text(&le), edge->len);
	}
	t->s->failed |= le.failed;
	str__fini(&le);
}

static void write_all(struct pieces *to, const struct metrics *m, const struct edges *edges,
		      const struct family_sink *sink)
{
	struct text t = {.to = to, .s = &to->text, .edges = edges, .m = m};

	make_edges(&t);
	families__walk(m, sink, &t);
	str__fini(&t.labels);
	str__fini(&t.bucket);
}

void openmetrics__write(struct pieces *to, const struct metrics *m, const struct edges *edges)
{
	static const struct family_sink sink = {begin_open, sample_open, NULL, get_size};

	write_all(to, m, edges, &sink);
	str__append(&to->text, "# EOF\n");
}

void openmetrics__write_classic(struct pieces *to, const struct metrics *m, const struct edges *edges)
{
	static const struct family_sink sink = {begin_classic, sample_classic, NULL, get_size};

	write_all(to, m, edges, &sink);
}
