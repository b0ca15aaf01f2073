// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/tables.c. Nothing is faked; the tables are read back as an OS would,
 * from x100-hardware.md 2.3 and the mp_table group of tests/vectors/boot.json.
 */
#include "fake.h"
#include "memory.h"
#include "tables.h"

#define SFI_SIZE (X100_SFI_END - X100_SFI_BASE)
#define TOP      0x174000000ull

static uint8_t low[X100_LOW_END]; /* the first MiB */

static uint8_t sum(const void *data, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total += ((const uint8_t *)data)[len];
	return total;
}

/* CPUs of @cores cores with four threads, numbered as x100-hardware.md 6.1 says. */
static struct bs_cpus cpus_of(unsigned int cores)
{
	struct bs_cpus cpus = { .boot = (cores - 1) * 4,
				.signature = 0xB12,
				.lapic_version = 0x14 };

	for (unsigned int id = 0; id < cores * 4; id++)
		cpus.bitmap[id / 32] |= 1u << id % 32;
	return cpus;
}

/* Finds SYST as the old card kernel does, by 16-byte steps. */
static const struct x100_sfi_header *find_syst(void)
{
	for (uint32_t at = X100_SFI_SCAN_BASE; at < X100_SFI_SCAN_END; at += 16) {
		if (!memcmp(low + at, "SYST", 4)) {
			assert_int_equal(at, 0xEF180); /* as on a 3120A */
			return (const struct x100_sfi_header *)(low + at);
		}
	}
	fail_msg("no SYST");
	return NULL;
}

static const void *table(const char *sig, uint32_t *len)
{
	const struct x100_sfi_header *syst = find_syst();
	unsigned int pointers = (syst->len - sizeof(*syst)) / 8;

	assert_int_equal(sum(syst, syst->len), 0);
	for (unsigned int i = 0; i < pointers; i++) {
		const struct x100_sfi_header *header;
		uint64_t at;

		memcpy(&at, (const uint8_t *)(syst + 1) + 8 * i, 8);
		assert_in_range(at, X100_SFI_BASE, X100_SFI_END - 1);
		header = (const struct x100_sfi_header *)(low + at);
		assert_int_equal(sum(header, header->len), 0);
		assert_true(at + header->len <= X100_SFI_END);
		if (!memcmp(header->sig, sig, 4)) {
			*len = header->len - (uint32_t)sizeof(*header);
			return header + 1;
		}
	}
	fail_msg("no %s", sig);
	return NULL;
}

static void build(unsigned int cores)
{
	struct bs_cpus cpus = cpus_of(cores);
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP, map);

	memset(low, 0, sizeof(low));
	assert_in_range(bs_sfi_build(low + X100_SFI_BASE, SFI_SIZE, &cpus, map, n), 1, SFI_SIZE);
	assert_in_range(bs_mp_build(low + X100_MPTABLE_BASE, X100_MPTABLE_SIZE, &cpus), 1,
			X100_MPTABLE_SIZE);
}

static void sfi_lists_228_cpus_in_order(void **state)
{
	const uint32_t *ids;
	uint32_t len;

	(void)state;
	build(57);
	ids = table("CPUS", &len);
	assert_int_equal(len, 228 * 4);
	for (uint32_t i = 0; i < 228; i++)
		assert_int_equal(ids[i], i);
}

static void sfi_names_the_io_apic(void **state)
{
	uint64_t base;
	uint32_t len;
	const void *entry;

	(void)state;
	build(1);
	entry = table("APIC", &len);
	assert_int_equal(len, 8);
	memcpy(&base, entry, 8);
	assert_int_equal(base, 0x08007DA800);
}

static void sfi_memory_is_the_e820_map_in_8_ranges(void **state)
{
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP, map);
	const struct x100_sfi_mem *mem;
	uint32_t len;

	(void)state;
	build(57);
	mem = table("MMAP", &len);
	assert_int_equal(len, 8 * sizeof(*mem));
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(mem[i].phys_start, map[i].base);
		assert_int_equal(mem[i].pages * 4096, map[i].size);
		assert_int_equal(mem[i].type, map[i].type == X100_E820_RAM ? 7 : 0);
		assert_int_equal(mem[i].virt_start, 0);
	}
}

static void syst_does_not_cross_a_page(void **state)
{
	(void)state;
	build(62);
	assert_true(X100_SFI_BASE / 4096 == (X100_SFI_BASE + find_syst()->len - 1) / 4096);
}

static void tables_that_do_not_fit_are_refused(void **state)
{
	struct bs_cpus cpus = cpus_of(62);
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP, map);
	uint8_t *small = malloc(SFI_SIZE);
	uint32_t need, mp;

	(void)state;
	need = bs_sfi_build(small, SFI_SIZE, &cpus, map, n);
	assert_in_range(need, 1, SFI_SIZE);
	free(small);
	/* Blocks of just the size handed over, so that ASan sees a byte too many. */
	for (uint32_t size = 16; size < need; size += 48) {
		small = malloc(size);
		assert_int_equal(bs_sfi_build(small, size, &cpus, map, n), 0);
		free(small);
	}
	mp = (uint32_t)sizeof(struct x100_mp_float) + sizeof(struct x100_mp_conf) +
	     248 * (uint32_t)sizeof(struct x100_mp_cpu);
	small = malloc(mp);
	assert_int_equal(bs_mp_build(small, mp, &cpus), mp);
	assert_int_equal(bs_mp_build(small, mp - 1, &cpus), 0);
	free(small);
}

static void mp_table_has_the_inverted_signature(void **state)
{
	static const uint8_t sig[] = { 0xA0, 0xB2, 0xAF, 0xA0 };

	(void)state;
	build(57);
	assert_memory_equal(low + 0x9E000, sig, sizeof(sig));
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal((uint8_t)~low[0x9E000 + i], "_MP_"[i]);
	/* A stock scan finds nothing anywhere in low memory. */
	assert_null(memmem(low, sizeof(low), "_MP_", 4));
}

static void mp_entries_carry_thread_numbers_and_one_boot_cpu(void **state)
{
	const struct x100_mp_float *pointer;
	const struct x100_mp_conf *conf;
	const struct x100_mp_cpu *cpu;
	unsigned int boot = 0;

	(void)state;
	build(57);
	pointer = (const struct x100_mp_float *)(low + 0x9E000);
	assert_int_equal(sum(pointer, 16), 0);
	assert_in_range(pointer->conf, 0x9E000, 0x9FFFF);
	conf = (const struct x100_mp_conf *)(low + pointer->conf);
	assert_memory_equal(conf->sig, "PCMP", 4);
	assert_int_equal(sum(conf, conf->len), 0);
	assert_int_equal(conf->count, 228);
	assert_int_equal(conf->lapic, 0xFEE00000);
	assert_int_equal(conf->len, 44 + 228 * 20);
	cpu = (const struct x100_mp_cpu *)(conf + 1);
	for (unsigned int i = 0; i < conf->count; i++) {
		assert_int_equal(cpu[i].type, 0);
		assert_int_equal(cpu[i].apic_id, i);
		assert_int_equal(cpu[i].thread, i);
		assert_true(cpu[i].flags & X100_MP_CPU_ENABLED);
		if (cpu[i].flags & X100_MP_CPU_BOOT) {
			assert_int_equal(cpu[i].apic_id, 224);
			boot++;
		}
	}
	assert_int_equal(boot, 1);
}

static void cpus_that_did_not_answer_are_not_listed(void **state)
{
	struct bs_cpus cpus = cpus_of(2);
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP, map);
	const uint32_t *ids;
	uint32_t len;

	(void)state;
	cpus.bitmap[0] &= ~(1u << 1 | 1u << 6);
	memset(low, 0, sizeof(low));
	assert_int_not_equal(bs_sfi_build(low + X100_SFI_BASE, SFI_SIZE, &cpus, map, n), 0);
	ids = table("CPUS", &len);
	assert_int_equal(len, 6 * 4);
	assert_int_equal(ids[1], 2);
	assert_int_equal(ids[5], 7);
	assert_int_equal(bs_cpus_count(&cpus), 6);
	assert_false(bs_cpu_present(&cpus, 6));
	assert_false(bs_cpu_present(&cpus, BS_MAX_CPUS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sfi_lists_228_cpus_in_order),
		cmocka_unit_test(sfi_names_the_io_apic),
		cmocka_unit_test(sfi_memory_is_the_e820_map_in_8_ranges),
		cmocka_unit_test(syst_does_not_cross_a_page),
		cmocka_unit_test(tables_that_do_not_fit_are_refused),
		cmocka_unit_test(mp_table_has_the_inverted_signature),
		cmocka_unit_test(mp_entries_carry_thread_numbers_and_one_boot_cpu),
		cmocka_unit_test(cpus_that_did_not_answer_are_not_listed),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
