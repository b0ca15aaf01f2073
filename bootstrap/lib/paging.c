// SPDX-License-Identifier: BSD-3-Clause
/*
 * Building of PAE page tables.
 */
#include <string.h>

#include "paging.h"

#define P_PRESENT  (1ull << 0)
#define P_WRITE    (1ull << 1)
#define P_PWT      (1ull << 3)
#define P_PCD      (1ull << 4)
#define P_ACCESSED (1ull << 5)
#define P_DIRTY    (1ull << 6)
#define P_LARGE    (1ull << 7)
#define P_NX       (1ull << 63)
#define P_ADDR     0xFFFFFFF000ull /* 40-bit physical addresses */
#define PAGE       4096u

void bs_paging_init(struct bs_tables *tables, void *pages, uint32_t phys, unsigned int max)
{
	tables->page = pages;
	tables->phys = phys;
	tables->max = max;
	tables->used = 1;
	memset(tables->page[0], 0, PAGE);
}

/* The table @entry points at, made when there is none. NULL when no page is left. */
static uint64_t *below(struct bs_tables *tables, uint64_t *entry, uint64_t flags)
{
	if (!(*entry & P_PRESENT)) {
		if (tables->used == tables->max)
			return NULL;
		memset(tables->page[tables->used], 0, PAGE);
		*entry = (tables->phys + tables->used * (uint64_t)PAGE) | flags;
		tables->used++;
	}
	return tables->page[((*entry & P_ADDR) - tables->phys) / PAGE];
}

static uint64_t *directory_entry(struct bs_tables *tables, uint32_t linear)
{
	/* In the four top entries all flags but the present bit are reserved. */
	uint64_t *directory = below(tables, &tables->page[0][linear >> 30], P_PRESENT);

	return directory ? &directory[linear >> 21 & (BS_PT_ENTRIES - 1)] : NULL;
}

static uint64_t leaf_flags(enum bs_prot prot)
{
	switch (prot) {
	case BS_PROT_RX:
		return P_PRESENT | P_ACCESSED;
	case BS_PROT_RW:
		return P_PRESENT | P_ACCESSED | P_DIRTY | P_WRITE | P_NX;
	case BS_PROT_DEVICE:
		return P_PRESENT | P_ACCESSED | P_DIRTY | P_WRITE | P_NX | P_PCD | P_PWT;
	case BS_PROT_RO:
		break;
	}
	return P_PRESENT | P_ACCESSED | P_NX;
}

bool bs_paging_map(struct bs_tables *tables, uint32_t linear, uint64_t phys, uint32_t size,
		   enum bs_prot prot)
{
	for (uint32_t done = 0; done < size; done += PAGE) {
		uint64_t *entry = directory_entry(tables, linear + done);
		uint64_t *table;

		if (!entry || *entry & P_LARGE)
			return false;
		table = below(tables, entry, P_PRESENT | P_WRITE | P_ACCESSED);
		if (!table)
			return false;
		entry = &table[(linear + done) >> 12 & (BS_PT_ENTRIES - 1)];
		if (*entry)
			return false;
		*entry = (phys + done) | leaf_flags(prot);
	}
	return true;
}

uint64_t *bs_paging_large(struct bs_tables *tables, uint32_t linear)
{
	return directory_entry(tables, linear);
}

uint64_t bs_paging_large_entry(uint64_t phys)
{
	return phys | leaf_flags(BS_PROT_RW) | P_LARGE;
}
