// SPDX-License-Identifier: BSD-3-Clause
/* Under test: specifications of devices (lib/spec.c) and the table of kinds (lib/backend.c). */
#include "fake.h"

#include <stdio.h>
#include <string.h>

#include "backend.h"

static struct x100_spec spec;
static struct x100_why why;

static int parse(const char *text)
{
	x100_spec_free(&spec);
	why.text[0] = '\0';
	return x100_spec_parse(&spec, text, &why);
}

static int teardown(void **state)
{
	(void)state;
	x100_spec_free(&spec);
	return 0;
}

static void cuts_at_commas(void **state)
{
	(void)state;
	assert_int_equal(parse("/a b/c.img,ro,queues=4,serial="), X100_OK);
	assert_int_equal(spec.count, 4);
	assert_string_equal(spec.word[0], "/a b/c.img");
	assert_string_equal(spec.word[1], "ro");
	assert_string_equal(spec.word[2], "queues=4");
	assert_string_equal(spec.word[3], "serial=");
	assert_int_equal(parse("yes"), X100_OK);
	assert_int_equal(spec.count, 1);
	assert_int_equal(parse(""), X100_OK);
	assert_int_equal(spec.count, 0);
}

static void a_backslash_takes_what_follows(void **state)
{
	(void)state;
	assert_int_equal(parse("/a\\,b\\\\c,x=\\,"), X100_OK);
	assert_int_equal(spec.count, 2);
	assert_string_equal(spec.word[0], "/a,b\\c");
	assert_string_equal(spec.word[1], "x=,");
	assert_int_equal(parse("\\a"), X100_OK);
	assert_string_equal(spec.word[0], "a");
	assert_int_equal(parse("/a,b\\"), X100_ERR_ARGUMENT);
	assert_non_null(strstr(why.text, "backslash"));
	assert_null(spec.text);
}

static void refuses_empty_words(void **state)
{
	static const char *const bad[] = { ",", "a,", ",a", "a,,b", "a,b," };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i]), X100_ERR_ARGUMENT);
		assert_non_null(strstr(why.text, "empty word"));
	}
}

static void refuses_keys_given_twice(void **state)
{
	(void)state;
	assert_int_equal(parse("a,ro,ro"), X100_ERR_ARGUMENT);
	assert_string_equal(why.text, "'ro' is there twice");
	assert_int_equal(parse("a,mtu=1,x,mtu=2"), X100_ERR_ARGUMENT);
	assert_string_equal(why.text, "'mtu' is there twice");
	/* The first word is a name, not a key. */
	assert_int_equal(parse("ro,ro"), X100_OK);
}

static void refuses_too_many_words(void **state)
{
	(void)state;
	assert_int_equal(parse("0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f"), X100_OK);
	assert_int_equal(spec.count, X100_SPEC_WORDS);
	assert_int_equal(parse("0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g"), X100_ERR_ARGUMENT);
}

static void finds_values(void **state)
{
	(void)state;
	assert_int_equal(parse("path,ro,serial=a=b,empty="), X100_OK);
	assert_string_equal(x100_spec_get(&spec, "ro"), "");
	assert_string_equal(x100_spec_get(&spec, "serial"), "a=b");
	assert_string_equal(x100_spec_get(&spec, "empty"), "");
	assert_null(x100_spec_get(&spec, "r"));
	assert_null(x100_spec_get(&spec, "roo"));
	assert_null(x100_spec_get(&spec, "seria"));
}

static void reads_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "0", 0 },
		{ "007", 7 },
		{ "64", 64 },
		{ "256K", 262144 },
		{ "3M", 3145728 },
		{ "2G", 2147483648 },
		{ "18446744073709551615", UINT64_MAX },
		{ "17179869183G", 17179869183ull << 30 },
	};
	static const char *const bad[] = {
		"", " 1", "-1", "+1", "1 ", "1k", "1KB", "K", "0x10", "1.5", "18446744073709551616"
	};
	char text[64];
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "a,n=%s", good[i].text);
		assert_int_equal(parse(text), X100_OK);
		assert_int_equal(x100_spec_number(&spec, "n", 0, UINT64_MAX, &value, &why), 0);
		assert_int_equal(value, good[i].value);
	}
	value = 5;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "a,n=%s", bad[i]);
		assert_int_equal(parse(text), X100_OK);
		assert_int_equal(x100_spec_number(&spec, "n", 0, UINT64_MAX, &value, &why),
				 X100_ERR_ARGUMENT);
		assert_non_null(strstr(why.text, "not a number"));
	}
	assert_int_equal(parse("a,n=10"), X100_OK);
	assert_int_equal(x100_spec_number(&spec, "n", 11, 20, &value, &why), X100_ERR_ARGUMENT);
	assert_string_equal(why.text, "n=10 is not in 11 to 20");
	assert_int_equal(x100_spec_number(&spec, "n", 0, 9, &value, &why), X100_ERR_ARGUMENT);
	assert_int_equal(parse("a,n=17179869184G"), X100_OK);
	assert_int_equal(x100_spec_number(&spec, "n", 0, UINT64_MAX, &value, &why),
			 X100_ERR_ARGUMENT);
	/* Absent: as it was. */
	assert_int_equal(x100_spec_number(&spec, "m", 0, 1, &value, &why), X100_OK);
	assert_int_equal(value, 5);
}

static void reads_flags(void **state)
{
	bool value = false;

	(void)state;
	assert_int_equal(parse("a,ro,rw=1"), X100_OK);
	assert_int_equal(x100_spec_flag(&spec, "none", &value, &why), X100_OK);
	assert_false(value);
	assert_int_equal(x100_spec_flag(&spec, "ro", &value, &why), X100_OK);
	assert_true(value);
	assert_int_equal(x100_spec_flag(&spec, "rw", &value, &why), X100_ERR_ARGUMENT);
	assert_string_equal(why.text, "'rw' takes no value");
}

static void names_the_word_that_is_not_known(void **state)
{
	static const char *const keys[] = { "ro", "mtu", NULL };

	(void)state;
	assert_int_equal(parse("what=ever,ro,mtu=3"), X100_OK);
	assert_int_equal(x100_spec_only(&spec, keys, &why), X100_OK);
	assert_int_equal(parse("a,ro,mt=3"), X100_OK);
	assert_int_equal(x100_spec_only(&spec, keys, &why), X100_ERR_ARGUMENT);
	assert_string_equal(why.text, "'mt=3' is not known here");
}

static void knows_the_kinds(void **state)
{
	(void)state;
	assert_ptr_equal(x100_backend_find("disk"), &x100_block_class);
	assert_ptr_equal(x100_backend_find("rng"), &x100_rng_class);
	assert_null(x100_backend_find("tape"));
	assert_null(x100_backend_find(""));
	assert_int_equal(x100_backend_check("tape", "x", &why), X100_ERR_ARGUMENT);
	assert_non_null(strstr(why.text, "'tape'"));
	assert_int_equal(x100_backend_check("disk", "a,,b", &why), X100_ERR_ARGUMENT);
	assert_int_equal(x100_backend_check("disk", "a", NULL), X100_OK);
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cuts_at_commas),
		TEST(a_backslash_takes_what_follows),
		TEST(refuses_empty_words),
		TEST(refuses_keys_given_twice),
		TEST(refuses_too_many_words),
		TEST(finds_values),
		TEST(reads_numbers),
		TEST(reads_flags),
		TEST(names_the_word_that_is_not_known),
		TEST(knows_the_kinds),
	};

	return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
