/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages for the person at the terminal: one line each on stderr, in one write, beginning "synfin: "; before
 * it, where stderr goes to the journal, the level as that wants it: "<3>".
 * Control characters are rendered as \xNN, so that foreign text cannot play with the terminal. The level is state of the
 * process, the place and the watch are the thread's: libbpf's print callback and the parsers of options have nowhere to
 * carry them.
 */
#ifndef SYNFIN_BASE_LOG_H
#define SYNFIN_BASE_LOG_H

#include <stdarg.h>

#include "base/write.h"

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN = 1, /* -q: what follows is silent */
	LOG_LEVEL_INFO = 2, /* the default */
	LOG_LEVEL_DEBUG = 3,
};

void log__set_level(enum log_level max);
enum log_level log__level(void);
/* What is being read, as "FILE:3: ", goes before each message until it is NULL again. Borrowed. */
void log__set_place(const char *place);
/* Asked while standard error stalls; when it gives up, the message is dropped. Borrowed; NULL: nobody is. */
void log__set_watch(const struct write_watch *watch);

/* A trailing newline in the text is dropped; errno is preserved. */
__attribute__((format(printf, 2, 0))) void log__vwrite(enum log_level level, const char *fmt, va_list ap);
__attribute__((format(printf, 1, 2))) void log__error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__info(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__debug(const char *fmt, ...);

#endif
