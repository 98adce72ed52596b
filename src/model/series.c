/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set is one flat array of slots, a slot for each metric and pair of label values; histograms are made
 * when their first sample comes, for most sets use a few of them. A table, once, says which labels a metric
 * has; recording and iterating both follow it.
 */
#include "model/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/packed.h"

static const char *segment_name(unsigned int segment)
{
	static const char *const names[__SF_SEG_MAX] = {"syn", "synack", "fin"};

	return names[segment];
}

static const char *direction_name(unsigned int direction)
{
	return direction == SF_DIR_IN ? "in" : "out";
}

static const char *reason_name(unsigned int value)
{
	return names__rst_reason((int)value - 1);
}

static const char *state_name(unsigned int value)
{
	static const char *const names[SF_STATES] = {"fin_wait1",  "fin_wait2", "closing",
						     "close_wait", "last_ack",	"time_wait"};

	return names[value];
}

/* One label: its name, how many values it has, and their words. */
struct label {
	const char *name;
	unsigned int cnt;
	const char *(*value_fn)(unsigned int value);
};

#define LABEL_ROLE                                 \
	{                                          \
		"role", __SF_ROLE_MAX, names__role \
	}

static const struct {
	const char *name;
	struct label label[2];
} metrics[__SERIES_MAX] = {
	[SERIES_HANDSHAKE] = {"handshake", {LABEL_ROLE, {"outcome", SF_OPEN_OUTCOMES, names__outcome}}},
	[SERIES_STAGE] = {"handshake_stage", {LABEL_ROLE, {"stage", SF_STAGES, names__stage}}},
	[SERIES_ACCEPT_WAIT] = {.name = "accept_wait"},
	[SERIES_CLOSE] = {"close",
			  {{"outcome", SF_CLOSE_OUTCOMES, names__outcome},
			   {"closed_by", __REC_SIDE_MAX, names__side}}},
	[SERIES_STATE] = {"close_state", {{"state", SF_STATES, state_name}}},
	[SERIES_HALF_CLOSE] = {.name = "half_close"},
	[SERIES_LIFE] = {"life", {LABEL_ROLE}},
	[SERIES_OPENS] = {"opens", {LABEL_ROLE, {"outcome", SF_OPEN_OUTCOMES, names__outcome}}},
	[SERIES_CLOSES] = {"closes",
			   {{"outcome", SF_CLOSE_OUTCOMES, names__outcome},
			    {"closed_by", __REC_SIDE_MAX, names__side}}},
	[SERIES_RETRANSMITS] = {"retransmits", {{"segment", __SF_SEG_MAX, segment_name}}},
	[SERIES_RESETS] = {"resets",
			   {{"direction", __SF_DIR_MAX, direction_name},
			    {"reason", SF_RST_REASONS, reason_name}}},
	[SERIES_SYN_DROPS] = {.name = "syn_drops"},
};

/* As the kernel side lays them out. */
static const size_t first_slot[__SERIES_MAX + 1] = {
	[SERIES_HANDSHAKE] = SF_SLOT_HANDSHAKE,
	[SERIES_STAGE] = SF_SLOT_STAGE,
	[SERIES_ACCEPT_WAIT] = SF_SLOT_ACCEPT_WAIT,
	[SERIES_CLOSE] = SF_SLOT_CLOSE,
	[SERIES_STATE] = SF_SLOT_STATE,
	[SERIES_HALF_CLOSE] = SF_SLOT_HALF_CLOSE,
	[SERIES_LIFE] = SF_SLOT_LIFE,
	[SERIES_OPENS] = SF_SLOT_OPENS,
	[SERIES_CLOSES] = SF_SLOT_CLOSES,
	[SERIES_RETRANSMITS] = SF_SLOT_RETRANSMITS,
	[SERIES_RESETS] = SF_SLOT_RESETS,
	[SERIES_SYN_DROPS] = SF_SLOT_SYN_DROPS,
	[__SERIES_MAX] = __SF_SLOT_MAX,
};

_Static_assert(SF_RST_REASONS == NAMES_RST_REASON_CNT + 1, "one for each word, and one for none");

union slot {
	struct packed *hist;
	uint64_t count;
};

struct set {
	char *key;
	uint32_t hash;
	bool is_other;
	union slot slots[];
};

struct series {
	struct by by;
	size_t max_sets;
	size_t set_cnt;
	struct set **sets; /* in order of first sight, "other" among them */
	struct set *other; /* NULL: not needed yet */
	uint32_t *index;   /* open addressing by hash of the key; position in sets + 1, 0: free */
	size_t index_cap;  /* a power of two, at least twice the sets */
	struct str key;	   /* of the record being added */
	struct str other_key;
	struct series_totals totals;
};

const char *series__metric_name(enum series_metric metric)
{
	return metrics[metric].name;
}

/* A label that a metric has not takes one place. */
static unsigned int value_cnt(unsigned int metric, unsigned int label)
{
	return metrics[metric].label[label].name ? metrics[metric].label[label].cnt : 1;
}

/* "other" for each field; it never is the key of what is not kept apart, which is one set. */
static void append_other(struct series *s)
{
	const char *words[__BY_MAX];

	for (unsigned int i = 0; i < __BY_MAX; i++)
		words[i] = "other";
	by__append_values(&s->by, words, &s->other_key);
}

int series__new(size_t max_sets, const struct by *by, struct series **ret_series)
{
	struct series *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (by)
		s->by = *by;
	append_other(s);
	s->max_sets = max_sets ? max_sets : 1;
	for (s->index_cap = 16; s->index_cap < 2 * s->max_sets;)
		s->index_cap *= 2;
	s->sets = calloc(s->max_sets + 1, sizeof(struct set *));
	s->index = calloc(s->index_cap, sizeof(*s->index));
	if (!s->sets || !s->index || str__error(&s->other_key)) {
		series__free(s);
		return -ENOMEM;
	}
	*ret_series = s;
	return 0;
}

static void free_set(struct set *set)
{
	size_t i;

	for (i = 0; i < first_slot[SERIES_OPENS]; i++)
		free(set->slots[i].hist);
	free(set->key);
	free(set);
}

void series__reset(struct series *s)
{
	size_t i;

	for (i = 0; i < s->set_cnt; i++)
		free_set(s->sets[i]);
	s->set_cnt = 0;
	s->other = NULL;
	memset(s->index, 0, s->index_cap * sizeof(*s->index));
	s->totals = (struct series_totals){0};
}

void series__free(struct series *s)
{
	if (!s)
		return;
	if (s->sets && s->index)
		series__reset(s);
	free(s->sets);
	free(s->index);
	str__fini(&s->key);
	str__fini(&s->other_key);
	free(s);
}

/* FNV-1a: keys are short and their number is bounded. */
static uint32_t hash_key(const char *key)
{
	uint32_t hash = 2166136261U;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 16777619U;
	return hash;
}

static struct set *add_set(struct series *s, const char *key, uint32_t hash, bool is_other)
{
	struct set *set = calloc(1, sizeof(*set) + first_slot[__SERIES_MAX] * sizeof(set->slots[0]));

	if (!set)
		return NULL;
	set->key = strdup(key);
	if (!set->key) {
		free(set);
		return NULL;
	}
	set->hash = hash;
	set->is_other = is_other;
	s->sets[s->set_cnt++] = set;
	return set;
}

/* The set of what finds no room is made when it is first needed. */
static struct set *get_other(struct series *s)
{
	if (!s->other)
		s->other = add_set(s, str__text(&s->other_key), 0, true);
	return s->other;
}

/* A task may be called "other": two sets of one name would be told as one thing twice. */
static bool is_other_key(const struct series *s, const char *key)
{
	return s->by.cnt && !strcmp(key, str__text(&s->other_key));
}

/* 0 and NULL where there is no room for a new one; -ENOMEM. */
static int find_set(struct series *s, const char *key, struct set **ret_set)
{
	uint32_t hash = hash_key(key);
	size_t i = hash & (s->index_cap - 1);
	struct set *set;

	for (; s->index[i]; i = (i + 1) & (s->index_cap - 1)) {
		set = s->sets[s->index[i] - 1];
		if (set->hash == hash && !strcmp(set->key, key)) {
			*ret_set = set;
			return 0;
		}
	}
	if (s->set_cnt - (s->other != NULL) >= s->max_sets) {
		*ret_set = NULL;
		return 0;
	}
	set = add_set(s, key, hash, false);
	if (!set)
		return -ENOMEM;
	s->index[i] = (uint32_t)s->set_cnt;
	*ret_set = set;
	return 0;
}

static union slot *slot_of(struct set *set, enum series_metric metric, unsigned int a, unsigned int b)
{
	return &set->slots[first_slot[metric] + (size_t)a * value_cnt(metric, 1) + b];
}

/* The set of this key, or that of what finds no room. NULL: out of memory. */
static struct set *get_set(struct series *s, const char *key, bool is_other)
{
	struct set *set = NULL;

	if (!is_other && !is_other_key(s, key) && find_set(s, key, &set))
		return NULL;
	return set ? set : get_other(s);
}

static int add_hist_row(struct set *set, uint32_t row, const struct sf_row *r)
{
	union slot *slot = &set->slots[row / SF_HIST_ROWS];

	return packed__add_row(&slot->hist, row % SF_HIST_ROWS, r);
}

int series__add_row(struct series *s, const struct by_set *of, uint32_t row, const struct sf_row *r)
{
	uint32_t counter = SF_FIRST_COUNTER + (row - SF_FIRST_COUNTER * SF_HIST_ROWS) * SF_ROW_CNT;
	struct set *set;

	str__reset(&s->key);
	if (of)
		by__append_key(&s->by, of, &s->key);
	if (str__error(&s->key))
		return -ENOMEM;
	set = get_set(s, str__text(&s->key), !of && s->by.cnt);
	if (!set)
		return -ENOMEM;
	if (row < SF_FIRST_COUNTER * SF_HIST_ROWS)
		return add_hist_row(set, row, r);
	for (uint32_t i = 0; i < SF_ROW_CNT && counter + i < __SF_SLOT_MAX; i++)
		set->slots[counter + i].count += r->counts[i];
	return 0;
}

const struct by *series__by(const struct series *s)
{
	return &s->by;
}

int series__find_metric(const char *name, enum series_metric *ret_metric)
{
	for (unsigned int m = 0; m < __SERIES_MAX; m++) {
		if (!strcmp(metrics[m].name, name)) {
			*ret_metric = m;
			return 0;
		}
	}
	return -EINVAL;
}

const char *series__label_name(enum series_metric metric, unsigned int label)
{
	return metrics[metric].label[label].name;
}

/* The number of a label's value; "unknown" stands for those without a word. */
static int find_value(const struct label *l, const char *word, unsigned int *ret_value)
{
	*ret_value = 0;
	for (unsigned int v = 0; l->name && v < l->cnt; v++) {
		const char *have = l->value_fn(v);

		if (!strcmp(have ? have : "unknown", word)) {
			*ret_value = v;
			return 0;
		}
	}
	return l->name ? -EINVAL : 0;
}

static int merge_hist(union slot *slot, const struct hist *from)
{
	uint64_t sum;

	if (slot->hist && __builtin_add_overflow(slot->hist->count, from->count, &sum))
		return -EOVERFLOW;
	return packed__add(&slot->hist, from);
}

static int merge_count(union slot *slot, uint64_t count)
{
	uint64_t sum;

	if (__builtin_add_overflow(slot->count, count, &sum))
		return -EOVERFLOW;
	slot->count = sum;
	return 0;
}

int series__put(struct series *s, const struct series_item *item)
{
	const struct label *label = metrics[item->metric].label;
	bool is_other = item->is_other || is_other_key(s, item->key);
	struct set *set = NULL;
	union slot *slot;
	unsigned int a, b;

	if (find_value(&label[0], item->label[0].value, &a) ||
	    find_value(&label[1], item->label[1].value, &b))
		return -EINVAL;
	if (is_other)
		set = get_other(s);
	else if (find_set(s, item->key, &set))
		return -ENOMEM;
	if (!set)
		return is_other ? -ENOMEM : -E2BIG;
	slot = slot_of(set, item->metric, a, b);
	return item->hist ? merge_hist(slot, item->hist) : merge_count(slot, item->count);
}

int series__put_totals(struct series *s, const struct series_totals *totals)
{
	struct series_totals sum;

	if (__builtin_add_overflow(s->totals.folded, totals->folded, &sum.folded) ||
	    __builtin_add_overflow(s->totals.misplaced, totals->misplaced, &sum.misplaced) ||
	    __builtin_add_overflow(s->totals.bounds, totals->bounds, &sum.bounds) ||
	    __builtin_add_overflow(s->totals.expired, totals->expired, &sum.expired))
		return -EOVERFLOW;
	s->totals = sum;
	return 0;
}

const struct series_totals *series__totals(const struct series *s)
{
	return &s->totals;
}

static void describe_label(struct series_item *item, unsigned int label, unsigned int value)
{
	const struct label *l = &metrics[item->metric].label[label];
	const char *word = l->name ? l->value_fn(value) : NULL;

	item->label[label].name = l->name;
	item->label[label].value = l->name && !word ? "unknown" : word;
}

static void describe_slot(const struct set *set, size_t slot, struct hist *shown,
			  struct series_item *ret_item)
{
	unsigned int metric = 0;
	size_t at;

	while (slot >= first_slot[metric + 1])
		metric++;
	at = slot - first_slot[metric];
	*ret_item = (struct series_item){.key = set->key, .is_other = set->is_other, .metric = metric};
	describe_label(ret_item, 0, (unsigned int)(at / value_cnt(metric, 1)));
	describe_label(ret_item, 1, (unsigned int)(at % value_cnt(metric, 1)));
	if (SERIES_IS_HIST(metric)) {
		packed__unpack(set->slots[slot].hist, shown);
		ret_item->hist = shown;
		ret_item->count = shown->count;
	} else {
		ret_item->count = set->slots[slot].count;
	}
}

/* A histogram without a sample is none: quantiles and bars divide by its count. */
static bool is_used(const struct set *set, size_t slot)
{
	if (slot < first_slot[SERIES_OPENS])
		return set->slots[slot].hist && set->slots[slot].hist->count;
	return set->slots[slot].count != 0;
}

/* The next used slot in begin ... end - 1 of any set. */
static bool next_in(const struct series *s, size_t begin, size_t end, struct series_iter *it,
		    struct series_item *ret_item)
{
	for (; it->set < s->set_cnt; it->set++, it->slot = 0) {
		const struct set *set = s->sets[it->set];

		if (it->slot < begin)
			it->slot = begin;
		while (it->slot < end) {
			size_t slot = it->slot++;

			if (is_used(set, slot)) {
				describe_slot(set, slot, &it->shown, ret_item);
				return true;
			}
		}
	}
	return false;
}

bool series__next(const struct series *s, struct series_iter *it, struct series_item *ret_item)
{
	return next_in(s, 0, first_slot[__SERIES_MAX], it, ret_item);
}

bool series__next_of(const struct series *s, enum series_metric metric, struct series_iter *it,
		     struct series_item *ret_item)
{
	return next_in(s, first_slot[metric], first_slot[metric + 1], it, ret_item);
}
