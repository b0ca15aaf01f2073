// SPDX-License-Identifier: BSD-3-Clause
/*
 * The zero page handed to the kernel in ESI. A clean page, so that no field of it is the host's
 * unless it is listed here.
 */
#include <string.h>

#include "image.h"

/* A loader without a number; 0 would make the kernel ignore the ramdisk. */
#define LOADER_OTHER   0xFF
#define LOADFLAGS_KEPT ((1u << 5) | X100_HDR_LOADED_HIGH) /* quiet, loaded high */

/* Fields copied from the image's header; all others stay 0. */
static const struct {
	uint16_t offset, size;
} copied[] = {
	{ X100_HDR_SETUP_SECTS, 1 },   { 0x1F2, 2 }, /* root_flags */
	{ X100_HDR_SYSSIZE, 4 },       { 0x1FC, 2 }, /* root_dev */
	{ X100_HDR_BOOT_FLAG, 2 },     { X100_HDR_MAGIC, 4 },
	{ X100_HDR_VERSION, 2 },       { X100_HDR_INITRD_MAX, 4 },
	{ X100_HDR_ALIGNMENT, 4 },     { X100_HDR_RELOCATABLE, 1 },
	{ X100_HDR_MIN_ALIGNMENT, 1 }, { X100_HDR_XLOADFLAGS, 2 },
	{ X100_HDR_CMDLINE_SIZE, 4 },  { X100_HDR_PREF_ADDRESS, 8 },
	{ X100_HDR_INIT_SIZE, 4 },
};

static void put32(uint8_t *page, uint32_t offset, uint32_t value)
{
	memcpy(page + offset, &value, sizeof(value));
}

void bs_params_build(uint8_t *page, const struct bs_image *image, uint32_t cmdline,
		     const struct x100_e820 *map, unsigned int ranges)
{
	memset(page, 0, X100_BP_SIZE);
	for (unsigned int i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		memcpy(page + copied[i].offset, image->header + copied[i].offset, copied[i].size);
	page[X100_HDR_LOADER_TYPE] = LOADER_OTHER;
	page[X100_HDR_LOADFLAGS] = (image->header[X100_HDR_LOADFLAGS] & LOADFLAGS_KEPT) |
				   X100_HDR_KEEP_SEGMENTS;
	put32(page, X100_HDR_CODE32_START, image->entry);
	put32(page, X100_HDR_RAMDISK_IMAGE, image->ramdisk);
	put32(page, X100_HDR_RAMDISK_SIZE, image->ramdisk_size);
	put32(page, X100_HDR_CMDLINE_PTR, cmdline);
	page[X100_BP_E820_ENTRIES] = (uint8_t)ranges;
	memcpy(page + X100_BP_E820_TABLE, map, ranges * sizeof(*map));
}
