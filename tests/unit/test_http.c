/* SPDX-License-Identifier: GPL-2.0-only */
/* http/accept, listen, gzip: what the headers of a client mean, addresses, and that gzip is gzip. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "http/accept.h"
#include "http/gzip.h"
#include "http/listen.h"

static void test_form(void **state)
{
	static const struct {
		const char *accept;
		enum http_form form;
	} cases[] = {
		{NULL, HTTP_FORM_CLASSIC},
		{"", HTTP_FORM_CLASSIC},
		{"*/*", HTTP_FORM_CLASSIC},
		{"image/png", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text", HTTP_FORM_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0,application/"
		 "openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 HTTP_FORM_OPENMETRICS},
		{"application/openmetrics-text; version=0.0.1", HTTP_FORM_CLASSIC},
		{"Application/OpenMetrics-Text ; Version=1.0.0 ; charset=utf-8", HTTP_FORM_OPENMETRICS},
		{"text/plain;version=0.0.4, application/openmetrics-text;q=0.9", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=0, text/plain;q=0.001", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=2, text/plain;q=0.5", HTTP_FORM_CLASSIC},
		{"application/openmetrics-text;q=0.5x, text/plain;q=0.1", HTTP_FORM_CLASSIC},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
		 "application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1",
		 HTTP_FORM_PROTOBUF},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
		 HTTP_FORM_CLASSIC},
		{",,;;q=,;=, application/openmetrics-text", HTTP_FORM_OPENMETRICS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (accept__form(cases[i].accept) != cases[i].form)
			fail_msg("%s", cases[i].accept);
	}
}

static void test_encoding(void **state)
{
	(void)state;
	assert_true(accept__has_gzip("gzip"));
	assert_true(accept__has_gzip("deflate, gzip;q=1.0, *;q=0.5"));
	assert_true(accept__has_gzip("GZIP;q=0.1"));
	assert_false(accept__has_gzip(NULL));
	assert_false(accept__has_gzip(""));
	assert_false(accept__has_gzip("gzip;q=0"));
	assert_false(accept__has_gzip("gzip;q=0.000, deflate"));
	assert_false(accept__has_gzip("xgzip, gzipx"));
}

static void test_listen(void **state)
{
	static const char *const good[] = {"127.0.0.1:9842", "0.0.0.0:0", "[::1]:9842", "[::]:65535"};
	static const char *const bad[] = {"",
					  ":",
					  "9842",
					  "::1:9842",
					  "[::1]",
					  "[::1:80",
					  "127.0.0.1:",
					  "127.0.0.1:x",
					  "127.0.0.1:65536",
					  "host:80",
					  "[1.2.3.4]:80",
					  "[]:80",
					  "[localhost]:80",
					  "localhos:80",
					  "1.2.3.4:-1",
					  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80"};
	union listen_addr addr;
	struct parse_error err;
	char text[LISTEN_TEXT_SZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(listen__parse("--listen", good[i], &addr, &err), 0);
		assert_string_equal(listen__format(&addr, text), good[i]);
	}
	assert_int_equal(listen__parse("--listen", ":80", &addr, &err), 0);
	assert_string_equal(listen__format(&addr, text), "[::]:80");
	assert_int_equal(listen__parse("--listen", "localhost:80", &addr, &err), 0);
	assert_string_equal(listen__format(&addr, text), "127.0.0.1:80");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(listen__parse("--listen", bad[i], &addr, &err), -EINVAL);
}

static void test_gzip(void **state)
{
	struct str s = {0};
	unsigned char back[5000];
	z_stream z = {.next_out = back, .avail_out = sizeof(back)};

	(void)state;
	for (unsigned int i = 0; i < 500; i++)
		str__append(&s, "0123456789");
	assert_int_equal(gzip__compress(&s), 0);
	assert_true(s.len < 1000);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (unsigned char *)s.buf;
	z.avail_in = (unsigned int)s.len;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	assert_int_equal(z.total_out, 5000);
	assert_memory_equal(back + 4990, "0123456789", 10);
	str__fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_gzip),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
