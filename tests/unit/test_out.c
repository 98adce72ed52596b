/* SPDX-License-Identifier: GPL-2.0-only */
/* src/out: the exact text of each form, hostile bytes, losses, and what a failed write does. */
#include "summing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "out/out.h"
#include "out/report.h"

typedef int (*new_fn)(int fd, const struct clock *clk, struct out **ret_out);

static const struct clock unit_clock = {.offset_ns = 1763712000000000000};

static int new_table(int fd, const struct clock *clk, struct out **ret_out)
{
	return out__new_table(fd, clk, &(struct term){0}, ret_out);
}

static int new_histtext(int fd, const struct clock *clk, struct out **ret_out)
{
	return out__new_histtext(fd, clk, &tally_source, 10, NULL, ret_out);
}

static int new_histjson(int fd, const struct clock *clk, struct out **ret_out)
{
	return out__new_histjson(fd, clk, &tally_source, 10, NULL, ret_out);
}

/* An output into a file, and what has been written to it. */
struct sink {
	FILE *file;
	struct out *out;
	char text[65536];
};

static void open_sink(struct sink *k, new_fn fn)
{
	memset(&tally_into, 0, sizeof(tally_into));
	k->file = tmpfile();
	assert_non_null(k->file);
	assert_int_equal(fn(fileno(k->file), &unit_clock, &k->out), 0);
}

static const char *sink_text(struct sink *k)
{
	ssize_t n;

	assert_int_equal(out__flush(k->out), 0);
	n = pread(fileno(k->file), k->text, sizeof(k->text) - 1, 0);
	assert_true(n >= 0);
	k->text[n] = '\0';
	return k->text;
}

static void close_sink(struct sink *k)
{
	out__free(k->out);
	fclose(k->file);
}

static void put(struct sink *k, const struct sf_event *ev)
{
	struct record r = decode(ev);

	assert_int_equal(out__record(k->out, &r), 0);
}

/* Write one record, and compare the line: what all records of make_event() begin with, then `rest`. */
static void assert_json(const struct sf_event *ev, const char *type, const char *rest)
{
	struct str want = {0};
	struct sink k;

	str__appendf(
		&want,
		"{\"v\":1,\"type\":\"%s\",\"id\":7,\"time\":\"2025-11-21T08:00:00.%09uZ\",\"mono_ns\":%u,"
		"\"family\":4,\"laddr\":\"192.0.2.1\",\"lport\":43210,\"raddr\":\"198.51.100.9\","
		"\"rport\":443,\"service_port\":443,\"netns\":4026531840,\"cookie\":4097,\"role\":\"client\","
		"\"flags\":[],"
		"\"owner\":{\"pid\":1234,\"tid\":1235,\"start_ns\":900,\"comm\":\"curl\",\"uid\":1000,"
		"\"cgroup_id\":55,"
		"\"cgroup\":null,\"container\":null,\"unit\":null,\"source\":\"connect\"},%s\n",
		type, (unsigned int)ev->ts, (unsigned int)ev->ts, rest);
	open_sink(&k, out__new_jsonl);
	put(&k, ev);
	assert_string_equal(sink_text(&k), str__text(&want));
	assert_int_equal(count_json_lines(k.text), 1);
	close_sink(&k);
	str__fini(&want);
}

static void test_jsonl(void **state)
{
	struct sf_event ev = make_open();

	(void)state;
	assert_json(
		&ev, "open",
		"\"outcome\":\"established\",\"handshake_ns\":400,\"attempt_ns\":null,\"stages\":{"
		"\"connect_ns\":0,\"syn_ns\":100,\"synack_ns\":400,\"established_ns\":500,\"accept_ns\":null}"
		","
		"\"port_search_ns\":100,\"syn_retrans\":0,\"synack_retrans\":null,\"isn\":null,"
		"\"peer_isn\":null,\"error\":null,\"backlog\":{\"len\":null,\"max\":null},\"at_least\":[]}");
	ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 2500, 2500);
	assert_json(
		&ev, "close",
		"\"outcome\":\"fin\",\"closed_by\":\"local\",\"rst_reason\":null,\"rst_reason_derived\":"
		"false,"
		"\"error\":null,\"states\":{"
		"\"established_ns\":1000,\"fin_wait1_ns\":100,\"fin_wait2_ns\":400,\"closing_ns\":null,"
		"\"close_wait_ns\":null,\"last_ack_ns\":null},\"half_close_ns\":500,\"close_ns\":500,"
		"\"life_ns\":1500,\"time_wait\":false,\"fin_retrans\":0,\"retrans\":0,\"closer\":{\"pid\":"
		"null,"
		"\"comm\":null},\"srtt_ns\":null,\"bytes_sent\":0,\"bytes_received\":0,\"at_least\":[]}");
	ev = make_event(SF_EV_ACCEPT, SF_OUT_NONE, 3000);
	ev.conn.est_ts = ev.ts - 12;
	assert_json(&ev, "accept", "\"accept_wait_ns\":12,\"at_least\":[]}");
	ev = make_event(SF_EV_GONE, SF_OUT_TW_REUSED, 9000);
	assert_json(&ev, "gone",
		    "\"time_wait_ns\":null,\"end\":\"reused\",\"how\":\"reused\",\"at_least\":[]}");
	ev = make_event(SF_EV_STAGE, SF_OUT_NONE, 9100);
	ev.stage = SF_ST_FIN_SENT;
	ev.seq = 4000000000U;
	ev.known = SF_K_SEQ;
	assert_json(&ev, "stage",
		    "\"stage\":\"fin_sent\",\"seq\":4000000000,\"ack\":null,\"retrans\":false}");
}

/* What a sink that has not seen anything yet makes of it. */
static void append_fresh(struct str *s, const struct record *r)
{
	struct sink k;

	open_sink(&k, out__new_jsonl);
	assert_int_equal(out__record(k.out, r), 0);
	str__append(s, sink_text(&k));
	close_sink(&k);
}

/* What a line shares with others is kept; whatever changes is not taken from there, and neither is what it changes back to. */
static void test_jsonl_what_changes(void **state)
{
	struct sf_event ev = make_open();
	struct record was = decode(&ev), is[18];
	struct str want = {0};
	struct sink k;

	(void)state;
	was.owner.cgroup = "/a.slice";
	for (size_t i = 0; i < ARRAY_SIZE(is); i++)
		is[i] = was;
	is[0].owner.pid++;
	is[1].owner.tid += 64; /* in the same place */
	is[2].owner.uid++;
	is[3].owner.start_ns++;
	is[4].owner.cgroup_id++;
	is[5].owner.cgroup = "/b.slice";
	is[6].owner.cgroup = NULL;
	is[7].owner.comm[3]++;
	is[8].owner.source = SF_SRC_NONE;
	is[9].id += 4096 * 1024; /* in the same place */
	is[10].cookie++;
	is[11].netns++;
	is[12].role = SF_ROLE_SERVER;
	is[13].af = AF_INET6;
	is[14].lport++;
	is[15].rport++;
	is[16].service_port++;
	is[17].raddr[15] = is[17].laddr[3] = 9;
	open_sink(&k, out__new_jsonl);
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		assert_int_equal(out__record(k.out, &was), 0);
		assert_int_equal(out__record(k.out, &is[i]), 0);
		append_fresh(&want, &was);
		append_fresh(&want, &is[i]);
	}
	assert_string_equal(sink_text(&k), str__text(&want));
	close_sink(&k);
	str__fini(&want);
}

/* Each number is written in records of at least one type; this test does not ask which. */
static bool is_written(const struct record *r, int64_t number)
{
	struct record of_type = *r;
	struct str text = {0}, want = {0};
	bool is_found;

	for (of_type.type = SF_EV_OPEN; of_type.type < __SF_EV_MAX; of_type.type++)
		append_fresh(&text, &of_type);
	str__appendf(&want, ":%" PRId64, number);
	is_found = strstr(str__text(&text), str__text(&want));
	str__fini(&text);
	str__fini(&want);
	return is_found;
}

static void test_jsonl_numbers(void **state)
{
	struct sf_event ev = make_event(SF_EV_STAGE, SF_OUT_NONE, 9100);
	struct record r, nothing;

	(void)state;
	ev.stage = SF_ST_FIN_SENT;
	nothing = decode(&ev);
#define CHECK(name)                             \
	r = nothing;                            \
	r.name = 1234567890123;                 \
	assert_true(nothing.name == SF_ABSENT); \
	assert_true(is_written(&r, r.name));    \
	assert_false(is_written(&nothing, r.name));
	RECORD_NUMBERS(CHECK)
#undef CHECK
}

static void test_jsonl_lost(void **state)
{
	const struct losses lost = {.lost = {1, 3, 0, 2}, .missed = {0, 0, 2, 0, 0, 1}}, none = {0};
	struct sink k;

	(void)state;
	open_sink(&k, out__new_jsonl);
	assert_int_equal(out__lost(k.out, 9200, &none), 0);
	assert_string_equal(sink_text(&k), "");
	assert_int_equal(out__lost(k.out, 9200, &lost), 0);
	assert_string_equal(sink_text(&k),
			    "{\"v\":1,\"type\":\"lost\",\"time\":\"2025-11-21T08:00:00.000009200Z\","
			    "\"mono_ns\":9200,\"dropped\":1,\"missed\":3,\"evicted\":0,\"unattributed\":2,"
			    "\"missed_by\":{\"skipped\":0,\"state\":0,\"accept\":2,\"end\":0,\"reused\":0,"
			    "\"swept\":1,\"connect\":0}}\n");
	close_sink(&k);
}

/* Unknown is null, never 0 and never an empty string. */
static void test_jsonl_unknown(void **state)
{
	struct sf_event ev = {.type = SF_EV_CLOSE, .outcome = SF_OUT_ABORTED, .ts = 5};
	struct sink k;

	(void)state;
	ev.conn.family = SF_AF_INET6;
	ev.conn.flags = SF_F_LATE | SF_F_ORPHAN | SF_F_TW_BLIND | SF_F_ENDED;
	ev.conn.est_ts = 3;
	ev.conn.error = 250;
	ev.conn.closing.rst_reason = 100;
	open_sink(&k, out__new_jsonl);
	put(&k, &ev);
	assert_non_null(
		strstr(sink_text(&k),
		       "\"family\":6,\"laddr\":null,\"lport\":null,\"raddr\":null,\"rport\":null,"
		       "\"service_port\":null,\"netns\":null,\"cookie\":null,\"role\":null,\"flags\":["
		       "\"orphan\",\"late\"],"
		       "\"owner\":{\"pid\":null,\"tid\":null,\"start_ns\":null,\"comm\":null,\"uid\":null,"
		       "\"cgroup_id\":null,\"cgroup\":null,\"container\":null,\"unit\":null,"
		       "\"source\":\"none\"}"));
	assert_non_null(strstr(k.text, "\"rst_reason\":\"reason_99\",\"rst_reason_derived\":false,"
				       "\"error\":\"errno_250\""));
	assert_non_null(strstr(k.text, "\"time_wait\":null"));
	assert_non_null(strstr(k.text, "\"at_least\":[\"established_ns\",\"life_ns\"]"));
	close_sink(&k);
}

/* An end that was missed, a bare RST with a derived reason, a TIME_WAIT without room: what has no value. */
static void test_without_duration(void **state)
{
	static const new_fn forms[] = {out__new_jsonl, new_table};
	struct sf_event missed = make_close(SF_OUT_NONE, 1000, 0, 0, 0, 9000);
	struct sf_event reset = make_close(SF_OUT_RESET_LOCAL, 1000, 0, 0, 0, 3000);
	struct sf_event gone = make_event(SF_EV_GONE, SF_OUT_TW_OVERFLOW, 9000);
	static const char *const want[ARRAY_SIZE(forms)][3] = {
		{"\"outcome\":null,\"closed_by\":null,\"rst_reason\":null,\"rst_reason_derived\":false,",
		 "\"rst_reason\":\"tcp_abort_on_linger\",\"rst_reason_derived\":true,",
		 "\"time_wait_ns\":null,\"end\":\"overflow\",\"how\":\"overflow\","},
		{" 443   -            -       received=0\n",
		 " 443   reset_local  -       by=local life=2.00us sent=0 received=0 "
		 "reason=tcp_abort_on_linger\n",
		 " 443   overflow     -       -\n"},
	};
	unsigned int form, i;
	struct sink k;

	(void)state;
	missed.conn.flags |= SF_F_GAP;
	reset.conn.flags |= SF_F_RST_OUT | SF_F_RSN_DERIVED;
	reset.conn.closing.rst_reason = 12 + 1;
	for (form = 0; form < ARRAY_SIZE(forms); form++) {
		open_sink(&k, forms[form]);
		put(&k, &missed);
		put(&k, &reset);
		put(&k, &gone);
		sink_text(&k);
		for (i = 0; i < ARRAY_SIZE(want[form]); i++)
			assert_non_null(strstr(k.text, want[form][i]));
		if (!form)
			assert_non_null(strstr(k.text, "\"life_ns\":null,\"time_wait\":null,"));
		close_sink(&k);
	}
}

/* Whatever a task is called, JSON stays JSON and a table stays a table of twelve columns or more. */
static void test_hostile_names(void **state)
{
	static const new_fn forms[] = {out__new_jsonl, new_table};
	struct sf_event ev = make_open();
	uint64_t seed = 7, word[2];
	unsigned int form, i, k, lines;
	const char *text;
	struct sink sink;

	(void)state;
	for (form = 0; form < ARRAY_SIZE(forms); form++) {
		open_sink(&sink, forms[form]);
		for (i = 0; i < 90; i++) {
			word[0] = next_random(&seed);
			word[1] = next_random(&seed);
			memcpy(ev.conn.comm, word, sizeof(ev.conn.comm));
			put(&sink, &ev);
		}
		text = sink_text(&sink);
		if (!form) {
			assert_int_equal(count_json_lines(text), 90);
		} else {
			for (k = 0, lines = 0; text[k]; k++) {
				lines += text[k] == '\n';
				assert_true(text[k] == '\n' || (unsigned char)text[k] >= 0x20);
			}
			assert_int_equal(lines, 91);
		}
		close_sink(&sink);
	}
}

static void test_table(void **state)
{
	const struct losses lost = {.lost = {3}};
	struct sf_event ev = make_open();
	struct sink k;

	(void)state;
	open_sink(&k, new_table);
	ev.conn.syn_retrans = 1;
	put(&k, &ev);
	ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 0, 2110);
	ev.conn.flags |= SF_F_TW_BLIND | SF_F_FIN_SENT_1ST | SF_F_ORPHAN;
	ev.conn.source = SF_SRC_NONE;
	ev.conn.closing.closer_pid = 5;
	memcpy(ev.conn.closing.closer_comm, "a b", 3);
	put(&k, &ev);
	assert_int_equal(out__lost(k.out, 9000000, &lost), 0);
	assert_string_equal(sink_text(&k), "TIME(UTC)       EVENT  ROLE   PID     COMM            LADDR      "
					   "     LPORT RADDR           RPORT "
					   "OUTCOME      TOOK    DETAIL\n"
					   "08:00:00.000001 open   client 1234    curl            192.0.2.1  "
					   "     43210 198.51.100.9    443   "
					   "established  400ns   syn_retrans=1\n"
					   "08:00:00.000002 close  client -       -               192.0.2.1  "
					   "     43210 198.51.100.9    443   "
					   "fin          >110ns  by=local life=>1.11us sent=0 received=0 "
					   "fin_wait1=100ns fin_wait2=>10ns "
					   "closer=5/a\\x20b\n"
					   "08:00:00.009000 lost   -      -       -               -          "
					   "     -     -               -     "
					   "-            -       dropped=3\n");
	close_sink(&k);
}

static void test_table_widens(void **state)
{
	struct sf_event ev = make_event(SF_EV_GONE, SF_OUT_TW_TIMER, 9000);
	struct sink k;
	const char *line;
	int i;

	(void)state;
	open_sink(&k, new_table);
	ev.conn.family = SF_AF_INET6;
	memset(ev.conn.laddr, 0xfe, 16);
	put(&k, &ev);
	ev.conn.family = SF_AF_INET;
	put(&k, &ev);
	line = strchr(sink_text(&k), '\n') + 1;
	assert_non_null(strstr(line, " fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe 43210 "));
	line = strchr(line, '\n') + 1;
	assert_non_null(strstr(line, " 254.254.254.254                         43210 "));
	assert_non_null(strstr(line, " timer        -       -\n"));
	for (i = 0; *line; line++)
		i += *line == '\n';
	assert_int_equal(i, 1);
	close_sink(&k);
}

static void put_sample(uint64_t ns)
{
	struct sf_event ev = make_open();

	ev.conn.opening.connect_ts = 0;
	ev.conn.opening.synack_ts = 0;
	ev.conn.opening.syn_ts = 100;
	ev.conn.est_ts = 100 + ns;
	ev.ts = 100 + ns;
	tally_row(&ev);
}

static void test_histtext(void **state)
{
	struct sink k;
	unsigned int i;

	(void)state;
	open_sink(&k, new_histtext);
	for (i = 0; i < 8; i++)
		put_sample(2000);
	put_sample(4000);
	tally_into.losses.lost[0] = 3;
	assert_string_equal(sink_text(&k), "");
	assert_int_equal(out__tick(k.out, 10000000000), 0);
	assert_non_null(strstr(sink_text(&k), "--- 2025-11-21T08:00:10Z, "));
	assert_non_null(strstr(k.text,
			       "\nhandshake role=client outcome=established\n"
			       "  ( 1.79us,  2.05us]          8 |########################################|\n"
			       "  ( 2.05us,  2.56us]          0 |                                        |\n"
			       "  ( 2.56us,  3.07us]          0 |                                        |\n"
			       "  ( 3.07us,  3.58us]          0 |                                        |\n"
			       "  ( 3.58us,  4.10us]          1 |#####                                   |\n"
			       "  count 9  p50 2.05us  p90 4.00us  p99 4.00us  p99.9 4.00us  max 4.00us\n"
			       "\nopens role=client outcome=established 9\n"
			       "\nalive: none\n"
			       "lost: 3 dropped\n"));
	/* The next interval begins empty. */
	assert_int_equal(out__tick(k.out, 20000000000), 0);
	assert_non_null(
		strstr(sink_text(&k),
		       "--- 2025-11-21T08:00:20Z, 10.0s\nno connection opened or closed\n\nalive: none\n\n"));
	close_sink(&k);
}

/* Samples that are all 0, or all the same: one row, and every number of it is that. */
static void test_histtext_flat(void **state)
{
	struct sink k;

	(void)state;
	open_sink(&k, new_histtext);
	put_sample(0);
	put_sample(0);
	assert_int_equal(out__tick(k.out, 1), 0);
	assert_non_null(strstr(sink_text(&k),
			       "  (    0ns,  1.02us]          2 |########################################|\n"
			       "  count 2  p50 0ns  p90 0ns  p99 0ns  p99.9 0ns  max 0ns\n"));
	close_sink(&k);
	open_sink(&k, new_histtext);
	put_sample(1ULL << 42);
	assert_int_equal(out__tick(k.out, 1), 0);
	assert_non_null(strstr(sink_text(&k), ",     inf]          1 |####"));
	assert_non_null(
		strstr(k.text, "  count 1  p50 4398s  p90 4398s  p99 4398s  p99.9 4398s  max 4398s\n"));
	close_sink(&k);
}

/* Any pair of extremes: never more than twenty rows, and no sample falls through. */
static void test_histtext_rows(void **state)
{
	uint64_t seed = 8;
	unsigned int i, rows, total;
	const char *line;
	struct sink k;

	(void)state;
	for (i = 0; i < 300; i++) {
		open_sink(&k, new_histtext);
		put_sample(i == 0 ? 0 : next_random(&seed) >> (16 + next_random(&seed) % 48));
		put_sample(i == 0 ? 1ULL << 45 : next_random(&seed) >> (16 + next_random(&seed) % 48));
		assert_int_equal(out__tick(k.out, 1), 0);
		rows = total = 0;
		for (line = strstr(sink_text(&k), "\n  ("); line; line = strstr(line + 1, "\n  (")) {
			rows++;
			total += (unsigned int)atoi(strchr(line, ']') + 1);
		}
		assert_in_range(rows, 1, 20);
		assert_int_equal(total, 2);
		close_sink(&k);
	}
}

static void test_histjson(void **state)
{
	struct sink k;

	(void)state;
	open_sink(&k, new_histjson);
	put_sample(2000);
	put_sample(1ULL << 41);
	assert_int_equal(out__tick(k.out, 10), 0);
	assert_int_equal(out__tick(k.out, 30), 0);
	assert_int_equal(count_json_lines(sink_text(&k)), 2);
	assert_non_null(strstr(
		k.text, "\"histograms\":[{\"key\":\"\",\"by\":{},\"other\":false,\"metric\":\"handshake\","
			"\"labels\":{"
			"\"role\":\"client\",\"outcome\":\"established\"},\"count\":2,"
			"\"sum_ns\":2199023257552,\"min_ns\":2000,\"max_ns\":2199023255552,\"p50_ns\":2048,"
			"\"p90_ns\":2199023255552,\"p99_ns\":2199023255552,\"p999_ns\":2199023255552,"
			"\"buckets\":[[2048,1],[null,1]]}"));
	assert_non_null(strstr(
		k.text, "\"counters\":[{\"key\":\"\",\"by\":{},\"other\":false,\"metric\":\"opens\","));
	assert_non_null(strstr(
		k.text, "\"mono_ns\":30,\"interval_ns\":20,\"by\":[],\"histograms\":[],\"counters\":[],"
			"\"alive\":{},\"piled_up\":[],\"lower_bounds\":0,\"folded\":0,\"misplaced\":0,"
			"\"lost\":{\"dropped\":"
			"0,\"missed\":0,"
			"\"evicted\":0,\"unattributed\":0}}"));
	close_sink(&k);
}

static void test_write_error(void **state)
{
	static const new_fn forms[] = {out__new_jsonl, new_table, new_histtext, new_histjson};
	struct sf_event ev = make_open();
	struct record r = decode(&ev);
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct out *o;
	unsigned int i;

	(void)state;
	if (fd < 0)
		skip();
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(forms[i](fd, &unit_clock, &o), 0);
		assert_int_equal(out__record(o, &r), 0);
		assert_int_equal(out__tick(o, 1), -ENOSPC);
		assert_int_equal(out__record(o, &r), -ENOSPC);
		assert_int_equal(out__tick(o, 2), -ENOSPC);
		out__free(o);
	}
	out__free(NULL);
	close(fd);
}

/* A batch without end is written in between. */
static void test_bounded_buffer(void **state)
{
	struct sf_event ev = make_open();
	struct sink k;
	unsigned int i;

	(void)state;
	open_sink(&k, out__new_jsonl);
	for (i = 0; i < 2000; i++)
		put(&k, &ev);
	assert_true(lseek(fileno(k.file), 0, SEEK_END) >= 256 << 10);
	close_sink(&k);
}

/* A name that looks like another key is quoted, in titles as in JSON; others stay as they are. */
static void test_titles(void **state)
{
	static const struct {
		const char *key, *title;
	} sets[] = {{"curl\x1f"
		     "80",
		     "comm=curl rport=80"},
		    {"x rport=22\x1f"
		     "80",
		     "comm=\"x rport=22\" rport=80"},
		    {"a=b\x1f"
		     "80",
		     "comm=\"a=b\" rport=80"},
		    {"\"\\ \x1f"
		     "80",
		     "comm=\"\\\"\\\\ \" rport=80"},
		    {"b\xc3\xa4r\x1f"
		     "80",
		     "comm=b\xc3\xa4r rport=80"}};
	struct by by = {.fields = {BY_COMM, BY_RPORT}, .cnt = 2};
	struct report r = {.end_ns = 1};
	struct series *s = NULL;
	struct str text = {0}, want = {0}, line = {0};

	(void)state;
	assert_int_equal(series__new(ARRAY_SIZE(sets), &by, &s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		struct series_item item = {.key = sets[i].key, .metric = SERIES_RETRANSMITS, .count = 7};

		item.label[0].value = "syn";
		assert_int_equal(series__put(s, &item), 0);
		str__appendf(&want, "%s: retransmits segment=syn 7\n", sets[i].title);
	}
	r.series = s;
	report__write_text(&text, &r);
	assert_non_null(strstr(text.buf, want.buf));
	report__write_json(&line, &r);
	assert_non_null(strstr(line.buf, "\"key\":\"comm=\\\"x rport=22\\\" rport=80\","));
	str__fini(&text);
	str__fini(&want);
	str__fini(&line);
	series__free(s);
}

/* A connection whose state is not known is counted as that. */
static void test_state_not_known(void **state)
{
	struct report r = {.end_ns = 1};
	struct record rec = {.type = SF_EV_ALIVE};
	struct series *s = NULL;
	struct str text = {0};

	(void)state;
	assert_int_equal(series__new(1, NULL, &s), 0);
	assert_int_equal(census__new(&r.census), 0);
	assert_int_equal(census__add(r.census, &rec), 0);
	r.series = s;
	report__write_text(&text, &r);
	assert_non_null(strstr(text.buf, "alive: 1 unknown\n"));
	str__reset(&text);
	report__write_json(&text, &r);
	assert_non_null(strstr(text.buf, "\"alive\":{\"unknown\":1}"));
	str__fini(&text);
	census__free(r.census);
	series__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jsonl),	       cmocka_unit_test(test_jsonl_what_changes),
		cmocka_unit_test(test_jsonl_numbers),  cmocka_unit_test(test_jsonl_lost),
		cmocka_unit_test(test_jsonl_unknown),  cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_table),	       cmocka_unit_test(test_table_widens),
		cmocka_unit_test(test_histtext),       cmocka_unit_test(test_histtext_rows),
		cmocka_unit_test(test_titles),	       cmocka_unit_test(test_state_not_known),
		cmocka_unit_test(test_histtext_flat),  cmocka_unit_test(test_without_duration),
		cmocka_unit_test(test_histjson),       cmocka_unit_test(test_write_error),
		cmocka_unit_test(test_bounded_buffer),
	};

	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
