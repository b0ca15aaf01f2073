/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the bootstrap keeps what, in card memory, in its linear address space and in flash. C,
 * assembly and the linker scripts read this one list; x100/memmap.h holds what others rely on.
 */
#ifndef LINKER_MAPS_H
#define LINKER_MAPS_H

#ifdef LINKER_SCRIPT
#define __ASSEMBLER__ 1
#endif
#include <x100/memmap.h>

/* Card memory, below X100_BOOT_RAM_END. Page 0 is never mapped. */
#define BS_AP_PAGE         0x01000 /* the other CPUs sleep here; SIPI vector is its number */
#define BS_AP_PAGE_END     0x02000
#define BS_TABLES          0x02000 /* PAE page tables */
#define BS_TABLES_END      0x0A000
#define BS_DATA            0x10000 /* .data and .bss */
#define BS_DATA_END        0x20000
#define BS_STACK_GUARD     0x2F000 /* not mapped: running into it is a double fault */
#define BS_STACK           0x30000
#define BS_STACK_TOP       0x38000
#define BS_FAULT_GUARD     0x38000 /* not mapped */
#define BS_FAULT_STACK     0x39000 /* of the double fault task */
#define BS_FAULT_STACK_TOP 0x3A000
#define BS_CMDLINE         0x4E000 /* checked copy of the command line, handed to the kernel */
#define BS_CMDLINE_END     0x4F000

/* Linear addresses that are not the physical ones. */
#define BS_WINDOW      0x40000000 /* two 2 MiB pages, moved over GDDR as needed */
#define BS_WINDOW_SIZE 0x400000
#define BS_MMIO        0xF8000000 /* shows BS_MMIO_PHYS on, uncached */
#define BS_MMIO_PHYS   X100_UL(0x0800600000)
#define BS_MMIO_GBOX0  0xF81A0000
#define BS_MMIO_DBOX   0xF81C0000
#define BS_MMIO_SBOX   0xF81D0000

/* Selectors. Code and data are those the 32-bit boot protocol asks for. */
#define BS_SEL_CODE      0x10
#define BS_SEL_DATA      0x18
#define BS_SEL_TSS       0x20
#define BS_SEL_FAULT_TSS 0x28

#define BS_PAGE    0x1000
#define BS_AP_MSRS 32 /* room for MSRs the other CPUs load */

#endif
