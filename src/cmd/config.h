/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of options (--config). Each line is `key = value` with the name of a long option, or the name alone
 * if the option takes no value. Blank lines and lines that begin with # are ignored.
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

/* 0, or -errno after one line on stderr with the name of the file and, if a line is wrong, its number. */
int config__read(const char *path, struct config *ret_config);
void config__fini(struct config *config);

#endif
