/* SPDX-License-Identifier: GPL-2.0-only */
/* model/filter: when it lets all through, and which outcomes it asks for. */
#include "unit.h"

#include "model/filter.h"

#define BIT(outcome) (1U << SF_OUT_##outcome)

static struct filter f;

/* Each kind alone makes it a filter. */
static void test_empty(void **state)
{
	size_t *const counts[] = {&f.pid_cnt,	&f.tree_cnt,  &f.uid_cnt,    &f.cgroup_cnt, &f.comm_cnt,
				  &f.netns_cnt, &f.addrs.cnt, &f.laddrs.cnt, &f.raddrs.cnt};
	struct port_set *const ports[] = {&f.ports, &f.lports, &f.rports, &f.services};
	size_t i;

	(void)state;
	assert_true(filter__is_empty(&f));
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		*counts[i] = 1;
		assert_false(filter__is_empty(&f));
		*counts[i] = 0;
	}
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		ports[i]->bits[1023] = 1;
		assert_false(filter__is_empty(&f));
		ports[i]->bits[1023] = 0;
	}
	assert_false(filter__is_empty(&(struct filter){.family = SF_AF_INET}));
	assert_false(filter__is_empty(&(struct filter){.roles = 1}));
	assert_false(filter__is_empty(&(struct filter){.outcomes = 1}));
	assert_false(filter__is_empty(&(struct filter){.failed = true}));
	assert_false(filter__is_empty(&(struct filter){.min_handshake_ns = 1}));
	assert_false(filter__is_empty(&(struct filter){.min_close_ns = 1}));
}

static void test_outcomes(void **state)
{
	uint32_t all = filter__outcomes(&(struct filter){0}),
		 failed = filter__outcomes(&(struct filter){.failed = true});

	(void)state;
	assert_true(all & BIT(ESTABLISHED) && all & BIT(RESET_REMOTE) && all & BIT(NONE));
	assert_int_equal(all & ~failed, BIT(ESTABLISHED) | BIT(FIN) | BIT(NONE));
	assert_int_equal(filter__outcomes(&(struct filter){.outcomes = BIT(FIN) | BIT(REFUSED)}),
			 BIT(FIN) | BIT(REFUSED));
	assert_int_equal(
		filter__outcomes(&(struct filter){.outcomes = BIT(FIN) | BIT(REFUSED), .failed = true}),
		BIT(REFUSED));
	assert_int_equal(filter__outcomes(&(struct filter){.outcomes = BIT(FIN), .failed = true}), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
