// SPDX-License-Identifier: BSD-3-Clause
/* Under test: lib/timeline.c. Nothing is faked; stamps are made by hand, good and hostile ones. */
#include "fake.h"

#include <string.h>

#include <x100/post.h>
#include <x100/regs.h>

#define NOW (1700000000ull * X100_NS_PER_SEC)

static const struct x100_time_pair pair = { .etc = 1000, .realtime = NOW };
static struct x100_run run;
static struct x100_push_times times;
static struct x100_event events[X100_EVENTS];

static int clear(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	memset(&times, 0, sizeof(times));
	memset(events, 0xEE, sizeof(events));
	return 0;
}

static void stage(uint64_t etc, uint32_t post)
{
	run.stage[run.stages++] = (struct x100_stage){ .etc = etc, .post = post };
}

static void expect(unsigned int n, uint64_t realtime, enum x100_side side, uint32_t what)
{
	assert_int_equal(events[n].realtime, realtime);
	assert_int_equal(events[n].side, side);
	assert_int_equal(events[n].what, what);
}

static void stamps_of_the_card_are_moved_onto_the_hosts_clock(void **state)
{
	(void)state;
	stage(0, X100_POST_CODE);
	stage(1000, X100_POST_READY);
	assert_int_equal(x100_timeline(&run, &pair, NULL, events), 2);
	expect(0, NOW - 1000 * X100_ETC_NS, X100_SIDE_CARD, X100_POST_CODE);
	expect(1, NOW, X100_SIDE_CARD, X100_POST_READY);
}

static void both_sides_stand_in_the_order_of_time(void **state)
{
	(void)state;
	stage(100, X100_POST_READY);
	stage(900, X100_POST_GO);
	times.realtime[X100_PUSH_CHECK] = NOW - 1001 * X100_ETC_NS;
	times.realtime[X100_PUSH_GO] = NOW - 500 * X100_ETC_NS;
	times.realtime[X100_PUSH_TAKEN] = NOW + 1;
	assert_int_equal(x100_timeline(&run, &pair, &times, events), 5);
	expect(0, NOW - 1001 * X100_ETC_NS, X100_SIDE_HOST, X100_PUSH_CHECK);
	expect(1, NOW - 900 * X100_ETC_NS, X100_SIDE_CARD, X100_POST_READY);
	expect(2, NOW - 500 * X100_ETC_NS, X100_SIDE_HOST, X100_PUSH_GO);
	expect(3, NOW - 100 * X100_ETC_NS, X100_SIDE_CARD, X100_POST_GO);
	expect(4, NOW + 1, X100_SIDE_HOST, X100_PUSH_TAKEN);
}

static void stages_of_one_tick_stay_in_their_order(void **state)
{
	(void)state;
	stage(500, X100_POST_AP_CODE);
	stage(500, X100_POST_AP_WAKE);
	stage(500, X100_POST_AP_WAIT);
	assert_int_equal(x100_timeline(&run, &pair, NULL, events), 3);
	assert_int_equal(events[0].what, X100_POST_AP_CODE);
	assert_int_equal(events[1].what, X100_POST_AP_WAKE);
	assert_int_equal(events[2].what, X100_POST_AP_WAIT);
}

static void stamps_from_before_the_counter_was_cleared_are_left_out(void **state)
{
	(void)state;
	stage(1001, X100_POST_CODE);
	stage(UINT64_MAX, X100_POST_TRAIN);
	stage(10, X100_POST_READY);
	assert_int_equal(x100_timeline(&run, &pair, NULL, events), 1);
	assert_int_equal(events[0].what, X100_POST_READY);
}

static void a_counter_that_says_centuries_moves_nothing_before_1970(void **state)
{
	struct x100_time_pair wild = { .etc = UINT64_MAX, .realtime = NOW };

	(void)state;
	stage(0, X100_POST_CODE);
	stage(UINT64_MAX - NOW / X100_ETC_NS, X100_POST_READY);
	assert_int_equal(x100_timeline(&run, &wild, NULL, events), 1);
	expect(0, NOW % X100_ETC_NS, X100_SIDE_CARD, X100_POST_READY);
}

static void steps_that_were_not_reached_or_make_no_sense_are_left_out(void **state)
{
	(void)state;
	times.realtime[X100_PUSH_CHECK] = (uint64_t)-5;
	times.realtime[X100_PUSH_GO] = NOW;
	assert_int_equal(x100_timeline(NULL, &pair, &times, events), 1);
	expect(0, NOW, X100_SIDE_HOST, X100_PUSH_GO);
	assert_int_equal(x100_timeline(NULL, &pair, NULL, events), 0);
}

static void all_stages_and_all_steps_fit(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < X100_RECORD_STAGES; i++)
		stage(i, X100_POST_READY);
	run.stages = UINT32_MAX;
	for (unsigned int i = 0; i < X100_PUSH_STEPS; i++)
		times.realtime[i] = NOW - i;
	assert_int_equal(x100_timeline(&run, &pair, &times, events), X100_EVENTS);
	for (unsigned int i = 1; i < X100_EVENTS; i++)
		assert_true(events[i - 1].realtime <= events[i].realtime);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, clear)
	static const struct CMUnitTest tests[] = {
		T(stamps_of_the_card_are_moved_onto_the_hosts_clock),
		T(both_sides_stand_in_the_order_of_time),
		T(stages_of_one_tick_stay_in_their_order),
		T(stamps_from_before_the_counter_was_cleared_are_left_out),
		T(a_counter_that_says_centuries_moves_nothing_before_1970),
		T(steps_that_were_not_reached_or_make_no_sense_are_left_out),
		T(all_stages_and_all_steps_fit),
	};

	return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
