// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/memory.c. Faked: card memory and what lies above it. Oracle for the map:
 * the e820 of a 3120A with 6 GB (silicon-notes.md "Bootstrap and reset").
 */
#include "fake.h"
#include "memory.h"

#define MIB       0x100000ull
#define GIB       0x40000000ull
#define TOP(size) ((size) / 32 * 31)

static void expect_probe(uint64_t top, enum fake_beyond beyond, uint64_t expected)
{
	struct fake *fake = fake_new(top);

	fake->beyond = beyond;
	assert_int_equal(bs_memory_probe(&fake->ops), expected);
	assert_int_equal(fake->overlay_writes, 0);
	/* Nothing is left changed, and little was touched. */
	assert_true(fake->pages <= 40);
	for (unsigned int i = 0; i < FAKE_PAGES; i++) {
		for (unsigned int byte = 0; fake->page[i].data && byte < 4096; byte++)
			assert_int_equal(fake->page[i].data[byte], 0);
	}
	fake_free(fake);
}

static void every_fitted_size_is_found(void **state)
{
	static const uint64_t sizes[] = { GIB / 4, GIB / 2, GIB,     2 * GIB,  3 * GIB,
					  4 * GIB, 6 * GIB, 8 * GIB, 12 * GIB, 16 * GIB };

	(void)state;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect_probe(TOP(sizes[i]), FAKE_ONES, TOP(sizes[i]));
		expect_probe(TOP(sizes[i]), FAKE_FLOATING, TOP(sizes[i]));
		if (sizes[i] < 4 * GIB || sizes[i] > 4 * GIB + 32 * MIB)
			expect_probe(sizes[i], FAKE_ONES, sizes[i]);
	}
}

static void any_multiple_of_a_mebibyte_is_found(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 300; i++) {
		uint64_t top;

		seed = seed * 1664525 + 1013904223;
		top = BS_MEM_MIN + seed % ((BS_MEM_MAX - BS_MEM_MIN) / MIB) * MIB;
		if (top > X100_GDDR_LOW_END && top <= X100_GDDR_HIGH_BASE)
			top = X100_GDDR_LOW_END;
		expect_probe(top, i & 1 ? FAKE_ONES : FAKE_FLOATING, top);
	}
}

static void memory_that_ends_in_the_hole_ends_at_the_hole(void **state)
{
	(void)state;
	expect_probe(X100_GDDR_LOW_END, FAKE_ONES, X100_GDDR_LOW_END);
	expect_probe(X100_GDDR_LOW_END + 16 * MIB, FAKE_ONES, X100_GDDR_LOW_END);
	expect_probe(X100_GDDR_HIGH_BASE, FAKE_ONES, X100_GDDR_LOW_END);
	expect_probe(X100_GDDR_HIGH_BASE + MIB, FAKE_ONES, X100_GDDR_HIGH_BASE + MIB);
}

static void memory_that_shows_again_above_its_top_is_counted_once(void **state)
{
	(void)state;
	for (uint64_t top = GIB / 4; top <= 8 * GIB; top *= 2) {
		if (top != 4 * GIB)
			expect_probe(top, FAKE_WRAPPED, top);
	}
}

static void too_little_memory_is_an_error(void **state)
{
	(void)state;
	expect_probe(BS_MEM_MIN - MIB, FAKE_ONES, 0);
	expect_probe(16 * MIB, FAKE_FLOATING, 0);
	expect_probe(BS_MEM_MIN, FAKE_ONES, BS_MEM_MIN);
}

static void what_was_in_memory_stays(void **state)
{
	struct fake *fake = fake_new(TOP(GIB));
	uint64_t at[] = { 0, 512 * MIB, 991 * MIB, 768 * MIB, 256 * MIB };
	uint32_t value;

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		fake_write32(fake, at[i], 0x11111111u * (i + 1));
	assert_int_equal(bs_memory_probe(&fake->ops), TOP(GIB));
	for (unsigned int i = 0; i < 5; i++) {
		fake_read(fake, at[i], &value, sizeof(value));
		assert_int_equal(value, 0x11111111u * (i + 1));
	}
	fake_free(fake);
}

static void map_of_a_6_gb_card_is_the_factorys(void **state)
{
	static const struct x100_e820 factory[] = {
		{ 0x50000, 0x10000, 1 },
		{ 0x80000, 0x50000, 1 },
		{ 0x100000, 0xFEE00000 - 0x100000, 1 },
		{ 0x100000000, 0x173FFF000 - 0x100000000, 1 },
	};
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP(6 * GIB), map), ram = 0;

	(void)state;
	assert_int_equal(n, 8);
	for (unsigned int i = 0; i < n; i++) {
		if (map[i].type == X100_E820_RAM)
			assert_memory_equal(&map[i], &factory[ram++], sizeof(map[i]));
	}
	assert_int_equal(ram, 4);
	/* SCRATCH0 of the same card, but for bit 0: this bootstrap tests no memory. */
	assert_int_equal(bs_memory_spad0(TOP(6 * GIB)), 0x02E80000 | 1);
}

static void map_of_a_small_card_ends_a_page_below_its_top(void **state)
{
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(992 * MIB, map);
	struct x100_range push = bs_memory_push(992 * MIB);

	(void)state;
	assert_int_equal(n, 7);
	assert_int_equal(map[4].base, X100_LOW_END);
	assert_int_equal(map[4].base + map[4].size, 992 * MIB - 0x1000);
	assert_int_equal(push.base, map[4].base);
	assert_int_equal(push.size, map[4].size);
}

static void ram_never_covers_what_is_not_the_systems(void **state)
{
	static const struct x100_range not_ram[] = {
		{ 0, X100_BOOT_RAM_END },
		{ X100_RECORD_BASE, X100_RECORD_SIZE },
		{ X100_SFI_SCAN_BASE, X100_SFI_SCAN_END - X100_SFI_SCAN_BASE },
		{ X100_LAPIC_BASE, X100_LAPIC_SIZE },
		{ X100_FLASH_WINDOW, X100_FLASH_WINDOW_END - X100_FLASH_WINDOW },
	};

	(void)state;
	for (uint64_t top = BS_MEM_MIN; top <= BS_MEM_MAX; top += 31 * MIB) {
		struct x100_e820 map[BS_MEM_RANGES];
		unsigned int n;

		if (top > X100_GDDR_LOW_END && top <= X100_GDDR_HIGH_BASE)
			continue;
		n = bs_memory_map(top, map);
		assert_in_range(n, 7, BS_MEM_RANGES);
		for (unsigned int i = 0; i < n; i++) {
			struct x100_range r = { map[i].base, map[i].size };

			assert_true(r.size > 0);
			if (i)
				assert_true(map[i - 1].base + map[i - 1].size <= r.base);
			if (map[i].type != X100_E820_RAM)
				continue;
			assert_true(x100_range_end(r) <= top - X100_GDDR_TOP_KEPT);
			for (unsigned int k = 0; k < 5; k++)
				assert_false(x100_range_overlaps(r, not_ram[k]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fitted_size_is_found),
		cmocka_unit_test(any_multiple_of_a_mebibyte_is_found),
		cmocka_unit_test(memory_that_ends_in_the_hole_ends_at_the_hole),
		cmocka_unit_test(memory_that_shows_again_above_its_top_is_counted_once),
		cmocka_unit_test(too_little_memory_is_an_error),
		cmocka_unit_test(what_was_in_memory_stays),
		cmocka_unit_test(map_of_a_6_gb_card_is_the_factorys),
		cmocka_unit_test(map_of_a_small_card_ends_a_page_below_its_top),
		cmocka_unit_test(ram_never_covers_what_is_not_the_systems),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
