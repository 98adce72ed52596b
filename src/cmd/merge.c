/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin merge: the histograms of many hosts or runs as one. It needs no rights, and no kernel that can do much. */
#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/log.h"
#include "cmd/options.h"
#include "in/histfile.h"
#include "out/report.h"

static bool is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

/* The one line of what is wrong. */
static void tell_error(const char *name, uint64_t number, int err, const struct histfile_error *why)
{
	if (err == -EINVAL)
		log__error("%s:%" PRIu64 ": %s", name, number, why->text);
	else if (err == -EFBIG)
		log__error("%s:%" PRIu64 ": the line is longer than --max-input allows", name, number);
	else
		log__error("cannot read %s: %s", name, strerror(-err));
}

static int add_lines(struct histsum *sum, const char *name, struct lines *lines)
{
	struct histfile_error why;
	uint64_t number = 1, read = 0;
	const char *line;
	size_t len;
	int err = 0, more;

	for (; (more = lines__next(lines, &line, &len)) > 0; number++) {
		if (is_blank(line, len))
			continue;
		err = histfile__add_line(sum, line, len, &why);
		if (err)
			break;
		read++;
	}
	err = err ? err : more < 0 ? more : 0;
	if (err) {
		tell_error(name, number, err, &why);
	} else if (!read) {
		err = -EINVAL;
		log__error("%s: empty: it should hold what hist --json wrote", name);
	}
	return err;
}

/* "-" is standard input. */
static enum exit_status add_file(struct histsum *sum, const char *path, size_t max_input)
{
	bool is_stdin = !strcmp(path, "-");
	struct lines lines = {.fd = STDIN_FILENO, .max = max_input};
	int err;

	if (!is_stdin)
		lines.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (lines.fd < 0) {
		log__error("cannot read %s: %s", path, strerror(errno));
		return EXIT_USAGE;
	}
	err = add_lines(sum, is_stdin ? "standard input" : path, &lines);
	lines__fini(&lines);
	if (!is_stdin)
		close(lines.fd);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

static int write_sum(const struct histsum *sum, const struct options *opts)
{
	struct report report = {
		.series = sum->series, .end_ns = sum->end_ns, .interval_ns = sum->end_ns - sum->begin_ns};
	struct str text = {0};
	struct term term;
	int err;

	term__probe(STDOUT_FILENO, TERM_COLOR_NEVER, &term);
	report.term = &term;
	memcpy(report.lost, sum->lost, sizeof(report.lost));
	if (opts->json)
		report__write_json(&text, &report);
	else if (term.columns && !opts->bars)
		report__write_lines(&text, &report);
	else
		report__write_text(&text, &report);
	err = str__write(&text, STDOUT_FILENO);
	str__fini(&text);
	if (err)
		log__error("cannot write to standard output: %s", strerror(-err));
	return err;
}

int cmd__merge(int argc, char **argv)
{
	struct histsum sum = {0};
	struct options opts;
	enum exit_status status =
		options__parse(OPTIONS_MERGE, "FILE...",
			       "Add up what hist --json and export --state wrote, of many hosts or runs. The "
			       "FILE - is standard input.",
			       argc, argv, &opts);

	if (status)
		return status;
	for (int i = 0; !status && i < opts.file_cnt; i++)
		status = add_file(&sum, opts.files[i], opts.max_input);
	if (!status && write_sum(&sum, &opts))
		status = EXIT_RUNTIME;
	histsum__fini(&sum);
	return status;
}
