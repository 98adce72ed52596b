/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Histograms as one line each, for a terminal: count, quantiles and a sketch of the shape. All sketches of a report have the
 * same logarithmic axis, so that shapes can be compared.
 */
#include <inttypes.h>
#include <string.h>

#include "model/names.h"
#include "out/impl.h"
#include "out/interval.h"

#define DURATION_WIDTH	 6 /* "45.1ms"; what is longer moves the rest of its line */
#define SKETCH_WIDTH_MIN 8 /* narrower ones are left out */
#define SKETCH_WIDTH_MAX 48
#define LEVELS		 8

static const struct {
	const char *name;
	unsigned int ppm; /* 0: the maximum */
} numbers[] = {{"P50", 500000}, {"P90", 900000}, {"P99", 990000}, {"P99.9", 999000}, {"MAX", 0}};
#define NUMBER_CNT (sizeof(numbers) / sizeof(numbers[0]))

/* What the lines of a report have in common. */
struct layout {
	const struct term *term;
	size_t title_width;
	size_t count_width;
	unsigned int first; /* bucket where the sketches begin */
	unsigned int step;  /* buckets to a column of a sketch */
	unsigned int sketch_width;
	uint64_t min_ns;
	uint64_t max_ns; /* less than min_ns: there is no histogram */
};

/* The labels' values without their names: "client established". */
static void put_values(struct str *s, const struct series_item *item)
{
	for (unsigned int i = 0; i < 2 && item->label[i].name; i++)
		str__appendf(s, "%s%s", i ? " " : "", item->label[i].value);
}

static void put_title(struct str *s, const struct series_item *item)
{
	str__append(s, series__metric_name(item->metric));
	if (item->label[0].name)
		str__append_char(s, ' ', 1);
	put_values(s, item);
}

/* Appends `text` with blanks on its left. */
static void put_right(struct str *s, const struct str *text, size_t width)
{
	str__append_char(s, ' ', text->len < width ? width - text->len : 0);
	str__append_bytes(s, str__text(text), text->len);
	s->failed |= text->failed;
}

static void put_duration(struct str *s, uint64_t ns)
{
	struct str text = {0};

	str__append_char(s, ' ', 1);
	str__append_duration(&text, ns);
	put_right(s, &text, DURATION_WIDTH);
	str__fini(&text);
}

static void measure(struct layout *l, const struct series_item *item)
{
	struct str text = {0};

	put_title(&text, item);
	l->title_width = text.len > l->title_width ? text.len : l->title_width;
	str__reset(&text);
	str__append_u64(&text, item->count);
	l->count_width = text.len > l->count_width ? text.len : l->count_width;
	str__fini(&text);
	l->min_ns = item->hist->min_ns < l->min_ns ? item->hist->min_ns : l->min_ns;
	l->max_ns = item->hist->max_ns > l->max_ns ? item->hist->max_ns : l->max_ns;
}

/* The sketches get what the numbers leave. */
static void choose_sketch(struct layout *l)
{
	size_t taken = l->title_width + 1 + l->count_width + NUMBER_CNT * (DURATION_WIDTH + 1) + 1;
	unsigned int last = sf_hist_index(l->max_ns), room;

	if (l->min_ns > l->max_ns || taken + SKETCH_WIDTH_MIN > l->term->columns)
		return;
	room = l->term->columns - (unsigned int)taken;
	room = room > SKETCH_WIDTH_MAX ? SKETCH_WIDTH_MAX : room;
	l->first = sf_hist_index(l->min_ns);
	l->step = (last - l->first + room) / room;
	l->sketch_width = (last - l->first) / l->step + 1;
}

static struct layout make_layout(const struct report *r)
{
	struct layout l = {.term = r->term, .count_width = strlen("COUNT"), .min_ns = UINT64_MAX};
	struct series_iter it = {0};
	struct series_item item;

	while (series__next(r->series, &it, &item)) {
		if (SERIES_IS_HIST(item.metric) && item.hist->count)
			measure(&l, &item);
	}
	choose_sketch(&l);
	return l;
}

/* A column that has a sample shows a mark. */
static void put_level(struct str *s, uint64_t count, uint64_t most, bool has_utf8)
{
	unsigned int level = count ? (unsigned int)((double)count / (double)most * (LEVELS - 1) + 0.5) : 0;

	if (!count)
		str__append_char(s, ' ', 1);
	else if (has_utf8)
		str__appendf(s, "\xe2\x96%c",
			     0x81 + level); /* U+2581 to U+2588, an eighth of a block to all of it */
	else
		str__append_char(s, ".:-=+*#@"[level], 1);
}

static void put_sketch(struct str *s, const struct layout *l, const struct hist *h)
{
	uint64_t columns[SKETCH_WIDTH_MAX] = {0}, most = 0;
	unsigned int i, used = 0;

	for (i = 0; i < SF_HIST_BUCKETS; i++) {
		unsigned int column = (i - l->first) / l->step;

		if (!h->buckets[i] || i < l->first || column >= l->sketch_width)
			continue;
		columns[column] += h->buckets[i];
		used = column + 1;
	}
	for (i = 0; i < used; i++)
		most = columns[i] > most ? columns[i] : most;
	str__append_char(s, ' ', 1);
	for (i = 0; i < used; i++)
		put_level(s, columns[i], most, l->term->has_utf8);
}

static void put_hist(struct str *s, const struct layout *l, const struct series_item *item)
{
	size_t begin = s->len;
	struct str count = {0};

	put_title(s, item);
	str__append_char(s, ' ', l->title_width - (s->len - begin) + 1);
	str__append_u64(&count, item->count);
	put_right(s, &count, l->count_width);
	str__fini(&count);
	for (unsigned int i = 0; i < NUMBER_CNT; i++)
		put_duration(s, numbers[i].ppm ? hist__quantile(item->hist, numbers[i].ppm)
					       : item->hist->max_ns);
	if (l->sketch_width)
		put_sketch(s, l, item->hist);
	str__append_char(s, '\n', 1);
}

static void put_header(struct str *s, const struct layout *l)
{
	str__append_char(s, ' ', l->title_width + 1);
	str__appendf(s, "%*s", (int)l->count_width, "COUNT");
	for (unsigned int i = 0; i < NUMBER_CNT; i++)
		str__appendf(s, " %*s", DURATION_WIDTH, numbers[i].name);
	str__append(s, l->sketch_width ? " SHAPE\n" : "\n");
}

static void put_key(struct str *s, const struct by *by, const char *key)
{
	struct str text = {0};

	out__append_key(&text, by, key);
	str__append_char(s, '\n', 1);
	str__append_safe(s, str__text(&text), text.len, false);
	str__append(s, ":\n");
	s->failed |= text.failed;
	str__fini(&text);
}

/* The counters of one metric in a set, as words; `at` is the column of the last line. */
struct words {
	struct str *s;
	const struct term *term;
	size_t at;
	enum series_metric metric; /* __SERIES_MAX: no line is begun */
};

static void end_words(struct words *w)
{
	if (w->metric != __SERIES_MAX)
		str__append_char(w->s, '\n', 1);
	w->metric = __SERIES_MAX;
}

static void put_counter(struct words *w, const struct series_item *item)
{
	bool is_first = w->metric != item->metric;
	struct str text = {0};

	str__appendf(&text, "%" PRIu64 " ", item->count);
	put_values(&text, item);
	if (is_first) {
		end_words(w);
		str__appendf(w->s, "%s: ", series__metric_name(item->metric));
		w->at = strlen(series__metric_name(item->metric)) + 2;
		w->metric = item->metric;
	} else if (w->at + 2 + text.len > w->term->columns) {
		str__append(w->s, ",\n  ");
		w->at = 2;
	} else {
		str__append(w->s, ", ");
		w->at += 2;
	}
	str__append_bytes(w->s, str__text(&text), text.len);
	w->at += text.len;
	w->s->failed |= text.failed;
	str__fini(&text);
}

static void put_series(struct str *s, const struct report *r, const struct layout *l)
{
	const struct by *by = series__by(r->series);
	struct words words = {.s = s, .term = r->term, .metric = __SERIES_MAX};
	struct series_iter it = {0};
	struct series_item item;
	const char *key = NULL;

	while (series__next(r->series, &it, &item)) {
		if (by->cnt && (!key || strcmp(key, item.key) != 0)) {
			end_words(&words);
			put_key(s, by, item.key);
		}
		key = item.key;
		if (!SERIES_IS_HIST(item.metric))
			put_counter(&words, &item);
		else if (item.hist->count)
			put_hist(s, l, &item);
	}
	end_words(&words);
}

void report__write_lines(struct str *s, const struct report *r)
{
	struct layout l = make_layout(r);
	char time[CLOCK_RFC3339_SZ];

	str__appendf(s, "--- %.19sZ, ", clock__rfc3339(r->end_ns, time));
	str__append_duration(s, r->interval_ns);
	if (l.sketch_width) {
		str__append(s, "; shapes from ");
		str__append_duration(s, l.min_ns);
		str__append(s, " to ");
		str__append_duration(s, l.max_ns);
	}
	str__append_char(s, '\n', 1);
	if (l.min_ns <= l.max_ns)
		put_header(s, &l);
	put_series(s, r, &l);
	report__put_tail(s, r);
}

int out__new_histlines(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		       const struct by *by, const struct term *term, struct out **ret_out)
{
	return interval_out__new(fd, clk, source, max_sets, by, term, report__write_lines, ret_out);
}
