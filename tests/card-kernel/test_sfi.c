// SPDX-License-Identifier: BSD-3-Clause
/*
 * The card kernel's judgement of SFI tables (sfi.c as the patch series adds it). Nothing is faked:
 * tables are built here, byte by byte, as a bootstrap would.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/types.h>

#include <x100/memmap.h>

#include "x100.h"

#define AREA (X100_SFI_SCAN_END - X100_SFI_SCAN_BASE)

static void seal(struct x100_sfi_header *table)
{
	const u8 *byte = (const u8 *)table;
	u8 sum = 0;

	table->checksum = 0;
	for (u32 i = 0; i < table->len; i++)
		sum += byte[i];
	table->checksum = (u8)-sum;
}

/* A table of "body" bytes behind the header, in memory of exactly its size: ASan sees one more. */
static struct x100_sfi_header *make(const char *sig, size_t body)
{
	struct x100_sfi_header *table = calloc(1, sizeof(*table) + body);

	assert_non_null(table);
	memcpy(table->sig, sig, 4);
	table->len = (u32)(sizeof(*table) + body);
	table->rev = 1;
	memcpy(table->oem_id, "X100  ", 6);
	memset(table + 1, 0x5A, body);
	seal(table);
	return table;
}

static void a_whole_table_is_valid(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_CPUS, 8);

	(void)state;
	assert_true(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_CPUS));
	assert_int_equal(x100_sfi_entries(table, 4), 2);
	assert_int_equal(x100_sfi_entries(table, 8), 1);
	free(table);
}

static void a_table_without_entries_is_valid(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_APIC, 0);

	(void)state;
	assert_true(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_APIC));
	assert_int_equal(x100_sfi_entries(table, 8), 0);
	free(table);
}

static void a_part_of_an_entry_does_not_count(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_CPUS, 7);

	(void)state;
	assert_true(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_CPUS));
	assert_int_equal(x100_sfi_entries(table, 4), 1);
	free(table);
}

static void another_signature_is_refused(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_CPUS, 8);

	(void)state;
	assert_false(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_APIC));
	free(table);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 16);
	size_t len = table->len;

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		((u8 *)table)[bit / 8] ^= (u8)(1 << bit % 8);
		assert_false(x100_sfi_table_valid(table, len, X100_SFI_SIG_SYST));
		((u8 *)table)[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_true(x100_sfi_table_valid(table, len, X100_SFI_SIG_SYST));
	free(table);
}

static void lengths_beyond_the_memory_are_refused(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 8);

	(void)state;
	for (size_t avail = 0; avail < table->len; avail++)
		assert_false(x100_sfi_table_valid(table, avail, X100_SFI_SIG_SYST));
	assert_true(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_SYST));
	free(table);
}

static void a_table_shorter_than_its_header_is_refused(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 8);

	(void)state;
	for (u32 len = 0; len < sizeof(*table); len++) {
		table->len = len;
		table->checksum = 0;
		assert_false(x100_sfi_table_valid(table, sizeof(*table) + 8, X100_SFI_SIG_SYST));
	}
	free(table);
}

static void a_table_of_impossible_size_is_refused(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_MMAP, X100_SFI_TABLE_MAX);

	(void)state;
	assert_false(x100_sfi_table_valid(table, table->len, X100_SFI_SIG_MMAP));
	free(table);
}

static void syst_is_found_where_a_real_card_has_it(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 24);
	u8 *area = calloc(1, AREA);

	(void)state;
	assert_non_null(area);
	assert_int_equal(x100_sfi_find_syst(area, AREA), -ENOENT);
	memcpy(area + (X100_SFI_BASE - X100_SFI_SCAN_BASE), table, table->len);
	assert_int_equal(x100_sfi_find_syst(area, AREA), X100_SFI_BASE - X100_SFI_SCAN_BASE);
	free(area);
	free(table);
}

static void syst_is_found_in_steps_of_16_bytes_only(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 8);
	u8 *area = calloc(1, AREA);

	(void)state;
	assert_non_null(area);
	memcpy(area + 8, table, table->len);
	assert_int_equal(x100_sfi_find_syst(area, AREA), -ENOENT);
	memcpy(area + 0x100, table, table->len);
	assert_int_equal(x100_sfi_find_syst(area, AREA), 0x100);
	free(area);
	free(table);
}

static void a_damaged_syst_does_not_hide_a_good_one(void **state)
{
	struct x100_sfi_header *table = make(X100_SFI_SIG_SYST, 8);
	u8 *area = calloc(1, AREA);

	(void)state;
	assert_non_null(area);
	memcpy(area, table, table->len);
	area[sizeof(*table)] ^= 1;
	memcpy(area + AREA - 32, table, table->len);
	assert_int_equal(x100_sfi_find_syst(area, AREA), AREA - 32);
	free(area);
	free(table);
}

static void tables_lie_in_memory_below_the_apic(void **state)
{
	(void)state;
	assert_true(x100_sfi_range_valid(X100_SFI_BASE, 24));
	assert_true(x100_sfi_range_valid(X100_GDDR_LOW_END - 24, 24));
	assert_true(x100_sfi_range_valid(0x92000, X100_SFI_TABLE_MAX));
	assert_false(x100_sfi_range_valid(X100_GDDR_LOW_END - 23, 24));
	assert_false(x100_sfi_range_valid(X100_GDDR_LOW_END, 24));
	assert_false(x100_sfi_range_valid(X100_MMIO_BASE, 24));
	assert_false(x100_sfi_range_valid(UINT64_MAX - 10, 24));
	assert_false(x100_sfi_range_valid(0x92000, 23));
	assert_false(x100_sfi_range_valid(0x92000, X100_SFI_TABLE_MAX + 1));
	assert_false(x100_sfi_range_valid(0x92000, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_table_is_valid),
		cmocka_unit_test(a_table_without_entries_is_valid),
		cmocka_unit_test(a_part_of_an_entry_does_not_count),
		cmocka_unit_test(another_signature_is_refused),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(lengths_beyond_the_memory_are_refused),
		cmocka_unit_test(a_table_shorter_than_its_header_is_refused),
		cmocka_unit_test(a_table_of_impossible_size_is_refused),
		cmocka_unit_test(syst_is_found_where_a_real_card_has_it),
		cmocka_unit_test(syst_is_found_in_steps_of_16_bytes_only),
		cmocka_unit_test(a_damaged_syst_does_not_hide_a_good_one),
		cmocka_unit_test(tables_lie_in_memory_below_the_apic),
	};

	return cmocka_run_group_tests_name("sfi", tests, NULL, NULL);
}
