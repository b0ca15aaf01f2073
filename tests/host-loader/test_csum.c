// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/csum.c, against the example of RFC 1071 and a reference that adds byte by byte. Nothing
 * is faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

/* RFC 1071 as its text has it: big-endian words, end-around carry, a missing byte is 0. */
static uint16_t reference(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++) {
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
		if (sum > 0xFFFF)
			sum -= 0xFFFF;
	}
	return (uint16_t)sum;
}

static uint16_t ours(const void *bytes, size_t size)
{
	return ntohs(x100_csum_fold(x100_csum_sum(bytes, size)));
}

/* 0 and 0xFFFF are the same number in this arithmetic. */
static void assert_same(uint16_t a, uint16_t b)
{
	assert_int_equal(a % 0xFFFF, b % 0xFFFF);
}

static uint8_t *random_bytes(size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rand();
	return bytes;
}

static void sum_is_that_of_the_rfc(void **state)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(ours(example, sizeof(example)), 0xddf2);
	assert_int_equal(ours(example, 0), 0);
	assert_int_equal(ours(example + 1, 1), 0x0100);
}

static void every_size_and_alignment_sums_right(void **state)
{
	(void)state;
	for (size_t size = 0; size < 300; size++) {
		for (size_t at = 0; at < 8; at++) {
			uint8_t *bytes = random_bytes(at + size);

			assert_same(ours(bytes + at, size), reference(bytes + at, size));
			free(bytes);
		}
	}
}

static void carries_are_not_lost(void **state)
{
	static const size_t sizes[] = { 1, 2, 7, 8, 9, 31, 32, 33, 65535, 65536, 1 << 20 };
	uint8_t *bytes = malloc(1 << 20);

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 0xFF, 1 << 20);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_same(ours(bytes, sizes[i]), reference(bytes, sizes[i]));
	free(bytes);
	assert_int_equal(x100_csum_fold(UINT64_MAX), 0xFFFF);
	assert_int_equal(x100_csum_fold(0x10000), 1);
	assert_int_equal(x100_csum_fold(0xFFFFFFFF0000), 0xFFFF);
}

static void parts_add_up(void **state)
{
	uint8_t *bytes = random_bytes(4096);

	(void)state;
	for (size_t cut = 0; cut <= 4096; cut += 2)
		assert_same(ntohs(x100_csum_fold(x100_csum_sum(bytes, cut) +
						 x100_csum_sum(bytes + cut, 4096 - cut))),
			    reference(bytes, 4096));
	free(bytes);
}

/* As a receiver checks it: the sum over everything, checksum included, is 0xFFFF. */
static void finished_packet_verifies(void **state)
{
	(void)state;
	for (size_t size = 60; size < 200; size++) {
		uint8_t *bytes = random_bytes(size);
		const size_t start = 34, offset = 16;
		uint16_t pseudo = (uint16_t)rand(), sum;

		memcpy(bytes + start + offset, &pseudo, 2);
		assert_true(x100_csum_finish(bytes, size, start, offset));
		sum = x100_csum_fold(x100_csum_sum(bytes + start, size - start) + pseudo);
		assert_int_equal(sum, 0xFFFF);
		free(bytes);
	}
}

static void finishing_touches_only_the_checksum(void **state)
{
	uint8_t *bytes = random_bytes(128), before[128];

	(void)state;
	memcpy(before, bytes, sizeof(before));
	assert_true(x100_csum_finish(bytes, 128, 20, 6));
	assert_memory_equal(bytes, before, 26);
	assert_memory_equal(bytes + 28, before + 28, 100);
	free(bytes);
}

static void zero_is_sent_as_all_ones(void **state)
{
	uint8_t bytes[8] = { 0xFF, 0xFF };

	(void)state;
	assert_true(x100_csum_finish(bytes, sizeof(bytes), 0, 4));
	assert_int_equal(bytes[4], 0xFF);
	assert_int_equal(bytes[5], 0xFF);
}

static void checksum_outside_the_frame_is_refused(void **state)
{
	static const struct {
		size_t size, start, offset;
		bool fits;
	} cases[] = {
		{ 64, 34, 28, true },
		{ 64, 34, 29, false },
		{ 64, 62, 0, true },
		{ 64, 63, 0, false },
		{ 64, 64, 0, false },
		{ 64, 65, 0, false },
		{ 64, 0, 65535, false },
		{ 0, 0, 0, false },
		{ 64, SIZE_MAX, 2, false },
		{ 64, 2, SIZE_MAX, false },
		{ 64, SIZE_MAX - 1, 1, false },
		{ 2, 0, 0, true },
		{ 1, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *bytes = random_bytes(cases[i].size), *before = malloc(cases[i].size + 1);

		assert_non_null(before);
		memcpy(before, bytes, cases[i].size);
		assert_int_equal(x100_csum_finish(bytes, cases[i].size, cases[i].start,
						  cases[i].offset),
				 cases[i].fits);
		if (!cases[i].fits)
			assert_memory_equal(bytes, before, cases[i].size);
		free(before);
		free(bytes);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_is_that_of_the_rfc),
		cmocka_unit_test(every_size_and_alignment_sums_right),
		cmocka_unit_test(carries_are_not_lost),
		cmocka_unit_test(parts_add_up),
		cmocka_unit_test(finished_packet_verifies),
		cmocka_unit_test(finishing_touches_only_the_checksum),
		cmocka_unit_test(zero_is_sent_as_all_ones),
		cmocka_unit_test(checksum_outside_the_frame_is_refused),
	};

	srand(1);
	return cmocka_run_group_tests_name("csum", tests, NULL, NULL);
}
