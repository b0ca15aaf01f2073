/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bootstrap's PAE page tables: 32-bit linear addresses, 40-bit physical ones, NX.
 */
#ifndef BS_PAGING_H
#define BS_PAGING_H

#include <x100/types.h>

#define BS_PT_ENTRIES 512

/* What a mapping allows. Reading is always allowed. */
enum bs_prot {
	BS_PROT_RO = 0,
	BS_PROT_RW = 1,
	BS_PROT_RX = 2,
	BS_PROT_DEVICE = 4, /* read and write, never cached, never executed */
};

/* Tables under construction: one page each, taken from a fixed run of pages. */
struct bs_tables {
	uint64_t (*page)[BS_PT_ENTRIES]; /* page[0] holds the four top entries */
	uint32_t phys;                   /* physical address of page[0], page aligned */
	unsigned int used, max;          /* pages */
};

/* Starts empty tables in @max zeroed or garbage pages at @pages, whose physical address is @phys. */
void bs_paging_init(struct bs_tables *tables, void *pages, uint32_t phys, unsigned int max);

/*
 * Maps linear [@linear, @linear + @size) to physical @phys on in 4 KiB pages. Alignment is the
 * caller's duty. Returns false when the tables ran out of pages or something is mapped there.
 */
bool bs_paging_map(struct bs_tables *tables, uint32_t linear, uint64_t phys, uint32_t size,
		   enum bs_prot prot);

/*
 * The entry of a 2 MiB page at @linear, for windows that move; 0 in it is "not mapped". NULL when
 * the tables ran out of pages.
 */
uint64_t *bs_paging_large(struct bs_tables *tables, uint32_t linear);

/* Value of such an entry: physical @phys (2 MiB aligned), read and write, never executed. */
uint64_t bs_paging_large_entry(uint64_t phys);

#endif
