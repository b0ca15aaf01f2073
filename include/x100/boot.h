/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Boot mailbox: SPAD2, the image header words both sides touch, and the limits of a push
 * (x100-abi.md section 1).
 */
#ifndef X100_BOOT_H
#define X100_BOOT_H

#include "types.h"

/* SPAD2 (SCRATCH2). */
#define X100_SPAD2_READY      (1u << 0)
#define X100_SPAD2_APIC_SHIFT 1
#define X100_SPAD2_APIC_MASK  0x1FFu
#define X100_SPAD2_ADDR_MASK  0xFFFFF000u

static inline bool x100_spad2_ready(uint32_t spad2)
{
	return spad2 & X100_SPAD2_READY;
}

static inline uint32_t x100_spad2_apic_id(uint32_t spad2)
{
	return (spad2 >> X100_SPAD2_APIC_SHIFT) & X100_SPAD2_APIC_MASK;
}

/* Card physical address the host puts the image at; equals the offset in the aperture. */
static inline uint32_t x100_spad2_addr(uint32_t spad2)
{
	return spad2 & X100_SPAD2_ADDR_MASK;
}

static inline uint32_t x100_spad2_make(uint32_t addr, uint32_t apic_id, bool ready)
{
	return (addr & X100_SPAD2_ADDR_MASK) |
	       ((apic_id & X100_SPAD2_APIC_MASK) << X100_SPAD2_APIC_SHIFT) |
	       (ready ? X100_SPAD2_READY : 0);
}

/* Numbers of the scratch registers with a meaning (x100-hardware.md 3.2). */
#define X100_SPAD_MEMORY     0 /* bootstrap: 31:3 size in KiB, 2:1 usage, 0 memory test disabled */
#define X100_SPAD_DOWNLOAD   2
#define X100_SPAD_RESERVE    3  /* host (MPSS, Barrelfish): bytes the OS may reserve */
#define X100_SPAD_CONFIG     4  /* bootstrap: see X100_SPAD4_* */
#define X100_SPAD_IMAGE_SIZE 5  /* host: bytes of the image */
#define X100_SPAD_FUSE       7  /* bootstrap: 31:16 flash version, 9:0 fuse revision */
#define X100_SPAD_MEMINFO    9  /* bootstrap: vendor, revision, density, ratio, ECC */
#define X100_SPAD_CPUID      13 /* bootstrap: CPUID image */
#define X100_SPAD_DEVPAGE_LO 14 /* host: card address of the device page */
#define X100_SPAD_DEVPAGE_HI 15

#define X100_SPAD4_THREADS_MASK   0xFu
#define X100_SPAD4_CHANNELS_SHIFT 6
#define X100_SPAD4_CORES_SHIFT    10
#define X100_SPAD4_ICC_SHIFT      25
#define X100_SPAD4_SOFT_RESET     (1u << 30)

/* Host limits: the old host refuses a download address above this (equal is allowed). */
#define X100_BOOT_ADDR_MAX 0x80000000u

/* bzImage header: offsets from the start of the image (Linux x86 boot protocol). */
#define X100_HDR_SETUP_SECTS     0x1F1
#define X100_HDR_SYSSIZE         0x1F4
#define X100_HDR_BOOT_FLAG       0x1FE
#define X100_HDR_JUMP            0x200
#define X100_HDR_MAGIC           0x202
#define X100_HDR_VERSION         0x206
#define X100_HDR_LOADER_TYPE     0x210
#define X100_HDR_LOADFLAGS       0x211
#define X100_HDR_CODE32_START    0x214
#define X100_HDR_RAMDISK_IMAGE   0x218 /* written by the host into the image copy */
#define X100_HDR_RAMDISK_SIZE    0x21C
#define X100_HDR_CMDLINE_PTR     0x228
#define X100_HDR_INITRD_MAX      0x22C
#define X100_HDR_ALIGNMENT       0x230
#define X100_HDR_RELOCATABLE     0x234
#define X100_HDR_MIN_ALIGNMENT   0x235
#define X100_HDR_XLOADFLAGS      0x236
#define X100_HDR_CMDLINE_SIZE    0x238
#define X100_HDR_PAYLOAD_OFFSET  0x248
#define X100_HDR_PAYLOAD_LENGTH  0x24C
#define X100_HDR_PREF_ADDRESS    0x258
#define X100_HDR_INIT_SIZE       0x260
#define X100_HDR_MAGIC_VALUE     0x53726448u /* "HdrS" */
#define X100_HDR_BOOT_FLAG_VALUE 0xAA55u
#define X100_HDR_LOADED_HIGH     (1u << 0)
#define X100_HDR_KEEP_SEGMENTS   (1u << 6)
#define X100_HDR_SECTOR          512u
#define X100_BP_E820_ENTRIES     0x1E8
#define X100_BP_E820_TABLE       0x2D0
#define X100_BP_SIZE             4096

/* Entry of the e820 table: 20 bytes, no padding. */
struct x100_e820 {
	uint64_t base;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));

#define X100_E820_RAM      1
#define X100_E820_RESERVED 2

/* Command line: directly behind the image, NUL-terminated (x100-abi.md 1.4). */
#define X100_CMDLINE_MAX 2048 /* bytes with the NUL that the old host writes at most */

/*
 * Wall clock for the card kernel, on its command line:
 *   x100.time=<seconds since 1970>.<nine digits of nanoseconds>@<ETC ticks>
 * "it was this time when the elapsed-time counter, shifted right by X100_ETC_SHIFT, stood there".
 */
#define X100_TIME_PARAM "x100.time"

#ifndef __KERNEL__
X100_ASSERT_SIZE(struct x100_e820, 20);
#endif

#endif
