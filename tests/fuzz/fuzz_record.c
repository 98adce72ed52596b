/* SPDX-License-Identifier: GPL-2.0-only */
/* Raw records of any contents, task names among them, as JSON, as piped text and on a terminal. */
#include "oracle.h"

#include <sys/mman.h>
#include <unistd.h>

#include "model/record.h"
#include "out/out.h"

static const struct clock clk = {.offset_ns = 1763712000000000000};

static char *take(int fd, size_t *ret_len)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)len + 1);

	demand(len >= 0 && pread(fd, text, (size_t)len, 0) == len, "readable", "", 0);
	text[len] = '\0';
	*ret_len = (size_t)len;
	return text;
}

static void write_all(const struct record *rec, struct out *out, int fd, void (*check)(const char *, size_t))
{
	size_t len;
	char *text;

	demand(!out__record(out, rec) && !out__flush(out), "written", "", 0);
	text = take(fd, &len);
	check(text, len);
	free(text);
	out__free(out);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct term terms[] = {{0}, {.columns = 60, .rows = 24}, {.columns = 200, .rows = 24}};
	struct sf_event ev = {0};
	struct record rec;
	struct out *out;
	int fd;

	(void)record__decode(data, size, &rec); /* of any size */
	memcpy(&ev, data, size < sizeof(ev) ? size : sizeof(ev));
	if (record__decode(&ev, sizeof(ev), &rec))
		return 0;
	fd = memfd_create("json", 0);
	demand(!out__new_jsonl(fd, &clk, &out), "made", "", 0);
	write_all(&rec, out, fd, check_json_lines);
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		fd = memfd_create("text", 0);
		demand(!out__new_table(fd, &clk, &terms[i], &out), "made", "", 0);
		write_all(&rec, out, fd, check_text);
	}
	return 0;
}
