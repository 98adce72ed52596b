/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `hist` shows and `export` serves: histograms and counters, in sets, one set for each
 * value of a key (--by). Sets are bounded in number; what finds no room is added to the set "other".
 * Lower bounds (`late` connections, blind TIME_WAIT) are no measurements: counted, kept out of histograms.
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
	SERIES_STAGE,	    /* role, stage: what follows that stage, up to the next one */
	SERIES_ACCEPT_WAIT, /* - */
	SERIES_CLOSE,	    /* outcome, closed_by */
	SERIES_STATE,	    /* state: fin_wait1 .. last_ack, time_wait */
	SERIES_HALF_CLOSE,  /* - */
	SERIES_LIFE,	    /* role */
	SERIES_OPENS,	    /* role, outcome: here begin the counters */
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
 * Add a row of the kernel side's sums (slots.h) to the set of this key; NULL: to the one set without --by, and with it to
 * "other", where a set that finds no room goes too. 0 or -ENOMEM.
 */
int series__add_row(struct series *s, const struct by_set *set, uint32_t row, const struct sf_row *r);

/* What did not get where it belongs. */
struct series_totals {
	uint64_t folded;    /* records whose key found no room: in "other" */
	uint64_t misplaced; /* single counts and durations that found no room in their set: in "other" */
	uint64_t bounds;    /* durations left out of the histograms because they are lower bounds */
	uint64_t expired;   /* sets that have left, because nothing was added to them any more */
};

const struct series_totals *series__totals(const struct series *s);

/*
 * One non-empty histogram or counter. All pointers are borrowed until the series changes, but `hist` from the iterator, until the next
 * item.
 */
struct series_item {
	const char *key; /* the set, as by__append_key() */
	bool is_other;	 /* the set of what found no room; each value of `key` is "other" */
	enum series_metric metric;
	struct {
		const char *name;  /* NULL: no such label */
		const char *value; /* "unknown" when not known */
	} label[2];
	const struct hist *hist; /* NULL for counters */
	uint64_t count;		 /* of the counter, or samples of the histogram */
};

/* A metric by its name, and the name of its label 0 or 1 (NULL: none). 0 or -EINVAL. */
int series__find_metric(const char *name, enum series_metric *ret_metric);
const char *series__label_name(enum series_metric metric, unsigned int label);

/*
 * Add what another series has counted: of an item the key, is_other, metric, the labels' values, and hist or
 * count. 0; -EINVAL no such value of a label; -E2BIG no room for a set; -EOVERFLOW too large; -ENOMEM.
 * Nothing is added then.
 */
int series__put(struct series *s, const struct series_item *item);
int series__put_totals(struct series *s, const struct series_totals *totals);

/* Zero-initialised stands before the first item. */
struct series_iter {
	size_t set;
	size_t slot;
	struct hist shown; /* that of the last item */
};

/* The next non-empty item, set by set in order of first sight, metrics in order of their enum. */
bool series__next(const struct series *s, struct series_iter *it, struct series_item *ret_item);
/* The same, of one metric alone. */
bool series__next_of(const struct series *s, enum series_metric metric, struct series_iter *it,
		     struct series_item *ret_item);

/* "handshake", "accept_wait", ... */
const char *series__metric_name(enum series_metric metric);

#endif
