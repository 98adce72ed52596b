/* SPDX-License-Identifier: GPL-2.0-only */
/* base/json: commas, nesting, absent values. */
#include "unit.h"

#include "base/json.h"

#define DEEP 31

static void test_nesting(void **state)
{
	struct str s = {0};
	struct json j;

	(void)state;
	json__init(&j, &s);
	json__begin_object(&j);
	json__key_u64(&j, "max", UINT64_MAX);
	json__key(&j, "min");
	json__i64(&j, INT64_MIN);
	json__key(&j, "fits");
	json__u128(&j, UINT64_MAX);
	json__key(&j, "more");
	json__u128(&j, (unsigned __int128)UINT64_MAX + 1);
	json__key(&j, "empty");
	json__begin_array(&j);
	json__end_array(&j);
	json__key(&j, "list");
	json__begin_array(&j);
	json__u64(&j, 1);
	json__begin_object(&j);
	json__end_object(&j);
	json__begin_object(&j);
	json__key_bool(&j, "t", true);
	json__key_bool(&j, "f", false);
	json__end_object(&j);
	json__string(&j, "x\ny");
	json__end_array(&j);
	json__key_string(&j, "none", NULL);
	json__key_nonzero(&j, "zero", 0);
	json__key_nonzero(&j, "seven", 7);
	json__end_object(&j);
	assert_string_equal(str__text(&s), "{\"max\":18446744073709551615,\"min\":-9223372036854775808,"
					   "\"fits\":18446744073709551615,\"more\":1.8446744073709552e+19,"
					   "\"empty\":[],\"list\":[1,{},{\"t\":true,\"f\":false},\"x\\ny\"],"
					   "\"none\":null,\"zero\":null,\"seven\":7}");
	str__append_char(&s, '\n', 1);
	assert_int_equal(count_json_lines(str__text(&s)), 1);
	str__fini(&s);
}

static void test_deep(void **state)
{
	struct str s = {0};
	struct json j;
	int i;

	(void)state;
	json__init(&j, &s);
	for (i = 0; i < DEEP; i++)
		json__begin_array(&j);
	json__null(&j);
	json__null(&j);
	for (i = 0; i < DEEP; i++)
		json__end_array(&j);
	str__append_char(&s, '\n', 1);
	assert_int_equal(count_json_lines(str__text(&s)), 1);
	str__fini(&s);
}

/* The checker itself, or it would prove nothing. */
static void test_checker(void **state)
{
	static const char *const wrong[] = {
		"{\n",	"{\"a\":1,}\n", "{\"a\" 1}\n", "[1 2]\n", "[,]\n",
		"01\n", "\"\x01\"\n",	"\"\\x\"\n",   "{a:1}\n", "nul\n",
		"[1]",	"\"\\u12\"\n",	"[1]]\n",      "-\n",	  "\"open\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(count_json_lines(wrong[i]), -1);
	assert_int_equal(count_json_lines("{\"a\":[1,-2,null]}\n[]\n\"x\"\n"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_checker),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
