/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/derive.h by itself, beyond what test_record.c asks of it through records. */
#include "unit.h"

#include "derive.h"

struct sf_sink {
	uint64_t sum;
};

SF_INLINE void sf_measured(struct sf_sink *sink, enum record_dur dur, __u64 from, __u64 to,
			   enum sf_certainty certainty)
{
	enum sf_verdict v = sf_duration(from, to, certainty);

	(void)dur;
	assert_true(v != SF_BACKWARDS);
	if (v == SF_KNOWN)
		sink->sum += to - from;
}

/* On a path whose stamps are in order the states follow each other without a hole: they add up to the life.
 */
static void test_states_add_up(void **state)
{
	uint64_t seed = 6, t[5];
	unsigned int i, k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		bool passive = i & 1, is_sim = i & 2;
		unsigned int depth = i / 4 % 4; /* how many of the closing steps happened */
		struct record_path path = {.rcvd_first = passive && depth};
		struct sf_conn c = {0};
		struct sf_sink sink = {0};

		for (t[0] = 1000, k = 1; k < 5; k++)
			t[k] = t[k - 1] + 1 + next_random(&seed) % 1000;
		path.est_ts = t[0];
		path.end_ts = t[4];
		if (depth > 0)
			*(passive ? &path.fin_rcvd_ts : &path.fin_sent_ts) = t[1];
		if (depth > 1)
			*(passive  ? &path.fin_sent_ts
			  : is_sim ? &path.fin_rcvd_ts
				   : &path.fin_acked_ts) = t[2];
		if (depth > 2 && !passive) {
			*(is_sim ? &path.fin_acked_ts : &path.fin_rcvd_ts) = t[3];
			path.end_ts = t[3];
		}
		sf_derive_states(&sink, &c, &path, false);
		assert_true(sink.sum == path.end_ts - path.est_ts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states_add_up),
	};

	return cmocka_run_group_tests_name("derive", tests, NULL, NULL);
}
