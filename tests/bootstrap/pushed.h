/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes bzImages and pushes them into the fake card as the old hosts do. Shared by the image tests.
 */
#ifndef TESTS_BOOTSTRAP_PUSHED_H
#define TESTS_BOOTSTRAP_PUSHED_H

#include "fake.h"
#include "image.h"
#include "memory.h"

#define PUSH_TOP     (992ull << 20)
#define PUSH_ADDR    0x04000000u
#define PUSH_RAMDISK 0x08000000u

/* What is true of a kernel, whatever its header has been made to say. */
struct kernel {
	unsigned int setup_sects;
	uint32_t syssize; /* paragraphs of 16 bytes */
	uint32_t align, init_size, cmdline_size;
	uint64_t pref;
	uint16_t version;
	bool relocatable;
};

/* As Linux 6.1 builds for the card, and as a 2.6.38 of MPSS times. */
extern const struct kernel kernel_6_1, kernel_2_6_38;

/* Writes header and end of an image of @k to @addr, as a build of Linux would leave it. */
void push_image(struct fake *fake, uint32_t addr, const struct kernel *k);

/* Writes @text with its NUL behind the image. */
void push_cmdline(struct fake *fake, uint32_t addr, uint32_t size, const char *text);

/* Stores ramdisk address and size in the image copy, as hosts do. */
void push_ramdisk(struct fake *fake, uint32_t addr, uint32_t ramdisk, uint32_t size);

#endif
