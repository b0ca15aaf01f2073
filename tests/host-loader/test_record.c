// SPDX-License-Identifier: BSD-3-Clause
/* Under test: lib/record.c. Faked: the card whose memory holds the record. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include <x100/boot.h>
#include <x100/memmap.h>
#include <x100/post.h>
#include <x100/regs.h>

#include "record.h"

static struct x100_record record;

static void a_valid_record_is_read(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	fake_record()->run[0].stages = 3;
	assert_int_equal(x100_record_read(card, &record), X100_OK);
	assert_int_equal(x100_record_current(&record)->seq, 1);
	assert_int_equal(x100_record_current(&record)->stages, 3);
	assert_null(x100_record_previous(&record));
	x100_close(card);
}

static void every_flipped_bit_of_its_head_makes_it_none(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 16 * 8 + 32 + 32; bit++) {
		uint8_t *head = (uint8_t *)&record;

		memcpy(&record, fake_record(), sizeof(record));
		assert_true(x100_record_check(&record));
		memcpy(&record, fake_record(), sizeof(record));
		head[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		/* Of the index of the run only bit 0 may be either. */
		assert_int_equal(x100_record_check(&record), bit == 16 * 8);
	}
}

static void indices_are_clamped(void **state)
{
	(void)state;
	memcpy(&record, fake_record(), sizeof(record));
	record.run[0].stages = 0xFFFFFFFF;
	record.run[1].stages = X100_RECORD_STAGES + 1;
	assert_true(x100_record_check(&record));
	assert_int_equal(record.run[0].stages, X100_RECORD_STAGES);
	assert_int_equal(record.run[1].stages, X100_RECORD_STAGES);
}

static void memory_is_not_touched_while_it_trains(void **state)
{
	static const uint32_t codes[] = { X100_POST_TRAIN, X100_POST_TRAIN_END, X100_POST_CODE,
					  X100_POST_NONE, X100_POST_TRAIN_FAILED };
	struct x100_card *card;

	(void)state;
	fake.mappable = false;
	card = fake_open();
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fake_set_post(codes[i]);
		assert_int_equal(x100_record_read(card, &record), X100_ERR_TRAINING);
	}
	for (unsigned int n = 0; n < fake.accesses; n++)
		assert_true(fake.log[n].kind == FAKE_READ || fake.log[n].kind == FAKE_WRITE);
	x100_close(card);
}

static void console_text_comes_in_order_and_printable(void **state)
{
	struct x100_run run = { 0 };
	char text[X100_RECORD_CONSOLE + 1];

	(void)state;
	assert_int_equal(x100_run_console(&run, text), 0);
	memcpy(run.console, "a\tb\r\n\x1b[2Jc\xff", 11);
	run.console_head = 11;
	assert_int_equal(x100_run_console(&run, text), 11);
	assert_string_equal(text, "a\tb \n.[2Jc.");

	/* A full ring begins behind its newest byte; the count may have wrapped. */
	memset(run.console, 'x', sizeof(run.console));
	run.console_head = 0xFFFFFFFF;
	run.console[0xFFFFFFFE % X100_RECORD_CONSOLE] = 'z';
	assert_int_equal(x100_run_console(&run, text), X100_RECORD_CONSOLE);
	assert_int_equal(text[X100_RECORD_CONSOLE - 1], 'z');
	assert_int_equal(text[X100_RECORD_CONSOLE - 2], 'x');
}

#define RING 0x2000000ull

static void publish_log(uint32_t size, uint64_t head)
{
	struct x100_klog *klog = &fake_record()->klog;

	klog->phys = RING;
	klog->size = size;
	klog->seq = fake_record()->run[0].seq;
	klog->head = head;
}

static void the_kernel_log_is_read_on_from_where_it_was(void **state)
{
	struct x100_card *card = fake_open();
	uint64_t from = 0, lost;
	size_t size;
	char *text;

	(void)state;
	memcpy(fake.memory + RING, "hello\n", 6);
	publish_log(65536, 6);
	assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost), X100_OK);
	assert_string_equal(text, "hello\n");
	assert_int_equal(size, 6);
	assert_int_equal(from, 6);
	assert_int_equal(lost, 0);
	free(text);

	memcpy(fake.memory + RING + 6, "more\n", 5);
	publish_log(65536, 11);
	assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost), X100_OK);
	assert_string_equal(text, "more\n");
	free(text);

	/* Another kernel began to count anew. */
	publish_log(65536, 5);
	assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost), X100_OK);
	assert_string_equal(text, "hello");
	free(text);
	x100_close(card);
}

static void what_the_ring_has_dropped_is_counted(void **state)
{
	struct x100_card *card = fake_open();
	uint64_t from = 3, lost;
	size_t size;
	char *text;

	(void)state;
	memcpy(fake.memory + RING, "klmnefghijklmnop", 16);
	publish_log(16, 20);
	assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost), X100_OK);
	assert_string_equal(text, "efghijklmnopklmn");
	assert_int_equal(lost, 1);
	free(text);
	x100_close(card);
}

/* The copy of the ring was made while the card kernel went on. */
static void what_was_overwritten_while_it_was_copied_is_lost(void **state)
{
	static const struct x100_klog klog = { .phys = RING, .size = 16, .head = 20 };
	char text[17];
	uint64_t lost;

	(void)state;
	assert_int_equal(record_klog_unroll("klmnUVWhijklmnop", &klog, 23, 0, text, &lost), 13);
	assert_string_equal(text, "hijklmnopklmn");
	assert_int_equal(lost, 7);
	/* All of it, and more than there is. */
	assert_int_equal(record_klog_unroll("0123456789abcdef", &klog, 36, 18, text, &lost), 0);
	assert_int_equal(lost, 2);
	assert_int_equal(record_klog_unroll("0123456789abcdef", &klog, ~0ull, 18, text, &lost), 0);
	/* A count that runs backwards says nothing. */
	assert_int_equal(record_klog_unroll("klmnefghijklmnop", &klog, 0, 19, text, &lost), 1);
	assert_string_equal(text, "n");
}

static void hostile_logs_are_refused(void **state)
{
	static const struct x100_klog cases[] = {
		{ .phys = 0, .size = 65536, .seq = 1 },    /* none */
		{ .phys = RING, .size = 65536, .seq = 2 }, /* of another run */
		{ .phys = RING + 1, .size = 65536, .seq = 1 },
		{ .phys = RING, .size = 0, .seq = 1 },
		{ .phys = RING, .size = 65535, .seq = 1 },
		{ .phys = RING, .size = 1u << 31, .seq = 1 },
		{ .phys = (8ull << 30) - 4096, .size = 65536, .seq = 1 },
		{ .phys = ~0xFFFull, .size = 65536, .seq = 1 },
	};
	struct x100_card *card = fake_open();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t from = 0, lost;
		size_t size;
		char *text;

		fake_record()->klog = cases[i];
		fake_record()->klog.head = ~0ull;
		assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost),
				 X100_ERR_NO_RECORD);
		assert_null(text);
		assert_true(x100_why(card)[0]);
	}
	x100_close(card);
}

static void a_count_of_all_ones_is_survived(void **state)
{
	struct x100_card *card = fake_open();
	uint64_t from = 0, lost;
	size_t size;
	char *text;

	(void)state;
	publish_log(4096, ~0ull);
	assert_int_equal(x100_klog_read(card, &from, &text, &size, &lost), X100_OK);
	assert_int_equal(size, 4096);
	assert_int_equal(lost, ~0ull - 4096);
	free(text);
	x100_close(card);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	static const struct CMUnitTest tests[] = {
		T(a_valid_record_is_read),
		T(every_flipped_bit_of_its_head_makes_it_none),
		T(indices_are_clamped),
		T(memory_is_not_touched_while_it_trains),
		T(console_text_comes_in_order_and_printable),
		T(the_kernel_log_is_read_on_from_where_it_was),
		T(what_the_ring_has_dropped_is_counted),
		T(what_was_overwritten_while_it_was_copied_is_lost),
		T(hostile_logs_are_refused),
		T(a_count_of_all_ones_is_survived),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
