/* SPDX-License-Identifier: GPL-2.0-only */
/* model/native and out/protobuf: where samples go in exponential buckets, and that what is packed is read back. */
#include "summing.h"
#include "pieces.h"
#include "sample.h"

#include <math.h>

#include "metrics.pb-c.h"
#include "model/native.h"
#include "out/protobuf.h"

/* A sample's bucket holds it, or is beside one that does by less than a bucket of ours. */
static void test_native_places(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t ns = 1025 + (next_random(&random) >> (24 + i % 30));
		struct hist h = {0};
		struct native n;
		double low, high;

		if (ns > 1ULL << SF_HIST_MAX_POW)
			continue;
		add_sample(&h, ns);
		native__from_hist(&h, &n);
		assert_int_equal(n.zero_cnt, 0);
		assert_int_equal(n.cnt, 1);
		high = exp2(n.bucket[0].index / 8.0) * 1e9;
		low = exp2((n.bucket[0].index - 1) / 8.0) * 1e9;
		assert_true((double)ns <= high * 1.0625 && (double)ns >= low / 1.0625);
	}
}

static void test_native_sums(void **state)
{
	struct hist h = {0};
	struct native n;
	uint64_t sum = 0;

	(void)state;
	for (uint64_t ns = 1; ns < UINT64_MAX / 4; ns += ns / 9 + 1)
		add_sample(&h, ns);
	native__from_hist(&h, &n);
	assert_true(n.zero_cnt == h.buckets[0] && n.zero_cnt > 0);
	for (unsigned int i = 0; i < n.cnt; i++) {
		assert_true(!i || n.bucket[i].index > n.bucket[i - 1].index);
		sum += n.bucket[i].count;
	}
	assert_true(sum + n.zero_cnt == h.count);
	assert_true(n.cnt < 260);
}

/* The next message; *at is moved behind it. */
static Synfin__MetricFamily *next_family(const struct str *s, size_t *at)
{
	Synfin__MetricFamily *family;
	size_t len = 0;

	for (unsigned int shift = 0;; shift += 7) {
		unsigned char byte = (unsigned char)s->buf[(*at)++];

		len |= (size_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	family = synfin__metric_family__unpack(NULL, len, (const uint8_t *)s->buf + *at);
	assert_non_null(family);
	*at += len;
	return family;
}

static void check_hist(const Synfin__Histogram *h)
{
	int64_t count = 0, sum = (int64_t)h->zero_count;
	size_t buckets = 0;

	assert_int_equal(h->sample_count, 3);
	assert_true(fabs(h->sample_sum - 0.002002524) < 1e-12);
	assert_int_equal(h->n_bucket, 3);
	assert_true(h->bucket[0]->upper_bound == 1.024e-6 && h->bucket[0]->cumulative_count == 1);
	assert_true(h->bucket[1]->cumulative_count == 2);
	assert_true(isinf(h->bucket[2]->upper_bound) && h->bucket[2]->cumulative_count == 3);
	assert_int_equal(h->schema, 3);
	assert_int_equal(h->zero_count, 1);
	assert_int_equal(h->n_positive_span, 2);
	for (size_t i = 0; i < h->n_positive_span; i++)
		buckets += h->positive_span[i]->length;
	assert_int_equal(buckets, h->n_positive_delta);
	for (size_t i = 0; i < h->n_positive_delta; i++)
		sum += count += h->positive_delta[i];
	assert_int_equal(sum, 3);
	/* 1.5 us is in 2^(-156/8) ... 2^(-155/8) s, 2 ms in 2^(-72/8) ... 2^(-71/8) s */
	assert_int_equal(h->positive_span[0]->offset, -154);
	assert_int_equal(h->positive_span[1]->offset, -71 + 154 - 1);
	assert_int_equal(h->created_timestamp->seconds, 1500000000);
}

/* What has no room is counted. */
static void check_bound(struct metrics *m, const struct edges *edges)
{
	bool is_counted = false;
	struct str s = {0};
	struct pieces to = {.take = take, .ctx = &s};
	size_t at = 0;

	m->max_bytes = 1;
	protobuf__write(&to, m, edges);
	assert_int_equal(pieces__end(&to), 0);
	pieces__fini(&to);
	while (at < s.len) {
		Synfin__MetricFamily *family = next_family(&s, &at);

		if (!strcmp(family->name, "synfin_handshake_seconds") ||
		    !strcmp(family->name, "synfin_opens_total"))
			assert_int_equal(family->n_metric, 0);
		for (size_t i = 0; !strcmp(family->name, "synfin_left_out") && i < family->n_metric; i++)
			is_counted |= !strcmp(family->metric[i]->label[0]->value, "synfin_opens") &&
				      family->metric[i]->gauge->value == 1;
		synfin__metric_family__free_unpacked(family, NULL);
	}
	assert_true(is_counted);
	str__fini(&s);
}

static void test_families(void **state)
{
	static const uint64_t took[] = {1024, 1500, 2000000};
	struct metrics m = {.created_ns = 1500000000250000000};
	struct parse_error err;
	struct series *series = NULL;
	struct edges edges;
	struct str s = {0};
	struct pieces to = {.take = take, .ctx = &s};
	unsigned int seen = 0, families = 0;
	size_t at = 0;

	(void)state;
	assert_int_equal(series__new(1, NULL, &series), 0);
	for (size_t i = 0; i < ARRAY_SIZE(took); i++) {
		struct sf_event ev = make_open();
		ev.conn.opening.connect_ts = ev.conn.opening.synack_ts = 0;
		ev.conn.opening.syn_ts = 1000;
		ev.conn.est_ts = ev.ts = 1000 + took[i];
		tally(series, &ev);
	}
	m.series = series;
	assert_int_equal(edges__parse("", "1024ns,1048576ns", &edges, &err), 0);
	protobuf__write(&to, &m, &edges);
	assert_int_equal(pieces__end(&to), 0);
	pieces__fini(&to);
	while (at < s.len) {
		Synfin__MetricFamily *family = next_family(&s, &at);

		families++;
		if (!strcmp(family->name, "synfin_handshake_seconds")) {
			assert_int_equal(family->type, SYNFIN__METRIC_TYPE__HISTOGRAM);
			assert_int_equal(family->n_metric, 1);
			assert_string_equal(family->metric[0]->label[1]->value, "established");
			check_hist(family->metric[0]->histogram);
			seen++;
		} else if (!strcmp(family->name, "synfin_opens_total")) {
			assert_true(family->metric[0]->counter->value == 3);
			seen++;
		}
		synfin__metric_family__free_unpacked(family, NULL);
	}
	assert_int_equal(at, s.len);
	assert_int_equal(seen, 2);
	assert_int_equal(families, 28);
	check_bound(&m, &edges);
	str__fini(&s);
	series__free(series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native_places),
		cmocka_unit_test(test_native_sums),
		cmocka_unit_test(test_families),
	};

	return cmocka_run_group_tests_name("protobuf", tests, NULL, NULL);
}
