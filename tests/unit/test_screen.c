/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of trace on a terminal: which columns at which width, when the header comes back, colours, names. */
#include "events.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "out/out.h"

static const struct clock unit_clock = {.offset_ns = 1763712000000000000};

/* An output into a file, as if that were a terminal. */
struct sink {
	FILE *file;
	struct out *out;
	char text[65536];
};

static void open_sink(struct sink *k, unsigned int columns, unsigned int rows, bool has_color)
{
	struct term term = {.columns = columns, .rows = rows, .has_color = has_color};

	k->file = tmpfile();
	assert_non_null(k->file);
	assert_int_equal(out__new_table(fileno(k->file), &unit_clock, &term, &k->out), 0);
}

static void put(struct sink *k, const struct sf_event *ev)
{
	struct record r = decode(ev);

	assert_int_equal(out__record(k->out, &r), 0);
}

static const char *close_sink(struct sink *k)
{
	ssize_t n;

	assert_int_equal(out__flush(k->out), 0);
	n = pread(fileno(k->file), k->text, sizeof(k->text) - 1, 0);
	assert_true(n >= 0);
	k->text[n] = '\0';
	out__free(k->out);
	fclose(k->file);
	return k->text;
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int cnt = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		cnt++;
	return cnt;
}

/* All are ASCII here. */
static void assert_lines_fit(const char *text, size_t columns)
{
	for (; *text; text += strcspn(text, "\n") + 1) {
		size_t len = strcspn(text, "\n");

		assert_in_range(len, 1, columns);
		assert_int_not_equal(text[len - 1], ' ');
	}
}

static struct sf_event make_end(void)
{
	struct sf_event ev = make_close(SF_OUT_FIN, 1000, 2000, 2100, 0, 2110);

	ev.conn.flags |= SF_F_TW_BLIND | SF_F_FIN_SENT_1ST | SF_F_ORPHAN;
	return ev;
}

static void set_v6(struct sf_event *ev, uint8_t byte)
{
	ev->conn.family = SF_AF_INET6;
	memset(ev->conn.laddr, byte, 16);
	memset(ev->conn.raddr, byte, 16);
}

static void test_widths(void **state)
{
	static const struct {
		unsigned int columns;
		const char *text;
	} cases[] = {
		{80, "TIME(UTC)    EVENT  COMM       LPORT REMOTE                OUTCOME     TOOK\n"
		     "08:00:00.000 open   curl       43210 198.51.100.9:443      established 400ns\n"
		     "08:00:00.000 close  curl       43210 198.51.100.9:443      fin         >110ns\n"
		     "             by=local life=>1.11us sent=0 received=0 fin_wait1=100ns\n"
		     "             fin_wait2=>10ns\n"},
		{120, "TIME(UTC)       EVENT  ROLE   PID     COMM            LOCAL                 "
		      "REMOTE                OUTCOME     TOOK\n"
		      "08:00:00.000001 open   client 1234    curl            192.0.2.1:43210       "
		      "198.51.100.9:443      established 400ns\n"
		      "08:00:00.000002 close  client 1234    curl            192.0.2.1:43210       "
		      "198.51.100.9:443      fin         >110ns\n"
		      "                by=local life=>1.11us sent=0 received=0 fin_wait1=100ns "
		      "fin_wait2=>10ns\n"},
		{200, "TIME(UTC)       EVENT  ROLE   PID     COMM            LOCAL                 "
		      "REMOTE                OUTCOME     TOOK\n"
		      "08:00:00.000001 open   client 1234    curl            192.0.2.1:43210       "
		      "198.51.100.9:443      established 400ns\n"
		      "08:00:00.000002 close  client 1234    curl            192.0.2.1:43210       "
		      "198.51.100.9:443      fin         >110ns  by=local life=>1.11us sent=0 received=0 "
		      "fin_wait1=100ns fin_wait2=>10ns\n"},
	};
	struct sf_event open = make_open(), end = make_end();
	struct sink k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_sink(&k, cases[i].columns, 24, false);
		put(&k, &open);
		put(&k, &end);
		assert_string_equal(close_sink(&k), cases[i].text);
	}
}

struct place {
	size_t row;
	size_t column;
};

static struct place place_of(const char *text, const char *word)
{
	const char *end = strstr(text, word), *begin = text;
	struct place p = {0};

	assert_non_null(end);
	for (const char *at = text; at < end; at++) {
		if (*at == '\n') {
			begin = at + 1;
			p.row++;
		}
	}
	p.column = (size_t)(end - begin);
	return p;
}

/* Where not all columns fit into one row, header and lines are broken at the same columns. */
static void test_narrow(void **state)
{
	static const char *const pairs[][2] = {{"EVENT", "open"},	   {"COMM", "curl"},
					       {"LPORT", "43210"},	   {"REMOTE", "198.51.100.9:443"},
					       {"OUTCOME", "established"}, {"TOOK", "400ns"}};
	struct sf_event open = make_open();
	const char *line;
	struct sink k;

	(void)state;
	for (unsigned int columns = 40; columns < 80; columns++) {
		open_sink(&k, columns, 24, false);
		put(&k, &open);
		line = strstr(close_sink(&k), "08:00:00");
		assert_non_null(line);
		for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
			struct place head = place_of(k.text, pairs[i][0]), cell = place_of(line, pairs[i][1]);

			assert_int_equal(head.row, cell.row);
			assert_int_equal(head.column, cell.column);
		}
	}
}

/* Whatever the width and the addresses: no line is longer than the terminal, and none ends in a blank. */
static void test_fits(void **state)
{
	struct sf_event ev = make_end();
	struct sink k;

	(void)state;
	for (unsigned int columns = 60; columns <= 220; columns++) {
		open_sink(&k, columns, 24, false);
		set_v6(&ev, 0);
		put(&k, &ev);
		set_v6(&ev, 0xfe);
		put(&k, &ev);
		assert_lines_fit(close_sink(&k), columns);
		assert_non_null(strstr(k.text, "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:443"));
	}
}

/* The header comes at once, again when the columns change, and after a screenful. */
static void test_header(void **state)
{
	struct sf_event ev = make_open(), v6 = make_open();
	struct sink k;

	(void)state;
	open_sink(&k, 120, 24, false);
	assert_int_equal(count(close_sink(&k), "TIME(UTC)"), 1);

	open_sink(&k, 120, 24, false);
	put(&k, &ev);
	set_v6(&v6, 0xfe);
	put(&k, &v6);
	put(&k, &v6);
	assert_int_equal(count(close_sink(&k), "TIME(UTC)"), 2);

	open_sink(&k, 120, 24, false);
	for (unsigned int i = 0; i < 70; i++)
		put(&k, &ev);
	assert_int_equal(count(close_sink(&k), "TIME(UTC)"), 4);
	assert_int_equal(count(k.text, "\n"), 74);
}

/* One long address does not spread the columns for ever. */
static void test_narrows_again(void **state)
{
	struct sf_event ev = make_open(), v6 = make_open();
	struct sink k;
	const char *last;

	(void)state;
	open_sink(&k, 200, 24, false);
	set_v6(&v6, 0xfe);
	put(&k, &v6);
	for (unsigned int i = 0; i < 70; i++)
		put(&k, &ev);
	last = strrchr(close_sink(&k), 'T'); /* of the last header's TOOK */
	assert_int_equal(last - strstr(last - 120, "TIME(UTC)"), 110);
}

static void test_color(void **state)
{
	const struct losses lost = {.lost = {3}};
	struct sf_event ev = make_open();
	struct sink k;

	(void)state;
	for (unsigned int columns = 0; columns <= 200; columns += 200) {
		open_sink(&k, columns, 24, true);
		put(&k, &ev);
		ev.outcome = SF_OUT_REFUSED;
		ev.conn.est_ts = 0;
		put(&k, &ev);
		assert_int_equal(out__lost(k.out, 9000000, &lost), 0);
		close_sink(&k);
		assert_non_null(strstr(k.text, " established "));
		assert_non_null(strstr(k.text, " \033[31mrefused\033[m "));
		assert_non_null(strstr(k.text, " \033[31mlost\033[m "));
		assert_non_null(strstr(k.text, "\033[1mOUTCOME\033[m "));
		ev = make_open();
	}
	open_sink(&k, 200, 24, false);
	ev.outcome = SF_OUT_REFUSED;
	put(&k, &ev);
	assert_null(strchr(close_sink(&k), '\033'));
}

/* Wide characters take two columns; a name that is too long is cut between characters. */
static void test_names(void **state)
{
	static const struct {
		const char *comm;
		unsigned int columns;
		const char *text;
	} cases[] = {
		{"abcdefghijklmno", 80, " abcdefghi+ 43210 "},
		{"\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93", 80,
		 " \xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93     43210 "},
		{"\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93\xe6\x9c\x8d\xe5\x8a\xa1", 80,
		 " \xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93\xe6\x9c\x8d\xe5\x8a\xa1 43210 "},
		{"a\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93\xe6\x9c\x8dxyz", 80,
		 " a\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93\xe6\x9c\x8d+ 43210 "},
		{"\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93", 0,
		 " \xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93          192.0.2.1 "},
	};
	struct sf_event ev = make_open();
	struct sink k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(ev.conn.comm, 0, sizeof(ev.conn.comm));
		memcpy(ev.conn.comm, cases[i].comm, strlen(cases[i].comm));
		open_sink(&k, cases[i].columns, 24, false);
		put(&k, &ev);
		assert_non_null(strstr(close_sink(&k), cases[i].text));
	}
}

/* Of a connection that ended by FINs everybody's owner has closed its socket. */
static void test_orphan(void **state)
{
	struct sf_event ev = make_end();
	struct sink k;

	(void)state;
	open_sink(&k, 0, 0, false);
	put(&k, &ev);
	assert_null(strstr(close_sink(&k), "orphan"));
	ev.outcome = SF_OUT_TIMED_OUT;
	open_sink(&k, 0, 0, false);
	put(&k, &ev);
	assert_non_null(strstr(close_sink(&k), " orphan\n"));
}

/* Of what is alive nothing is told twice, and not what holds for all of it. */
static void test_alive(void **state)
{
	struct sf_event ev = make_event(SF_EV_ALIVE, SF_OUT_NONE, 5000);
	struct sink k;

	(void)state;
	ev.conn.flags = SF_F_LATE;
	ev.conn.state = TCP_ESTABLISHED;
	ev.conn.est_ts = 1000;
	open_sink(&k, 0, 0, false);
	put(&k, &ev);
	assert_non_null(strstr(close_sink(&k), " established  >4.00us -\n"));
	ev.conn.state = TCP_CLOSE_WAIT;
	ev.conn.closing.fin_rcvd_ts = 2000;
	open_sink(&k, 0, 0, false);
	put(&k, &ev);
	assert_non_null(strstr(close_sink(&k), " close_wait   3.00us  life=>4.00us\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths),	      cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_fits),	      cmocka_unit_test(test_header),
		cmocka_unit_test(test_narrows_again), cmocka_unit_test(test_color),
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_alive),
	};

	return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
