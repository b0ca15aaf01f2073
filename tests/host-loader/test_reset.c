// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/reset.c and the waits of lib/card.c. Faked: the card and the clock. Oracle for the
 * register accesses: vectors/interrupts.json.
 */
#include "fake.h"

#include <string.h>

#include <x100/boot.h>
#include <x100/memmap.h>
#include <x100/post.h>
#include <x100/regs.h>

#define SECOND X100_NS_PER_SEC

static void the_register_sequence_is_that_of_the_old_host(void **state)
{
	json_object *root = load_vectors("interrupts.json"), *cases = vget(root, "reset");

	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i);
		json_object *expect = vget(c, "accesses");
		struct x100_card *card;
		size_t next = 0;
		unsigned int start;

		fake_teardown(state);
		fake_setup(state);
		fake_set_sbox(X100_SBOX_RGCR, (uint32_t)vnum(vget(c, "rgcr_before")));
		card = fake_open();
		start = fake.accesses;
		assert_int_equal(x100_reset(card), X100_OK);
		x100_close(card);

		/* All recorded accesses in their order; others of ours may stand between. */
		for (unsigned int n = start; n < fake.accesses; n++) {
			const struct fake_access *a = &fake.log[n];
			json_object *e;

			if (next == json_object_array_length(expect))
				break;
			e = json_object_array_get_idx(expect, next);
			if (a->region == X100_REGION_MMIO &&
			    a->offset == vnum(json_object_array_get_idx(e, 1)) &&
			    a->value == vnum(json_object_array_get_idx(e, 2)) &&
			    (a->kind == FAKE_WRITE) ==
				    !strcmp(json_object_get_string(json_object_array_get_idx(e, 0)),
					    "write"))
				next++;
		}
		assert_int_equal(next, json_object_array_length(expect));
		assert_int_equal(fake.resets, 1);
	}
	json_object_put(root);
}

static void a_reset_clears_what_the_last_os_said(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	fake_set_sbox(X100_SBOX_SDBIC(1), 0xDEAD);
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(fake_sbox(X100_SBOX_SDBIC(1)), 0);
	assert_int_equal(fake_sbox(X100_SBOX_SCRATCH(2)), 0);
	x100_close(card);
}

static void a_reset_is_seen_when_the_card_leaves_the_bus(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	assert_int_equal(x100_reset(card), X100_OK);
	/* The bus is left after 200 ms; seen within the 20 ms between two looks. */
	assert_in_range(fake.slept / X100_NS_PER_MS, 200, 230);
	assert_int_equal(x100_wait_ready(card, X100_RESET_DEADLINE, NULL, NULL), X100_OK);
	assert_in_range(fake.slept / X100_NS_PER_MS, 9300, 9330);
	x100_close(card);
}

static void a_reset_too_fast_to_see_is_known_by_its_run_number(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	fake.on_reset = fake_fast_reset;
	assert_int_equal(x100_reset(card), X100_OK);
	assert_true(fake.slept < 10 * X100_NS_PER_MS);
	assert_int_equal(x100_wait_ready(card, SECOND, NULL, NULL), X100_OK);
	x100_close(card);
}

static void stay_ready(void)
{
	fake_forget_events();
	fake_ready_in(1);
}

static void without_any_sign_a_reset_takes_the_second_of_the_old_hosts(void **state)
{
	struct x100_card *card;

	(void)state;
	fake_record()->magic = 0;
	fake.on_reset = stay_ready;
	card = fake_open();
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(fake.slept, SECOND);
	x100_close(card);
}

/* The old bootstrap gets ready once more before the reset bites. */
static void late_ready(void)
{
	fake_good_reset();
	fake_ready_in(50);
}

static void the_ready_bit_of_the_run_before_is_not_taken(void **state)
{
	struct x100_card *card;

	(void)state;
	fake_set_post(X100_POST_SIGNAL);
	fake.on_reset = late_ready;
	card = fake_open();
	assert_int_equal(x100_reset(card), X100_OK);
	assert_true(fake.slept >= 200 * X100_NS_PER_MS);
	x100_close(card);
}

static void ready_needs_the_code_and_the_bit(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	/* The bit alone: stale over a reset, while memory trains (silicon-notes.md). */
	fake_set_post(X100_POST_TRAIN);
	assert_int_equal(x100_wait_ready(card, SECOND, NULL, NULL), X100_ERR_RESET_TIMEOUT);
	/* The code alone. */
	fake_set_post(X100_POST_READY);
	fake_set_sbox(X100_SBOX_SCRATCH(2), FAKE_BOOT);
	assert_int_equal(x100_wait_ready(card, SECOND, NULL, NULL), X100_ERR_RESET_TIMEOUT);
	assert_non_null(strstr(x100_why(card), "12"));
	x100_close(card);
}

static void never_come_back(void)
{
	fake_forget_events();
	fake_post_in(10, X100_POST_CODE);
	fake_post_in(20, X100_POST_TRAIN_UCODE);
}

static void a_card_that_hangs_in_training_times_out_with_its_code_in_words(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	fake.on_reset = never_come_back;
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(x100_wait_ready(card, X100_RESET_DEADLINE, NULL, NULL),
			 X100_ERR_RESET_TIMEOUT);
	assert_non_null(strstr(x100_why(card), "POST 37: memory training: microcode"));
	assert_in_range(fake.slept / SECOND, 90, 91);
	x100_close(card);
}

static void each_failure_code_ends_the_wait_with_its_words(void **state)
{
	static const uint32_t codes[] = {
		X100_POST_TRAIN_FAILED,   X100_POST_PRESERVE_FAILED, X100_POST_MEMTEST_FAILED,
		X100_POST_NO_GDDR_PARAMS, X100_POST_PLL_FAILED,      X100_POST_QUERY_FAILED,
		X100_POST_HALTED,         X100_POST_EXC_PF,          X100_POST_EXC_UD,
		X100_POST_EXC_DF,
	};
	struct x100_card *card = fake_open();

	(void)state;
	fake_set_sbox(X100_SBOX_SCRATCH(2), 0);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fake_set_post(codes[i]);
		assert_int_equal(x100_wait_ready(card, SECOND, NULL, NULL), X100_ERR_CARD_FAILED);
		assert_non_null(strstr(x100_why(card), x100_post_words(codes[i])));
	}
	x100_close(card);
}

static void leave(void)
{
	fake.off_bus = true;
}

static void come(void)
{
	fake.off_bus = false;
}

static void a_moment_off_the_bus_is_tolerated(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	leave();
	fake_set_post(X100_POST_CODE);
	fake_call_in(1900, come);
	fake_ready_in(2500);
	assert_int_equal(x100_wait_ready(card, X100_RESET_DEADLINE, NULL, NULL), X100_OK);
	x100_close(card);
}

static void staying_off_the_bus_is_not(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	leave();
	assert_int_equal(x100_wait_ready(card, X100_RESET_DEADLINE, NULL, NULL), X100_ERR_OFF_BUS);
	assert_in_range(fake.slept / X100_NS_PER_MS, 2000, 2050);
	x100_close(card);
}

static void a_reset_that_does_not_reach_the_card_is_an_error(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	leave();
	assert_int_equal(x100_reset(card), X100_ERR_OFF_BUS);
	assert_int_equal(fake.slept, SECOND);
	x100_close(card);
}

/* It reads all ones, and is back before it is written to. */
static void what_a_card_off_the_bus_reads_as_is_not_written_back(void **state)
{
	struct x100_card *card;

	(void)state;
	fake_set_sbox(X100_SBOX_RGCR, ~0u);
	card = fake_open();
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(fake.resets, 1);
	for (unsigned int n = 0; n < fake.accesses; n++)
		if (fake.log[n].kind == FAKE_WRITE &&
		    fake.log[n].offset == X100_MMIO_SBOX + X100_SBOX_RGCR)
			assert_int_equal(fake.log[n].value, X100_RGCR_RESET);
	x100_close(card);
}

static struct x100_card *to_interrupt;

static void interrupt(void)
{
	x100_interrupt(to_interrupt);
}

static void a_signal_ends_the_wait(void **state)
{
	(void)state;
	to_interrupt = fake_open();
	fake_set_sbox(X100_SBOX_SCRATCH(2), 0);
	fake_call_in(100, interrupt);
	assert_int_equal(x100_wait_ready(to_interrupt, X100_RESET_DEADLINE, NULL, NULL),
			 X100_ERR_INTERRUPTED);
	assert_true(fake.slept < 150 * X100_NS_PER_MS);
	x100_close(to_interrupt);
}

static unsigned int seen_codes;

static void count_code(void *arg, uint32_t post)
{
	assert_ptr_equal(arg, &seen_codes);
	assert_int_not_equal(post, ~0u);
	seen_codes++;
}

static void codes_are_told_once_each(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	seen_codes = 0;
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(x100_wait_ready(card, X100_RESET_DEADLINE, count_code, &seen_codes),
			 X100_OK);
	assert_int_equal(seen_codes, 5);
	x100_close(card);
}

/* The transport breaks, or the card leaves the bus for good, at every single access. */
static void a_card_that_vanishes_at_any_step_is_an_error_at_once(void **state)
{
	unsigned int all;
	struct x100_card *card;

	fake.on_reset = fake_fast_reset;
	card = fake_open();
	assert_int_equal(x100_reset(card), X100_OK);
	assert_int_equal(x100_wait_ready(card, SECOND, NULL, NULL), X100_OK);
	x100_close(card);
	all = fake.accesses;
	for (unsigned int n = 1; n < all; n++) {
		int ret;

		fake_teardown(state);
		fake_setup(state);
		fake.on_reset = fake_fast_reset;
		fake.gone_after = n;
		ret = x100_open_with(&fake_ops, "here", &fake_clock, &card, NULL);
		if (!ret)
			ret = x100_reset(card);
		if (!ret)
			ret = x100_wait_ready(card, SECOND, NULL, NULL);
		x100_close(card);
		assert_int_equal(ret, X100_ERR_GONE);
	}
	for (unsigned int n = 5; n < all; n++) {
		int ret;

		fake_teardown(state);
		fake_setup(state);
		fake.on_reset = fake_fast_reset;
		fake.ones_after = n;
		card = fake_open();
		ret = x100_reset(card);
		if (!ret)
			ret = x100_wait_ready(card, X100_RESET_DEADLINE, NULL, NULL);
		x100_close(card);
		/* Only the very last look of all can come too late to matter. */
		assert_true(ret == X100_ERR_OFF_BUS || n >= all - 2);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	static const struct CMUnitTest tests[] = {
		T(the_register_sequence_is_that_of_the_old_host),
		T(a_reset_clears_what_the_last_os_said),
		T(a_reset_is_seen_when_the_card_leaves_the_bus),
		T(a_reset_too_fast_to_see_is_known_by_its_run_number),
		T(without_any_sign_a_reset_takes_the_second_of_the_old_hosts),
		T(the_ready_bit_of_the_run_before_is_not_taken),
		T(ready_needs_the_code_and_the_bit),
		T(a_card_that_hangs_in_training_times_out_with_its_code_in_words),
		T(each_failure_code_ends_the_wait_with_its_words),
		T(a_moment_off_the_bus_is_tolerated),
		T(staying_off_the_bus_is_not),
		T(a_reset_that_does_not_reach_the_card_is_an_error),
		T(what_a_card_off_the_bus_reads_as_is_not_written_back),
		T(a_signal_ends_the_wait),
		T(codes_are_told_once_each),
		T(a_card_that_vanishes_at_any_step_is_an_error_at_once),
	};

	return cmocka_run_group_tests_name("reset", tests, NULL, NULL);
}
