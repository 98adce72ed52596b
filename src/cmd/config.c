/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines to arguments; what they mean is for the parser of the command line. */
#include "cmd/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define MAX_SZ	  (1 << 20)
#define BLANK	  " \t\r\n"
#define KEY_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

static int add_arg(struct config *config, unsigned int number, const char *key, int key_len,
		   const char *value)
{
	struct config_line *lines = reallocarray(config->lines, config->cnt + 1, sizeof(*lines));
	char *arg = NULL;

	if (!lines)
		return -ENOMEM;
	config->lines = lines;
	if (asprintf(&arg, "--%.*s%s%s", key_len, key, value ? "=" : "", value ? value : "") < 0)
		return -ENOMEM;
	lines[config->cnt++] = (struct config_line){.number = number, .arg = arg};
	return 0;
}

static int add_line(struct config *config, const char *path, unsigned int number, char *line)
{
	char *key = line + strspn(line, BLANK), *value, *end = key + strlen(key);
	int key_len = (int)strspn(key, KEY_CHARS);

	while (end > key && strchr(BLANK, end[-1]))
		*--end = '\0';
	if (!*key || *key == '#')
		return 0;
	value = key + key_len + strspn(key + key_len, BLANK);
	if (!key_len || *key == '-' || (*value && *value != '=')) {
		log__error("%s:%u: '%.40s' is not an option: write key = value, or key alone", path, number,
			   key);
		return -EINVAL;
	}
	/* Shortened, too, as the parser takes them. */
	if (!strncmp(key, "config", (size_t)key_len) || !strncmp(key, "help", (size_t)key_len) ||
	    !strncmp(key, "version", (size_t)key_len)) {
		log__error("%s:%u: '%.*s' belongs on the command line", path, number, key_len, key);
		return -EINVAL;
	}
	if (*value)
		value += 1 + strspn(value + 1, BLANK);
	else
		value = NULL;
	return add_arg(config, number, key, key_len, value);
}

/* All lines but for a NUL, behind which nothing would be read. */
static int add_lines(struct config *config, const char *path, const struct str *text)
{
	char *line = text->buf, *end = line ? line + text->len : NULL, *next;
	unsigned int number = 0;
	int err = 0;

	for (; !err && line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		*next = '\0';
		number++;
		if (strlen(line) < (size_t)(next - line)) {
			log__error("%s:%u: there is a NUL in this line: this is not a text file", path,
				   number);
			return -EINVAL;
		}
		err = add_line(config, path, number, line);
	}
	if (err == -ENOMEM)
		log__error("cannot read %s: %s", path, strerror(ENOMEM));
	return err;
}

int config__read(const char *path, struct config *ret_config)
{
	struct config config = {0};
	struct str text = {0};
	int err = file__read(path, MAX_SZ, &text);

	if (err)
		log__error("cannot read %s: %s", path,
			   err == -EOPNOTSUPP ? "it is not a regular file"
			   : err == -EFBIG    ? "it holds more than 1 MiB"
					      : strerror(-err));
	else
		err = add_lines(&config, path, &text);
	str__fini(&text);
	if (err)
		config__fini(&config);
	else
		*ret_config = config;
	return err;
}

void config__fini(struct config *config)
{
	for (size_t i = 0; i < config->cnt; i++)
		free(config->lines[i].arg);
	free(config->lines);
	*config = (struct config){0};
}
