/* SPDX-License-Identifier: GPL-2.0-only */
/* out/openmetrics: the two text forms of a known series, cumulative buckets, escaped labels. */
#include "sample.h"
#include "summing.h"
#include "pieces.h"

#include <stdio.h>
#include <stdlib.h>

#include "out/openmetrics.h"

static const struct metrics_hook hook_list[] = {{"state", "tp_btf"}, {"syn", NULL}};

static void add_open(struct series *s, uint64_t took_ns, const char *comm)
{
	struct sf_event ev = make_open();
	ev.conn.opening.connect_ts = 0;
	ev.conn.opening.syn_ts = 1000;
	ev.conn.opening.synack_ts = 0;
	ev.conn.est_ts = ev.ts = 1000 + took_ns;
	memset(ev.conn.comm, 0, sizeof(ev.conn.comm));
	memcpy(ev.conn.comm, comm, strlen(comm));
	tally(s, &ev);
}

static char *write_named(const struct series *s, const char *buckets, bool is_classic, enum naming naming)
{
	struct metrics m = {.naming = naming,
			    .series = s,
			    .losses = {.lost = {1, 2, 3, 4}, .missed = {1, 0, 0, 0, 1}},
			    .created_ns = 1500000000250000000,
			    .hooks = hook_list,
			    .hook_cnt = ARRAY_SIZE(hook_list),
			    .usage = {1500000000, 4096, 1400000000000000000}};
	struct parse_error err;
	struct edges edges;
	struct str text = {0};
	struct pieces to = {.take = take, .ctx = &text};

	assert_int_equal(edges__parse("--buckets", buckets, &edges, &err), 0);
	(is_classic ? openmetrics__write_classic : openmetrics__write)(&to, &m, &edges);
	assert_int_equal(pieces__end(&to), 0);
	pieces__fini(&to);
	return text.buf;
}

static char *write_text(const struct series *s, const char *buckets, bool is_classic)
{
	return write_named(s, buckets, is_classic, NAMING_SYNFIN);
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no\n%s\nin\n%s", part, text);
}

static struct series *make_series(const struct by *by)
{
	struct series *s = NULL;

	assert_int_equal(series__new(2, by, &s), 0);
	return s;
}

static void test_open_form(void **state)
{
	struct series *s = make_series(NULL);
	char *text;

	(void)state;
	add_open(s, 1024, "curl");
	add_open(s, 1025, "curl");
	add_open(s, 2000000, "curl");
	add_open(s, 2000000000000, "curl");
	text = write_text(s, "1024ns,1048576ns,1073741824ns", false);
	expect(text, "# TYPE synfin_handshake_seconds histogram\n"
		     "# UNIT synfin_handshake_seconds seconds\n"
		     "# HELP synfin_handshake_seconds From SYN to ");
	expect(text,
	       "\nsynfin_handshake_seconds_bucket{role=\"client\",outcome=\"established\",le=\"0.000001024\"}"
	       " 1\n"
	       "synfin_handshake_seconds_bucket{role=\"client\",outcome=\"established\",le=\"0.001048576\"} "
	       "2\n"
	       "synfin_handshake_seconds_bucket{role=\"client\",outcome=\"established\",le=\"1.073741824\"} "
	       "3\n"
	       "synfin_handshake_seconds_bucket{role=\"client\",outcome=\"established\",le=\"+Inf\"} 4\n"
	       "synfin_handshake_seconds_sum{role=\"client\",outcome=\"established\"} 2000.002002049\n"
	       "synfin_handshake_seconds_count{role=\"client\",outcome=\"established\"} 4\n"
	       "synfin_handshake_seconds_created{role=\"client\",outcome=\"established\"} 1500000000.25\n");
	expect(text, "# TYPE synfin_opens counter\n# HELP synfin_opens ");
	expect(text, "\nsynfin_opens_total{role=\"client\",outcome=\"established\"} 4\n"
		     "synfin_opens_created{role=\"client\",outcome=\"established\"} 1500000000.25\n");
	expect(text, "\nsynfin_lost_total{class=\"dropped\"} 1\n");
	expect(text, "\nsynfin_lost_total{class=\"unattributed\"} 4\n");
	expect(text, "\nsynfin_missed_total{cause=\"skipped\"} 1\n");
	expect(text, "\nsynfin_missed_total{cause=\"end\"} 0\n");
	expect(text, "\nsynfin_missed_total{cause=\"reused\"} 1\n");
	expect(text, "# TYPE synfin_hook info\n");
	expect(text, "\nsynfin_hook_info{hook=\"state\",variant=\"tp_btf\"} 1\n"
		     "synfin_hook_info{hook=\"syn\",variant=\"none\"} 1\n#");
	expect(text, "\nprocess_cpu_seconds_total 1.5\n");
	expect(text, "# UNIT process_resident_memory_bytes bytes\n");
	expect(text, "\nprocess_start_time_seconds 1400000000.0\n# EOF\n");
	free(text);
	series__free(s);
}

static void test_classic_form(void **state)
{
	struct series *s = make_series(NULL);
	char *text;

	(void)state;
	add_open(s, 1024, "curl");
	text = write_text(s, "1024ns", true);
	expect(text,
	       "# HELP synfin_opens_total Handshakes that ended, by how.\n# TYPE synfin_opens_total counter\n"
	       "synfin_opens_total{role=\"client\",outcome=\"established\"} 1\n#");
	expect(text, "# TYPE synfin_build_info gauge\n");
	expect(text, "# TYPE synfin_accept_wait_seconds histogram\n#");
	assert_null(strstr(text, "_created"));
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "EOF"));
	free(text);
	series__free(s);
}

/* All buckets, whatever is in them: a set that changed from scrape to scrape would break rate(). */
static void test_exact(void **state)
{
	struct series *s = make_series(NULL);
	char *text;
	unsigned int buckets = 0;

	(void)state;
	add_open(s, 5000, "curl");
	text = write_text(s, "exact", false);
	for (const char *at = text; (at = strstr(at, "_bucket{role=\"client\",outcome=\"established\""));
	     at++)
		buckets++;
	assert_int_equal(buckets, SF_HIST_BUCKETS);
	free(text);
	series__free(s);
}

/* Beyond the bound series are left out, whole, and counted by metric; the rest of the page is there. */
static void test_bound(void **state)
{
	struct series *s = make_series(&(struct by){.fields = {BY_COMM}, .cnt = 1});
	struct metrics m = {.series = s, .max_bytes = 1};
	struct str text = {0};
	struct pieces to = {.take = take, .ctx = &text};
	struct edges edges;

	(void)state;
	add_open(s, 1024, "one");
	add_open(s, 1024, "two");
	edges__default(&edges);
	openmetrics__write(&to, &m, &edges);
	assert_int_equal(pieces__end(&to), 0);
	assert_null(strstr(text.buf, "comm=\"one\""));
	expect(text.buf, "# TYPE synfin_left_out gauge\n");
	expect(text.buf, "\nsynfin_left_out{metric=\"synfin_handshake_seconds\"} 2\n");
	expect(text.buf, "\nsynfin_left_out{metric=\"synfin_opens\"} 2\n");
	expect(text.buf, "\nsynfin_left_out{metric=\"synfin_resets\"} 0\n");
	expect(text.buf, "\n# EOF\n");
	str__reset(&text);
	to.done = 0;
	m.max_bytes = 1000;
	openmetrics__write_classic(&to, &m, &edges);
	assert_int_equal(pieces__end(&to), 0);
	expect(text.buf,
	       "synfin_handshake_seconds_count{comm=\"one\",role=\"client\",outcome=\"established\"} 1\n");
	assert_null(strstr(text.buf, "comm=\"two\""));
	expect(text.buf, "\nsynfin_left_out{metric=\"synfin_handshake_seconds\"} 1\n");
	str__reset(&text);
	to.done = 0;
	m.max_bytes = 0;
	m.naming = NAMING_OTEL;
	openmetrics__write(&to, &m, &edges);
	assert_int_equal(pieces__end(&to), 0);
	expect(text.buf, "\nsynfin_left_out{metric=\"system_network_tcp_handshake_duration_seconds\"} 0\n");
	pieces__fini(&to);
	str__fini(&text);
	series__free(s);
}

/* 2^64 ns and more: to the last digit. */
static void test_large_sum(void **state)
{
	struct series *s = make_series(NULL);
	struct hist h = {0};
	struct series_item item = {.key = "", .metric = SERIES_ACCEPT_WAIT, .hist = &h};
	char *text;

	(void)state;
	add_sample(&h, 60000000001);
	while (h.count < 1 << 29) {
		struct hist same = h;

		hist__merge(&h, &same);
	}
	assert_int_equal(series__put(s, &item), 0);
	text = write_text(s, "1024ns", false);
	expect(text, "\nsynfin_accept_wait_seconds_sum 32212254720.536870912\n");
	free(text);
	series__free(s);
}

static void test_labels(void **state)
{
	struct series *s = make_series(&(struct by){.fields = {BY_COMM, BY_ROLE}, .cnt = 2});
	char *text;

	(void)state;
	add_open(s, 1024, "a\"b\\c\nd\xff");
	add_open(s, 1024, "two");
	add_open(s, 1024, "three");
	assert_int_equal(
		series__put_totals(s, &(struct series_totals){.folded = 1, .misplaced = 2, .expired = 4}), 0);
	text = write_text(s, "1024ns", false);
	expect(text, "\nsynfin_opens_total{comm=\"a\\\"b\\\\c\xef\xbf\xbd"
		     "d\xef\xbf\xbd\",role=\"client\","
		     "outcome=\"established\"} 1\n");
	expect(text, "\nsynfin_opens_total{comm=\"other\",role=\"client\",outcome=\"established\"} 1\n");
	expect(text, "\nsynfin_series_folded_total 1\n");
	expect(text, "\nsynfin_series_misplaced_total 2\n");
	expect(text, "\nsynfin_series_expired_total 4\n");
	free(text);
	series__free(s);
}

/* Names and words of the registry where it has them, all else as it is called otherwise. */
static void test_otel(void **state)
{
	struct series *s = make_series(&(struct by){.fields = {BY_COMM, BY_RPORT}, .cnt = 2});
	struct series_item item = {.key = "curl\x1f"
					  "443",
				   .metric = SERIES_RESETS,
				   .label = {{"direction", "in"}, {"reason", "unknown"}},
				   .count = 2};
	char *text;

	(void)state;
	add_open(s, 1024, "curl");
	assert_int_equal(series__put(s, &item), 0);
	text = write_named(s, "1024ns", false, NAMING_OTEL);
	expect(text, "# TYPE system_network_tcp_handshake_duration_seconds histogram\n"
		     "# UNIT system_network_tcp_handshake_duration_seconds seconds\n");
	expect(text,
	       "\nsystem_network_tcp_handshake_duration_seconds_count{process_executable_name=\"curl\",");
	expect(text, ",role=\"client\",outcome=\"established\"} 1\n");
	expect(text,
	       "\nsystem_network_tcp_resets_total{process_executable_name=\"curl\",network_peer_port=\"443\","
	       "network_io_direction=\"receive\",reason=\"unknown\"} 2\n");
	expect(text, "\nsynfin_lost_total{class=\"dropped\"} 1\n");
	assert_null(strstr(text, "synfin_handshake"));
	free(text);
	series__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_form), cmocka_unit_test(test_classic_form),
		cmocka_unit_test(test_exact),	  cmocka_unit_test(test_bound),
		cmocka_unit_test(test_large_sum), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_otel),
	};

	return cmocka_run_group_tests_name("openmetrics", tests, NULL, NULL);
}
