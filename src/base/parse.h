/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Strict parsers for user input. Blanks, signs, octal and trailing bytes are rejected. Each parser returns 0,
 * or -EINVAL (malformed), -ERANGE (well-formed, out of bounds) or -E2BIG (too many values). On failure the
 * outputs are unchanged, and `err` says what is wrong, why, and what is accepted. `what` names the option in
 * that message ("--lport").
 */
#ifndef SYNFIN_BASE_PARSE_H
#define SYNFIN_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* One line, safe to show on a terminal whatever the input was. */
struct parse_error {
	char text[256];
};

#define PARSE_PID_MAX  4194304 /* PID_MAX_LIMIT of 64-bit kernels */
#define PARSE_COMM_MAX 15      /* a task name without its NUL */
#define PARSE_GLOB_MAX 31      /* a comm pattern, without its NUL */

/* A set of ports; zero-initialised is empty. Port n is bit n % 64 of bits[n / 64]. */
struct port_set {
	uint64_t bits[65536 / 64];
};

bool port_set__has(const struct port_set *set, uint16_t port);
bool port_set__is_empty(const struct port_set *set);

/* A decimal number, min <= number <= max. */
int parse__u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
	       struct parse_error *err);

/* "1" or "1,2,3", appended to pids[*cnt...]; a pid that is there already is not added twice. */
int parse__pids(const char *what, const char *text, uint32_t *pids, size_t cap, size_t *cnt,
		struct parse_error *err);

/* "80", "80,443", "8000-8100,9000": added to `set`. */
int parse__ports(const char *what, const char *text, struct port_set *set, struct parse_error *err);

/* "65536", "64K", "64M", "1G": bytes, by powers of 1024. */
int parse__bytes(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		 struct parse_error *err);

/* "300ms", "2s", "1.5us": a number and one of ns us ms s m h. */
int parse__duration(const char *what, const char *text, uint64_t *ret_ns, struct parse_error *err);

/* "10.0.0.0/8,fd00::/8,::1", each as for addr__parse_network(), appended to networks[*cnt...]. */
int parse__networks(const char *what, const char *text, struct network *networks, size_t cap, size_t *cnt,
		    struct parse_error *err);

/*
 * Copies the next word of a comma-separated list to word[sz], and moves *rest to the word after it, or sets
 * it to NULL after the last one. An empty word is malformed, and a word that does not fit is out of bounds.
 */
int parse__word(const char *what, const char **rest, char *word, size_t sz, struct parse_error *err);

/* A user ID, or the name of a user that this host can look up. */
int parse__uid(const char *what, const char *text, uint32_t *ret_uid, struct parse_error *err);

/* The name of a user that this host can look up. Also returns the user's own group. */
int parse__user(const char *what, const char *text, uint32_t *ret_uid, uint32_t *ret_gid,
		struct parse_error *err);

/* A pattern of * and ? for task names: not empty, not longer than PARSE_GLOB_MAX, able to match a name. */
int parse__comm_glob(const char *what, const char *text, struct parse_error *err);

#endif
