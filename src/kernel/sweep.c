/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys are collected from the table as it is read, and handed over in slices. */
#include "kernel/sweep.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/walk.h"
#include "synfin.h"
#include "synfin.skel.h"

struct sweep {
	const struct synfin_bpf *skel;
	struct sf_sweep slice;
};

static int hand_over(struct sweep *s)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint32_t zero = 0;
	int err;

	if (!s->slice.cnt)
		return 0;
	err = bpf_map_update_elem(bpf_map__fd(s->skel->maps.sweeps), &zero, &s->slice, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(s->skel->progs.sf_sweep), &opts);
	s->slice.cnt = 0;
	return err ? -errno : 0;
}

static int add_key(void *ctx, uint64_t key)
{
	struct sweep *s = ctx;

	s->slice.keys[s->slice.cnt++] = key;
	return s->slice.cnt == SF_SWEEP_KEYS ? hand_over(s) : 0;
}

int sweep__run(const struct synfin_bpf *skel)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->skel = skel;
	err = walk__keys(skel, add_key, s);
	if (!err)
		err = hand_over(s);
	s->slice.is_of_waits = 1;
	if (!err)
		err = walk__wait_keys(skel, add_key, s);
	if (!err)
		err = hand_over(s);
	free(s);
	return err;
}
