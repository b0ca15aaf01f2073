// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzz target: bs_image_check() and bs_params_build() over a push made of the input. Faked: memory,
 * where all that the input does not cover is zero. A read outside RAM, a zero page that differs in
 * length or an accepted push that is not inside RAM aborts.
 *
 * Input: size word (4 bytes), ramdisk address and size (8), then the image from its first byte; of
 * half of the inputs the fields that must be right are made right, so that the later checks are
 * reached.
 */
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "memory.h"

#define ADDR 0x04000000u
#define TOP  (992ull << 20)

static const uint8_t *data;
static size_t data_len;
static uint8_t head[0x280];

static void mem_read(void *ctx, uint64_t phys, void *dst, uint32_t len)
{
	struct x100_range push = bs_memory_push(TOP);
	uint8_t *to = dst;

	(void)ctx;
	if (!x100_range_inside(push, phys, len))
		abort();
	for (uint32_t i = 0; i < len; i++) {
		uint64_t off = phys + i - ADDR;

		if (off < sizeof(head))
			to[i] = head[off];
		else
			to[i] = off < data_len ? data[off] : 0;
	}
}

static const struct bs_ops ops = { .mem_read = mem_read };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static struct bs_image image;
	struct x100_range push = bs_memory_push(TOP);
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int n = bs_memory_map(TOP, map);
	struct bs_fault fault = { 0 };
	uint8_t page[X100_BP_SIZE];
	uint32_t size;

	if (len < 13)
		return 0;
	memcpy(&size, input, 4);
	data = input + 12;
	data_len = len - 12;
	memset(head, 0, sizeof(head));
	memcpy(head, data, data_len < sizeof(head) ? data_len : sizeof(head));
	memcpy(head + X100_HDR_RAMDISK_IMAGE, input + 4, 8);
	if (data[0] & 1) {
		uint32_t setup, sys;

		memcpy(head + 0x202, "HdrS", 4);
		memcpy(head + 0x1FE, "\x55\xAA", 2);
		head[0x206] |= 0x0A;
		head[0x207] = 2;
		head[0x211] |= 1;
		head[0x234] &= 1;
		memset(head + 0x230, 0, 4);
		head[0x232] = 1u << (input[1] % 8);
		memcpy(&sys, head + 0x1F4, 4);
		sys &= 0xFFFFF;
		memcpy(head + 0x1F4, &sys, 4);
		setup = ((head[0x1F1] ? head[0x1F1] : 4) + 1) * 512;
		size = setup + sys * 16;
	}

	if (!bs_image_check(&ops, push, ADDR, size, &image, &fault)) {
		if (fault.reason == X100_REASON_NONE)
			abort();
		return 0;
	}
	if (!x100_range_inside(push, image.addr, image.size) || image.entry <= image.addr ||
	    image.entry >= image.addr + image.size ||
	    !x100_range_inside(push, image.run.base, image.run.size) ||
	    image.cmdline_len >= X100_CMDLINE_MAX || image.cmdline[image.cmdline_len] ||
	    strlen(image.cmdline) != image.cmdline_len)
		abort();
	if (image.ramdisk_size) {
		struct x100_range disk = { image.ramdisk, image.ramdisk_size };
		struct x100_range file = { image.addr, image.size };

		if (!x100_range_inside(push, disk.base, disk.size) ||
		    x100_range_overlaps(disk, file) || x100_range_overlaps(disk, image.run))
			abort();
	}
	bs_params_build(page, &image, 0x4E000, map, n);
	if (page[X100_HDR_LOADER_TYPE] != 0xFF || page[X100_BP_E820_ENTRIES] != n)
		abort();
	return 0;
}
