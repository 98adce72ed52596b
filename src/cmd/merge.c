/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin merge: the histograms of many hosts or runs as one. It needs no rights, and no kernel that can do much. */
#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/log.h"
#include "cmd/options.h"
#include "cmd/rights.h"
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

static bool is_stdin(const char *path)
{
	return !strcmp(path, "-");
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* All, since none can be opened later; FIFOs whose writers come one after the other must not be waited for here. */
static enum exit_status open_files(const struct options *opts, int *ret_fds)
{
	raise_limit();
	for (int i = 0; i < opts->file_cnt; i++) {
		ret_fds[i] = is_stdin(opts->files[i])
				     ? STDIN_FILENO
				     : open(opts->files[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (ret_fds[i] < 0) {
			log__error("cannot read %s: %s", opts->files[i], strerror(errno));
			return EXIT_USAGE;
		}
	}
	return EXIT_DONE;
}

/* Until there is something to read, or a writer of a FIFO has come and gone. */
static void wait_for_writer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static enum exit_status add_file(struct histsum *sum, const char *path, int fd, size_t max_input)
{
	struct lines lines = {.fd = fd, .max = max_input};
	int err;

	if (!is_stdin(path))
		wait_for_writer(fd);
	err = add_lines(sum, is_stdin(path) ? "standard input" : path, &lines);
	lines__fini(&lines);
	if (!is_stdin(path))
		close(fd);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

static enum exit_status add_files(struct histsum *sum, const struct options *opts, int *fds)
{
	enum exit_status status = open_files(opts, fds);

	if (!status && rights__drop(opts, 0))
		status = EXIT_RUNTIME;
	for (int i = 0; !status && i < opts->file_cnt; i++)
		status = add_file(sum, opts->files[i], fds[i], opts->max_input);
	return status;
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
	int *fds;
	enum exit_status status = options__parse(
		OPTIONS_MERGE, "FILE...",
		"Add up what hist --json and export --state wrote on several hosts or in several runs. The "
		"FILE - is standard input.",
		argc, argv, &opts);

	if (status)
		return status;
	fds = calloc((size_t)opts.file_cnt, sizeof(*fds));
	if (fds)
		status = add_files(&sum, &opts, fds);
	else
		log__error("out of memory");
	if (!fds || (!status && write_sum(&sum, &opts)))
		status = EXIT_RUNTIME;
	free(fds);
	histsum__fini(&sum);
	return status;
}
