// SPDX-License-Identifier: BSD-3-Clause
/* Under test: lib/loop.c. Faked: in the tests of timers the clock; descriptors are eventfds. */
#include "fake.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"

static struct x100_loop *loop;
static char order[64];
static unsigned int told;

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.now = X100_NS_PER_SEC;
	loop = x100_loop_new();
	memset(order, 0, sizeof(order));
	told = 0;
	return loop ? 0 : -1;
}

static int setup_fake(void **state)
{
	int ret = setup(state);

	x100_loop_set_clock(loop, &fake_clock);
	return ret;
}

static int teardown(void **state)
{
	(void)state;
	x100_loop_free(loop);
	return 0;
}

static void note(void *arg)
{
	order[told++] = *(const char *)arg;
}

/* ------------------------------------------------------------------ timers */

static struct x100_timer timer(const char *name)
{
	return (struct x100_timer){ .expired = note, .arg = (void *)name };
}

static void timers_run_in_the_order_of_their_moments(void **state)
{
	struct x100_timer a = timer("a"), b = timer("b"), c = timer("c");

	(void)state;
	x100_timer_set(loop, &c, 30 * X100_NS_PER_MS);
	x100_timer_set(loop, &a, 10 * X100_NS_PER_MS);
	x100_timer_set(loop, &b, 20 * X100_NS_PER_MS);
	while (told < 3)
		x100_loop_turn(loop, -1);
	assert_string_equal(order, "abc");
	assert_int_equal(fake.slept, 30 * X100_NS_PER_MS);
}

static void timers_of_one_moment_run_in_the_order_they_were_set(void **state)
{
	struct x100_timer a = timer("a"), b = timer("b");

	(void)state;
	x100_timer_set(loop, &a, X100_NS_PER_MS);
	x100_timer_set(loop, &b, X100_NS_PER_MS);
	x100_loop_turn(loop, -1);
	x100_loop_turn(loop, 0);
	assert_string_equal(order, "ab");
}

static void a_timer_is_never_early(void **state)
{
	struct x100_timer a = timer("a");

	(void)state;
	x100_timer_set(loop, &a, X100_NS_PER_MS + 1);
	x100_loop_turn(loop, 1);
	assert_int_equal(told, 0);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 1);
}

static void a_timer_of_0_runs_at_the_next_turn(void **state)
{
	struct x100_timer a = timer("a");

	(void)state;
	x100_timer_set(loop, &a, 0);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 1);
	assert_int_equal(fake.slept, 0);
}

static void setting_a_timer_again_moves_it(void **state)
{
	struct x100_timer a = timer("a");

	(void)state;
	x100_timer_set(loop, &a, 5 * X100_NS_PER_MS);
	x100_timer_set(loop, &a, 50 * X100_NS_PER_MS);
	x100_loop_turn(loop, 10);
	assert_int_equal(told, 0);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 1);
	assert_int_equal(a.at, 0);
}

static void a_cancelled_timer_does_not_run(void **state)
{
	struct x100_timer a = timer("a"), b = timer("b"), c = timer("c");

	(void)state;
	x100_timer_set(loop, &a, X100_NS_PER_MS);
	x100_timer_set(loop, &b, 2 * X100_NS_PER_MS);
	x100_timer_set(loop, &c, 3 * X100_NS_PER_MS);
	x100_timer_cancel(loop, &b);
	x100_timer_cancel(loop, &b);
	x100_loop_turn(loop, 10);
	x100_loop_turn(loop, 10);
	assert_string_equal(order, "ac");
}

static struct x100_timer other;

static void cancel_other(void *arg)
{
	note(arg);
	x100_timer_cancel(loop, &other);
}

static void a_timer_may_cancel_another_that_is_due(void **state)
{
	struct x100_timer a = { .expired = cancel_other, .arg = (void *)"a" };

	(void)state;
	other = timer("o");
	x100_timer_set(loop, &a, 0);
	x100_timer_set(loop, &other, 0);
	x100_loop_turn(loop, 0);
	x100_loop_turn(loop, 0);
	assert_string_equal(order, "a");
}

static void set_again(void *arg)
{
	note(arg);
	x100_timer_set(loop, &other, 0);
}

static void a_timer_that_sets_itself_to_0_does_not_block_the_loop(void **state)
{
	(void)state;
	other = (struct x100_timer){ .expired = set_again, .arg = (void *)"o" };
	x100_timer_set(loop, &other, 0);
	x100_loop_turn(loop, 0);
	assert_int_equal(told, 1);
	x100_loop_turn(loop, 0);
	assert_int_equal(told, 2);
}

static void a_turn_ends_after_its_time(void **state)
{
	(void)state;
	x100_loop_turn(loop, 25);
	assert_int_equal(fake.slept, 25 * X100_NS_PER_MS);
}

static void the_system_clock_is_kept(void **state)
{
	struct x100_timer a = timer("a");
	uint64_t start = x100_loop_now(loop);

	(void)state;
	x100_timer_set(loop, &a, 3 * X100_NS_PER_MS);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 1);
	assert_true(x100_loop_now(loop) - start >= 3 * X100_NS_PER_MS);
}

/* ------------------------------------------------------------------ tasks */

static struct x100_task task(const char *name)
{
	return (struct x100_task){ .run = note, .arg = (void *)name };
}

static void tasks_run_once_and_in_order(void **state)
{
	struct x100_task a = task("a"), b = task("b");

	(void)state;
	x100_task_queue(loop, &a);
	x100_task_queue(loop, &b);
	x100_task_queue(loop, &a);
	x100_loop_turn(loop, -1);
	assert_string_equal(order, "ab");
	x100_task_queue(loop, &a);
	x100_loop_turn(loop, -1);
	assert_string_equal(order, "aba");
}

static void a_cancelled_task_does_not_run(void **state)
{
	struct x100_task a = task("a"), b = task("b"), c = task("c");

	(void)state;
	x100_task_queue(loop, &a);
	x100_task_queue(loop, &b);
	x100_task_cancel(loop, &b);
	x100_task_queue(loop, &c);
	x100_task_cancel(loop, &c);
	x100_task_queue(loop, &b);
	x100_loop_turn(loop, 0);
	assert_string_equal(order, "ab");
}

static struct x100_task again;

static void queue_again(void *arg)
{
	note(arg);
	x100_task_queue(loop, &again);
}

static void a_task_that_queues_itself_does_not_block_the_loop(void **state)
{
	(void)state;
	again = (struct x100_task){ .run = queue_again, .arg = (void *)"x" };
	x100_task_queue(loop, &again);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 1);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 2);
	x100_task_cancel(loop, &again);
}

/* ------------------------------------------------------------------ descriptors */

static struct x100_watch watches[2];

static void ready(void *arg, uint32_t events)
{
	uint64_t count;

	assert_int_equal(events, EPOLLIN);
	note(arg);
	assert_int_equal(read(((struct x100_watch *)&watches[*(char *)arg - 'a'])->fd, &count,
			      sizeof(count)),
			 sizeof(count));
}

static void open_watches(void (*call)(void *arg, uint32_t events))
{
	static char names[2] = { 'a', 'b' };

	for (int i = 0; i < 2; i++) {
		watches[i] = (struct x100_watch){ .fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC),
						  .ready = call,
						  .arg = &names[i] };
		assert_int_equal(x100_loop_add(loop, &watches[i], EPOLLIN), 0);
	}
}

static void close_watches(void)
{
	for (int i = 0; i < 2; i++) {
		x100_loop_remove(loop, &watches[i]);
		close(watches[i].fd);
	}
}

static void a_ready_descriptor_is_told(void **state)
{
	(void)state;
	open_watches(ready);
	x100_loop_turn(loop, -1);
	assert_int_equal(told, 2);
	x100_loop_turn(loop, 0);
	assert_int_equal(told, 2);
	close_watches();
}

static void remove_both(void *arg, uint32_t events)
{
	(void)events;
	note(arg);
	x100_loop_remove(loop, &watches[0]);
	x100_loop_remove(loop, &watches[1]);
}

static void a_watch_that_is_removed_is_told_nothing_any_more(void **state)
{
	(void)state;
	open_watches(remove_both);
	x100_loop_turn(loop, 0);
	x100_loop_turn(loop, 0);
	assert_int_equal(told, 1);
	close_watches();
}

static void events_can_be_changed(void **state)
{
	(void)state;
	open_watches(ready);
	assert_int_equal(x100_loop_change(loop, &watches[0], 0), 0);
	assert_int_equal(x100_loop_change(loop, &watches[1], 0), 0);
	x100_loop_turn(loop, 0);
	assert_int_equal(told, 0);
	assert_int_equal(x100_loop_change(loop, &watches[1], EPOLLIN), 0);
	x100_loop_turn(loop, 0);
	assert_string_equal(order, "b");
	close_watches();
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct x100_watch w = { .fd = -1 };

	(void)state;
	assert_int_equal(x100_loop_add(loop, &w, EPOLLIN), -EBADF);
	assert_false(w.watched);
}

static void stop_loop(void *arg)
{
	note(arg);
	x100_loop_stop(loop);
}

static void a_loop_runs_until_it_is_stopped(void **state)
{
	struct x100_timer a = timer("a"), s = { .expired = stop_loop, .arg = (void *)"s" };

	(void)state;
	x100_timer_set(loop, &a, X100_NS_PER_MS);
	x100_timer_set(loop, &s, 2 * X100_NS_PER_MS);
	x100_loop_run(loop);
	assert_string_equal(order, "as");
}

#define REAL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FAKE(f) cmocka_unit_test_setup_teardown(f, setup_fake, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(timers_run_in_the_order_of_their_moments),
		FAKE(timers_of_one_moment_run_in_the_order_they_were_set),
		FAKE(a_timer_is_never_early),
		FAKE(a_timer_of_0_runs_at_the_next_turn),
		FAKE(setting_a_timer_again_moves_it),
		FAKE(a_cancelled_timer_does_not_run),
		FAKE(a_timer_may_cancel_another_that_is_due),
		FAKE(a_timer_that_sets_itself_to_0_does_not_block_the_loop),
		FAKE(a_turn_ends_after_its_time),
		REAL(the_system_clock_is_kept),
		REAL(tasks_run_once_and_in_order),
		REAL(a_cancelled_task_does_not_run),
		REAL(a_task_that_queues_itself_does_not_block_the_loop),
		REAL(a_ready_descriptor_is_told),
		REAL(a_watch_that_is_removed_is_told_nothing_any_more),
		REAL(events_can_be_changed),
		REAL(a_bad_descriptor_is_refused),
		REAL(a_loop_runs_until_it_is_stopped),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
