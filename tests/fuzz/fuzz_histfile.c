/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of merge, line by line. Every file that merge accepts can be shown as text and as JSON, and merge reads that JSON again. */
#include "oracle.h"

#include "in/histfile.h"
#include "out/report.h"

static struct str show(const struct histsum *sum, void (*write)(struct str *s, const struct report *r))
{
	const struct term term = {.columns = 80, .rows = 24};
	struct report r = {.series = sum->series,
			   .end_ns = sum->end_ns,
			   .interval_ns = sum->end_ns - sum->begin_ns,
			   .term = &term};
	struct str text = {0};

	memcpy(r.lost, sum->lost, sizeof(r.lost));
	write(&text, &r);
	return text;
}

static void check(const struct histsum *sum)
{
	struct str text = show(sum, report__write_text), lines = show(sum, report__write_lines),
		   json = show(sum, report__write_json);
	struct histsum again = {0};
	struct histfile_error err;

	check_text(str__text(&text), text.len);
	check_text(str__text(&lines), lines.len);
	check_json_lines(str__text(&json), json.len);
	demand(!histfile__add_line(&again, str__text(&json), json.len, &err), "what merge reads",
	       str__text(&json), json.len);
	histsum__fini(&again);
	str__fini(&text);
	str__fini(&lines);
	str__fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct histsum sum = {0};
	struct histfile_error err;

	for (size_t i = 0, len; i < size; i += len + 1) {
		const uint8_t *end = memchr(data + i, '\n', size - i);
		char *line;

		len = end ? (size_t)(end - data) - i : size - i;
		line = to_text(data + i, len);
		(void)histfile__add_line(&sum, line, len, &err);
		free(line);
	}
	if (sum.series)
		check(&sum);
	histsum__fini(&sum);
	return 0;
}
