/* SPDX-License-Identifier: GPL-2.0-only */
/* Strict parsing. Lists are walked as slices of the text; values are stored only when all of it was right. */
#include "base/parse.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A part of the text. */
struct slice {
	const char *at;
	size_t len;
};

bool port_set__has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / 64] >> port % 64 & 1;
}

bool port_set__is_empty(const struct port_set *set)
{
	size_t i;

	for (i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++) {
		if (set->bits[i])
			return false;
	}
	return true;
}

/* What was typed may be anything of any length: it is made safe and shortened. */
__attribute__((format(printf, 5, 6))) static int fail(struct parse_error *err, int code, const char *what,
						      struct slice got, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	str__appendf(&s, "%s: '", what);
	str__append_safe(&s, got.at, got.len < 40 ? got.len : 40, false);
	str__append(&s, got.len > 40 ? "...' " : "' ");
	va_start(ap, fmt);
	str__vappendf(&s, fmt, ap);
	va_end(ap);
	snprintf(err->text, sizeof(err->text), "%s", str__text(&s));
	str__fini(&s);
	return code;
}

static struct slice whole(const char *text)
{
	return (struct slice){.at = text, .len = strlen(text)};
}

/* The part up to the next comma; *rest is moved behind it, to NULL after the last one. */
static struct slice next_part(const char **rest, char separator)
{
	const char *end = strchr(*rest, separator);
	struct slice part = {.at = *rest, .len = end ? (size_t)(end - *rest) : strlen(*rest)};

	*rest = end ? end + 1 : NULL;
	return part;
}

/* -EINVAL: not all digits; -ERANGE: more than 64 bits. */
static int parse_digits(struct slice s, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i;

	if (!s.len)
		return -EINVAL;
	for (i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -EINVAL;
	}
	for (i = 0; i < s.len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

static int parse_bounded(const char *what, struct slice s, uint64_t min, uint64_t max, uint64_t *ret,
			 struct parse_error *err)
{
	uint64_t value = 0;
	int code = parse_digits(s, &value);

	if (!code && (value < min || value > max))
		code = -ERANGE;
	if (code)
		return fail(err, code, what, s, "%s: give a whole number from %llu to %llu",
			    code == -ERANGE ? "is out of range" : "is not a number", (unsigned long long)min,
			    (unsigned long long)max);
	*ret = value;
	return 0;
}

int parse__u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
	       struct parse_error *err)
{
	return parse_bounded(what, whole(text), min, max, ret, err);
}

int parse__bytes(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		 struct parse_error *err)
{
	static const char units[] = "KMG";
	struct slice number = whole(text);
	const char *unit = number.len ? strchr(units, text[number.len - 1]) : NULL;
	uint64_t value = 0, scale = unit ? 1ULL << 10 * (unit - units + 1) : 1;
	int code;

	number.len -= unit != NULL;
	code = parse_digits(number, &value);
	if (!code && (__builtin_mul_overflow(value, scale, &value) || value < min || value > max))
		code = -ERANGE;
	if (code)
		return fail(err, code, what, whole(text),
			    "%s: give bytes as 65536, 512K, 64M or 1G, %llu to %llu",
			    code == -ERANGE ? "is out of range" : "is not a size", (unsigned long long)min,
			    (unsigned long long)max);
	*ret = value;
	return 0;
}

static bool is_among(uint32_t pid, const uint32_t *pids, size_t cnt)
{
	size_t i;

	for (i = 0; i < cnt; i++) {
		if (pids[i] == pid)
			return true;
	}
	return false;
}

int parse__pids(const char *what, const char *text, uint32_t *pids, size_t cap, size_t *cnt,
		struct parse_error *err)
{
	size_t n = *cnt;
	uint64_t pid = 0;
	int code;

	while (text) {
		struct slice part = next_part(&text, ',');

		code = parse_bounded(what, part, 1, PARSE_PID_MAX, &pid, err);
		if (code)
			return code;
		if (is_among((uint32_t)pid, pids, n))
			continue;
		if (n == cap)
			return fail(err, -E2BIG, what, part, "is one too many: at most %zu processes", cap);
		pids[n++] = (uint32_t)pid;
	}
	*cnt = n;
	return 0;
}

/* "80" or "8000-8100" */
static int parse_port_range(const char *what, struct slice part, uint64_t *ret_first, uint64_t *ret_last,
			    struct parse_error *err)
{
	const char *dash = memchr(part.at, '-', part.len);
	struct slice first = part, last = part;
	uint64_t lo = 0, hi = 0;
	int code;

	if (dash) {
		first.len = (size_t)(dash - part.at);
		last = (struct slice){.at = dash + 1, .len = part.len - first.len - 1};
	}
	code = parse_digits(first, &lo);
	if (!code)
		code = parse_digits(last, &hi);
	if (code == -EINVAL)
		return fail(err, code, what, part, "is not a port or a range: write 80, or 80,8000-8100");
	if (code || lo < 1 || hi < 1 || lo > 65535 || hi > 65535)
		return fail(err, -ERANGE, what, part, "is out of range: ports are 1 to 65535");
	if (lo > hi)
		return fail(err, -ERANGE, what, part, "is empty: write the lower port first, %llu-%llu",
			    (unsigned long long)hi, (unsigned long long)lo);
	*ret_first = lo;
	*ret_last = hi;
	return 0;
}

int parse__ports(const char *what, const char *text, struct port_set *set, struct parse_error *err)
{
	struct port_set sum = *set;
	uint64_t port = 0, last = 0;
	int code;

	while (text) {
		code = parse_port_range(what, next_part(&text, ','), &port, &last, err);
		if (code)
			return code;
		for (; port <= last; port++)
			sum.bits[port / 64] |= 1ULL << port % 64;
	}
	*set = sum;
	return 0;
}

int parse__word(const char *what, const char **rest, char *word, size_t sz, struct parse_error *err)
{
	const char *text = *rest;
	struct slice part = next_part(&text, ',');

	if (!part.len)
		return fail(err, -EINVAL, what, whole(*rest),
			    "has an empty word: give words with commas between");
	if (part.len >= sz)
		return fail(err, -ERANGE, what, part, "is too long: at most %zu characters", sz - 1);
	memcpy(word, part.at, part.len);
	word[part.len] = '\0';
	*rest = text;
	return 0;
}

static int parse_network(const char *what, const char *text, struct network *ret_network,
			 struct parse_error *err)
{
	switch (addr__parse_network(text, ret_network)) {
	case 0:
		return 0;
	case -ERANGE:
		return fail(err, -ERANGE, what, whole(text),
			    "has too long a prefix: at most 32 bits for IPv4, 128 for IPv6");
	case -EDOM:
		return fail(err, -EINVAL, what, whole(text),
			    "has bits set behind its prefix: clear them, or leave the prefix out for one "
			    "address");
	default:
		return fail(err, -EINVAL, what, whole(text),
			    "is not an address or a network: write 10.0.0.0/8, fd00::/8 or ::1");
	}
}

int parse__networks(const char *what, const char *text, struct network *networks, size_t cap, size_t *cnt,
		    struct parse_error *err)
{
	struct network one;
	size_t n = *cnt;
	char word[64];
	int code = 0;

	while (text) {
		code = parse__word(what, &text, word, sizeof(word), err);
		if (!code)
			code = parse_network(what, word, &one, err);
		if (code)
			return code;
		if (n == cap)
			return fail(err, -E2BIG, what, whole(word), "is one too many: at most %zu networks",
				    cap);
		networks[n++] = one;
	}
	*cnt = n;
	return 0;
}

/*
 * NULL: none, or it cannot be told. Linked statically, glibc would load what nsswitch.conf names from a host whose glibc is
 * another one, and crash: there it is the local file alone.
 */
#ifdef SYNFIN_STATIC
static struct passwd *find_user(const char *name, struct passwd *entry, char *buf, size_t sz)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *found = NULL;

	if (!file)
		return NULL;
	while (!fgetpwent_r(file, entry, buf, sz, &found) && strcmp(found->pw_name, name) != 0)
		found = NULL;
	fclose(file);
	return found;
}
#else
static struct passwd *find_user(const char *name, struct passwd *entry, char *buf, size_t sz)
{
	struct passwd *found = NULL;

	return getpwnam_r(name, entry, buf, sz, &found) ? NULL : found;
}
#endif

static int look_up_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	struct passwd entry, *found = NULL;
	size_t sz = 1 << 16;
	char *buf = malloc(sz);

	if (buf)
		found = find_user(name, &entry, buf, sz);
	if (found) {
		*ret_uid = found->pw_uid;
		*ret_gid = found->pw_gid;
	}
	free(buf);
	return found ? 0 : -ENOENT;
}

int parse__uid(const char *what, const char *text, uint32_t *ret_uid, struct parse_error *err)
{
	struct slice all = whole(text);
	uint64_t uid = 0;
	uint32_t gid;

	if (all.len && strspn(text, "0123456789") == all.len) {
		int code = parse_bounded(what, all, 0, UINT32_MAX - 1, &uid, err);

		if (!code)
			*ret_uid = (uint32_t)uid;
		return code;
	}
	if (!all.len || look_up_user(text, ret_uid, &gid))
		return fail(err, -EINVAL, what, all,
			    "is not a user of this host: give the user ID, a number");
	return 0;
}

int parse__user(const char *what, const char *text, uint32_t *ret_uid, uint32_t *ret_gid,
		struct parse_error *err)
{
	struct slice all = whole(text);

	if (!all.len || look_up_user(text, ret_uid, ret_gid))
		return fail(err, -EINVAL, what, all, "is not a user of this host: give its name");
	return 0;
}

static uint64_t unit_ns(struct slice s)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"ns", 1},		{"us", 1000},	     {"ms", 1000000},
		     {"s", 1000000000}, {"m", 60000000000U}, {"h", 3600000000000U}};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) == s.len && !memcmp(units[i].name, s.at, s.len))
			return units[i].ns;
	}
	return 0;
}

/* Digits behind the point as ns of `unit`; finer ones than a ns are not dropped in silence. */
static int parse_fraction(struct slice digits, uint64_t unit, uint64_t *ret_ns)
{
	uint64_t ns = 0;
	size_t i;

	for (i = 0; i < digits.len; i++) {
		if (unit % 10)
			return -EINVAL;
		unit /= 10;
		ns += (uint64_t)(digits.at[i] - '0') * unit;
	}
	*ret_ns = ns;
	return 0;
}

int parse__duration(const char *what, const char *text, uint64_t *ret_ns, struct parse_error *err)
{
	static const char digit[] = "0123456789";
	struct slice all = whole(text), number = {.at = text, .len = strspn(text, digit)}, fraction = {0};
	const char *rest = text + number.len;
	uint64_t ns = 0, fraction_ns = 0, unit;
	int code;

	if (*rest == '.') {
		fraction = (struct slice){.at = rest + 1, .len = strspn(rest + 1, digit)};
		rest = fraction.at + fraction.len;
	}
	unit = unit_ns(whole(rest));
	code = parse_digits(number, &ns);
	if (code == -EINVAL || !unit || (fraction.at && !fraction.len))
		return fail(err, -EINVAL, what, all,
			    "is not a duration with a unit: write 300ms, 2s or 1.5us (ns us ms s m h)");
	if (parse_fraction(fraction, unit, &fraction_ns))
		return fail(err, -EINVAL, what, all, "is finer than a nanosecond: use fewer digits");
	if (code || __builtin_mul_overflow(ns, unit, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns) ||
	    ns > INT64_MAX)
		return fail(err, -ERANGE, what, all, "is out of range: at most 292 years");
	*ret_ns = ns;
	return 0;
}

int parse__comm_glob(const char *what, const char *text, struct parse_error *err)
{
	struct slice all = whole(text);
	size_t i, fixed = 0;

	if (!all.len)
		return fail(err, -EINVAL, what, all, "is empty: give a task name or a pattern of * and ?");
	if (all.len > PARSE_GLOB_MAX)
		return fail(err, -ERANGE, what, all, "is too long: at most %d characters", PARSE_GLOB_MAX);
	for (i = 0; i < all.len; i++)
		fixed += text[i] != '*';
	if (fixed > PARSE_COMM_MAX)
		return fail(
			err, -ERANGE, what, all,
			"can match no task: the kernel cuts names to %d bytes, shorten it or end it with *",
			PARSE_COMM_MAX);
	return 0;
}
