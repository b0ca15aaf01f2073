// SPDX-License-Identifier: BSD-3-Clause
/* Under test: entropy for the card (lib/rng.c). Faked: page and rings (fake_vq.h), getrandom(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_vq.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static struct x100_backend *rng;
static int random_error; /* what getrandom() fails with */
static size_t random_most;

ssize_t getrandom(void *to, size_t size, unsigned int flags)
{
	assert_true(flags & GRND_NONBLOCK);
	if (random_error) {
		errno = random_error;
		return -1;
	}
	if (random_most && size > random_most)
		size = random_most;
	memset(to, 0xA5, size);
	return (ssize_t)size;
}

static int setup(void **state)
{
	struct x100_why why;

	(void)state;
	random_error = 0;
	random_most = 0;
	fake_vq_setup();
	if (x100_rng_class.open(&fake_vq.env, "rng0", "yes", &why, &rng))
		return -1;
	fake_vq_start(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_vq_stop();
	x100_rng_class.close(rng);
	fake_vq_teardown();
	return 0;
}

static void offer(uint32_t card, uint32_t size)
{
	struct x100_seg seg = { card, size };

	fake_vq_offer(0, (uint16_t)fake_vq.queue[0].offers, &seg, 0, 1);
}

static void assert_filled(uint32_t card, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(fake_vq.memory[card + i], 0xA5);
	assert_int_equal(fake_vq.memory[card + size], 0);
}

static void fills_chains(void **state)
{
	struct x100_seg parts[] = { { 100000, 16 }, { 8192, 1 }, { 9000, 5000 } };

	(void)state;
	assert_int_equal(fake_vq.params.type, 4);
	offer(0, 64);
	offer(4096, 1);
	fake_vq_offer(0, 7, parts, 1, 2);
	fake_vq_kick();
	assert_int_equal(fake_vq.queue[0].published, 3);
	assert_int_equal(fake_vq.queue[0].used[0].written, 64);
	assert_int_equal(fake_vq.queue[0].used[1].written, 1);
	assert_int_equal(fake_vq.queue[0].used[2].written, 5001);
	assert_filled(0, 64);
	assert_filled(4096, 1);
	assert_filled(8192, 1);
	assert_filled(9000, 5000);
	assert_int_equal(fake_vq.memory[100000], 0);
	assert_int_equal(fake_vq.queue[0].flushes, 1);
	assert_false(fake_vq.queue[0].quiet);
}

static void gives_little_at_a_time(void **state)
{
	(void)state;
	random_most = 100;
	offer(0, 1u << 20);
	fake_vq_kick();
	assert_int_equal(fake_vq.queue[0].used[0].written, 65536);
	assert_filled(0, 65536);
}

static void gives_nothing_for_nothing(void **state)
{
	struct x100_seg seg = { 0, 64 };

	(void)state;
	fake_vq_offer(0, 3, &seg, 1, 0);
	fake_vq_kick();
	assert_int_equal(fake_vq.queue[0].published, 1);
	assert_int_equal(fake_vq.queue[0].used[0].written, 0);
}

/* A card that always asks does not keep others from their turn. */
static void lets_others_have_their_turn(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 64; i++)
		offer(0, 65536);
	fake_vq_kick();
	assert_in_range(fake_vq.queue[0].published, 1, 20);
	assert_true(fake_vq_wait(0, 64));
	x100_loop_turn(fake_vq.env.loop, 0);
	assert_false(fake_vq.queue[0].quiet);
}

static void waits_for_a_host_without_entropy(void **state)
{
	(void)state;
	random_error = EAGAIN;
	offer(0, 64);
	offer(128, 64);
	fake_vq_kick();
	assert_int_equal(fake_vq.queue[0].published, 0);
	random_error = 0;
	assert_true(fake_vq_wait(0, 2));
	assert_filled(0, 64);
}

static void stops_and_starts(void **state)
{
	(void)state;
	random_error = EAGAIN;
	offer(0, 64);
	fake_vq_kick();
	fake_vq_stop();
	random_error = 0;
	x100_loop_turn(fake_vq.env.loop, 0);
	fake_vq_start(0);
	for (unsigned int i = 0; i < 64; i++)
		offer(0, 65536);
	fake_vq_kick();
	fake_vq_stop();
	x100_loop_turn(fake_vq.env.loop, 0);
	fake_vq_start(0);
	fake_vq.pop_faults = true;
	offer(0, 64);
	fake_vq_kick();
	assert_false(fake_vq.live);
}

static void is_either_there_or_not(void **state)
{
	struct x100_why why;

	(void)state;
	assert_int_equal(x100_backend_check("rng", "yes", &why), X100_OK);
	assert_int_equal(x100_backend_check("rng", "no", &why), X100_ERR_ARGUMENT);
	assert_int_equal(x100_backend_check("rng", "yes,fast", &why), X100_ERR_ARGUMENT);
	assert_int_equal(x100_backend_check("rng", "", &why), X100_ERR_ARGUMENT);
}

static void assert_status(const char *key, uint64_t value)
{
	json_object *member = fake_vq_status(rng, key);

	assert_int_equal(json_object_get_uint64(member), value);
	json_object_put(member);
}

static void tells_what_it_gave(void **state)
{
	(void)state;
	offer(0, 64);
	fake_vq_kick();
	assert_status("bytes", 64);
	assert_status("chains_filled", 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fills_chains),
		TEST(gives_little_at_a_time),
		TEST(gives_nothing_for_nothing),
		TEST(lets_others_have_their_turn),
		TEST(waits_for_a_host_without_entropy),
		TEST(stops_and_starts),
		TEST(is_either_there_or_not),
		TEST(tells_what_it_gave),
	};

	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
