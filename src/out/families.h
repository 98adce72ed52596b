/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metrics of the contract. One walk serves all forms in which they leave the host: each family is begun,
 * then its samples follow. The list of families, their names and their help texts are only here.
 */
#ifndef SYNFIN_OUT_FAMILIES_H
#define SYNFIN_OUT_FAMILIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/usage.h"
#include "model/census.h"
#include "model/losses.h"
#include "model/series.h"
#include "synfin.h"

/* How a hook is watched; borrowed texts. */
struct metrics_hook {
	const char *hook;
	const char *variant; /* NULL: not at all */
};

/* How often and how long a BPF program has run; borrowed text. */
struct metrics_run {
	const char *program;
	uint64_t cnt;
	uint64_t ns;
};

/* How metrics are named: synfin_..., or as proposed for OpenTelemetry, translated for Prometheus. */
enum naming { NAMING_SYNFIN, NAMING_OTEL };

/* Everything that is reported, as of now. */
struct metrics {
	enum naming naming;
	const struct series *series;
	struct census *census; /* NULL: none */
	struct losses losses;
	uint64_t created_ns; /* wall clock: when counting began */
	uint64_t read_ns;    /* CLOCK_MONOTONIC: when the series were read */
	size_t max_bytes; /* series that do not fit into this are left out and counted; 0: all are written */
	const struct metrics_hook *hooks;
	size_t hook_cnt;
	const struct metrics_run *runs; /* none if the kernel does not count runs */
	size_t run_cnt;
	struct usage usage;
};

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_INFO, FAMILY_HISTOGRAM };
enum family_unit { UNIT_NONE, UNIT_SECONDS, UNIT_BYTES };

struct family {
	const char *name; /* without _total and _info, with its unit */
	enum family_type type;
	enum family_unit unit;
	const char *help; /* plain ASCII, nothing to escape */
	const char *otel; /* the name with NAMING_OTEL; NULL: the same */
};

#define SAMPLE_MAX_LABELS (__BY_MAX + 2)

struct sample {
	struct {
		const char *name;
		struct by_value value; /* valid UTF-8 */
	} label[SAMPLE_MAX_LABELS];
	unsigned int label_cnt;
	const struct hist *hist; /* for histograms */
	uint64_t value;		 /* for others; seconds are in ns */
};

/* `end` may be NULL. `size`: bytes written so far. */
struct family_sink {
	void (*begin)(void *ctx, const struct family *family);
	void (*sample)(void *ctx, const struct family *family, const struct sample *sample);
	void (*end)(void *ctx, const struct family *family);
	size_t (*size)(const void *ctx);
};

/* The suffix of the classic names of its samples: "_total", "_info" or nothing. */
const char *family__suffix(const struct family *family);

void families__walk(const struct metrics *m, const struct family_sink *sink, void *ctx);

#endif
