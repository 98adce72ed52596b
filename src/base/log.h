/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages for the user: one line each on stderr, in one write, beginning with "synfin: ". If stderr goes to
 * the journal, the level precedes that in the journal's form: "<3>". Control characters are written as \xNN,
 * so that foreign text cannot control the terminal. The level belongs to the process, the place and the watch
 * to the thread: neither libbpf's print callback nor the parsers of options can pass them on.
 */
#ifndef SYNFIN_BASE_LOG_H
#define SYNFIN_BASE_LOG_H

#include <stdarg.h>

#include "base/write.h"

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN = 1, /* -q silences the levels after it */
	LOG_LEVEL_INFO = 2, /* the default */
	LOG_LEVEL_DEBUG = 3,
};

void log__set_level(enum log_level max);
enum log_level log__level(void);
/*
 * `place` ("FILE:3: ") names what is being read. It precedes each message until it is NULL again. Borrowed.
 */
void log__set_place(const char *place);
/* `watch` is asked while stderr stalls; if it gives up, the message is dropped. Borrowed; NULL: no watch. */
void log__set_watch(const struct write_watch *watch);

/* A trailing newline in the text is dropped; errno is preserved. */
__attribute__((format(printf, 2, 0))) void log__vwrite(enum log_level level, const char *fmt, va_list ap);
__attribute__((format(printf, 1, 2))) void log__error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__info(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log__debug(const char *fmt, ...);

#endif
