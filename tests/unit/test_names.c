/* SPDX-License-Identifier: GPL-2.0-only */
/* model/names: every number has its word, no other has one, and words lead back. */
#include "unit.h"

#include <errno.h>

#include "model/names.h"

/* Words for first ... last, none elsewhere, no two the same. */
static void assert_words(const char *(*fn)(unsigned int), unsigned int first, unsigned int last)
{
	unsigned int i, k;

	for (i = 0; i < 300; i++) {
		if (i < first || i > last) {
			assert_null(fn(i));
			continue;
		}
		assert_non_null(fn(i));
		for (k = first; k < i; k++)
			assert_string_not_equal(fn(i), fn(k));
	}
	assert_null(fn(UINT32_MAX));
}

static void test_tables(void **state)
{
	(void)state;
	assert_words(names__event, 1, __SF_EV_MAX - 1);
	assert_words(names__role, 1, __SF_ROLE_MAX - 1);
	assert_words(names__source, 0, __SF_SRC_MAX - 1);
	assert_words(names__stage, 1, __SF_ST_MAX - 1);
	assert_words(names__side, 1, __REC_SIDE_MAX - 1);
	assert_words(names__lost, 0, __SF_LOST_MAX - 1);
	assert_words(names__state, 1, 12);
}

static void test_flags(void **state)
{
	unsigned int bit;

	(void)state;
	for (bit = 0; bit < 32; bit++) {
		uint32_t flag = 1U << bit;

		assert_true((names__flag(flag) != NULL) == ((flag & SF_FLAGS_SHOWN) != 0));
	}
	assert_string_equal(names__flag(SF_F_SIM_CLOSE), "simultaneous_close");
}

static void test_reasons(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NAMES_RST_REASON_CNT; i++)
		assert_non_null(names__rst_reason(i));
	assert_null(names__rst_reason(-1));
	assert_null(names__rst_reason(NAMES_RST_REASON_CNT));
	assert_string_equal(names__rst_reason(12), "tcp_abort_on_linger");
	assert_string_equal(names__rst_reason(15), "tcp_keepalive_timeout");
	assert_string_equal(names__rst_reason(24), "error");
}

static void test_errno(void **state)
{
	(void)state;
	assert_null(names__errno(0));
	assert_null(names__errno(250));
	assert_string_equal(names__errno(ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(names__errno(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(names__errno(EADDRNOTAVAIL), "EADDRNOTAVAIL");
}

static void test_parse(void **state)
{
	enum sf_role role = SF_ROLE_NONE;
	enum sf_outcome outcome = SF_OUT_NONE;
	unsigned int i;

	(void)state;
	for (i = 1; i < __SF_ROLE_MAX; i++) {
		assert_int_equal(names__parse_role(names__role(i), &role), 0);
		assert_int_equal(role, i);
	}
	assert_int_equal(names__parse_role("", &role), -EINVAL);
	assert_int_equal(names__parse_role("clients", &role), -EINVAL);
	for (i = SF_OUT_ESTABLISHED; i <= SF_OUT_RESET_REMOTE; i++) {
		assert_int_equal(names__parse_outcome(names__outcome(i), &outcome), 0);
		assert_int_equal(outcome, i);
	}
	assert_int_equal(names__parse_outcome("timer", &outcome), -EINVAL);
	assert_int_equal(names__parse_outcome("none", &outcome), -EINVAL);
	assert_null(names__outcome(SF_OUT_NONE));
	assert_string_equal(names__outcome(SF_OUT_TW_KILLED), "killed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables), cmocka_unit_test(test_flags), cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_errno),  cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
