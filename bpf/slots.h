/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How sums are laid out, for the kernel side that adds them up and the C side that reads them.
 *
 * A slot is one histogram or one counter: a metric with one value for each of its labels. A row is an element
 * of a map, 16 counts side by side. A histogram's row has the buckets of one power of two (hist.h), with the
 * exact sum and extremes of what is in them; a counters' row has 16 slots. Rows that nothing fell into are
 * all zero or are not there.
 */
#ifndef SYNFIN_SLOTS_H
#define SYNFIN_SLOTS_H

#include "durations.h"
#include "hist.h"
#include "synfin.h"

#define SF_OPEN_OUTCOMES  (SF_OUT_OVERFLOW + 1)
#define SF_CLOSE_OUTCOMES (SF_OUT_RESET_REMOTE + 1)
#define SF_STAGES	  (SF_ST_SYNACK + 1)
#define SF_STATES	  (REC_TIME_WAIT - REC_FIN_WAIT1 + 1)
#define SF_RST_REASONS	  26 /* those with a word, and 0: not known */

enum sf_segment { SF_SEG_SYN, SF_SEG_SYNACK, SF_SEG_FIN, __SF_SEG_MAX };
enum sf_direction { SF_DIR_IN, SF_DIR_OUT, __SF_DIR_MAX };

/*
 * The first slot of each metric; its labels' values select among those that follow, the second label fastest.
 */
enum sf_slot {
	SF_SLOT_HANDSHAKE = 0,						      /* role, outcome */
	SF_SLOT_STAGE = SF_SLOT_HANDSHAKE + __SF_ROLE_MAX * SF_OPEN_OUTCOMES, /* role, stage */
	SF_SLOT_ACCEPT_WAIT = SF_SLOT_STAGE + __SF_ROLE_MAX * SF_STAGES,
	SF_SLOT_CLOSE = SF_SLOT_ACCEPT_WAIT + 1,			    /* outcome, closed_by */
	SF_SLOT_STATE = SF_SLOT_CLOSE + SF_CLOSE_OUTCOMES * __REC_SIDE_MAX, /* state */
	SF_SLOT_HALF_CLOSE = SF_SLOT_STATE + SF_STATES,
	SF_SLOT_LIFE = SF_SLOT_HALF_CLOSE + 1,					   /* role */
	SF_SLOT_OPENS = SF_SLOT_LIFE + __SF_ROLE_MAX,				   /* role, outcome */
	SF_SLOT_CLOSES = SF_SLOT_OPENS + __SF_ROLE_MAX * SF_OPEN_OUTCOMES,	   /* outcome, closed_by */
	SF_SLOT_RETRANSMITS = SF_SLOT_CLOSES + SF_CLOSE_OUTCOMES * __REC_SIDE_MAX, /* segment */
	SF_SLOT_RESETS = SF_SLOT_RETRANSMITS + __SF_SEG_MAX,			   /* direction, reason */
	SF_SLOT_SYN_DROPS = SF_SLOT_RESETS + __SF_DIR_MAX * SF_RST_REASONS,
	__SF_SLOT_MAX = SF_SLOT_SYN_DROPS + 1
};
#define SF_FIRST_COUNTER SF_SLOT_OPENS

#define SF_ROW_CNT 16 /* counts in a row */
#define SF_HIST_ROWS \
	(SF_HIST_MAX_POW - SF_HIST_MIN_POW + 2) /* the powers, and one bucket below and above them */
#define SF_ROWS \
	(SF_FIRST_COUNTER * SF_HIST_ROWS + (__SF_SLOT_MAX - SF_FIRST_COUNTER + SF_ROW_CNT - 1) / SF_ROW_CNT)

struct sf_row {
	__u64 sum_ns;	/* in rows of histograms; so are the extremes */
	__u64 most_ns;	/* the largest */
	__u64 least_ns; /* the smallest with all bits inverted, so that zero stands for none */
	__u64 counts[SF_ROW_CNT];
};

/* Where a count is. */
struct sf_place {
	__u32 row;
	__u32 at; /* in .counts */
};

static inline struct sf_place sf_hist_place(__u32 slot, __u32 bucket)
{
	__u32 n = bucket + SF_ROW_CNT - 1; /* bucket 0 has a row to itself */

	return (struct sf_place){slot * SF_HIST_ROWS + n / SF_ROW_CNT, n % SF_ROW_CNT};
}

/* The bucket of count `i` of a histogram's row of this number; SF_HIST_BUCKETS or more: none. */
static inline __u32 sf_hist_bucket(__u32 number, __u32 i)
{
	return number * SF_ROW_CNT + i - (SF_ROW_CNT - 1);
}

static inline struct sf_place sf_counter_place(__u32 slot)
{
	__u32 n = slot - SF_FIRST_COUNTER;

	return (struct sf_place){SF_FIRST_COUNTER * SF_HIST_ROWS + n / SF_ROW_CNT, n % SF_ROW_CNT};
}

/* The fields by which sets of slots are kept apart (--by). */
enum by_field {
	BY_COMM,
	BY_PID,
	BY_SERVICE,
	BY_LPORT,
	BY_RPORT,
	BY_RADDR,
	BY_CGROUP,
	BY_NETNS,
	BY_ROLE,
	__BY_MAX
};

/* The values that a set is kept for. Fields not asked for are zero; so are those of an unknown owner. */
struct sf_set_key {
	__u8 raddr[16];
	__u8 comm[SF_COMM_LEN];
	__u64 cgroup_id;
	__u32 pid;
	__u32 netns;
	__u16 lport;
	__u16 rport;
	__u8 family; /* with raddr */
	__u8 role;
	__u16 service;
};

/* Key of a row of any set but 0. Set 0 is that of all, or with --by of what finds no room. */
struct sf_row_key {
	__u64 set;
	__u32 row;
	__u32 pad;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct sf_set_key) == 56, "no padding but what is named: it is a key");
#endif

#endif
