// SPDX-License-Identifier: BSD-3-Clause
/* The card kernel's x100.time= parameter (wallclock.c as the patch series adds it). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/types.h>

#include <x100/regs.h>

#include "x100.h"

static void the_hosts_form_is_read(void **state)
{
	struct x100_wallclock wall;

	(void)state;
	assert_int_equal(x100_wallclock_parse("1795205473.922806374@10424324", &wall), 0);
	assert_int_equal(wall.seconds, 1795205473);
	assert_int_equal(wall.nanoseconds, 922806374);
	assert_int_equal(wall.ticks, 10424324);
}

static void the_limits_are_read(void **state)
{
	struct x100_wallclock wall;

	(void)state;
	assert_int_equal(x100_wallclock_parse("0.000000000@0", &wall), 0);
	assert_int_equal(wall.seconds | wall.nanoseconds | wall.ticks, 0);
	assert_int_equal(x100_wallclock_parse("68719476735.999999999@576460752303423487", &wall),
			 0);
	assert_int_equal(wall.seconds, 68719476735);
	assert_int_equal(wall.nanoseconds, 999999999);
	assert_int_equal(wall.ticks, 576460752303423487);
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"@",
		"1",
		"1.",
		"1.0",
		"1.000000000",
		"1.000000000@",
		"1@2",
		"1.00000000@2",
		"1.0000000000@2",
		"1.000000000@2 ",
		" 1.000000000@2",
		"-1.000000000@2",
		"+1.000000000@2",
		"1.-00000000@2",
		"1.000000000@-2",
		"1.000000000@0x2",
		"1,000000000@2",
		"1.000000000@2@3",
		".000000000@2",
		"68719476736.000000000@2",
		"1.000000000@576460752303423488",
		"99999999999999999999999.000000000@2",
		"1.000000000@99999999999999999999999",
		"1.000000000000000000000@2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct x100_wallclock wall = { 1, 2, 3 };

		assert_int_equal(x100_wallclock_parse(bad[i], &wall), -EINVAL);
		assert_true(wall.seconds == 1 && wall.nanoseconds == 2 && wall.ticks == 3);
	}
}

static void expect(struct x100_wallclock wall, u64 ticks, s64 seconds, u32 nsec)
{
	s64 got_seconds;
	u32 got_nsec;

	x100_wallclock_at(&wall, ticks, &got_seconds, &got_nsec);
	assert_int_equal(got_seconds, seconds);
	assert_int_equal(got_nsec, nsec);
}

static void time_goes_on_with_the_counter(void **state)
{
	const struct x100_wallclock wall = { 1000, 999999936, 5 * X100_ETC_HZ };

	(void)state;
	expect(wall, 5 * X100_ETC_HZ, 1000, 999999936);
	expect(wall, 5 * X100_ETC_HZ + 1, 1001, 0);
	expect(wall, 6 * X100_ETC_HZ, 1001, 999999936);
	expect(wall, 6 * X100_ETC_HZ - 1, 1001, 999999872);
}

static void a_stamp_from_the_future_goes_back(void **state)
{
	const struct x100_wallclock wall = { 1000, 64, 100 * (u64)X100_ETC_HZ };

	(void)state;
	expect(wall, 100 * (u64)X100_ETC_HZ - 1, 1000, 0);
	expect(wall, 100 * (u64)X100_ETC_HZ - 2, 999, 999999936);
	expect(wall, 99 * (u64)X100_ETC_HZ, 999, 64);
	expect(wall, 0, 900, 64);
}

static void the_largest_values_do_not_overflow(void **state)
{
	const u64 last = ((u64)1 << 59) - 1;

	(void)state;
	expect((struct x100_wallclock){ 68719476735, 999999999, 0 }, last,
	       68719476735 + (s64)(last / X100_ETC_HZ) + 1,
	       (u32)(last % X100_ETC_HZ * 64 + 999999999 - 1000000000));
	expect((struct x100_wallclock){ 0, 0, last }, 0, -(s64)(last / X100_ETC_HZ) - 1,
	       (u32)(1000000000 - last % X100_ETC_HZ * 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hosts_form_is_read),
		cmocka_unit_test(the_limits_are_read),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
		cmocka_unit_test(time_goes_on_with_the_counter),
		cmocka_unit_test(a_stamp_from_the_future_goes_back),
		cmocka_unit_test(the_largest_values_do_not_overflow),
	};

	return cmocka_run_group_tests_name("wallclock", tests, NULL, NULL);
}
