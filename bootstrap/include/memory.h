/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much card memory there is, and the map of it that an OS is given.
 */
#ifndef BS_MEMORY_H
#define BS_MEMORY_H

#include <x100/boot.h>
#include <x100/memmap.h>
#include <x100/range.h>
#include "ops.h"

#define BS_MEM_STEP   0x100000ull    /* sizes are found to 1 MiB */
#define BS_MEM_MIN    0x0C000000ull  /* 192 MiB: download address, twice that, and a ramdisk */
#define BS_MEM_MAX    0x400000000ull /* 16 GiB, the most any product has fitted */
#define BS_MEM_RANGES 16

/*
 * Finds the first address above GDDR by writing and reading back one word per probe, a page or two
 * per probe and about fourteen probes; what was there is put back. Memory below 2 MiB is taken for
 * granted.
 *
 * Returns bytes, a multiple of BS_MEM_STEP counted from address 0, holes included; X100_GDDR_LOW_END
 * when memory ends below or inside the hole under 4 GiB; 0 when there is less than BS_MEM_MIN.
 */
uint64_t bs_memory_probe(const struct bs_ops *ops);

/*
 * Fills @map with the e820 map for memory that ends at @top: RAM as the factory bootstrap gives it
 * (silicon-notes.md "Bootstrap and reset"), and as reserved what lies in its holes. Sorted, disjoint.
 *
 * @top: from bs_memory_probe()
 * @map: room for BS_MEM_RANGES entries
 *
 * Returns the number of entries.
 */
unsigned int bs_memory_map(uint64_t top, struct x100_e820 *map);

/* The RAM above 1 MiB and below the hole under 4 GiB: where a push must lie. */
struct x100_range bs_memory_push(uint64_t top);

/* SPAD0 for memory of @top bytes: KiB in 31:3, all of it usable, no memory test done. */
uint32_t bs_memory_spad0(uint64_t top);

#endif
