/* SPDX-License-Identifier: GPL-2.0-only */
/* Task names and paths of cgroups as labels: in the text forms of the metrics, in hist's text, and in its JSON. */
#include "oracle.h"

#include "out/openmetrics.h"
#include "out/report.h"

static int append(void *ctx, const char *bytes, size_t sz)
{
	str__append_bytes(ctx, bytes, sz);
	return 0;
}

static void check_metrics(const struct metrics *m, void (*write)(struct pieces *to, const struct metrics *m,
								 const struct edges *edges))
{
	struct str text = {0};
	struct pieces to = {.take = append, .ctx = &text};
	struct edges edges;

	edges__default(&edges);
	write(&to, m, &edges);
	demand(!pieces__end(&to), "complete", "", 0);
	pieces__fini(&to);
	check_text(str__text(&text), text.len);
	str__fini(&text);
}

static void check_reports(const struct series *series)
{
	const struct report r = {.series = series, .end_ns = 1763712000000000000, .interval_ns = 1};
	struct str text = {0}, json = {0};

	report__write_text(&text, &r);
	report__write_json(&json, &r);
	check_text(str__text(&text), text.len);
	check_json_lines(str__text(&json), json.len);
	str__fini(&text);
	str__fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct by_set set = {0};
	struct sf_row row = {.sum_ns = 1000, .most_ns = 1000, .least_ns = ~1000ULL};
	struct sf_place place = sf_hist_place(0, sf_hist_index(1000));
	struct metrics m = {0};
	struct parse_error err;
	struct series *series;
	struct by by = {0};
	char *cgroup;

	if (size < sizeof(set.key))
		return 0;
	memcpy(&set.key, data, sizeof(set.key));
	cgroup = to_text(data + sizeof(set.key), size - sizeof(set.key));
	set.cgroup = *cgroup ? cgroup : NULL;
	row.counts[place.at] = 1;
	demand(!by__parse("--by", "comm,pid,service,lport,rport,raddr,cgroup,netns,role", &by, &err),
	       "a list", "", 0);
	demand(!series__new(3, &by, &series), "made", "", 0);
	demand(!series__add_row(series, &set, place.row, &row), "added", "", 0);
	m.series = series;
	check_metrics(&m, openmetrics__write);
	check_metrics(&m, openmetrics__write_classic);
	check_reports(series);
	series__free(series);
	free(cgroup);
	return 0;
}
