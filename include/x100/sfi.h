/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Simple Firmware Interface tables and the MP table the bootstrap leaves for an OS
 * (x100-hardware.md 2.3, silicon-notes.md "Bootstrap and reset").
 *
 * SYST points at the others; every table starts with the header and sums to 0 modulo 256.
 */
#ifndef X100_SFI_H
#define X100_SFI_H

#include "types.h"

#define X100_SFI_SIG_SYST "SYST"
#define X100_SFI_SIG_CPUS "CPUS"
#define X100_SFI_SIG_APIC "APIC"
#define X100_SFI_SIG_MMAP "MMAP"

struct x100_sfi_header {
	char sig[4];
	uint32_t len; /* bytes, header included */
	uint8_t rev;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
} __attribute__((packed));

/* Entries follow the header: SYST uint64_t addresses; CPUS uint32_t APIC ids; APIC uint64_t bases. */

/* MMAP entry, an EFI memory descriptor; types below. */
struct x100_sfi_mem {
	uint32_t type;
	uint64_t phys_start;
	uint64_t virt_start;
	uint64_t pages; /* of 4 KiB */
	uint64_t attrib;
} __attribute__((packed));

#define X100_SFI_MEM_RESERVED     0
#define X100_SFI_MEM_CONVENTIONAL 7
#define X100_SFI_MEM_MMIO         11

/* MP floating pointer (bytes of the signature are those of "_MP_" inverted) and table. */
#define X100_MP_FLOAT_SIG 0xA0AFB2A0u
#define X100_MP_CONF_SIG  "PCMP"

struct x100_mp_float {
	uint32_t sig;
	uint32_t conf; /* physical address of the configuration table */
	uint8_t len;   /* in 16-byte units: 1 */
	uint8_t spec;  /* 4 */
	uint8_t checksum;
	uint8_t feature[5];
} __attribute__((packed));

struct x100_mp_conf {
	char sig[4];
	uint16_t len;
	uint8_t spec;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_ptr;
	uint16_t oem_size;
	uint16_t count; /* entries */
	uint32_t lapic;
	uint32_t reserved;
} __attribute__((packed));

struct x100_mp_cpu {
	uint8_t type; /* 0 */
	uint8_t apic_id;
	uint8_t apic_ver;
	uint8_t flags; /* bit 0 enabled, bit 1 boot CPU */
	uint32_t signature;
	uint32_t features;
	uint32_t reserved;
	uint32_t thread; /* physical thread number, as the RAS module reads it */
} __attribute__((packed));

#define X100_MP_CPU_ENABLED 0x01
#define X100_MP_CPU_BOOT    0x02

X100_ASSERT_SIZE(struct x100_sfi_header, 24);
X100_ASSERT_SIZE(struct x100_sfi_mem, 36);
X100_ASSERT_SIZE(struct x100_mp_float, 16);
X100_ASSERT_SIZE(struct x100_mp_conf, 44);
X100_ASSERT_SIZE(struct x100_mp_cpu, 20);

#endif
