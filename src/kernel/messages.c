/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/log.h"

static char refused_prog[64];

static void log_lines(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log__debug("%s", line);
}

static int on_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text;

	if (level == LIBBPF_DEBUG || vasprintf(&text, fmt, ap) < 0)
		return 0;
	if (strstr(text, "BPF program load failed"))
		sscanf(text, "libbpf: prog '%63[^']'", refused_prog);
	log_lines(text);
	free(text);
	return 0;
}

void messages__take(void)
{
	libbpf_set_print(on_message);
}

void messages__forget(void)
{
	refused_prog[0] = '\0';
}

const char *messages__refused(void)
{
	return refused_prog[0] ? refused_prog : NULL;
}
