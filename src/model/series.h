/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `hist` shows and `export` serves: histograms and counters of records, in sets, one set for each
 * value of a key (--by). Sets are bounded in number; what finds no room is added to the set "other".
 * Lower bounds (`late` connections, blind TIME_WAIT) are no measurements: counted, kept out of histograms.
 */
#ifndef SYNFIN_MODEL_SERIES_H
#define SYNFIN_MODEL_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/hist.h"
#include "model/record.h"

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
	__SERIES_MAX
};
#define SERIES_IS_HIST(metric) ((metric) < SERIES_OPENS)

struct series;

/* Append the key of a record to `key`; called with it empty. */
typedef void (*series_key_fn)(const struct record *rec, struct str *key);

/* At most `max_sets` sets (at least 1) besides "other". With key_fn NULL all records share the set "". */
int series__new(size_t max_sets, series_key_fn key_fn, struct series **ret_series);
void series__free(struct series *s);
/* Forget all sets and counts. */
void series__reset(struct series *s);

/* 0 or -ENOMEM, then the record is not, or not completely, counted. */
int series__add(struct series *s, const struct record *rec);

/* Records whose key found no room. */
uint64_t series__folded(const struct series *s);
/* Durations left out of the histograms because they are lower bounds. */
uint64_t series__bounds(const struct series *s);

/* One non-empty histogram or counter. All pointers are borrowed until the series changes. */
struct series_item {
	const char *key; /* the set */
	bool is_other;	 /* the set of what found no room; `key` is "other" */
	enum series_metric metric;
	struct {
		const char *name;  /* NULL: no such label */
		const char *value; /* "unknown" when not known */
	} label[2];
	const struct hist *hist; /* NULL for counters */
	uint64_t count;		 /* of the counter, or samples of the histogram */
};

/* Zero-initialised stands before the first item. */
struct series_iter {
	size_t set;
	size_t slot;
};

/* The next non-empty item, set by set in order of first sight, metrics in order of their enum. */
bool series__next(const struct series *s, struct series_iter *it, struct series_item *ret_item);

/* "handshake", "accept_wait", ... */
const char *series__metric_name(enum series_metric metric);

#endif
