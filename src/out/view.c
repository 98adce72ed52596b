/* SPDX-License-Identifier: GPL-2.0-only */
#include "out/view.h"

int view__init(struct view *v, const struct out_source *source, size_t max_sets, const struct by *by)
{
	int err = series__new(max_sets, by, &v->series);

	v->source = *source;
	if (!err)
		err = census__new(&v->census);
	if (!err)
		err = sums__new(&v->now);
	return err ? err : sums__new(&v->before);
}

void view__fini(struct view *v)
{
	series__free(v->series);
	census__free(v->census);
	sums__free(v->now);
	sums__free(v->before);
}

static int read_sums(struct view *v)
{
	series__reset(v->series);
	return v->source.read_sums(v->source.ctx, v->now, &v->losses);
}

int view__read_all(struct view *v)
{
	int err = read_sums(v);

	return err ? err : sums__add_to(v->now, NULL, v->series);
}

int view__read_new(struct view *v)
{
	int err = read_sums(v);
	struct sums *read = v->now;
	struct losses lost = v->losses;

	if (err)
		return err;
	err = sums__add_to(v->now, v->before, v->series);
	v->now = v->before;
	v->before = read;
	losses__subtract(&v->losses, &v->lost_before);
	v->lost_before = lost;
	return err;
}

int view__read_alive(struct view *v)
{
	return v->source.read_census(v->source.ctx, v->census);
}
