/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line is cut into pieces, each of which json-c reads; what follows it is checking. json-c takes hundreds of bytes for the two
 * of an empty object, so no more than a piece of a bounded length is ever built. A line is added to a series of its own first,
 * which is added to the sum when all of it was right.
 */
#include "in/histfile.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "in/scan.h"
#include "model/names.h"

#define MAX_SETS (1 << 20)
#define MAX_PIECE_SZ \
	(256 << 10) /* a histogram with all buckets has 20 KiB, and cgroups may have long names */

/* What is read of a line: arrays whose elements are many, and the rest. */
enum member { MEMBER_HISTOGRAMS, MEMBER_COUNTERS, MEMBER_HEAD, __MEMBER_MAX = MEMBER_HEAD + 9 };

static const char *const members[__MEMBER_MAX] = {"histograms", "counters",  "v",	    "type",
						  "time",	"by",	     "interval_ns", "lost",
						  "folded",	"misplaced", "lower_bounds"};

/* One line being read. */
struct reading {
	struct histfile_error *err;
	const char *line;
	struct json_tokener *tokener;
	struct piece member[__MEMBER_MAX]; /* .at is NULL: is not there */
	struct series *series;
	struct by by;
	struct str key;
};

__attribute__((format(printf, 2, 3))) static int fail(struct histfile_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int fail_at(struct reading *r, const char *at, const char *why)
{
	return fail(r->err, "no JSON at byte %zu: %s", (size_t)(at - r->line) + 1, why);
}

/* What the scanner says of where it stands. */
static int fail_scan(struct reading *r, const struct scan *s, int err)
{
	switch (err) {
	case -ENODATA:
		return fail(r->err, "the line ends within the JSON");
	case -E2BIG:
		return fail(r->err, "more than %d brackets in each other at byte %zu", SCAN_MAX_DEPTH,
			    (size_t)(s->at - r->line) + 1);
	default:
		return fail_at(r, s->at, "unexpected character");
	}
}

static int parse_piece(struct reading *r, struct piece p, struct json_object **ret_object)
{
	enum json_tokener_error why;
	const char *end;

	if (p.len > MAX_PIECE_SZ)
		return fail(r->err, "more than %d KiB in one piece at byte %zu", MAX_PIECE_SZ >> 10,
			    (size_t)(p.at - r->line) + 1);
	json_tokener_reset(r->tokener);
	*ret_object = json_tokener_parse_ex(r->tokener, p.at, (int)p.len);
	end = p.at + json_tokener_get_parse_end(r->tokener);
	if (json_tokener_get_error(r->tokener) == json_tokener_continue) /* a number may go on: no */
		*ret_object = json_tokener_parse_ex(r->tokener, "", 1);
	why = json_tokener_get_error(r->tokener);
	if (why == json_tokener_success && end == p.at + p.len)
		return 0;
	json_object_put(*ret_object);
	return fail_at(r, end, json_tokener_error_desc(why));
}

/* 1 for an element, 0 at the end. */
static int next_element(struct reading *r, struct scan *s, struct piece *ret_element)
{
	int res = scan__element(s, ret_element);

	return res < 0 ? fail_scan(r, s, res) : res;
}

static int check_piece(struct reading *r, struct piece p)
{
	struct json_object *object = NULL;
	int err = parse_piece(r, p, &object);

	if (!err)
		json_object_put(object);
	return err;
}

/* Whatever is read of it, it has to be JSON. */
static int check_value(struct reading *r, struct piece value)
{
	struct piece element;
	struct scan s;
	int err = 0, more;

	if (value.at[0] != '[')
		return check_piece(r, value);
	scan__begin(&s, value.at, value.len, '[');
	while (!err && (more = next_element(r, &s, &element)))
		err = more < 0 ? more : check_piece(r, element);
	return err;
}

static int take_member(struct reading *r, struct piece name, struct piece value)
{
	int err;

	for (unsigned int i = 0; i < __MEMBER_MAX; i++) {
		size_t len = strlen(members[i]);

		if (name.len != len + 2 || memcmp(name.at + 1, members[i], len) != 0)
			continue;
		if (r->member[i].at)
			return fail(r->err, "'%s' is there twice", members[i]);
		r->member[i] = value;
		return i < MEMBER_HEAD ? 0 : check_value(r, value); /* items are checked as they are read */
	}
	err = check_piece(r, name);
	return err ? err : check_value(r, value);
}

static int split_line(struct reading *r, size_t len)
{
	struct piece name, value;
	struct scan s;
	int res = scan__begin(&s, r->line, len, '{'), err = 0;

	if (res)
		return fail_scan(r, &s, res);
	while (!err && (res = scan__member(&s, &name, &value)) > 0)
		err = take_member(r, name, value);
	return err || !res ? err : fail_scan(r, &s, res);
}

/* What is no array of many, as one object. */
static int parse_head(struct reading *r, struct json_object **ret_root)
{
	const char *line = r->line;
	struct str text = {0};
	struct piece whole;
	int err;

	for (unsigned int i = MEMBER_HEAD; i < __MEMBER_MAX; i++) {
		if (!r->member[i].at)
			continue;
		str__append(&text, text.len ? ",\"" : "{\"");
		str__append(&text, members[i]);
		str__append(&text, "\":");
		str__append_bytes(&text, r->member[i].at, r->member[i].len);
	}
	str__append(&text, text.len ? "}" : "{}");
	whole = (struct piece){str__text(&text), text.len};
	r->line = whole.at; /* of which the parts were right: it may be too long */
	err = str__error(&text);
	if (!err)
		err = parse_piece(r, whole, ret_root);
	r->line = line;
	str__fini(&text);
	return err;
}

static int get_member(struct reading *r, struct json_object *object, const char *name, enum json_type type,
		      struct json_object **ret_member)
{
	if (json_object_is_type(object, json_type_object) &&
	    json_object_object_get_ex(object, name, ret_member) && json_object_is_type(*ret_member, type))
		return 0;
	return fail(r->err, "'%s' is missing, or no %s", name, json_type_to_name(type));
}

/* json-c makes the largest number of those that are larger; none of ours comes near it. */
static int to_u64(struct reading *r, struct json_object *value, const char *name, uint64_t *ret)
{
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_uint64(value) == UINT64_MAX)
		return fail(r->err, "'%s' is no number that a count or a time could be", name);
	*ret = json_object_get_uint64(value);
	return 0;
}

static int get_u64(struct reading *r, struct json_object *object, const char *name, uint64_t *ret)
{
	struct json_object *value = NULL;
	int err = get_member(r, object, name, json_type_int, &value);

	return err ? err : to_u64(r, value, name, ret);
}

/* As json__u128() writes it. */
static int get_sum(struct reading *r, struct json_object *object, const char *name, hist_sum *ret)
{
	struct json_object *value = NULL;
	uint64_t small = 0;
	double large;
	int err;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_double)) {
		err = get_u64(r, object, name, &small);
		if (!err)
			*ret = small;
		return err;
	}
	large = json_object_get_double(value);
	if (!(large >= 0x1p64 && large < 0x1p127))
		return fail(r->err, "'%s' is no number that a sum could be", name);
	*ret = (hist_sum)large;
	return 0;
}

static int get_string(struct reading *r, struct json_object *object, const char *name, const char **ret)
{
	struct json_object *value = NULL;
	int err = get_member(r, object, name, json_type_string, &value);

	if (err)
		return err;
	*ret = json_object_get_string(value);
	if (strlen(*ret) != (size_t)json_object_get_string_len(value))
		return fail(r->err, "'%s' has a NUL in it", name);
	return 0;
}

/* [upper bound, count], the bound one of ours that is higher than the ones before. */
static int read_bucket(struct reading *r, struct json_object *pair, struct hist *h, uint32_t *next)
{
	struct json_object *bound;
	uint64_t upper = 0, count = 0;
	uint32_t i = SF_HIST_BUCKETS - 1;

	if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
		return fail(r->err, "a bucket is no pair of a bound and a count");
	bound = json_object_array_get_idx(pair, 0);
	if (bound && to_u64(r, bound, "buckets", &upper))
		return -EINVAL;
	if (bound)
		i = sf_hist_index(upper);
	if ((bound && sf_hist_upper(i) != upper) || i < *next)
		return fail(r->err, "a bucket's bound is not one of synfin's, or not in order");
	if (to_u64(r, json_object_array_get_idx(pair, 1), "buckets", &count))
		return -EINVAL;
	if (!count)
		return fail(r->err, "a bucket holds no sample, and none such is ever written");
	h->buckets[i] = count;
	*next = i + 1;
	return 0;
}

/* Count, extremes and sum are those that samples in these buckets can have. */
static int check_hist(struct reading *r, const struct hist *h)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < SF_HIST_BUCKETS; i++) {
		if (__builtin_add_overflow(count, h->buckets[i], &count))
			return fail(r->err, "the buckets hold more than can be counted");
	}
	if (!count || count != h->count)
		return fail(r->err, "'count' is not the sum of the buckets");
	if (!hist__is_sound(h))
		return fail(r->err, "'min_ns', 'max_ns' or 'sum_ns' does not fit the buckets");
	return 0;
}

static int read_hist(struct reading *r, struct json_object *object, struct hist *h)
{
	struct json_object *buckets = NULL;
	uint32_t next = 0;
	int err = get_u64(r, object, "count", &h->count);

	if (!err)
		err = get_sum(r, object, "sum_ns", &h->sum_ns);
	if (!err)
		err = get_u64(r, object, "min_ns", &h->min_ns);
	if (!err)
		err = get_u64(r, object, "max_ns", &h->max_ns);
	if (!err)
		err = get_member(r, object, "buckets", json_type_array, &buckets);
	for (size_t i = 0; !err && i < json_object_array_length(buckets); i++)
		err = read_bucket(r, json_object_array_get_idx(buckets, i), h, &next);
	return err ? err : check_hist(r, h);
}

/* The set of what found no room has "other" for each value, and is there only with values. */
static bool is_key_of_other(const struct reading *r, const char *const values[__BY_MAX])
{
	for (unsigned int i = 0; i < r->by.cnt; i++) {
		if (strcmp(values[i], "other") != 0)
			return false;
	}
	return r->by.cnt;
}

static int read_key(struct reading *r, struct json_object *object, bool is_other)
{
	const char *values[__BY_MAX] = {0};
	struct json_object *by = NULL;
	int err = get_member(r, object, "by", json_type_object, &by);

	for (unsigned int i = 0; !err && i < r->by.cnt; i++)
		err = get_string(r, by, by__name(r->by.fields[i]), &values[i]);
	if (err)
		return err;
	if (is_other && !is_key_of_other(r, values))
		return fail(r->err, "'other' is true of a set that has values of its own");
	str__reset(&r->key);
	by__append_values(&r->by, values, &r->key);
	return str__error(&r->key);
}

static int read_labels(struct reading *r, struct json_object *object, struct series_item *item)
{
	struct json_object *labels = NULL;
	int err = get_member(r, object, "labels", json_type_object, &labels);

	for (unsigned int i = 0; !err && i < 2; i++) {
		item->label[i].name = series__label_name(item->metric, i);
		if (item->label[i].name)
			err = get_string(r, labels, item->label[i].name, &item->label[i].value);
	}
	return err;
}

static int put_item(struct reading *r, const struct series_item *item)
{
	int err = series__put(r->series, item);

	if (err == -EINVAL)
		return fail(
			r->err,
			"a label of '%s' has a value that is not known: was it written by a newer synfin?",
			series__metric_name(item->metric));
	return err;
}

static int read_item(struct reading *r, struct json_object *object, bool is_hist)
{
	struct series_item item = {0};
	struct json_object *other = NULL;
	struct hist h = {0};
	const char *name = NULL;
	int err = get_string(r, object, "metric", &name);

	if (err)
		return err;
	if (series__find_metric(name, &item.metric) || SERIES_IS_HIST(item.metric) != is_hist)
		return fail(r->err, "'%s' is no metric of this kind that is known", name);
	err = get_member(r, object, "other", json_type_boolean, &other);
	if (!err)
		err = read_key(r, object, json_object_get_boolean(other));
	if (!err)
		err = read_labels(r, object, &item);
	if (!err)
		err = is_hist ? read_hist(r, object, &h) : get_u64(r, object, "count", &item.count);
	if (err)
		return err;
	if (!is_hist && !item.count)
		return fail(r->err, "a counter's 'count' is 0, and none such is ever written");
	item.key = str__text(&r->key);
	item.is_other = json_object_get_boolean(other);
	item.hist = is_hist ? &h : NULL;
	return put_item(r, &item);
}

static int begin_items(struct reading *r, enum member member, struct scan *ret_scan)
{
	const struct piece *items = &r->member[member];

	if (!items->at || scan__begin(ret_scan, items->at, items->len, '['))
		return fail(r->err, "'%s' is missing, or no array", members[member]);
	return 0;
}

static int read_items(struct reading *r, enum member member)
{
	struct json_object *object = NULL;
	struct piece element;
	struct scan s;
	int err = begin_items(r, member, &s), more;

	while (!err && (more = next_element(r, &s, &element))) {
		err = more < 0 ? more : parse_piece(r, element, &object);
		if (err)
			break;
		err = read_item(r, object, member == MEMBER_HISTOGRAMS);
		json_object_put(object);
	}
	return err;
}

static int read_fields(struct reading *r, struct json_object *root)
{
	struct json_object *fields = NULL;
	int err = get_member(r, root, "by", json_type_array, &fields);

	for (size_t i = 0; !err && i < json_object_array_length(fields); i++) {
		struct json_object *field = json_object_array_get_idx(fields, i);
		const char *name =
			json_object_is_type(field, json_type_string) ? json_object_get_string(field) : "";
		struct parse_error ignored;

		if (by__parse("", name, &r->by, &ignored))
			return fail(r->err, "'by' has a field that is not known, or is there twice");
	}
	return err;
}

static int read_head(struct reading *r, struct json_object *root)
{
	const char *type = NULL;
	uint64_t v = 0;
	int err = get_u64(r, root, "v", &v);

	if (!err)
		err = get_string(r, root, "type", &type);
	if (err)
		return err;
	if (v != 1 || strcmp(type, "hist") != 0)
		return fail(r->err, "this is no output of hist --json in version 1");
	return read_fields(r, root);
}

static int read_time(struct reading *r, struct json_object *root, struct histsum *ret_part)
{
	const char *time = NULL;
	uint64_t interval = 0;
	int err = get_string(r, root, "time", &time);

	if (!err)
		err = get_u64(r, root, "interval_ns", &interval);
	if (err)
		return err;
	if (clock__parse_rfc3339(time, &ret_part->end_ns) || interval > ret_part->end_ns)
		return fail(r->err, "'time' is no time, or 'interval_ns' longer than all of it");
	ret_part->begin_ns = ret_part->end_ns - interval;
	return 0;
}

static int read_totals(struct reading *r, struct json_object *root, struct histsum *ret_part)
{
	struct series_totals totals = {0};
	struct json_object *lost = NULL;
	int err = get_member(r, root, "lost", json_type_object, &lost);

	for (unsigned int i = 0; !err && i < __SF_LOST_MAX; i++)
		err = get_u64(r, lost, names__lost(i), &ret_part->lost[i]);
	if (!err)
		err = get_u64(r, root, "folded", &totals.folded);
	if (!err && json_object_object_get_ex(root, "misplaced", NULL)) /* the first lines had none */
		err = get_u64(r, root, "misplaced", &totals.misplaced);
	if (!err)
		err = get_u64(r, root, "lower_bounds", &totals.bounds);
	return err ? err : series__put_totals(r->series, &totals);
}

static int count_items(struct reading *r, enum member member, size_t *cnt)
{
	struct piece element;
	struct scan s;
	int err = begin_items(r, member, &s), more;

	while (!err && (more = next_element(r, &s, &element))) {
		err = more < 0 ? more : 0;
		++*cnt;
	}
	return err;
}

/* Two of the same would have been added to one. */
static int check_twice(struct reading *r, size_t item_cnt)
{
	struct series_iter it = {0};
	struct series_item item;
	size_t cnt = 0;

	while (series__next(r->series, &it, &item))
		cnt++;
	return cnt == item_cnt ? 0 : fail(r->err, "a histogram or a counter is there twice");
}

static int read_line(struct reading *r, struct json_object *root, struct histsum *ret_part)
{
	int err = read_head(r, root);
	size_t item_cnt = 0;

	if (!err)
		err = read_time(r, root, ret_part);
	if (!err)
		err = count_items(r, MEMBER_HISTOGRAMS, &item_cnt);
	if (!err)
		err = count_items(r, MEMBER_COUNTERS, &item_cnt);
	/* Each item may be of a set of its own, and no more. */
	if (!err)
		err = series__new(item_cnt, &r->by, &r->series);
	if (!err)
		err = read_items(r, MEMBER_HISTOGRAMS);
	if (!err)
		err = read_items(r, MEMBER_COUNTERS);
	if (!err)
		err = check_twice(r, item_cnt);
	if (!err)
		err = read_totals(r, root, ret_part);
	ret_part->series = r->series;
	return err;
}

static int read_pieces(struct reading *r, size_t len, struct histsum *ret_part)
{
	struct json_object *root = NULL;
	int err;

	r->tokener = json_tokener_new_ex(SCAN_MAX_DEPTH + 1);
	if (!r->tokener)
		return -ENOMEM;
	json_tokener_set_flags(r->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	err = split_line(r, len);
	if (!err)
		err = parse_head(r, &root);
	if (!err)
		err = read_line(r, root, ret_part);
	json_object_put(root);
	json_tokener_free(r->tokener);
	str__fini(&r->key);
	return err;
}

static bool is_same_by(const struct by *a, const struct by *b)
{
	return a->cnt == b->cnt && !memcmp(a->fields, b->fields, a->cnt * sizeof(a->fields[0]));
}

static int add_part(struct histsum *sum, const struct histsum *part)
{
	struct series_iter it = {0};
	struct series_item item;
	int err = series__put_totals(sum->series, series__totals(part->series));

	while (!err && series__next(part->series, &it, &item))
		err = series__put(sum->series, &item);
	for (unsigned int i = 0; !err && i < __SF_LOST_MAX; i++)
		err = __builtin_add_overflow(sum->lost[i], part->lost[i], &sum->lost[i]) ? -EOVERFLOW : 0;
	sum->begin_ns = part->begin_ns < sum->begin_ns ? part->begin_ns : sum->begin_ns;
	sum->end_ns = part->end_ns > sum->end_ns ? part->end_ns : sum->end_ns;
	return err;
}

/* The first line says by what it is kept apart. */
static int begin_sum(struct histsum *sum, const struct histsum *part)
{
	int err = series__new(MAX_SETS, series__by(part->series), &sum->series);

	sum->begin_ns = part->begin_ns;
	sum->end_ns = part->end_ns;
	return err;
}

int histfile__add_line(struct histsum *sum, const char *line, size_t len, struct histfile_error *err)
{
	struct reading r = {.err = err, .line = line};
	struct histsum part = {0};
	int code;

	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	code = read_pieces(&r, len, &part);
	if (!code && !sum->series)
		code = begin_sum(sum, &part);
	if (!code && !is_same_by(series__by(sum->series), &r.by))
		code = fail(err, "it is kept apart by other fields (--by) than what came before");
	if (!code)
		code = add_part(sum, &part);
	if (code == -EOVERFLOW || code == -E2BIG)
		code = fail(err, "together it is too much to be counted");
	histsum__fini(&part);
	return code;
}

void histsum__fini(struct histsum *sum)
{
	series__free(sum->series);
	sum->series = NULL;
}
