// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/uart.c. Faked: the I2C controller and the SC16IS740 on it, good and in
 * three ways broken (fake.c).
 */
#include "fake.h"
#include "uart.h"

#define MS(ticks) ((ticks) / (X100_ETC_HZ / 1000))

static struct bs_uart uart;

static void text_arrives_with_cr_before_lf(void **state)
{
	struct fake *fake = fake_new(1 << 20);
	const char *text = "first\nsecond\n\nx";

	(void)state;
	assert_true(bs_uart_init(&uart, &fake->ops));
	bs_uart_write(&uart, text, (uint32_t)strlen(text));
	fake->sent[fake->sent_len] = 0;
	assert_string_equal(fake->sent, "first\r\nsecond\r\n\r\nx");
	assert_int_equal(fake->state, -1); /* the bus is free again */
	fake_free(fake);
}

static void line_is_115200_8n1(void **state)
{
	struct fake *fake = fake_new(1 << 20);

	(void)state;
	assert_true(bs_uart_init(&uart, &fake->ops));
	assert_int_equal(fake->regs[14], 1); /* 1.8432 MHz / 16 / 115200 */
	assert_int_equal(fake->regs[15], 0);
	assert_int_equal(fake->regs[X100_UART_LCR], 3);
	assert_int_equal(fake->regs[X100_UART_IER], 0);
	fake_free(fake);
}

static void long_text_never_overruns_the_fifo(void **state)
{
	struct fake *fake = fake_new(1 << 20);
	char text[3001];

	(void)state;
	for (unsigned int i = 0; i < sizeof(text); i++)
		text[i] = i % 40 == 39 ? '\n' : (char)('a' + i % 26);
	assert_true(bs_uart_init(&uart, &fake->ops));
	bs_uart_write(&uart, text, sizeof(text));
	assert_int_equal(fake->overrun, 0);
	assert_int_equal(fake->sent_len, sizeof(text) + sizeof(text) / 40);
	assert_true(uart.alive);
	fake_free(fake);
}

static void every_split_around_the_fifo_size_arrives_whole(void **state)
{
	char text[140];

	(void)state;
	memset(text, 'y', sizeof(text));
	for (uint32_t len = 0; len < sizeof(text); len++) {
		for (uint32_t lf = 60; lf < 68; lf++) {
			struct fake *fake = fake_new(1 << 20);

			memset(text, 'y', sizeof(text));
			text[lf] = '\n';
			assert_true(bs_uart_init(&uart, &fake->ops));
			bs_uart_write(&uart, text, len);
			assert_int_equal(fake->sent_len, len + (lf < len));
			assert_int_equal(fake->overrun, 0);
			assert_int_equal(fake->state, -1);
			fake_free(fake);
		}
	}
}

static void expect_dead(enum fake_line line, unsigned int ms)
{
	struct fake *fake = fake_new(1 << 20);
	uint64_t start;

	fake->line = line;
	start = fake->now;
	assert_false(bs_uart_init(&uart, &fake->ops));
	assert_true(MS(fake->now - start) <= ms);
	start = fake->now;
	for (int i = 0; i < 100; i++)
		bs_uart_write(&uart, "into the void\n", 14);
	bs_uart_flush(&uart);
	assert_int_equal(fake->now, start); /* given up: costs nothing any more */
	assert_int_equal(fake->sent_len, 0);
	fake_free(fake);
}

static void a_silent_controller_is_given_up(void **state)
{
	(void)state;
	expect_dead(FAKE_LINE_SILENT, 10);
}

static void a_missing_uart_is_given_up(void **state)
{
	(void)state;
	expect_dead(FAKE_LINE_ABSENT, 1);
}

static void a_stalled_uart_is_given_up_after_its_deadline(void **state)
{
	struct fake *fake = fake_new(1 << 20);
	char text[200];
	uint64_t start;

	(void)state;
	memset(text, 'z', sizeof(text));
	fake->line = FAKE_LINE_STALLED;
	assert_true(bs_uart_init(&uart, &fake->ops));
	start = fake->now;
	bs_uart_write(&uart, text, sizeof(text));
	assert_in_range(MS(fake->now - start), 90, 150);
	assert_int_equal(fake->overrun, 0);
	assert_int_equal(fake->sent_len, X100_UART_FIFO);
	assert_false(uart.alive);
	fake_free(fake);
}

static void flush_waits_for_the_last_byte_but_not_for_ever(void **state)
{
	struct fake *fake = fake_new(1 << 20);
	uint64_t start;

	(void)state;
	assert_true(bs_uart_init(&uart, &fake->ops));
	bs_uart_write(&uart, "0123456789", 10);
	bs_uart_flush(&uart);
	assert_int_equal(fake->fifo, 0);
	fake->line = FAKE_LINE_STALLED;
	bs_uart_write(&uart, "0123456789", 10);
	start = fake->now;
	bs_uart_flush(&uart);
	assert_in_range(MS(fake->now - start), 19, 25);
	fake_free(fake);
}

static void a_transfer_cut_in_the_middle_does_not_spoil_a_new_start(void **state)
{
	struct fake *fake = fake_new(1 << 20);

	(void)state;
	assert_true(bs_uart_init(&uart, &fake->ops));
	/* An exception between two bytes: start condition sent, no stop. */
	fake->state = 2;
	fake->isr |= X100_I2C_ISR_ITE;
	assert_true(bs_uart_init(&uart, &fake->ops));
	bs_uart_write(&uart, "x", 1);
	assert_int_equal(fake->sent_len, 1);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_arrives_with_cr_before_lf),
		cmocka_unit_test(line_is_115200_8n1),
		cmocka_unit_test(long_text_never_overruns_the_fifo),
		cmocka_unit_test(every_split_around_the_fifo_size_arrives_whole),
		cmocka_unit_test(a_silent_controller_is_given_up),
		cmocka_unit_test(a_missing_uart_is_given_up),
		cmocka_unit_test(a_stalled_uart_is_given_up_after_its_deadline),
		cmocka_unit_test(flush_waits_for_the_last_byte_but_not_for_ever),
		cmocka_unit_test(a_transfer_cut_in_the_middle_does_not_spoil_a_new_start),
	};

	return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
