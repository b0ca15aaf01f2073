// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/paging.c. The oracle is a page walk written from the manual's PAE
 * format, with its reserved bits. Nothing is faked.
 */
#include "fake.h"
#include "paging.h"

#define PHYS  0x2000u
#define PAGES 8u

static uint8_t memory[PAGES * 4096] __attribute__((aligned(4096)));

struct walk {
	bool present, writable, executable, cached;
	uint64_t phys;
};

static uint64_t entry_at(uint64_t table, unsigned int index)
{
	uint64_t entry;

	assert_in_range(table, PHYS, PHYS + sizeof(memory) - 4096);
	assert_int_equal(table % 4096, 0);
	memcpy(&entry, memory + (table - PHYS) + 8 * index, 8);
	return entry;
}

static struct walk walk(uint32_t linear)
{
	struct walk w = { false };
	uint64_t e = entry_at(PHYS, linear >> 30);

	if (!(e & 1))
		return w;
	/* Of the four top entries only bits 0, 3, 4, 9-11 and the address may be set. */
	assert_int_equal(e & ~(0xFFFFFFF000ull | 0xE19), 0);
	e = entry_at(e & 0xFFFFFFF000, linear >> 21 & 511);
	if (!(e & 1))
		return w;
	w.present = true;
	w.writable = e & 2;
	w.executable = !(e >> 63);
	if (e & 0x80) {
		assert_int_equal(e >> 40 & 0x7FFFFF, 0);
		w.phys = (e & 0xFFFFE00000) | (linear & 0x1FFFFF);
		w.cached = !(e & 0x18);
		return w;
	}
	e = entry_at(e & 0xFFFFFFF000, linear >> 12 & 511);
	assert_int_equal(e >> 40 & 0x7FFFFF, 0);
	w.present = e & 1;
	w.writable = w.writable && e & 2;
	w.executable = w.executable && !(e >> 63);
	w.cached = !(e & 0x18);
	w.phys = (e & 0xFFFFFFF000) | (linear & 0xFFF);
	return w;
}

static struct bs_tables fresh(unsigned int pages)
{
	struct bs_tables t;

	memset(memory, 0xA5, sizeof(memory));
	bs_paging_init(&t, memory, PHYS, pages);
	return t;
}

static void permissions_are_those_asked_for(void **state)
{
	static const struct {
		enum bs_prot prot;
		bool writable, executable, cached;
	} kinds[] = { { BS_PROT_RO, false, false, true },
		      { BS_PROT_RW, true, false, true },
		      { BS_PROT_RX, false, true, true },
		      { BS_PROT_DEVICE, true, false, false } };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct bs_tables t = fresh(PAGES);
		struct walk w;

		assert_true(bs_paging_map(&t, 0xF81D0000, 0x08007D0000, 0x10000, kinds[i].prot));
		w = walk(0xF81D4010);
		assert_true(w.present);
		assert_int_equal(w.phys, 0x08007D4010);
		assert_int_equal(w.writable, kinds[i].writable);
		assert_int_equal(w.executable, kinds[i].executable);
		assert_int_equal(w.cached, kinds[i].cached);
		assert_false(w.writable && w.executable);
		assert_true(walk(0xF81D0000).present);
		assert_true(walk(0xF81DFFFF).present);
		assert_false(walk(0xF81CFFFF).present);
		assert_false(walk(0xF81E0000).present);
	}
}

static void what_was_not_mapped_is_not_there(void **state)
{
	struct bs_tables t = fresh(PAGES);

	(void)state;
	assert_true(bs_paging_map(&t, 0x30000, 0x30000, 0x8000, BS_PROT_RW));
	assert_false(walk(0).present);
	assert_false(walk(0x2F000).present);
	assert_false(walk(0x38000).present);
	assert_false(walk(0x40000000).present);
	assert_false(walk(0xFFFFFFF0).present);
}

static void a_mapping_may_end_at_4_gib(void **state)
{
	struct bs_tables t = fresh(PAGES);

	(void)state;
	assert_true(bs_paging_map(&t, 0xFFFF0000, 0xFFFF0000, 0x10000, BS_PROT_RX));
	assert_int_equal(walk(0xFFFFFFF0).phys, 0xFFFFFFF0);
	assert_true(walk(0xFFFFFFF0).executable);
	assert_false(walk(0).present);
}

static void nothing_is_mapped_twice(void **state)
{
	struct bs_tables t = fresh(PAGES);

	(void)state;
	assert_true(bs_paging_map(&t, 0x30000, 0x30000, 0x2000, BS_PROT_RO));
	assert_false(bs_paging_map(&t, 0x31000, 0x31000, 0x1000, BS_PROT_RW));
	assert_false(walk(0x31000).writable);
}

static void running_out_of_pages_is_an_error(void **state)
{
	struct bs_tables t = fresh(3);

	(void)state;
	assert_true(bs_paging_map(&t, 0, 0, 0x1000, BS_PROT_RO));
	assert_false(bs_paging_map(&t, 0x200000, 0, 0x1000, BS_PROT_RO));
	assert_false(bs_paging_map(&t, 0x80000000, 0, 0x1000, BS_PROT_RO));
	assert_null(bs_paging_large(&t, 0x80000000));
	/* Pages past the given ones are as they were. */
	for (unsigned int i = 3 * 4096; i < sizeof(memory); i++)
		assert_int_equal(memory[i], 0xA5);
}

static void windows_move_over_all_of_memory(void **state)
{
	struct bs_tables t = fresh(PAGES);
	uint64_t *entry = bs_paging_large(&t, 0x40000000);

	(void)state;
	assert_non_null(entry);
	assert_false(walk(0x40000000).present);
	for (uint64_t phys = 0; phys < 0x400000000; phys += 0x7E00000) {
		struct walk w;

		entry[0] = bs_paging_large_entry(phys);
		w = walk(0x40012344);
		assert_int_equal(w.phys, phys + 0x12344);
		assert_true(w.present && w.writable && w.cached);
		assert_false(w.executable);
		assert_false(walk(0x40200000).present);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permissions_are_those_asked_for),
		cmocka_unit_test(what_was_not_mapped_is_not_there),
		cmocka_unit_test(a_mapping_may_end_at_4_gib),
		cmocka_unit_test(nothing_is_mapped_twice),
		cmocka_unit_test(running_out_of_pages_is_an_error),
		cmocka_unit_test(windows_move_over_all_of_memory),
	};

	return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
