// SPDX-License-Identifier: BSD-3-Clause
/*
 * bzImages for the image tests.
 */
#include "pushed.h"

const struct kernel kernel_6_1 = {
	.setup_sects = 27,
	.syssize = 0x60000 / 16,
	.align = 0x200000,
	.init_size = 0x1B47000,
	.cmdline_size = 2047,
	.pref = 0x1000000,
	.version = 0x020F,
	.relocatable = true,
};

const struct kernel kernel_2_6_38 = {
	.setup_sects = 0, /* stands for 4 */
	.syssize = 0x50000 / 16,
	.align = 0x1000000,
	.init_size = 0x12C1234,
	.cmdline_size = 2047,
	.pref = 0x1000000,
	.version = 0x020A,
	.relocatable = false,
};

static void put(uint8_t *p, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		*p++ = (uint8_t)value;
		value >>= 8;
	}
}

void push_image(struct fake *fake, uint32_t addr, const struct kernel *k)
{
	unsigned int sects = k->setup_sects ? k->setup_sects : 4;
	uint32_t setup = (sects + 1) * 512, code = k->syssize * 16;
	uint32_t offset = 0x2D4, length = code - 0x8000;
	uint8_t header[0x400];

	/* What the old tools leave in fields nobody should read. */
	memset(header, 0x90, sizeof(header));
	memset(header + 0x1F1, 0, 0x26C - 0x1F1);
	header[0x1F1] = (uint8_t)k->setup_sects;
	put(header + 0x1F2, 1, 2);
	put(header + 0x1F4, k->syssize, 4);
	put(header + 0x1FA, 0xFFFF, 2);
	put(header + 0x1FE, 0xAA55, 2);
	put(header + 0x200, 0x6AEB, 2);
	memcpy(header + 0x202, "HdrS", 4);
	put(header + 0x206, k->version, 2);
	header[0x211] = 1;
	put(header + 0x212, 0x8000, 2);
	put(header + 0x214, 0x100000, 4);
	put(header + 0x22C, 0x7FFFFFFF, 4);
	put(header + 0x230, k->align, 4);
	header[0x234] = k->relocatable;
	header[0x235] = 21;
	put(header + 0x236, 1, 2);
	put(header + 0x238, k->cmdline_size, 4);
	put(header + 0x248, offset, 4);
	put(header + 0x24C, length, 4);
	put(header + 0x258, k->pref, 8);
	put(header + 0x260, k->init_size, 4);
	put(header + 0x264, 0x190, 4);
	fake_write(fake, addr, header, sizeof(header));
	/* Size of the unpacked kernel, last word of the payload. */
	fake_write32(fake, addr + setup + offset + length - 4, k->init_size - 0x90000);
}

void push_cmdline(struct fake *fake, uint32_t addr, uint32_t size, const char *text)
{
	fake_write(fake, (uint64_t)addr + size, text, strlen(text) + 1);
}

void push_ramdisk(struct fake *fake, uint32_t addr, uint32_t ramdisk, uint32_t size)
{
	fake_write32(fake, addr + 0x218, ramdisk);
	fake_write32(fake, addr + 0x21C, size);
}
