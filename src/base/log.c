/* SPDX-License-Identifier: GPL-2.0-only */
/* One line, one write. */
#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static enum log_level level_max = LOG_LEVEL_INFO;
static _Thread_local const char *current_place;
static _Thread_local const struct write_watch *current_watch;

void log__set_level(enum log_level max)
{
	level_max = max;
}

enum log_level log__level(void)
{
	return level_max;
}

void log__set_place(const char *place)
{
	current_place = place;
}

void log__set_watch(const struct write_watch *watch)
{
	current_watch = watch;
}

/* sd-daemon(3): whoever has connected stderr to the journal says to which socket. */
static bool goes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(here, stream);
}

void log__vwrite(enum log_level level, const char *fmt, va_list ap)
{
	/* Information carries no label: "synfin: ready" is part of the contract. */
	static const char *const prefix[] = {
		[LOG_LEVEL_ERROR] = "synfin: error: ",
		[LOG_LEVEL_WARN] = "synfin: warning: ",
		[LOG_LEVEL_INFO] = "synfin: ",
		[LOG_LEVEL_DEBUG] = "synfin: debug: ",
	};
	static const char *const priority[] = {
		[LOG_LEVEL_ERROR] = "<3>",
		[LOG_LEVEL_WARN] = "<4>",
		[LOG_LEVEL_INFO] = "<6>",
		[LOG_LEVEL_DEBUG] = "<7>",
	};
	struct str text = {0}, line = {0};
	int saved_errno = errno;
	size_t done;

	if (level > level_max)
		return;
	if (current_place)
		str__append(&text, current_place);
	str__vappendf(&text, fmt, ap);
	if (text.len && text.buf[text.len - 1] == '\n')
		text.len--;
	if (goes_to_journal())
		str__append(&line, priority[level]);
	str__append(&line, prefix[level]);
	str__append_safe(&line, str__text(&text), text.len, false);
	str__append_char(&line, '\n', 1);
	/* There is nobody left to tell when stderr does not take it. */
	if (!str__error(&line))
		(void)write__all(STDERR_FILENO, line.buf, line.len, current_watch, &done);
	str__fini(&line);
	str__fini(&text);
	errno = saved_errno;
}

void log__error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log__vwrite(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void log__warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log__vwrite(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log__info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log__vwrite(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log__debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log__vwrite(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}
