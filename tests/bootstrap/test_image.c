// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: bootstrap/lib/image.c and params.c. Faked: card memory with a pushed image. Oracles:
 * placements recorded from the old hosts (tests/vectors/boot.json); for bit flips, what is true of
 * the kernel that was pushed, which the code under test never sees.
 */
#include <json-c/json.h>

#include "pushed.h"

#define MIB 0x100000u

static struct bs_image image;
static struct bs_fault fault;

static uint32_t setup_of(const struct kernel *k)
{
	return ((k->setup_sects ? k->setup_sects : 4) + 1) * 512;
}

static uint32_t size_of(const struct kernel *k)
{
	return setup_of(k) + k->syssize * 16;
}

static bool check(struct fake *fake, uint32_t size)
{
	memset(&image, 0xA5, sizeof(image));
	memset(&fault, 0, sizeof(fault));
	return bs_image_check(&fake->ops, bs_memory_push(fake->top), PUSH_ADDR, size, &image,
			      &fault);
}

static struct fake *pushed(const struct kernel *k)
{
	struct fake *fake = fake_new(PUSH_TOP);

	push_image(fake, PUSH_ADDR, k);
	push_cmdline(fake, PUSH_ADDR, size_of(k), " mem=8192M console=ttyS0");
	return fake;
}

static void expect_good(struct fake *fake, const struct kernel *k)
{
	if (!check(fake, size_of(k)))
		fail_msg("refused with reason %d", fault.reason);
	assert_int_equal(image.entry, PUSH_ADDR + setup_of(k));
}

static void a_6_1_kernel_passes(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 2 * MIB);
	expect_good(fake, &kernel_6_1);
	assert_string_equal(image.cmdline, " mem=8192M console=ttyS0");
	assert_int_equal(image.ramdisk, PUSH_RAMDISK);
	assert_int_equal(image.ramdisk_size, 2 * MIB);
	/* 64 MiB + set-up, up to the next 2 MiB. */
	assert_int_equal(image.run.base, PUSH_ADDR);
	assert_int_equal(x100_range_end(image.run), 0x04200000 + kernel_6_1.init_size);
	fake_free(fake);
}

static void a_kernel_that_does_not_relocate_passes(void **state)
{
	struct fake *fake = pushed(&kernel_2_6_38);

	(void)state;
	push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 20 * MIB);
	expect_good(fake, &kernel_2_6_38);
	assert_int_equal(image.run.base, 0x1000000);
	fake_free(fake);
}

static void no_ramdisk_is_no_ramdisk(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	expect_good(fake, &kernel_6_1);
	assert_int_equal(image.ramdisk, 0);
	assert_int_equal(image.ramdisk_size, 0);
	fake_free(fake);
}

static void longest_command_line_passes(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);
	char text[2048];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[2047] = 0;
	push_cmdline(fake, PUSH_ADDR, size_of(&kernel_6_1), text);
	expect_good(fake, &kernel_6_1);
	assert_int_equal(image.cmdline_len, 2047);
	assert_string_equal(image.cmdline, text);
	fake_free(fake);
}

static void every_byte_is_read_once(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	fake->reads = 0;
	expect_good(fake, &kernel_6_1);
	/* Header, size of the unpacked kernel, command line. */
	assert_int_equal(fake->reads, 3);
	fake_free(fake);
}

/* A push that must be refused: good() with one thing wrong. */
struct bad {
	const char *name;
	enum x100_reason reason;
	void (*spoil)(struct fake *fake, struct kernel *k, uint32_t *size);
};

static void poke(struct fake *fake, uint32_t offset, uint64_t value, unsigned int bytes)
{
	fake_write(fake, PUSH_ADDR + offset, &value, bytes);
}

#define SPOIL(name, ...)                                                                           \
	static void name(struct fake *fake, struct kernel *k, uint32_t *size)                      \
	{                                                                                          \
		(void)fake, (void)k, (void)size;                                                   \
		__VA_ARGS__;                                                                       \
	}

SPOIL(size_zero, *size = 0)
SPOIL(size_one_gib, *size = 1u << 30)
SPOIL(size_all_ones, *size = 0xFFFFFFFF)
SPOIL(size_wraps, *size = 0xFC000000)
SPOIL(size_to_the_top, *size = (uint32_t)(PUSH_TOP - PUSH_ADDR))
SPOIL(size_one_byte, *size = 1)
SPOIL(size_header_only, *size = BS_HDR_END - 1)
SPOIL(truncated_by_one, *size -= 1)
SPOIL(truncated_in_setup, *size = 1024)
SPOIL(truncated_in_half, *size /= 2)
SPOIL(byte_appended, *size += 1)
SPOIL(signature_appended, *size += 2048)
SPOIL(elf, poke(fake, 0, 0x464C457F, 4))
SPOIL(fit, poke(fake, 0, 0xEDFE0DD0, 4))
SPOIL(no_hdrs, poke(fake, 0x202, 0, 4))
SPOIL(gzip, poke(fake, 0, 0x88B1F, 4); poke(fake, 0x202, 0x12345678, 4))
SPOIL(no_boot_flag, poke(fake, 0x1FE, 0, 2))
SPOIL(version_2_09, poke(fake, 0x206, 0x209, 2))
SPOIL(version_1, poke(fake, 0x206, 0x100, 2))
SPOIL(version_3, poke(fake, 0x206, 0x300, 2))
SPOIL(zimage, poke(fake, 0x211, 0, 1))
SPOIL(setup_sects_255, poke(fake, 0x1F1, 255, 1))
SPOIL(setup_sects_less, poke(fake, 0x1F1, 26, 1))
SPOIL(setup_longer_than_image, *size = 0x1000)
SPOIL(syssize_zero, poke(fake, 0x1F4, 0, 4))
SPOIL(syssize_huge, poke(fake, 0x1F4, 0xFFFFFFFF, 4))
SPOIL(align_zero, poke(fake, 0x230, 0, 4))
SPOIL(align_odd, poke(fake, 0x230, 0x300000, 4))
SPOIL(align_one, poke(fake, 0x230, 1, 4))
SPOIL(align_2_gib, poke(fake, 0x230, 0x80000000, 4))
SPOIL(pref_unaligned, poke(fake, 0x258, 0x1001000, 8))
SPOIL(pref_above_memory, poke(fake, 0x258, 0x4000000000, 8))
SPOIL(pref_last, poke(fake, 0x258, ~0ull << 21, 8))
SPOIL(pref_in_low_memory, poke(fake, 0x258, 0, 8); poke(fake, 0x234, 0, 1))
SPOIL(pref_over_image, poke(fake, 0x258, 0x3000000, 8); poke(fake, 0x234, 0, 1))
SPOIL(relocatable_2, poke(fake, 0x234, 2, 1))
SPOIL(init_size_zero, poke(fake, 0x260, 0, 4))
SPOIL(init_size_small, poke(fake, 0x260, 0x1000, 4))
SPOIL(init_size_odd, poke(fake, 0x260, k->init_size + 1, 4))
SPOIL(init_size_huge, poke(fake, 0x260, 0xFFFFF000, 4))
SPOIL(init_size_below_unpacked, poke(fake, 0x260, k->init_size - 0x91000, 4))
SPOIL(payload_outside, poke(fake, 0x248, 0x60000, 4))
SPOIL(payload_wraps, poke(fake, 0x248, 0xFFFFFFF0, 4))
SPOIL(payload_long, poke(fake, 0x24C, 0x60000, 4))
SPOIL(payload_empty, poke(fake, 0x24C, 0, 4))
SPOIL(cmdline_no_end, char text[4096]; memset(text, 'x', 4096);
      fake_write(fake, PUSH_ADDR + *size, text, 4096))
SPOIL(cmdline_one_too_long, char text[2049]; memset(text, 'x', 2048); text[2048] = 0;
      fake_write(fake, PUSH_ADDR + *size, text, 2049))
SPOIL(cmdline_longer_than_kernel_takes, poke(fake, 0x238, 10, 4))
SPOIL(ramdisk_without_size, push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 0))
SPOIL(ramdisk_without_address, push_ramdisk(fake, PUSH_ADDR, 0, MIB))
SPOIL(ramdisk_garbage, push_ramdisk(fake, PUSH_ADDR, 0xEEEEEEEE, 0xEEEEEEEE))
SPOIL(ramdisk_past_top, push_ramdisk(fake, PUSH_ADDR, (uint32_t)PUSH_TOP - MIB, MIB))
SPOIL(ramdisk_huge, push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 0xFFFFFFFF))
SPOIL(ramdisk_wraps, push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 0xF8000000))
SPOIL(ramdisk_in_lapic, push_ramdisk(fake, PUSH_ADDR, 0xFEE00000, 4096))
SPOIL(ramdisk_low, push_ramdisk(fake, PUSH_ADDR, 0x80000, 4096))
SPOIL(ramdisk_on_bootstrap, push_ramdisk(fake, PUSH_ADDR, 0x30000, 4096))
SPOIL(ramdisk_on_record, push_ramdisk(fake, PUSH_ADDR, 0xD0000, MIB))
SPOIL(ramdisk_on_image, push_ramdisk(fake, PUSH_ADDR, PUSH_ADDR + 4096, MIB))
SPOIL(ramdisk_into_image, push_ramdisk(fake, PUSH_ADDR, PUSH_ADDR - MIB, MIB + 1))
SPOIL(ramdisk_on_cmdline, push_ramdisk(fake, PUSH_ADDR, PUSH_ADDR + *size + 4, MIB))
SPOIL(ramdisk_on_run, push_ramdisk(fake, PUSH_ADDR, 0x05000000, MIB))
SPOIL(ramdisk_end_of_run, push_ramdisk(fake, PUSH_ADDR, 0x04200000 + k->init_size - 1, MIB))
SPOIL(ramdisk_above_reach, push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, MIB);
      poke(fake, 0x22C, PUSH_RAMDISK, 4))

#define BAD(name, reason)                                                                          \
	{                                                                                          \
#name, X100_REASON_##reason, name                                                  \
	}

static const struct bad bad[] = {
	BAD(size_zero, SIZE_ZERO),
	BAD(size_one_gib, SIZE_HUGE),
	BAD(size_all_ones, SIZE_HUGE),
	BAD(size_wraps, SIZE_HUGE),
	BAD(size_to_the_top, SIZE_HUGE),
	BAD(size_one_byte, SIZE_SMALL),
	BAD(size_header_only, SIZE_SMALL),
	BAD(truncated_by_one, TRUNCATED),
	BAD(truncated_in_setup, SETUP_SECTS),
	BAD(truncated_in_half, TRUNCATED),
	BAD(byte_appended, TOO_LONG),
	BAD(signature_appended, TOO_LONG),
	BAD(elf, IS_ELF),
	BAD(fit, IS_FIT),
	BAD(no_hdrs, NOT_BZIMAGE),
	BAD(gzip, NOT_BZIMAGE),
	BAD(no_boot_flag, BOOT_FLAG),
	BAD(version_2_09, VERSION),
	BAD(version_1, VERSION),
	BAD(version_3, VERSION),
	BAD(zimage, NOT_HIGH),
	BAD(setup_sects_255, TRUNCATED),
	BAD(setup_sects_less, TOO_LONG),
	BAD(setup_longer_than_image, SETUP_SECTS),
	BAD(syssize_zero, TOO_LONG),
	BAD(syssize_huge, TRUNCATED),
	BAD(align_zero, ALIGNMENT),
	BAD(align_odd, ALIGNMENT),
	BAD(align_one, ALIGNMENT),
	BAD(align_2_gib, ALIGNMENT),
	BAD(pref_unaligned, ALIGNMENT),
	BAD(pref_above_memory, RUN_RANGE),
	BAD(pref_last, RUN_RANGE),
	BAD(pref_in_low_memory, RUN_RANGE),
	BAD(pref_over_image, RUN_RANGE),
	BAD(relocatable_2, RELOCATABLE),
	BAD(init_size_zero, INIT_SIZE),
	BAD(init_size_small, INIT_SIZE),
	BAD(init_size_odd, INIT_SIZE),
	BAD(init_size_huge, RUN_RANGE),
	BAD(init_size_below_unpacked, INIT_SIZE),
	BAD(payload_outside, PAYLOAD),
	BAD(payload_wraps, PAYLOAD),
	BAD(payload_long, PAYLOAD),
	BAD(payload_empty, PAYLOAD),
	BAD(cmdline_no_end, CMDLINE_UNTERMINATED),
	BAD(cmdline_one_too_long, CMDLINE_UNTERMINATED),
	BAD(cmdline_longer_than_kernel_takes, CMDLINE_LONG),
	BAD(ramdisk_without_size, RAMDISK_HALF),
	BAD(ramdisk_without_address, RAMDISK_HALF),
	BAD(ramdisk_garbage, RAMDISK_RANGE),
	BAD(ramdisk_past_top, RAMDISK_RANGE),
	BAD(ramdisk_huge, RAMDISK_RANGE),
	BAD(ramdisk_wraps, RAMDISK_RANGE),
	BAD(ramdisk_in_lapic, RAMDISK_RANGE),
	BAD(ramdisk_low, RESERVED_OVERLAP),
	BAD(ramdisk_on_bootstrap, RESERVED_OVERLAP),
	BAD(ramdisk_on_record, RESERVED_OVERLAP),
	BAD(ramdisk_on_image, RAMDISK_IMAGE),
	BAD(ramdisk_into_image, RAMDISK_IMAGE),
	BAD(ramdisk_on_cmdline, RAMDISK_CMDLINE),
	BAD(ramdisk_on_run, RAMDISK_KERNEL),
	BAD(ramdisk_end_of_run, RAMDISK_KERNEL),
	BAD(ramdisk_above_reach, RAMDISK_HIGH),
};

static void bad_pushes_are_refused_with_their_reason(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kernel k = kernel_6_1;
		struct fake *fake = pushed(&k);
		uint32_t size = size_of(&k);

		bad[i].spoil(fake, &k, &size);
		if (check(fake, size))
			fail_msg("%s was accepted", bad[i].name);
		if (fault.reason != bad[i].reason)
			fail_msg("%s: reason %d instead of %d", bad[i].name, fault.reason,
				 bad[i].reason);
		fake_free(fake);
	}
}

static void a_refused_push_spoils_nothing_for_the_next(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	poke(fake, 0x202, 0, 4);
	assert_false(check(fake, size_of(&kernel_6_1)));
	push_image(fake, PUSH_ADDR, &kernel_6_1);
	expect_good(fake, &kernel_6_1);
	fake_free(fake);
}

static void image_up_to_the_top_leaves_no_room_for_a_command_line(void **state)
{
	/* The image ends with the RAM of a push: read nothing behind it. */
	struct kernel k = kernel_6_1;
	uint32_t room = (uint32_t)(bs_memory_push(PUSH_TOP).base + bs_memory_push(PUSH_TOP).size) -
			PUSH_ADDR;
	struct fake *fake;

	(void)state;
	k.syssize = (room - setup_of(&k)) / 16;
	fake = fake_new(PUSH_TOP);
	push_image(fake, PUSH_ADDR, &k);
	fake_write32(fake, PUSH_ADDR + 0x260, (room + 0xFFF) & ~0xFFFu);
	assert_false(check(fake, size_of(&k)));
	assert_int_equal(fault.reason, X100_REASON_RUN_RANGE);
	fake_free(fake);
}

static void a_push_below_1_mib_is_refused(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	assert_false(bs_image_check(&fake->ops, bs_memory_push(PUSH_TOP), 0x30000, 4096, &image,
				    &fault));
	assert_int_equal(fault.reason, X100_REASON_RESERVED_OVERLAP);
	assert_false(bs_image_check(&fake->ops, bs_memory_push(PUSH_TOP), (uint32_t)PUSH_TOP, 4096,
				    &image, &fault));
	fake_free(fake);
}

/* x100-abi.md 1.13, field by field. */
static void zero_page_has_what_the_kernel_needs(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(PUSH_TOP, map);
	uint8_t page[X100_BP_SIZE];
	uint32_t word;

	(void)state;
	push_ramdisk(fake, PUSH_ADDR, PUSH_RAMDISK, 2 * MIB);
	poke(fake, 0x250, 0xDEADBEEF, 8); /* setup_data: a list the kernel would follow */
	poke(fake, 0x23C, 3, 4);          /* hardware_subarch */
	expect_good(fake, &kernel_6_1);
	memset(page, 0xEE, sizeof(page));
	bs_params_build(page, &image, 0x4E000, map, n);

	assert_int_equal(page[0x1E8], n);
	assert_memory_equal(page + 0x2D0, map, n * 20);
	assert_int_equal(page[0x1EF], 0);
	assert_int_equal(page[0x1F1], 27);
	assert_int_equal(page[0x210], 0xFF);
	assert_int_equal(page[0x211], 0x41);
	memcpy(&word, page + 0x202, 4);
	assert_int_equal(word, 0x53726448);
	memcpy(&word, page + 0x214, 4);
	assert_int_equal(word, PUSH_ADDR + setup_of(&kernel_6_1));
	memcpy(&word, page + 0x218, 4);
	assert_int_equal(word, PUSH_RAMDISK);
	memcpy(&word, page + 0x21C, 4);
	assert_int_equal(word, 2 * MIB);
	memcpy(&word, page + 0x228, 4);
	assert_int_equal(word, 0x4E000);
	memcpy(&word, page + 0x22C, 4);
	assert_int_equal(word, 0x7FFFFFFF);
	memcpy(&word, page + 0x230, 4);
	assert_int_equal(word, kernel_6_1.align);
	memcpy(&word, page + 0x238, 4);
	assert_int_equal(word, 2047);
	memcpy(&word, page + 0x260, 4);
	assert_int_equal(word, kernel_6_1.init_size);
	/* Screen, subarchitecture and lists of the host's making stay out. */
	for (unsigned int i = 0; i < 0x1E8; i++)
		assert_int_equal(page[i], 0);
	for (unsigned int i = 0x23C; i < 0x258; i++)
		assert_int_equal(page[i], 0);
	fake_free(fake);
}

static bool inside_push(uint64_t base, uint64_t size)
{
	/* Spelled out, not by the shared helpers: this is the oracle. */
	uint64_t first = 0x100000, end = PUSH_TOP - 0x1000;

	return size <= end && base >= first && base <= end - size;
}

static bool apart(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

/*
 * What makes an accepted push harmless, from what is true of @k: it is entered where its code
 * starts, all it was told lies in RAM, and what it unpacks into is RAM away from the ramdisk,
 * both by its true needs and by those the zero page claims.
 */
static void expect_harmless(const struct kernel *k, unsigned int bit)
{
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(PUSH_TOP, map);
	uint64_t load = PUSH_ADDR + setup_of(k), out, claimed_pref;
	uint32_t word, claimed_init, claimed_align;
	uint8_t page[X100_BP_SIZE];
	bool ok;

	bs_params_build(page, &image, 0x4E000, map, n);
	memcpy(&claimed_init, page + 0x260, 4);
	memcpy(&claimed_align, page + 0x230, 4);
	memcpy(&claimed_pref, page + 0x258, 8);

	out = (load + k->align - 1) / k->align * k->align;
	if (!k->relocatable || out < k->pref)
		out = k->pref;
	ok = image.entry == load && inside_push(out, k->init_size);
	if (image.ramdisk_size)
		ok = ok && inside_push(image.ramdisk, image.ramdisk_size) &&
		     apart(image.ramdisk, image.ramdisk_size, out, k->init_size) &&
		     apart(image.ramdisk, image.ramdisk_size, PUSH_ADDR, size_of(k));
	else
		ok = ok && !image.ramdisk;

	/* By the zero page: the kernel's own start-up code reads alignment and size from there. */
	ok = ok && claimed_align == k->align;
	out = (load + claimed_align - 1) / claimed_align * claimed_align;
	if (!page[0x234] || out < claimed_pref)
		out = claimed_pref;
	ok = ok && claimed_init >= k->syssize * 16 && inside_push(out, claimed_init);
	if (image.ramdisk_size)
		ok = ok && apart(image.ramdisk, image.ramdisk_size, out, claimed_init);

	/* Fields that decide how the kernel reads the page. */
	memcpy(&word, page + 0x202, 4);
	ok = ok && word == 0x53726448 && page[0x1FE] == 0x55 && page[0x1FF] == 0xAA;
	ok = ok && page[0x207] == 2 && page[0x206] >= 0x0A;
	ok = ok && page[0x210] == 0xFF && (page[0x211] & ~0x20) == 0x41;
	memcpy(&word, page + 0x228, 4);
	ok = ok && word == 0x4E000;
	ok = ok && !strcmp(image.cmdline, " mem=8192M console=ttyS0");
	ok = ok && page[0x1E8] == n && !memcmp(page + 0x2D0, map, n * 20);
	if (!ok)
		fail_msg("bit %u of byte 0x%x was accepted and is not harmless", bit % 8, bit / 8);
}

/*
 * Every single bit of the first 0x280 bytes, which hold every header field that is read. Returns
 * how many flips were refused.
 */
static unsigned int flip_all(const struct kernel *k, uint32_t ramdisk, uint32_t ramdisk_size)
{
	struct fake *fake = pushed(k);
	unsigned int refused = 0;
	uint8_t byte;

	push_ramdisk(fake, PUSH_ADDR, ramdisk, ramdisk_size);
	expect_good(fake, k);
	for (unsigned int bit = 0; bit < 0x280 * 8; bit++) {
		fake_read(fake, PUSH_ADDR + bit / 8, &byte, 1);
		byte ^= 1u << bit % 8;
		fake_write(fake, PUSH_ADDR + bit / 8, &byte, 1);
		if (check(fake, size_of(k)))
			expect_harmless(k, bit);
		else
			refused++;
		byte ^= 1u << bit % 8;
		fake_write(fake, PUSH_ADDR + bit / 8, &byte, 1);
	}
	fake_free(fake);
	return refused;
}

static void flipped_header_bits_with_a_ramdisk(void **state)
{
	(void)state;
	assert_in_range(flip_all(&kernel_6_1, PUSH_RAMDISK, 2 * MIB), 150, 0x280 * 8);
}

static void flipped_header_bits_without_a_ramdisk(void **state)
{
	(void)state;
	assert_in_range(flip_all(&kernel_6_1, 0, 0), 150, 0x280 * 8);
}

static void flipped_header_bits_with_a_ramdisk_close_to_the_kernel(void **state)
{
	(void)state;
	assert_in_range(flip_all(&kernel_6_1, 0x04200000 + kernel_6_1.init_size, 2 * MIB), 150,
			0x280 * 8);
}

static void flipped_header_bits_of_a_kernel_that_does_not_relocate(void **state)
{
	(void)state;
	assert_in_range(flip_all(&kernel_2_6_38, PUSH_RAMDISK, 2 * MIB), 150, 0x280 * 8);
}

/* Fields where no flip whatsoever may pass. */
static void no_flip_passes_where_a_field_has_one_right_value(void **state)
{
	static const struct {
		unsigned int offset, bytes;
	} strict[] = { { 0x1F1, 1 }, { 0x1F4, 4 }, { 0x1FE, 2 },
		       { 0x202, 4 }, { 0x207, 1 }, { 0x230, 4 } };
	struct fake *fake = pushed(&kernel_6_1);
	uint8_t byte;

	(void)state;
	for (unsigned int f = 0; f < sizeof(strict) / sizeof(strict[0]); f++) {
		for (unsigned int bit = 0; bit < strict[f].bytes * 8; bit++) {
			uint64_t at = PUSH_ADDR + strict[f].offset + bit / 8;

			fake_read(fake, at, &byte, 1);
			byte ^= 1u << bit % 8;
			fake_write(fake, at, &byte, 1);
			if (check(fake, size_of(&kernel_6_1)))
				fail_msg("bit %u of field 0x%x", bit, strict[f].offset);
			byte ^= 1u << bit % 8;
			fake_write(fake, at, &byte, 1);
		}
	}
	fake_free(fake);
}

/* Flips of SPAD5: every size but the right one is refused. */
static void no_flip_of_the_size_word_passes(void **state)
{
	struct fake *fake = pushed(&kernel_6_1);

	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_false(check(fake, size_of(&kernel_6_1) ^ 1u << bit));
	fake_free(fake);
}

static uint64_t number(struct json_object *obj, const char *key)
{
	struct json_object *value = json_object_object_get(obj, key);

	if (json_object_is_type(value, json_type_string))
		return strtoull(json_object_get_string(value), NULL, 16);
	return (uint64_t)json_object_get_int64(value);
}

/*
 * The old host's stores, one by one, onto an image that fits the recorded size. The command line
 * must be found where that host put it, and the ramdisk words be understood.
 */
static void placements_of_the_old_host_are_understood(void **state)
{
	struct json_object *root = json_object_from_file(VECTORS "/boot.json"), *cases;
	unsigned int accepted = 0, too_odd = 0;

	(void)state;
	assert_non_null(root);
	cases = json_object_object_get(root, "linux_placement");
	for (size_t c = 0; c < json_object_array_length(cases); c++) {
		struct json_object *one = json_object_array_get_idx(cases, c);
		struct json_object *writes = json_object_object_get(one, "writes");
		struct json_object *line = json_object_object_get(one, "command_line_text");
		uint32_t size = (uint32_t)number(one, "image_bytes");
		uint32_t addr = (uint32_t)number(one, "spad2") & 0xFFFFF000;
		uint32_t spad5 = 0, ramdisk = 0, ramdisk_size = 0;
		struct kernel k = kernel_6_1;
		struct fake *fake;

		if ((int64_t)number(one, "result") < 0 || !line || addr >= PUSH_TOP)
			continue;
		k.setup_sects = 5;
		if (size < 0x20000)
			k.setup_sects = 1;
		k.syssize = (size - setup_of(&k)) / 16;
		if (size < 0xA000 + setup_of(&k))
			continue;
		if (k.init_size < size + MIB)
			k.init_size = (size + MIB) & ~0xFFFu;
		fake = fake_new(PUSH_TOP);
		push_image(fake, addr, &k);
		for (size_t w = 0; w < json_object_array_length(writes); w++) {
			struct json_object *store = json_object_array_get_idx(writes, w);
			const char *to =
				json_object_get_string(json_object_object_get(store, "to"));
			uint64_t at = number(store, "address");

			if (!strcmp(to, "spad5")) {
				spad5 = (uint32_t)number(store, "value");
			} else if (json_object_object_get(store, "value32")) {
				uint32_t value = (uint32_t)number(store, "value32");

				fake_write32(fake, at, value);
				if (at == addr + 0x218)
					ramdisk = value;
				if (at == addr + 0x21C)
					ramdisk_size = value;
			} else if (!strcmp(json_object_get_string(
						   json_object_object_get(store, "what")),
					   "command line")) {
				const char *text = json_object_get_string(line);

				fake_write(fake, at, text, strlen(text) + 1);
			}
		}
		memset(&fault, 0, sizeof(fault));
		if (bs_image_check(&fake->ops, bs_memory_push(PUSH_TOP), addr, spad5, &image,
				   &fault)) {
			assert_string_equal(image.cmdline, json_object_get_string(line));
			assert_int_equal(image.ramdisk, ramdisk);
			assert_int_equal(image.ramdisk_size, ramdisk_size);
			accepted++;
		} else if (fault.reason == X100_REASON_TOO_LONG) {
			/* The recorder used sizes no kernel build gives: not 16 bytes to the unit. */
			assert_int_not_equal((size - setup_of(&k)) % 16, 0);
			too_odd++;
		} else {
			/* The old host does not check; what it lets collide must be refused here. */
			assert_in_range(fault.reason, X100_REASON_CMDLINE_RANGE,
					X100_REASON_RESERVED_OVERLAP);
		}
		fake_free(fake);
	}
	assert_true(accepted >= 4);
	assert_true(too_odd >= 1);
	json_object_put(root);
}

/* Barrelfish's made-up header: no 55 AA, version 0. Refused in words, not by accident. */
static void barrelfish_headers_are_refused(void **state)
{
	struct fake *fake = fake_new(PUSH_TOP);
	uint8_t header[0x400] = { 0 };

	(void)state;
	header[0x1F1] = 1;
	header[0x1F5] = 0x10;
	memcpy(header + 0x202, "HdrS", 4);
	fake_write(fake, PUSH_ADDR, header, sizeof(header));
	assert_false(check(fake, 0x10000));
	assert_int_equal(fault.reason, X100_REASON_BOOT_FLAG);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_6_1_kernel_passes),
		cmocka_unit_test(a_kernel_that_does_not_relocate_passes),
		cmocka_unit_test(no_ramdisk_is_no_ramdisk),
		cmocka_unit_test(longest_command_line_passes),
		cmocka_unit_test(every_byte_is_read_once),
		cmocka_unit_test(bad_pushes_are_refused_with_their_reason),
		cmocka_unit_test(a_refused_push_spoils_nothing_for_the_next),
		cmocka_unit_test(image_up_to_the_top_leaves_no_room_for_a_command_line),
		cmocka_unit_test(a_push_below_1_mib_is_refused),
		cmocka_unit_test(zero_page_has_what_the_kernel_needs),
		cmocka_unit_test(flipped_header_bits_with_a_ramdisk),
		cmocka_unit_test(flipped_header_bits_without_a_ramdisk),
		cmocka_unit_test(flipped_header_bits_with_a_ramdisk_close_to_the_kernel),
		cmocka_unit_test(flipped_header_bits_of_a_kernel_that_does_not_relocate),
		cmocka_unit_test(no_flip_passes_where_a_field_has_one_right_value),
		cmocka_unit_test(no_flip_of_the_size_word_passes),
		cmocka_unit_test(placements_of_the_old_host_are_understood),
		cmocka_unit_test(barrelfish_headers_are_refused),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
