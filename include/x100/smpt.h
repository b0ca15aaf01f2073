/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * SMPT: 32 pages of 16 GiB through which the card sees host memory (x100-hardware.md 2.4).
 */
#ifndef X100_SMPT_H
#define X100_SMPT_H

#include "memmap.h"
#include "types.h"

#define X100_SMPT_ENTRIES    32
#define X100_SMPT_PAGE_SHIFT 34
#define X100_SMPT_PAGE_SIZE  (1ull << X100_SMPT_PAGE_SHIFT)
#define X100_SMPT_NO_SNOOP   (1u << 0)

/* Register value that shows the 16 GiB page of host bus address @host, snooped. */
static inline uint32_t x100_smpt_entry(uint64_t host)
{
	return (uint32_t)(host >> X100_SMPT_PAGE_SHIFT) << 2;
}

/* Host bus address behind @card, an address in the system memory window, through entry value @entry. */
static inline uint64_t x100_smpt_host(uint32_t entry, uint64_t card)
{
	return ((uint64_t)(entry >> 2) << X100_SMPT_PAGE_SHIFT) |
	       (card & (X100_SMPT_PAGE_SIZE - 1));
}

/* Number of the entry that @card, an address in the system memory window, goes through. */
static inline unsigned int x100_smpt_index(uint64_t card)
{
	return (unsigned int)((card - X100_SYSMEM_BASE) >> X100_SMPT_PAGE_SHIFT);
}

/* Card address of host bus address @host when entry @index shows its page. */
static inline uint64_t x100_smpt_card(unsigned int index, uint64_t host)
{
	return X100_SYSMEM_BASE + ((uint64_t)index << X100_SMPT_PAGE_SHIFT) +
	       (host & (X100_SMPT_PAGE_SIZE - 1));
}

#endif
