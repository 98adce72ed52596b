/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of options (--config): a line for each, `key = value` with the name of a long option, or the name alone
 * where the option takes no value. Blank lines, and lines that begin with #, say nothing.
 */
#ifndef SYNFIN_CMD_CONFIG_H
#define SYNFIN_CMD_CONFIG_H

#include <stddef.h>

/* Zero-initialised is empty. */
struct config {
	struct config_line {
		unsigned int number;
		char *arg; /* "--key=value" */
	} * lines;
	size_t cnt;
};

/* 0, or -errno after one line on stderr that names the file and, where it is to blame, the line. */
int config__read(const char *path, struct config *ret_config);
void config__fini(struct config *config);

#endif
