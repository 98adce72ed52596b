/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of options, headers of requests, paths of cgroups: the first byte chooses which. */
#include "oracle.h"

#include "base/parse.h"
#include "http/accept.h"
#include "http/host.h"
#include "http/listen.h"
#include "model/by.h"
#include "model/cgroup_path.h"
#include "model/edges.h"

static void parse_lists(const char *text, struct parse_error *err)
{
	struct port_set ports = {0};
	struct network networks[4];
	uint32_t pids[4];
	size_t cnt = 0;

	(void)parse__pids("--pid", text, pids, 4, &cnt, err);
	cnt = 0;
	(void)parse__networks("--addr", text, networks, 4, &cnt, err);
	(void)parse__ports("--port", text, &ports, err);
	(void)port_set__has(&ports, 443);
}

static void parse_words(const char *text, struct parse_error *err)
{
	char word[16];

	while (text && *text && !parse__word("--role", &text, word, sizeof(word), err))
		;
}

static void parse_one(const char *text, struct parse_error *err)
{
	uint64_t n;

	(void)parse__u64("--count", text, 1, 1000, &n, err);
	(void)parse__bytes("--max-input", text, 1, 1 << 30, &n, err);
	(void)parse__duration("--min-close", text, &n, err);
	(void)parse__comm_glob("--comm", text, err);
	parse_words(text, err);
}

static void parse_output(const char *text, struct parse_error *err)
{
	struct host_list hosts = {0};
	struct listen_addr addr;
	struct edges edges;
	struct by by = {0};
	char buf[LISTEN_TEXT_SZ];

	(void)by__parse("--by", text, &by, err);
	(void)edges__parse("--buckets", text, &edges, err);
	if (!host__parse("--allow-host", text, &hosts, err))
		(void)host__is_allowed("a.example:80", "own.example", &hosts);
	if (!listen__parse("--listen", text, &addr, err)) {
		struct listen_addr again;

		demand(!listen__parse("--listen", listen__format(&addr, buf), &again, err),
		       "what --listen takes", buf, strlen(buf));
	}
}

static void parse_header(const char *text)
{
	static const char *const names[] = {"*.example.com,db1"};
	struct host_list hosts = {.cnt = 1, .lists = {names[0]}};

	(void)accept__content_type(accept__form(text));
	(void)accept__has_gzip(text);
	(void)host__is_allowed(text, "own.example", &hosts);
}

static void parse_cgroup(const char *text)
{
	char container[CGROUP_CONTAINER_SZ], unit[CGROUP_UNIT_SZ];

	(void)cgroup_path__container(text, container);
	(void)cgroup_path__unit(text, unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parse_error err = {0};
	char *text;

	if (!size)
		return 0;
	text = to_text(data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		parse_lists(text, &err);
		break;
	case 1:
		parse_one(text, &err);
		break;
	case 2:
		parse_output(text, &err);
		break;
	case 3:
		parse_header(text);
		break;
	default:
		parse_cgroup(text);
	}
	demand(memchr(err.text, '\0', sizeof(err.text)) != NULL, "a text that ends", err.text,
	       sizeof(err.text));
	free(text);
	return 0;
}
