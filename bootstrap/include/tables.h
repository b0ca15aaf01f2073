/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables an OS finds in low memory: SFI (SYST, CPUS, APIC, MMAP) and the MP table with the
 * inverted signature.
 */
#ifndef BS_TABLES_H
#define BS_TABLES_H

#include <x100/boot.h>
#include <x100/sfi.h>

#define BS_MAX_CPUS 256 /* CPUID carries 8 bits of APIC id; products have 61 x 4 */

/* The CPUs that run, as one bit per APIC id. */
struct bs_cpus {
	uint32_t bitmap[BS_MAX_CPUS / 32];
	uint32_t boot;         /* APIC id of the boot CPU */
	uint32_t signature;    /* CPUID leaf 1 EAX */
	uint32_t features;     /* CPUID leaf 1 EDX */
	uint8_t lapic_version; /* of the boot CPU */
};

static inline bool bs_cpu_present(const struct bs_cpus *cpus, uint32_t id)
{
	return id < BS_MAX_CPUS && (cpus->bitmap[id / 32] >> (id % 32) & 1);
}

/* Number of CPUs in @cpus. */
unsigned int bs_cpus_count(const struct bs_cpus *cpus);

/*
 * Writes SYST and the tables it points at into @buf, which is card memory at X100_SFI_BASE.
 *
 * @size: bytes at @buf
 * @map, @ranges: the e820 map, which MMAP repeats
 *
 * Returns the bytes used, 0 when they do not fit.
 */
uint32_t bs_sfi_build(void *buf, uint32_t size, const struct bs_cpus *cpus,
		      const struct x100_e820 *map, unsigned int ranges);

/*
 * Writes the MP floating pointer and configuration table into @buf, which is card memory at
 * X100_MPTABLE_BASE. Only the RAS module of MPSS looks for them (x100-hardware.md 2.3).
 *
 * Returns the bytes used, 0 when @size is too small.
 */
uint32_t bs_mp_build(void *buf, uint32_t size, const struct bs_cpus *cpus);

#endif
