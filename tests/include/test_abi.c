// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: the numbers and helpers of include/x100/. Oracle: tests/vectors/, recorded from the
 * old drivers. Nothing is faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "x100/boot.h"
#include "x100/devpage.h"
#include "x100/irq.h"
#include "x100/memmap.h"
#include "x100/pci.h"
#include "x100/post.h"
#include "x100/range.h"
#include "x100/reason.h"
#include "x100/record.h"
#include "x100/regs.h"
#include "x100/sfi.h"
#include "x100/smpt.h"
#include "x100/strap.h"

static struct json_object *load(const char *name)
{
	char path[4096];
	struct json_object *root;

	snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
	root = json_object_from_file(path);
	assert_non_null(root);
	return root;
}

static struct json_object *member(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value))
		fail_msg("no member %s", key);
	return value;
}

/* Number that the vectors write either as a plain number or as a "0x..." string. */
static uint64_t number(struct json_object *obj, const char *key)
{
	struct json_object *value = member(obj, key);

	if (json_object_is_type(value, json_type_string))
		return strtoull(json_object_get_string(value), NULL, 16);
	return (uint64_t)json_object_get_int64(value);
}

static void registers_are_those_of_the_old_host_driver(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *regs = member(root, "registers_host");

	(void)state;
	assert_int_equal(number(regs, "MIC_X100_APER_BAR"), X100_BAR_APERTURE);
	assert_int_equal(number(regs, "MIC_X100_MMIO_BAR"), X100_BAR_MMIO);
	assert_int_equal(number(regs, "MIC_X100_SBOX_BASE_ADDRESS"), X100_MMIO_SBOX);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SPAD0"), X100_SBOX_SCRATCH(0));
	assert_int_equal(number(regs, "MIC_X100_SBOX_APICICR0"), X100_SBOX_APICICR_LO(0));
	assert_int_equal(number(regs, "MIC_X100_SBOX_APICICR7"),
			 X100_SBOX_APICICR_LO(X100_BOOT_ICR));
	assert_int_equal(number(regs, "MIC_X100_SBOX_SICR0"), X100_SBOX_SICR0);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SICE0"), X100_SBOX_SICE0);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SICC0"), X100_SBOX_SICC0);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SIAC0"), X100_SBOX_SIAC0);
	assert_int_equal(number(regs, "MIC_X100_SBOX_MSIXPBACR"), X100_SBOX_MSIXPBACR);
	assert_int_equal(number(regs, "MIC_X100_SBOX_MXAR0"), X100_SBOX_MXAR(0));
	assert_int_equal(number(regs, "MIC_X100_SBOX_SMPT00"), X100_SBOX_SMPT(0));
	assert_int_equal(number(regs, "MIC_X100_SBOX_RDMASR0"), X100_SBOX_RDMASR(0));
	assert_int_equal(number(regs, "MIC_X100_SBOX_RGCR"), X100_SBOX_RGCR);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SDBIC0"), X100_SBOX_SDBIC(0));
	assert_int_equal(number(regs, "MIC_X100_DOWNLOAD_INFO"), X100_SPAD_DOWNLOAD);
	assert_int_equal(number(regs, "MIC_X100_FW_SIZE"), X100_SPAD_IMAGE_SIZE);
	assert_int_equal(number(regs, "MIC_X100_POSTCODE"), X100_MMIO_DBOX + X100_DBOX_POST);
	assert_int_equal(number(regs, "MIC_X100_BSP_INTERRUPT_VECTOR"), X100_BOOT_VECTOR);
	assert_int_equal(number(regs, "MIC_X100_NUM_DOORBELL"), X100_HOST_DOORBELLS);
	json_object_put(root);
}

static void registers_are_those_of_the_old_card_driver(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *regs = member(root, "registers_card");

	(void)state;
	assert_true(number(regs, "MIC_X100_MMIO_BASE") == X100_MMIO_BASE);
	assert_int_equal(number(regs, "MIC_X100_MMIO_LEN"), X100_MMIO_SIZE);
	assert_int_equal(number(regs, "MIC_X100_SBOX_SDBIC0_DBREQ_BIT"), X100_SDBIC_REQUEST);
	assert_int_equal(number(regs, "MIC_X100_IRQ_BASE"), X100_IRQ_ICR(0));
	assert_int_equal(number(regs, "MIC_X100_RDMASR_IRQ_BASE"), X100_PIN_RDMASR(0));
	json_object_put(root);
}

static void dma_registers_are_those_of_the_old_driver(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *regs = member(root, "registers_dma");

	(void)state;
	assert_int_equal(number(regs, "MIC_DMA_SBOX_DCR"), X100_SBOX_DCR);
	assert_int_equal(number(regs, "MIC_DMA_SBOX_CH_BASE"), X100_MMIO_SBOX + X100_SBOX_DMA(0));
	assert_int_equal(number(regs, "MIC_DMA_SBOX_CHAN_OFF"),
			 X100_SBOX_DMA(1) - X100_SBOX_DMA(0));
	json_object_put(root);
}

static void device_page_and_status_numbers_match(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *consts = member(root, "constants");

	(void)state;
	assert_int_equal(number(consts, "MIC_MAGIC"), X100_DEVPAGE_MAGIC);
	assert_int_equal(number(consts, "MIC_DP_SIZE"), X100_DEVPAGE_SIZE);
	assert_int_equal(number(consts, "MIC_HALTED"), X100_SHUTDOWN_HALT);
	assert_int_equal(number(consts, "MIC_POWER_OFF"), X100_SHUTDOWN_POWER_OFF);
	assert_int_equal(number(consts, "MIC_RESTART"), X100_SHUTDOWN_RESTART);
	assert_int_equal(number(member(root, "first_descriptor"), "C and C2"),
			 sizeof(struct x100_bootparam));
	assert_int_equal(number(member(root, "first_descriptor"), "A"),
			 sizeof(struct x100_bootparam_a));
	assert_int_equal(number(consts, "MIC_MAX_VRINGS"), X100_VDEV_MAX_QUEUES);
	assert_int_equal(number(consts, "MIC_VRING_ENTRIES"), X100_VRING_ENTRIES);
	assert_int_equal(number(consts, "MIC_MAX_DESC_BLK_SIZE"), X100_VDEV_MAX_DESC);
	assert_int_equal(number(consts, "MIC_VIRTIO_RING_ALIGN"), X100_VRING_ALIGN);
	json_object_put(root);
}

static void descriptors_have_the_sizes_of_the_old_drivers(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *sizes = member(root, "descriptor_sizes");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(sizes); i++) {
		struct json_object *want = json_object_array_get_idx(sizes, i);
		struct x100_vdev_desc d = { .num_vq = (uint8_t)number(want, "num_vq"),
					    .feature_len = (uint8_t)number(want, "feature_len"),
					    .config_len = (uint8_t)number(want, "config_len") };

		assert_int_equal(x100_vdev_desc_size(&d), number(want, "desc_size"));
		assert_int_equal(x100_vdev_ctrl_offset(&d), number(want, "aligned"));
		assert_int_equal(x100_vdev_total(&d), number(want, "total"));
		assert_int_equal(x100_vdev_host_features(&d), number(want, "features_at"));
		assert_int_equal(x100_vdev_config(&d), number(want, "config_at"));
	}
	json_object_put(root);
}

static void rings_are_laid_out_as_by_the_old_drivers(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *rings = member(root, "vring");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(rings); i++) {
		struct json_object *want = json_object_array_get_idx(rings, i);
		struct json_object *trailer = member(want, "trailer");
		uint32_t n = (uint32_t)number(want, "n");

		assert_int_equal(x100_vring_avail(n), number(want, "avail"));
		assert_int_equal(x100_vring_used_event(n), number(want, "used_event"));
		assert_int_equal(x100_vring_used(n), number(want, "used"));
		assert_int_equal(x100_vring_used(n) + x100_vring_used_size(n),
				 number(want, "vring_size"));
		assert_int_equal(x100_vring_alloc(n), number(want, "alloc"));
		assert_int_equal(x100_vring_info_c(n),
				 number(member(trailer, "A and C"), "offset"));
		assert_int_equal(x100_vring_info_c2(n), number(member(trailer, "C2"), "offset"));
	}
	json_object_put(root);
}

static void every_pci_id_of_the_old_driver_is_in_range(void **state)
{
	struct json_object *root = load("layout.json");
	struct json_object *ids = member(root, "pci_devices");
	size_t n = json_object_array_length(ids);

	(void)state;
	assert_int_equal(n, X100_PCI_DEVICE_LAST - X100_PCI_DEVICE_FIRST + 1);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(ids, i));

		assert_int_equal(strtoul(text, NULL, 16), X100_PCI_DEVICE_FIRST + i);
	}
	json_object_put(root);
}

static void check_spad2(struct json_object *cases)
{
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		struct json_object *c = json_object_array_get_idx(cases, i);
		uint32_t word = (uint32_t)number(c, "word");

		assert_int_equal(x100_spad2_addr(word), number(c, "download_address"));
		assert_int_equal(x100_spad2_apic_id(word), number(c, "apic_id"));
		assert_int_equal(x100_spad2_ready(word),
				 json_object_get_boolean(member(c, "ready")));
	}
}

static void spad2_decodes_as_the_old_hosts_do(void **state)
{
	struct json_object *root = load("boot.json");
	struct json_object *cases = member(root, "spad2");

	(void)state;
	check_spad2(cases);
	check_spad2(member(member(root, "spad2_decode_only"), "cases"));
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		struct json_object *c = json_object_array_get_idx(cases, i);

		assert_int_equal(x100_spad2_make((uint32_t)number(c, "download_address"),
						 (uint32_t)number(c, "apic_id"),
						 json_object_get_boolean(member(c, "ready"))),
				 number(c, "word"));
	}
	json_object_put(root);
}

static void smpt_translates_as_the_old_host_does(void **state)
{
	struct json_object *root = load("smpt.json");
	struct json_object *cases = member(member(root, "single"), "cases");
	size_t mapped = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		struct json_object *c = json_object_array_get_idx(cases, i);
		struct json_object *entries, *first;
		uint64_t host = number(c, "host");
		uint64_t card;
		uint32_t reg;

		if (!member(c, "card"))
			continue;
		entries = member(c, "entries");
		if (!json_object_array_length(entries))
			continue;
		first = json_object_array_get_idx(entries, 0);
		card = number(c, "card");
		reg = (uint32_t)number(first, "register");
		assert_int_equal(x100_smpt_entry(host), reg);
		assert_int_equal(x100_smpt_index(card), number(first, "entry"));
		assert_true(x100_smpt_card(x100_smpt_index(card), host) == card);
		assert_true(x100_smpt_host(reg, card) == host);
		mapped++;
	}
	assert_true(mapped > 10);
	json_object_put(root);
}

static void doorbells_have_the_old_places(void **state)
{
	struct json_object *root = load("interrupts.json");
	struct json_object *down = member(root, "host_to_card");
	struct json_object *up = member(member(root, "card_to_host"), "cases");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(down); i++) {
		struct json_object *c = json_object_array_get_idx(down, i);
		unsigned int index = (unsigned int)number(c, "index");
		bool icr = index < X100_ICRS;

		assert_int_equal(number(c, "sbox_offset"),
				 icr ? X100_SBOX_APICICR_LO(index) :
				       X100_SBOX_RDMASR(index - X100_ICRS));
		assert_int_equal(number(c, "card_irq"),
				 icr ? X100_IRQ_ICR(index) :
				       X100_IRQ_PIN(X100_PIN_RDMASR(index - X100_ICRS)));
	}
	for (size_t i = 0; i < X100_HOST_DOORBELLS; i++) {
		struct json_object *c = json_object_array_get_idx(up, i);

		assert_int_equal(number(c, "bar4_offset"), X100_MMIO_SBOX + X100_SBOX_SDBIC(i));
		assert_true(number(c, "card_physical") == X100_SBOX_BASE + X100_SBOX_SDBIC(i));
		assert_int_equal(number(c, "written"), X100_SDBIC_REQUEST);
		assert_int_equal(1u << number(c, "sicr0_bit"), X100_SRC_DOORBELL(i));
	}
	json_object_put(root);
}

static void core_clock_of_a_measured_3120a_is_1100_mhz(void **state)
{
	(void)state;
	/* x100-hardware.md Appendix B */
	assert_int_equal(x100_core_khz(0x2800E6CF, 0x04160416), 1100000);
	assert_int_equal(x100_core_khz(0, 0x04160416), 1100000);
	assert_int_equal(x100_core_khz(0x2800E6CF, 0), 0);
}

static void post_codes_are_unique(void **state)
{
	static const unsigned int codes[] = {
#define CODE(name, a, b, words) X100_POST(a, b),
		X100_POST_LIST(CODE)
#undef CODE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(codes[i], codes[j]);
	/* x100-hardware.md Appendix A: the value of "12" */
	assert_int_equal(X100_POST_READY, 0x3231);
}

static void reasons_are_unique(void **state)
{
	static const unsigned int numbers[] = {
#define NUMBER(name, number, what, fix) number,
		X100_REASON_LIST(NUMBER)
#undef NUMBER
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_not_equal(numbers[i], X100_REASON_NONE);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
	}
}

static void low_memory_places_do_not_overlap(void **state)
{
	static const struct x100_range place[] = {
		{ X100_BOOT_RAM_BASE, X100_BOOT_RAM_END - X100_BOOT_RAM_BASE },
		{ X100_LOW_RAM0_BASE, X100_LOW_RAM0_END - X100_LOW_RAM0_BASE },
		{ X100_LOW_RAM1_BASE, X100_LOW_RAM1_END - X100_LOW_RAM1_BASE },
		{ X100_RECORD_BASE, X100_RECORD_SIZE },
		{ X100_SFI_BASE, X100_SFI_END - X100_SFI_BASE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(x100_range_overlaps(place[i], place[j]));
}

static void range_inside_at_the_edges(void **state)
{
	struct x100_range r = { 0x1000, 0x1000 };
	struct x100_range top = { X100_U64_MAX - 0xFFF, 0xFFF };

	(void)state;
	assert_true(x100_range_inside(r, 0x1000, 0x1000));
	assert_true(x100_range_inside(r, 0x1FFF, 1));
	assert_true(x100_range_inside(r, 0x2000, 0));
	assert_false(x100_range_inside(r, 0x2001, 0));
	assert_false(x100_range_inside(r, 0x1FFF, 2));
	assert_false(x100_range_inside(r, 0xFFF, 2));
	assert_false(x100_range_inside(r, 0x1800, X100_U64_MAX));
	assert_false(x100_range_inside(r, X100_U64_MAX, 2));
	assert_true(x100_range_inside(top, X100_U64_MAX - 1, 1));
	assert_false(x100_range_inside(top, X100_U64_MAX - 1, 2));
}

/* Every pair of ranges in a small space, against counting bytes; once at 0 and once at the top. */
static void range_answers_equal_counting_bytes(void **state)
{
	const uint64_t origins[] = { 0, X100_U64_MAX - 9 };

	(void)state;
	for (size_t o = 0; o < 2; o++)
		for (unsigned int a = 0; a < 10; a++)
			for (unsigned int n = 0; a + n < 10; n++)
				for (unsigned int b = 0; b < 10; b++)
					for (unsigned int m = 0; b + m < 10; m++) {
						struct x100_range x = { origins[o] + a, n };
						struct x100_range y = { origins[o] + b, m };
						unsigned int both = 0;

						for (unsigned int i = 0; i < 10; i++)
							both += i >= a && i < a + n && i >= b &&
								i < b + m;
						assert_int_equal(x100_range_overlaps(x, y),
								 both > 0);
						assert_int_equal(x100_range_inside(x, y.base,
										   y.size),
								 b >= a && b + m <= a + n);
					}
}

static void range_valid_and_align_refuse_to_wrap(void **state)
{
	uint64_t out = 0;

	(void)state;
	assert_true(x100_range_valid(X100_U64_MAX, 0));
	assert_false(x100_range_valid(X100_U64_MAX, 1));
	assert_true(x100_range_align_up(0x1001, 0x1000, &out));
	assert_true(out == 0x2000);
	assert_true(x100_range_align_up(0x1000, 0x1000, &out));
	assert_true(out == 0x1000);
	assert_false(x100_range_align_up(X100_U64_MAX, 0x1000, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_those_of_the_old_host_driver),
		cmocka_unit_test(registers_are_those_of_the_old_card_driver),
		cmocka_unit_test(dma_registers_are_those_of_the_old_driver),
		cmocka_unit_test(device_page_and_status_numbers_match),
		cmocka_unit_test(descriptors_have_the_sizes_of_the_old_drivers),
		cmocka_unit_test(rings_are_laid_out_as_by_the_old_drivers),
		cmocka_unit_test(every_pci_id_of_the_old_driver_is_in_range),
		cmocka_unit_test(spad2_decodes_as_the_old_hosts_do),
		cmocka_unit_test(smpt_translates_as_the_old_host_does),
		cmocka_unit_test(doorbells_have_the_old_places),
		cmocka_unit_test(core_clock_of_a_measured_3120a_is_1100_mhz),
		cmocka_unit_test(post_codes_are_unique),
		cmocka_unit_test(reasons_are_unique),
		cmocka_unit_test(low_memory_places_do_not_overlap),
		cmocka_unit_test(range_inside_at_the_edges),
		cmocka_unit_test(range_answers_equal_counting_bytes),
		cmocka_unit_test(range_valid_and_align_refuse_to_wrap),
	};

	return cmocka_run_group_tests_name("include", tests, NULL, NULL);
}
