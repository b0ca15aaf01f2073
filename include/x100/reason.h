/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Why the bootstrap gave up on an image or on itself. Written to the boot record; the host prints
 * the words. Numbers are part of the ABI: append, never renumber.
 *
 * Expand X100_REASON_LIST with X(name, number, "what happened", "what to try").
 */
#ifndef X100_REASON_H
#define X100_REASON_H

#define X100_REASON_LIST(X)                                                                        \
	/* 1-9: the image as a whole. Fault of who made or chose the image. */                     \
	X(SIZE_ZERO, 1, "the image size is zero", "push an image file that is not empty")          \
	X(SIZE_HUGE, 2, "the image does not fit into card memory", "push a smaller image")         \
	X(SIZE_SMALL, 3, "the image is too short to hold a kernel header", "push a bzImage")       \
	X(NOT_BZIMAGE, 4, "the image is not a Linux bzImage", "push arch/x86/boot/bzImage")        \
	X(IS_ELF, 5, "the image is an ELF file", "push the bzImage, not vmlinux or a program")     \
	X(IS_FIT, 6, "the image is a FIT image, which needs the loader", "push a bzImage")         \
	X(TRUNCATED, 7, "the image ends before its header says", "copy or build the image again")  \
	X(TOO_LONG, 8, "the image goes on behind the end its header gives",                        \
	  "push the file as built, without anything appended")                                     \
	/* 10-29: fields of its header. */                                                         \
	X(BOOT_FLAG, 10, "the boot flag 0xAA55 is missing", "copy or build the image again")       \
	X(VERSION, 11, "the boot protocol is too old",                                             \
	  "push a kernel with protocol 2.10 or later")                                             \
	X(NOT_HIGH, 12, "the kernel is not one that loads high", "push a bzImage, not a zImage")   \
	X(SETUP_SECTS, 13, "the set-up part is longer than the image", "copy the image again")     \
	X(ALIGNMENT, 14, "the kernel alignment makes no sense", "copy or build the image again")   \
	X(INIT_SIZE, 15, "the size the kernel needs to unpack makes no sense",                     \
	  "copy or build the image again")                                                         \
	X(RUN_RANGE, 16, "there is no RAM where the kernel unpacks itself",                        \
	  "use a relocatable kernel or a card with more memory")                                   \
	X(RELOCATABLE, 17, "the kernel's placement flags make no sense", "copy the image again")   \
	X(PAYLOAD, 18, "the compressed kernel does not lie inside the image",                      \
	  "copy or build the image again")                                                         \
	/* 30-39: command line. */                                                                 \
	X(CMDLINE_RANGE, 30, "the command line does not lie in RAM", "push a smaller image")       \
	X(CMDLINE_UNTERMINATED, 31, "the command line has no end", "shorten the command line")     \
	X(CMDLINE_LONG, 32, "the command line is longer than the kernel takes",                    \
	  "shorten the command line")                                                              \
	/* 40-49: ramdisk. */                                                                      \
	X(RAMDISK_RANGE, 40, "the ramdisk does not lie in RAM", "push a smaller ramdisk")          \
	X(RAMDISK_IMAGE, 41, "the ramdisk overlaps the image", "put the ramdisk elsewhere")        \
	X(RAMDISK_CMDLINE, 42, "the ramdisk overlaps the command line",                            \
	  "put the ramdisk elsewhere")                                                             \
	X(RAMDISK_KERNEL, 43, "the ramdisk overlaps the memory the kernel unpacks into",           \
	  "put the ramdisk elsewhere or push a smaller kernel")                                    \
	X(RAMDISK_HIGH, 44, "the ramdisk lies above what the kernel can reach",                    \
	  "put the ramdisk lower")                                                                 \
	X(RAMDISK_HALF, 45, "only one of ramdisk address and size is set", "push the image again") \
	X(RESERVED_OVERLAP, 46, "something overlaps the bootstrap's own memory",                   \
	  "put image and ramdisk above 1 MiB")                                                     \
	/* 60-79: the card. */                                                                     \
	X(MEM_TRAINING, 60, "card memory did not train",                                           \
	  "reset the card; power it off if it stays")                                              \
	X(MEM_SIZE, 61, "card memory could not be sized",                                          \
	  "reset the card; power it off if it stays")                                              \
	X(APS_MISSING, 62, "some CPUs did not start", "reset the card; it runs without them")      \
	X(ETC_STUCK, 63, "the elapsed-time counter stands still", "power the card off and on")     \
	X(EXCEPTION, 64, "the bootstrap took a CPU exception",                                     \
	  "reset the card and report the log")                                                     \
	X(INTERNAL, 65, "the bootstrap found a fault of its own",                                  \
	  "reset the card and report the log")

#ifndef __ASSEMBLER__
enum x100_reason {
	X100_REASON_NONE = 0,
#define X100_REASON_ENUM(name, number, what, fix) X100_REASON_##name = number,
	X100_REASON_LIST(X100_REASON_ENUM)
#undef X100_REASON_ENUM
};
#endif

#endif
