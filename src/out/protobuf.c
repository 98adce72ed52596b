/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A metric is built as protobuf-c's tree of messages, each of them allocated, since that is what its free function takes back
 * whole, and packed at once: of a family only the packed form is kept until its length is known. Whatever fails to be allocated
 * makes the text incomplete, and is told so.
 */
#include "out/protobuf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.pb-c.h"
#include "model/native.h"

#define NS_PER_SEC 1000000000ULL
#define METRIC_TAG (4 << 3 | 2) /* MetricFamily.metric, of a length that follows */

struct writing {
	struct pieces *to;
	struct str *s; /* its text */
	const struct metrics *m;
	const struct edges *edges;
	struct str family; /* packed */
};

/* A message of its own, initialised; NULL marks the text as incomplete. */
static void *make(struct writing *w, size_t sz, const void *init)
{
	void *message = malloc(sz);

	if (message)
		memcpy(message, init, sz);
	else
		w->s->failed = true;
	return message;
}

#define MAKE(w, type, init) ((type *)make(w, sizeof(type), &(type)init))

static void *make_array(struct writing *w, size_t cnt, size_t sz)
{
	void *array = calloc(cnt ? cnt : 1, sz);

	if (!array)
		w->s->failed = true;
	return array;
}

static char *copy_text(struct writing *w, const char *at, size_t len)
{
	char *text = strndup(at, len);

	if (!text)
		w->s->failed = true;
	return text;
}

static Synfin__Timestamp *make_created(struct writing *w)
{
	Synfin__Timestamp *t = MAKE(w, Synfin__Timestamp, SYNFIN__TIMESTAMP__INIT);

	if (!t)
		return NULL;
	t->has_seconds = t->has_nanos = true;
	t->seconds = (int64_t)(w->m->created_ns / NS_PER_SEC);
	t->nanos = (int32_t)(w->m->created_ns % NS_PER_SEC);
	return t;
}

static void put_labels(struct writing *w, Synfin__Metric *metric, const struct sample *sample)
{
	metric->label = make_array(w, sample->label_cnt, sizeof(void *));
	for (unsigned int i = 0; metric->label && i < sample->label_cnt; i++) {
		Synfin__LabelPair *label = MAKE(w, Synfin__LabelPair, SYNFIN__LABEL_PAIR__INIT);

		if (!label)
			return;
		label->name = copy_text(w, sample->label[i].name, strlen(sample->label[i].name));
		label->value = copy_text(w, sample->label[i].value.at, sample->label[i].value.len);
		metric->label[metric->n_label++] = label;
	}
}

static void put_bucket(struct writing *w, Synfin__Histogram *to, double upper, uint64_t below)
{
	Synfin__Bucket *bucket = MAKE(w, Synfin__Bucket, SYNFIN__BUCKET__INIT);

	if (!bucket)
		return;
	bucket->has_cumulative_count = bucket->has_upper_bound = true;
	bucket->cumulative_count = below;
	bucket->upper_bound = upper;
	to->bucket[to->n_bucket++] = bucket;
}

static void put_classic(struct writing *w, Synfin__Histogram *to, const struct hist *h)
{
	unsigned int bucket = 0;
	uint64_t below = 0;

	to->bucket = make_array(w, w->edges->cnt + 1, sizeof(void *));
	if (!to->bucket)
		return;
	for (unsigned int i = 0; i < w->edges->cnt; i++) {
		for (; bucket <= w->edges->bucket[i]; bucket++)
			below += h->buckets[bucket];
		put_bucket(w, to, (double)sf_hist_upper(w->edges->bucket[i]) / NS_PER_SEC, below);
	}
	put_bucket(w, to, INFINITY, h->count);
}

/* Begins a span `gap` after the end of the one before. */
static Synfin__BucketSpan *put_span(struct writing *w, Synfin__Histogram *to, int gap)
{
	Synfin__BucketSpan *span = MAKE(w, Synfin__BucketSpan, SYNFIN__BUCKET_SPAN__INIT);

	if (!span)
		return NULL;
	span->has_offset = span->has_length = true;
	span->offset = gap;
	to->positive_span[to->n_positive_span++] = span;
	return span;
}

/* Counts are told as differences to the bucket before. */
static void put_native(struct writing *w, Synfin__Histogram *to, const struct hist *h)
{
	Synfin__BucketSpan *span = NULL;
	struct native n;
	int next = 0;

	native__from_hist(h, &n);
	to->has_schema = to->has_zero_threshold = to->has_zero_count = true;
	to->schema = NATIVE_SCHEMA;
	to->zero_threshold = native__zero_threshold();
	to->zero_count = n.zero_cnt;
	to->positive_span = make_array(w, n.cnt, sizeof(void *));
	to->positive_delta = make_array(w, n.cnt, sizeof(to->positive_delta[0]));
	if (!to->positive_span || !to->positive_delta)
		return;
	for (unsigned int i = 0; i < n.cnt; i++) {
		if (!span || n.bucket[i].index != next)
			span = put_span(w, to, n.bucket[i].index - next);
		if (!span)
			return;
		span->length++;
		to->positive_delta[to->n_positive_delta++] =
			(int64_t)(n.bucket[i].count - (i ? n.bucket[i - 1].count : 0));
		next = n.bucket[i].index + 1;
	}
}

static void put_hist(struct writing *w, Synfin__Metric *metric, const struct hist *h)
{
	Synfin__Histogram *to = MAKE(w, Synfin__Histogram, SYNFIN__HISTOGRAM__INIT);

	metric->histogram = to;
	if (!to)
		return;
	to->has_sample_count = to->has_sample_sum = true;
	to->sample_count = h->count;
	to->sample_sum = (double)h->sum_ns / NS_PER_SEC;
	to->created_timestamp = make_created(w);
	put_classic(w, to, h);
	put_native(w, to, h);
}

static void put_value(struct writing *w, Synfin__Metric *metric, const struct family *family, uint64_t value)
{
	double number = family->unit == UNIT_SECONDS ? (double)value / NS_PER_SEC : (double)value;

	if (family->type == FAMILY_COUNTER) {
		metric->counter = MAKE(w, Synfin__Counter, SYNFIN__COUNTER__INIT);
		if (!metric->counter)
			return;
		metric->counter->has_value = true;
		metric->counter->value = number;
		metric->counter->created_timestamp = make_created(w);
		return;
	}
	metric->gauge = MAKE(w, Synfin__Gauge, SYNFIN__GAUGE__INIT);
	if (!metric->gauge)
		return;
	metric->gauge->has_value = true;
	metric->gauge->value = number;
}

/* A number in seven bits a byte, the lowest first, as protobuf writes lengths. */
static void append_varint(struct str *s, size_t value)
{
	for (; value >= 0x80; value >>= 7)
		str__append_char(s, (char)(0x80 | (value & 0x7f)), 1);
	str__append_char(s, (char)value, 1);
}

static void append_packed(struct writing *w, const ProtobufCMessage *message)
{
	size_t sz = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = make_array(w, sz, 1);

	if (packed)
		str__append_bytes(&w->family, packed, protobuf_c_message_pack(message, packed));
	free(packed);
}

/* The family without its metrics, which in the packed form follow one by one. */
static void begin(void *ctx, const struct family *family)
{
	Synfin__MetricFamily head = SYNFIN__METRIC_FAMILY__INIT;
	struct writing *w = ctx;
	struct str name = {0};

	str__reset(&w->family);
	str__appendf(&name, "%s%s", family->name, family__suffix(family));
	w->s->failed |= name.failed;
	head.name = (char *)str__text(&name);
	head.help = (char *)family->help;
	head.has_type = true;
	head.type = family->type == FAMILY_HISTOGRAM ? SYNFIN__METRIC_TYPE__HISTOGRAM
		    : family->type == FAMILY_COUNTER ? SYNFIN__METRIC_TYPE__COUNTER
						     : SYNFIN__METRIC_TYPE__GAUGE;
	append_packed(w, &head.base);
	str__fini(&name);
}

static void put_sample(void *ctx, const struct family *family, const struct sample *sample)
{
	struct writing *w = ctx;
	Synfin__Metric *metric = MAKE(w, Synfin__Metric, SYNFIN__METRIC__INIT);

	if (!metric)
		return;
	put_labels(w, metric, sample);
	if (family->type == FAMILY_HISTOGRAM)
		put_hist(w, metric, sample->hist);
	else
		put_value(w, metric, family, sample->value);
	if (!w->s->failed) {
		str__append_char(&w->family, METRIC_TAG, 1);
		append_varint(&w->family, synfin__metric__get_packed_size(metric));
		append_packed(w, &metric->base);
	}
	synfin__metric__free_unpacked(metric, NULL);
} /* NOLINT(clang-analyzer-unix.Malloc): which the analyzer takes for a function that frees nothing */

static void end(void *ctx, const struct family *family)
{
	struct writing *w = ctx;

	(void)family;
	append_varint(w->s, w->family.len);
	str__append_bytes(w->s, str__text(&w->family), w->family.len);
	w->s->failed |= w->family.failed;
	pieces__pass(w->to);
}

static size_t get_size(const void *ctx)
{
	const struct writing *w = ctx;

	return pieces__len(w->to) + w->family.len;
}

void protobuf__write(struct pieces *to, const struct metrics *m, const struct edges *edges)
{
	static const struct family_sink sink = {begin, put_sample, end, get_size};
	struct writing w = {.to = to, .s = &to->text, .m = m, .edges = edges};

	families__walk(m, &sink, &w);
	str__fini(&w.family);
}
