// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/record.c. Faked: the memory the record lies in, over resets, power-on
 * and a host that writes into it. Blocks are of just the size, so that ASan sees a stray store.
 */
#include "fake.h"
#include <x100/post.h>
#include "record.h"

static struct x100_record *garbage(int fill)
{
	struct x100_record *r = malloc(sizeof(*r));

	assert_non_null(r);
	memset(r, fill, sizeof(*r));
	return r;
}

static struct x100_run *run_of(struct x100_record *r)
{
	assert_in_range(r->current_run, 0, 1);
	return &r->run[r->current_run];
}

static void power_on_garbage_is_not_trusted(void **state)
{
	static const int fills[] = { 0x00, 0xFF, 0xA5, 0x01 };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct x100_record *r = garbage(fills[i]);

		assert_false(bs_record_open(r, 1234));
		assert_int_equal(r->magic, X100_RECORD_MAGIC);
		assert_int_equal(r->version, X100_RECORD_VERSION);
		assert_int_equal(r->size, sizeof(*r));
		assert_int_equal(r->etc_reset, 1234);
		assert_int_equal(run_of(r)->seq, 1);
		assert_int_equal(run_of(r)->stages, 0);
		assert_int_equal(r->run[!r->current_run].seq, 0);
		assert_int_equal(r->klog.phys, 0);
		free(r);
	}
}

/* Bit by bit in the code, by nibbles here. */
static void crc_is_that_of_zlib(void **state)
{
	struct x100_record *r = garbage(0);
	uint32_t crc = ~0u;
	const uint8_t *p = (const uint8_t *)r;

	(void)state;
	bs_record_open(r, 0);

	for (unsigned int i = 0; i < 16; i++) {
		static const uint32_t table[16] = {
			0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
			0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
			0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C
		};
		crc = table[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ p[i] >> 4) & 15] ^ crc >> 4;
	}
	assert_int_equal(r->crc, ~crc);
	free(r);
}

static void the_run_before_survives_a_reset(void **state)
{
	struct x100_record *r = garbage(0x5A);
	struct bs_fault fault = { X100_REASON_IS_ELF, { 1, 2, 3, 4 } };
	struct x100_run before;

	(void)state;
	bs_record_open(r, 10);
	bs_record_stage(r, 11, X100_POST('0', 'c'), 0);
	bs_record_stage(r, 12, X100_POST('1', '2'), 7);
	bs_record_console(r, "hello\n", 6);
	bs_record_fault(r, &fault);
	before = *run_of(r);

	assert_true(bs_record_open(r, 20));
	assert_int_equal(run_of(r)->seq, 2);
	assert_int_equal(run_of(r)->stages, 0);
	assert_int_equal(run_of(r)->reason, 0);
	assert_memory_equal(&r->run[!r->current_run], &before, sizeof(before));
	assert_int_equal(before.reason, X100_REASON_IS_ELF);
	assert_int_equal(before.detail[3], 4);
	assert_int_equal(before.post, X100_POST('1', '2'));
	free(r);
}

static void runs_take_turns_over_many_resets(void **state)
{
	struct x100_record *r = garbage(0);

	(void)state;
	for (uint32_t n = 1; n <= 25; n++) {
		assert_int_equal(bs_record_open(r, n), n > 1);
		assert_int_equal(run_of(r)->seq, n);
		assert_int_equal(r->run[!r->current_run].seq, n - 1);
		bs_record_stage(r, n, n, 0);
	}
	free(r);
}

static void the_kernels_log_pointer_survives_a_reset(void **state)
{
	struct x100_record *r = garbage(0);

	(void)state;
	bs_record_open(r, 1);
	r->klog = (struct x100_klog){ 0x12345000, 65536, 1, 99 };
	assert_true(bs_record_open(r, 2));
	assert_int_equal(r->klog.phys, 0x12345000);
	assert_int_equal(r->klog.seq, 1);
	free(r);
}

/* Any bit of what says "this is a record" flipped: not trusted, made anew. */
static void a_damaged_head_is_not_trusted(void **state)
{
	unsigned int head = offsetof(struct x100_record, etc_reset) * 8;

	(void)state;
	for (unsigned int bit = 0; bit < head; bit++) {
		struct x100_record *r = garbage(0);

		bs_record_open(r, 1);
		((uint8_t *)r)[bit / 8] ^= 1u << bit % 8;
		/* A flip of the current run may point at the unused one, which is as unsound. */
		assert_false(bs_record_open(r, 2));
		assert_int_equal(run_of(r)->seq, 1);
		free(r);
	}
}

static void hostile_indices_write_nothing_outside(void **state)
{
	struct x100_record *r = garbage(0);
	struct bs_fault fault = { X100_REASON_IS_FIT, { 0 } };
	static const uint32_t evil[] = { 2, 64, 65, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		bs_record_open(r, 1);
		r->current_run = evil[i];
		r->run[0].stages = r->run[1].stages = evil[i];
		r->run[0].console_head = r->run[1].console_head = evil[i];
		bs_record_stage(r, 1, 2, 3);
		assert_in_range(bs_record_stages(r), 0, X100_RECORD_STAGES);
		bs_record_console(r, "0123456789", 10);
		bs_record_fault(r, &fault);
		bs_record_push(r, 20);
		bs_record_stage(r, 1, 2, 3);
		bs_record_open(r, 2);
		assert_in_range(run_of(r)->seq, 1, 2);
	}
	free(r);
}

static void stages_stop_at_their_maximum_and_the_last_post_goes_on(void **state)
{
	struct x100_record *r = garbage(0);

	(void)state;
	bs_record_open(r, 1);
	for (uint32_t i = 0; i < 200; i++)
		bs_record_stage(r, i, i, 0);
	assert_int_equal(run_of(r)->stages, X100_RECORD_STAGES);
	assert_int_equal(run_of(r)->stage[X100_RECORD_STAGES - 1].post, X100_RECORD_STAGES - 1);
	assert_int_equal(run_of(r)->post, 199);
	free(r);
}

static void a_new_push_takes_the_stages_of_the_refused_one(void **state)
{
	struct x100_record *r = garbage(0);
	struct bs_fault fault = { X100_REASON_IS_ELF, { 5 } };
	uint32_t ready;

	(void)state;
	bs_record_open(r, 1);
	for (uint32_t i = 0; i < 20; i++)
		bs_record_stage(r, i, i, 0);
	ready = bs_record_stages(r);
	for (uint32_t push = 1; push <= 50; push++) {
		bs_record_push(r, ready);
		assert_int_equal(run_of(r)->reason, 0);
		assert_int_equal(run_of(r)->detail[0], 0);
		for (uint32_t i = 0; i < 6; i++)
			bs_record_stage(r, 100, 0x100 * push + i, 0);
		bs_record_fault(r, &fault);
		assert_int_equal(run_of(r)->pushes, push);
		assert_int_equal(run_of(r)->stages, 26);
		assert_int_equal(run_of(r)->stage[25].post, 0x100 * push + 5);
		assert_int_equal(run_of(r)->stage[19].post, 19);
	}
	free(r);
}

static void the_console_keeps_its_last_bytes(void **state)
{
	struct x100_record *r = garbage(0);
	const struct x100_run *run;
	char line[32];

	(void)state;
	bs_record_open(r, 1);
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(line, sizeof(line), "line %d\n", i);

		bs_record_console(r, line, (uint32_t)len);
	}
	run = run_of(r);
	for (int i = 0; i < 9; i++)
		line[i] = run->console[(run->console_head - 9 + i) % X100_RECORD_CONSOLE];
	assert_memory_equal(line, "line 999\n", 9);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_on_garbage_is_not_trusted),
		cmocka_unit_test(crc_is_that_of_zlib),
		cmocka_unit_test(the_run_before_survives_a_reset),
		cmocka_unit_test(runs_take_turns_over_many_resets),
		cmocka_unit_test(the_kernels_log_pointer_survives_a_reset),
		cmocka_unit_test(a_damaged_head_is_not_trusted),
		cmocka_unit_test(hostile_indices_write_nothing_outside),
		cmocka_unit_test(stages_stop_at_their_maximum_and_the_last_post_goes_on),
		cmocka_unit_test(a_new_push_takes_the_stages_of_the_refused_one),
		cmocka_unit_test(the_console_keeps_its_last_bytes),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
