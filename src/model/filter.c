/* SPDX-License-Identifier: GPL-2.0-only */
/* What follows from the kinds of filter that were given. */
#include "model/filter.h"

/* Of `open` and `close`; none (0) is a close whose end was missed, so that nothing is known of it. */
#define OUTCOMES  ((2U << SF_OUT_RESET_REMOTE) - 1)
#define SUCCESSES (1U << SF_OUT_ESTABLISHED | 1U << SF_OUT_FIN)

bool filter__is_empty(const struct filter *f)
{
	return !f->pid_cnt && !f->tree_cnt && !f->uid_cnt && !f->cgroup_cnt && !f->comm_cnt &&
	       !f->netns_cnt && port_set__is_empty(&f->ports) && port_set__is_empty(&f->lports) &&
	       port_set__is_empty(&f->rports) && port_set__is_empty(&f->services) && !f->addrs.cnt &&
	       !f->laddrs.cnt && !f->raddrs.cnt && !f->family && !f->roles && !f->outcomes && !f->failed &&
	       !f->min_handshake_ns && !f->min_close_ns;
}

uint32_t filter__outcomes(const struct filter *f)
{
	uint32_t outcomes = f->outcomes ? f->outcomes : OUTCOMES;

	if (f->failed)
		outcomes &= ~(SUCCESSES | 1U << SF_OUT_NONE);
	return outcomes;
}
