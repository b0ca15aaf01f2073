// SPDX-License-Identifier: GPL-2.0-only
/*
 * The products the model knows, as far as the chip itself tells them apart.
 */
#include "qemu/osdep.h"
#include "x100-chip.h"

/*
 * Clocks: 4000 MHz / icc x feedback / feed-forward (x100-hardware.md 3.3). The 3120A row was read
 * from a card (Appendix B); the ratios of the others follow from the published 1.053 and 1.238 GHz,
 * their fuse words are made up in the same form.
 */
static const X100Product products[] = {
	{ .name = "3120A",
	  .stepping = 2,
	  .channels = 12,
	  .icc = 20,
	  .ratio = 0x416,
	  .mem_ratio = 0x64,
	  .fuse = 0x373,
	  .meminfo = 0xFA13 },
	{ .name = "5110P",
	  .stepping = 3,
	  .channels = 16,
	  .icc = 19,
	  .ratio = 0x414,
	  .mem_ratio = 0x64,
	  .fuse = 0x250,
	  .meminfo = 0xFA13 },
	{ .name = "7120P",
	  .stepping = 2,
	  .channels = 16,
	  .icc = 21,
	  .ratio = 0x41A,
	  .mem_ratio = 0x6E,
	  .fuse = 0x712 & 0x3FF,
	  .meminfo = 0xFB13 },
};

const X100Product *x100_product(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
		if (!strcmp(products[i].name, name))
			return &products[i];
	}
	return NULL;
}
