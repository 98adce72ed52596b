/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin merge: the histograms of many hosts or runs as one. It needs no rights, and no kernel that can do much. */
#include "cmd/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/options.h"
#include "in/histfile.h"
#include "out/report.h"

static int add_lines(struct histsum *sum, const char *path, FILE *file)
{
	struct histfile_error why;
	uint64_t number = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &cap, file)) >= 0) {
		number++;
		err = histfile__add_line(sum, line, (size_t)len, &why);
	}
	if (err == -EINVAL)
		log__error("%s:%" PRIu64 ": %s", path, number, why.text);
	else if (err)
		log__error("%s:%" PRIu64 ": %s", path, number, strerror(-err));
	if (!err && ferror(file)) {
		err = -EIO;
		log__error("cannot read %s: %s", path, strerror(errno));
	} else if (!err && !number) {
		err = -EINVAL;
		log__error("%s: empty: it should hold what hist --json wrote", path);
	}
	free(line);
	return err;
}

static int add_file(struct histsum *sum, const char *path)
{
	FILE *file = fopen(path, "re");
	int err;

	if (!file) {
		err = -errno;
		log__error("cannot read %s: %s", path, strerror(errno));
		return err;
	}
	err = add_lines(sum, path, file);
	fclose(file);
	return err;
}

static int write_sum(const struct histsum *sum, bool is_json)
{
	struct report report = {
		.series = sum->series, .end_ns = sum->end_ns, .interval_ns = sum->end_ns - sum->begin_ns};
	struct str text = {0};
	int err;

	memcpy(report.lost, sum->lost, sizeof(report.lost));
	if (is_json)
		report__write_json(&text, &report);
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
	int err = 0,
	    status =
		    options__parse(OPTIONS_MERGE, "FILE...",
				   "Add up what hist --json and export --state wrote, of many hosts or runs.",
				   argc, argv, &opts);

	if (status)
		return status;
	for (int i = 0; !err && i < opts.file_cnt; i++)
		err = add_file(&sum, opts.files[i]);
	if (!err)
		err = write_sum(&sum, opts.json);
	histsum__fini(&sum);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
