/* SPDX-License-Identifier: GPL-2.0-only */
/* What the source's sums grew by, once an interval. */
#include "out/interval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "out/impl.h"
#include "out/view.h"

struct interval_out {
	struct out out;
	struct view view;
	struct term term;  /* columns 0: none */
	uint64_t begin_ns; /* CLOCK_MONOTONIC */
	void (*render)(struct str *s, const struct report *r);
};

static struct interval_out *to_interval(struct out *o)
{
	return (struct interval_out *)o;
}

static int end_interval(struct out *o, uint64_t mono_ns)
{
	struct interval_out *io = to_interval(o);
	struct report r = {.series = io->view.series,
			   .census = io->view.census,
			   .end_ns = clock__real_ns(o->clk, mono_ns),
			   .mono_ns = mono_ns,
			   .interval_ns = mono_ns > io->begin_ns ? mono_ns - io->begin_ns : 0,
			   .term = &io->term};
	int err = view__read_new(&io->view);

	if (!err)
		err = view__read_alive(&io->view);
	if (err)
		return err;
	memcpy(r.lost, io->view.losses.lost, sizeof(r.lost));
	if (io->term.columns)
		(void)term__update_size(o->fd, &io->term);
	io->render(&o->text, &r);
	io->begin_ns = mono_ns;
	return 0;
}

static void fini_interval(struct out *o)
{
	view__fini(&to_interval(o)->view);
}

int interval_out__new(int fd, const struct clock *clk, const struct out_source *source, size_t max_sets,
		      const struct by *by, const struct term *term,
		      void (*render)(struct str *s, const struct report *r), struct out **ret_out)
{
	static const struct out_ops ops = {.tick = end_interval, .fini = fini_interval};
	struct interval_out *io = calloc(1, sizeof(*io));
	int err;

	if (!io)
		return -ENOMEM;
	io->out = (struct out){.ops = &ops, .clk = clk, .fd = fd};
	io->begin_ns = clock__mono_ns();
	io->render = render;
	if (term)
		io->term = *term;
	err = view__init(&io->view, source, max_sets, by);
	if (err)
		out__free(&io->out);
	else
		*ret_out = &io->out;
	return err;
}
