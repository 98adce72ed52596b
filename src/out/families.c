/* SPDX-License-Identifier: GPL-2.0-only */
/* The walk. A family without a sample is begun and ended all the same: a dashboard finds its name. */
#include "out/families.h"

#include <string.h>

#include "model/names.h"
#include "out/otel.h"

/* clang-format off */
#define OTEL "system_network_tcp_"
#define SECONDS_HISTOGRAM(name, otel, help) \
	{"synfin_" name "_seconds", FAMILY_HISTOGRAM, UNIT_SECONDS, help, OTEL otel "_duration_seconds"}
#define COUNTER(name, otel, help) {"synfin_" name, FAMILY_COUNTER, UNIT_NONE, help, OTEL otel}
#define OWN_COUNTER(name, help)	  {"synfin_" name, FAMILY_COUNTER, UNIT_NONE, help, NULL}

static const struct family of_series[__SERIES_MAX] = {
	[SERIES_HANDSHAKE] = SECONDS_HISTOGRAM("handshake", "handshake",
		"From SYN to ESTABLISHED, each end by its own clock, or to the verdict where it failed."),
	[SERIES_STAGE] = SECONDS_HISTOGRAM("handshake_stage", "handshake_stage",
		"From this stage of a handshake (connect, syn, synack) to the next one."),
	[SERIES_ACCEPT_WAIT] = SECONDS_HISTOGRAM("accept_wait", "accept_wait",
		"How long connections waited for accept() after their handshake."),
	[SERIES_CLOSE] = SECONDS_HISTOGRAM("close", "close",
		"From the first FIN to the end of the connection."),
	[SERIES_STATE] = SECONDS_HISTOGRAM("close_state", "close_state",
		"Time spent in each state between ESTABLISHED and CLOSED."),
	[SERIES_HALF_CLOSE] = SECONDS_HISTOGRAM("half_close", "half_close",
		"From the first FIN to that of the other side, or to the end."),
	[SERIES_LIFE] = SECONDS_HISTOGRAM("life", "connection",
		"From ESTABLISHED to the end of the connection."),
	[SERIES_OPENS] = COUNTER("opens", "handshakes",
		"Handshakes that ended, by how."),
	[SERIES_CLOSES] = COUNTER("closes", "closes",
		"Connections that ended, by how and by who sent the first FIN or RST."),
	[SERIES_RETRANSMITS] = COUNTER("retransmits", "retransmits",
		"SYN, SYN-ACK and FIN segments that were sent again."),
	[SERIES_RESETS] = COUNTER("resets", "resets",
		"RST segments of followed connections, in or out, with the reason of those sent."),
	[SERIES_SYN_DROPS] = COUNTER("syn_drops", "syn_drops",
		"SYN segments that were dropped because a queue of their listener was full."),
};

static const struct family
	lost = OWN_COUNTER("lost",
		"What could not be seen, by class; while it grows all other metrics are too low."),
	missed = OWN_COUNTER("missed",
		"Of those, what was missed, by what showed it."),
	folded = OWN_COUNTER("series_folded",
		"Records that found no room for a set of their own (--max-series) and were added to 'other'."),
	misplaced = OWN_COUNTER("series_misplaced",
		"Single counts and durations that found no room in the set they belong to and were added to 'other'."),
	bounds = OWN_COUNTER("lower_bounds",
		"Durations left out of the histograms because only a lower bound of them is known."),
	expired = OWN_COUNTER("series_expired",
		"Sets that have left because nothing was added to them for --expire."),
	left_out = {"synfin_left_out", FAMILY_GAUGE, UNIT_NONE, "Series that this page has no room for, by metric.", NULL},
	connections = {"synfin_connections", FAMILY_GAUGE, UNIT_NONE, "Connections that are alive, by state.", NULL},
	oldest = {"synfin_oldest_seconds", FAMILY_GAUGE, UNIT_SECONDS, "How long at least the oldest of them has been in this state.", NULL},
	build = {"synfin_build", FAMILY_INFO, UNIT_NONE, "The version that runs.", NULL},
	hook = {"synfin_hook", FAMILY_INFO, UNIT_NONE, "How each hook is watched on this kernel, 'none' where it is not.", NULL},
	run = {"synfin_bpf_run_seconds", FAMILY_COUNTER, UNIT_SECONDS, "How long each BPF program has run, where kernel.bpf_stats_enabled is set.", NULL},
	run_cnt = OWN_COUNTER("bpf_runs", "How often each of them has run."),
	cpu = {"process_cpu_seconds", FAMILY_COUNTER, UNIT_SECONDS, "CPU time that synfin itself has used.", NULL},
	resident = {"process_resident_memory_bytes", FAMILY_GAUGE, UNIT_BYTES, "Memory that synfin itself holds.", NULL},
	start = {"process_start_time_seconds", FAMILY_GAUGE, UNIT_SECONDS, "When synfin was started, since 1970.", NULL};
/* clang-format on */

const char *family__suffix(const struct family *family)
{
	return family->type == FAMILY_COUNTER ? "_total" : family->type == FAMILY_INFO ? "_info" : "";
}

/* One walk. */
struct walk {
	const struct metrics *m;
	const struct family_sink *sink;
	void *ctx;
	struct family family; /* the one that was begun */
	uint64_t left_out[__SERIES_MAX];
};

static void begin_family(struct walk *w, const struct family *family)
{
	w->family = *family;
	if (w->m->naming == NAMING_OTEL && family->otel)
		w->family.name = family->otel;
	w->sink->begin(w->ctx, &w->family);
}

static void put_sample(const struct walk *w, const struct sample *sample)
{
	w->sink->sample(w->ctx, &w->family, sample);
}

static void end_family(const struct walk *w)
{
	if (w->sink->end)
		w->sink->end(w->ctx, &w->family);
}

static void add_label(struct sample *sample, const char *name, struct by_value value)
{
	sample->label[sample->label_cnt].name = name;
	sample->label[sample->label_cnt++].value = value;
}

static void add_word(struct sample *sample, const char *name, const char *word)
{
	add_label(sample, name, (struct by_value){.at = word, .len = strlen(word)});
}

static void add_named(struct sample *sample, enum naming naming, const char *name, const char *word)
{
	if (naming == NAMING_OTEL)
		add_word(sample, otel__label(name), otel__word(name, word));
	else
		add_word(sample, name, word);
}

/* A metric that has a label of that name anyway has the same value in it. */
static bool has_label(const struct series_item *item, const char *name)
{
	return (item->label[0].name && !strcmp(item->label[0].name, name)) ||
	       (item->label[1].name && !strcmp(item->label[1].name, name));
}

static struct sample make_sample(enum naming naming, const struct by *by, const struct series_item *item)
{
	struct sample sample = {.hist = item->hist, .value = item->count};
	unsigned int i;

	for (i = 0; i < by->cnt; i++) {
		const char *name = by__name(by->fields[i]);

		if (!has_label(item, name))
			add_label(&sample, naming == NAMING_OTEL ? otel__label(name) : name,
				  by__value(item->key, i));
	}
	for (i = 0; i < 2 && item->label[i].name; i++)
		add_named(&sample, naming, item->label[i].name, item->label[i].value);
	return sample;
}

static bool is_full(const struct walk *w)
{
	return w->m->max_bytes && w->sink->size(w->ctx) >= w->m->max_bytes;
}

static void walk_metric(struct walk *w, enum series_metric metric)
{
	struct series_iter it = {0};
	struct series_item item;

	begin_family(w, &of_series[metric]);
	while (series__next_of(w->m->series, metric, &it, &item)) {
		struct sample sample = make_sample(w->m->naming, series__by(w->m->series), &item);

		if (is_full(w))
			w->left_out[metric]++;
		else
			put_sample(w, &sample);
	}
	end_family(w);
}

static void put_left_out(struct walk *w)
{
	begin_family(w, &left_out);
	for (unsigned int metric = 0; metric < __SERIES_MAX; metric++) {
		const struct family *family = &of_series[metric];
		struct sample sample = {.value = w->left_out[metric]};

		add_word(&sample, "metric",
			 w->m->naming == NAMING_OTEL && family->otel ? family->otel : family->name);
		put_sample(w, &sample);
	}
	end_family(w);
}

/* A family of one sample without labels. */
static void put_single(struct walk *w, const struct family *family, uint64_t value)
{
	struct sample sample = {.value = value};

	begin_family(w, family);
	put_sample(w, &sample);
	end_family(w);
}

static void put_lost(struct walk *w)
{
	begin_family(w, &lost);
	for (unsigned int i = 0; i < __SF_LOST_MAX; i++) {
		struct sample sample = {.value = w->m->losses.lost[i]};

		add_word(&sample, "class", names__lost(i));
		put_sample(w, &sample);
	}
	end_family(w);
}

static void put_missed(struct walk *w)
{
	begin_family(w, &missed);
	for (unsigned int i = 0; i < __SF_MISSED_MAX; i++) {
		struct sample sample = {.value = w->m->losses.missed[i]};

		add_word(&sample, "cause", names__missed(i));
		put_sample(w, &sample);
	}
	end_family(w);
}

static void put_gauge(struct walk *w, unsigned int state, uint64_t value)
{
	struct sample sample = {.value = value};

	add_named(&sample, w->m->naming, "state", names__state(state));
	put_sample(w, &sample);
}

/* A listener is no connection, and a closed socket none any more. */
static void put_connections(struct walk *w)
{
	begin_family(w, &connections);
	for (unsigned int state = 0; w->m->census && state < CENSUS_STATES; state++) {
		const char *name = names__state(state);

		if (name && strcmp(name, "listen") != 0 && strcmp(name, "close") != 0)
			put_gauge(w, state, census__count(w->m->census, state));
	}
	end_family(w);
}

/* The groups of a state stand together, the oldest first; an age that is not known is below all others. */
static void put_oldest(struct walk *w)
{
	const struct census_group *groups = NULL;
	unsigned int told = 0;
	size_t cnt = 0;

	begin_family(w, &oldest);
	if (w->m->census)
		groups = census__groups(w->m->census, &cnt);
	for (size_t i = 0; i < cnt; i++) {
		if (groups[i].state == told || groups[i].oldest_ns == SF_ABSENT)
			continue;
		told = groups[i].state;
		put_gauge(w, told, (uint64_t)groups[i].oldest_ns);
	}
	end_family(w);
}

static void put_version(struct walk *w)
{
	struct sample sample = {.value = 1};

	begin_family(w, &build);
	add_word(&sample, "version", SYNFIN_VERSION);
	put_sample(w, &sample);
	end_family(w);
}

static void put_hooks(struct walk *w)
{
	begin_family(w, &hook);
	for (size_t i = 0; i < w->m->hook_cnt; i++) {
		const struct metrics_hook *h = &w->m->hooks[i];
		struct sample sample = {.value = 1};

		add_word(&sample, "hook", h->hook);
		add_word(&sample, "variant", h->variant ? h->variant : "none");
		put_sample(w, &sample);
	}
	end_family(w);
}

static void put_run(struct walk *w, const struct metrics_run *r, uint64_t value)
{
	struct sample sample = {.value = value};

	add_word(&sample, "program", r->program);
	put_sample(w, &sample);
}

static void put_runs(struct walk *w)
{
	begin_family(w, &run);
	for (size_t i = 0; i < w->m->run_cnt; i++)
		put_run(w, &w->m->runs[i], w->m->runs[i].ns);
	end_family(w);
	begin_family(w, &run_cnt);
	for (size_t i = 0; i < w->m->run_cnt; i++)
		put_run(w, &w->m->runs[i], w->m->runs[i].cnt);
	end_family(w);
}

void families__walk(const struct metrics *m, const struct family_sink *sink, void *ctx)
{
	struct walk w = {.m = m, .sink = sink, .ctx = ctx};

	for (unsigned int metric = 0; metric < __SERIES_MAX; metric++)
		walk_metric(&w, metric);
	put_connections(&w);
	put_oldest(&w);
	put_lost(&w);
	put_missed(&w);
	put_single(&w, &folded, series__totals(m->series)->folded);
	put_single(&w, &misplaced, series__totals(m->series)->misplaced);
	put_single(&w, &expired, series__totals(m->series)->expired);
	put_left_out(&w);
	put_single(&w, &bounds, series__totals(m->series)->bounds);
	put_version(&w);
	put_hooks(&w);
	put_runs(&w);
	put_single(&w, &cpu, m->usage.cpu_ns);
	put_single(&w, &resident, m->usage.resident_bytes);
	put_single(&w, &start, m->usage.start_ns);
}
