/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of everything a host pushed, and the zero page made from what passed.
 */
#ifndef BS_IMAGE_H
#define BS_IMAGE_H

#include <x100/boot.h>
#include <x100/range.h>
#include <x100/reason.h>
#include "ops.h"

#define BS_HDR_END 0x264 /* end of init_size, the last header field used */

/* Why something was refused; goes to the boot record as it is. */
struct bs_fault {
	enum x100_reason reason;
	uint64_t detail[4]; /* address or value, size, limit, offset of the header field; 0 if none */
};

/* What is known to be sound about a push. Copies, so that the host cannot change them any more. */
struct bs_image {
	uint32_t addr;              /* of the image, card physical */
	uint32_t size;              /* bytes */
	uint32_t entry;             /* of the 32-bit kernel code, card physical */
	uint32_t ramdisk;           /* card physical, 0 without a ramdisk */
	uint32_t ramdisk_size;      /* bytes */
	struct x100_range run;      /* memory the kernel takes before it reads the memory map */
	uint8_t header[BS_HDR_END]; /* first bytes of the image */
	uint32_t cmdline_len;       /* bytes, NUL not counted */
	char cmdline[X100_CMDLINE_MAX];
};

/*
 * Checks image, command line and ramdisk against the memory they must lie in. Reads every byte of
 * the push that matters once, into @out, and decides on the copy.
 *
 * @push: RAM a push may use (bs_memory_push())
 * @addr: where the host was told to put the image
 * @size: what it wrote to SPAD5, bytes
 * @out: filled on success; garbage on failure. Owned by the caller
 * @fault: filled on failure
 *
 * Returns true when the image may be entered. Compatible with the old hosts (x100-abi.md 1.3, 1.4):
 * command line right behind the image, ramdisk in header fields of the image copy.
 */
bool bs_image_check(const struct bs_ops *ops, struct x100_range push, uint32_t addr, uint32_t size,
		    struct bs_image *out, struct bs_fault *fault);

/*
 * Builds the zero page for the 32-bit entry (x100-abi.md 1.13): clean, with the checked header
 * fields, the loader's own fields and the memory map.
 *
 * @page: X100_BP_SIZE bytes
 * @cmdline: card physical address the command line was copied to
 */
void bs_params_build(uint8_t *page, const struct bs_image *image, uint32_t cmdline,
		     const struct x100_e820 *map, unsigned int ranges);

#endif
