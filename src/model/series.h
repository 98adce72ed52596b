/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The histograms and counters that `hist` shows and `export` serves. They are in sets, one for each value of
 * a key (--by). The number of sets is bounded; records that find no room are added to the set "other". Lower
 * bounds (`late` connections, blind TIME_WAIT) are not measurements: they are counted, but kept out of
 * histograms.
 */
#ifndef SYNFIN_MODEL_SERIES_H
#define SYNFIN_MODEL_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/by.h"
#include "model/hist.h"
#include "slots.h"

enum series_metric {
	SERIES_HANDSHAKE,   /* role, outcome: success and failure never share a histogram */
	SERIES_STAGE,	    /* role, stage: from that stage to the next one */
	SERIES_ACCEPT_WAIT, /* - */
	SERIES_CLOSE,	    /* outcome, closed_by */
	SERIES_STATE,	    /* state: fin_wait1 .. last_ack, time_wait */
	SERIES_HALF_CLOSE,  /* - */
	SERIES_LIFE,	    /* role */
	SERIES_OPENS,	    /* role, outcome: the counters begin here */
	SERIES_CLOSES,	    /* outcome, closed_by */
	SERIES_RETRANSMITS, /* segment: syn synack fin */
	SERIES_RESETS,	    /* direction (in out), reason */
	SERIES_SYN_DROPS,   /* - */
	__SERIES_MAX
};
#define SERIES_IS_HIST(metric) ((metric) < SERIES_OPENS)

struct series;

/* At most `max_sets` sets (at least 1) besides "other". With `by` NULL all records share the set "". */
int series__new(size_t max_sets, const struct by *by, struct series **ret_series);
const struct by *series__by(const struct series *s);
void series__free(struct series *s);
/* Forget all sets and counts. */
void series__reset(struct series *s);

/*
 * Adds a row of the kernel side's sums (slots.h) to the set of this key. If `set` is NULL, the row goes to
 * the only set without --by, and to "other" with it. A set that finds no room goes to "other", too. 0 or
 * -ENOMEM.
 */
int series__add_row(struct series *s, const struct by_set *set, uint32_t row, const struct sf_row *r);

/* Counts of what was added elsewhere, left out, or removed. */
struct series_totals {
	uint64_t folded;    /* records whose key found no room; they are in "other" */
	uint64_t misplaced; /* single counts and durations without room in their set; they are in "other" */
	uint64_t bounds;    /* durations left out of the histograms because they are lower bounds */
	uint64_t expired;   /* sets that were removed, because nothing was added to them any more */
};

const struct series_totals *series__totals(const struct series *s);

/*
 * One non-empty histogram or counter. `hist` is borrowed from the iterator until the next item, all other
 * pointers until the series changes.
 */
struct series_item {
	const char *key; /* the key of the set, as by__append_key() writes it */
	bool is_other;	 /* the set for what found no room; each value of `key` is "other" */
	enum series_metric metric;
	struct {
		const char *name;  /* NULL: no such label */
		const char *value; /* "unknown" when not known */
	} label[2];
	const struct hist *hist; /* NULL for counters */
	uint64_t count;		 /* value of the counter, or samples in the histogram */
};

/* Find a metric by its name (0 or -EINVAL), and the name of its label 0 or 1 (NULL: it has none). */
int series__find_metric(const char *name, enum series_metric *ret_metric);
const char *series__label_name(enum series_metric metric, unsigned int label);

/*
 * Adds an item that another series has counted. The members key, is_other, metric, the labels' values, and
 * hist or count are used. 0; -EINVAL no such value of a label; -E2BIG no room for a set; -EOVERFLOW too
 * large; -ENOMEM. On failure nothing is added.
 */
int series__put(struct series *s, const struct series_item *item);
int series__put_totals(struct series *s, const struct series_totals *totals);

/* Zero-initialised: before the first item. */
struct series_iter {
	size_t set;
	size_t slot;
	struct hist shown; /* the histogram of the last item */
};

/* Returns the next non-empty item: sets in order of first sight, metrics in the order of their enum. */
bool series__next(const struct series *s, struct series_iter *it, struct series_item *ret_item);
/* The same for one metric only. */
bool series__next_of(const struct series *s, enum series_metric metric, struct series_iter *it,
		     struct series_item *ret_item);

/* "handshake", "accept_wait", ... */
const char *series__metric_name(enum series_metric metric);

#endif
