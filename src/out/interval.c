/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms that collect records in a series and show it once an interval. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "out/impl.h"

static struct interval_out *to_interval(struct out *o)
{
	return (struct interval_out *)o;
}

static int collect_record(struct out *o, const struct record *rec)
{
	return series__add(to_interval(o)->series, rec);
}

static void collect_lost(struct out *o, uint64_t mono_ns, const uint64_t delta[__SF_LOST_MAX])
{
	unsigned int i;

	(void)mono_ns;
	for (i = 0; i < __SF_LOST_MAX; i++)
		to_interval(o)->lost[i] += delta[i];
}

static void take_census(struct out *o, struct census *census)
{
	to_interval(o)->census = census;
}

static void end_interval(struct out *o, uint64_t mono_ns)
{
	struct interval_out *io = to_interval(o);
	struct report r = {.series = io->series,
			   .census = io->census,
			   .end_ns = clock__real_ns(o->clk, mono_ns),
			   .mono_ns = mono_ns,
			   .interval_ns = mono_ns > io->begin_ns ? mono_ns - io->begin_ns : 0};

	memcpy(r.lost, io->lost, sizeof(r.lost));
	io->render(&o->text, &r);
	series__reset(io->series);
	io->census = NULL;
	memset(io->lost, 0, sizeof(io->lost));
	io->begin_ns = mono_ns;
}

static void fini_interval(struct out *o)
{
	series__free(to_interval(o)->series);
}

int interval_out__new(int fd, const struct clock *clk, size_t max_sets, const struct by *by,
		      void (*render)(struct str *s, const struct report *r), struct out **ret_out)
{
	static const struct out_ops ops = {collect_record, collect_lost, take_census, end_interval,
					   fini_interval};
	struct interval_out *io = calloc(1, sizeof(*io));
	int err;

	if (!io)
		return -ENOMEM;
	err = series__new(max_sets, by, &io->series);
	if (err) {
		free(io);
		return err;
	}
	io->out = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	io->begin_ns = clock__mono_ns();
	io->render = render;
	*ret_out = &io->out;
	return 0;
}
