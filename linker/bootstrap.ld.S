/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bootstrap: code and constants execute in place in the last 64 KiB of flash, data and stacks
 * live in card memory. Goes through cpp first.
 */
#define LINKER_SCRIPT
#include "maps.h"

OUTPUT_FORMAT(elf32-i386)
OUTPUT_ARCH(i386)
ENTRY(reset_vector)

MEMORY
{
	flash (rx)  : ORIGIN = X100_BOOTBLOCK_BASE, LENGTH = X100_BOOTBLOCK_SIZE
	ram   (rw)  : ORIGIN = BS_DATA, LENGTH = BS_DATA_END - BS_DATA
}

PHDRS
{
	rodata PT_LOAD FLAGS(4);
	text PT_LOAD FLAGS(5);
	reset PT_LOAD FLAGS(5);
	data PT_LOAD FLAGS(6);
	bss PT_LOAD FLAGS(6);
}

SECTIONS
{
	/* Read only, never executed. The first page is the page table for the time before memory. */
	.rodata X100_BOOTBLOCK_BASE : {
		__rodata_start = .;
		KEEP(*(.early_tables))
		*(.rodata .rodata.* .eh_frame)
	} > flash : rodata

	__data_load = ALIGN(16);
	.data : AT(__data_load) {
		__data_start = .;
		*(.data .data.*)
		. = ALIGN(16);
		__data_end = .;
	} > ram : data
	.bss (NOLOAD) : {
		__bss_start = .;
		*(.bss .bss.* COMMON)
		. = ALIGN(16);
		__bss_end = .;
	} > ram : bss

	/* Execute only from here to the reset vector in the last 16 bytes. */
	__text_start = ALIGN(__data_load + SIZEOF(.data), BS_PAGE);
	.text __text_start : {
		*(.text.entry)
		*(.text .text.*)
		__text_end = .;
	} > flash : text
	.reset X100_RESET_VECTOR : {
		KEEP(*(.reset))
	} > flash : reset

	/DISCARD/ : { *(.comment) *(.note .note.*) *(.eh_frame_hdr) *(.rel*) }
}

ASSERT(__text_end <= X100_RESET_VECTOR,
       "the bootstrap is larger than its 64 KiB of flash: its code runs into the reset vector")
ASSERT(SIZEOF(.reset) <= 16, "the reset vector is longer than the 16 bytes below 4 GiB")
ASSERT(__bss_end <= BS_DATA_END, "data and bss of the bootstrap run over the end of their memory")
ASSERT(X100_BOOTBLOCK_BASE + X100_BOOTBLOCK_SIZE == X100_FLASH_WINDOW_END,
       "the boot block does not end at 4 GiB, where the reset vector is")
ASSERT(X100_FLASH_BASE + X100_FLASH_SIZE == X100_FLASH_WINDOW_END,
       "the flash image does not end at 4 GiB")
ASSERT(BS_AP_PAGE >= X100_BOOT_RAM_BASE, "the page of the sleeping CPUs lies in page 0")
ASSERT(BS_AP_PAGE_END <= BS_TABLES, "the page of the sleeping CPUs overlaps the page tables")
ASSERT(BS_TABLES_END <= BS_DATA, "the page tables overlap the data")
ASSERT(BS_DATA_END <= BS_STACK_GUARD, "the data overlaps the stack guard")
ASSERT(BS_STACK_GUARD + BS_PAGE == BS_STACK, "the stack guard does not lie right below the stack")
ASSERT(BS_STACK_TOP <= BS_FAULT_GUARD, "the stack overlaps the guard of the fault stack")
ASSERT(BS_FAULT_GUARD + BS_PAGE == BS_FAULT_STACK,
       "the guard of the fault stack does not lie right below it")
ASSERT(BS_FAULT_STACK_TOP <= BS_CMDLINE, "the fault stack overlaps the command line")
ASSERT(BS_CMDLINE_END <= X100_BOOT_PARAMS, "the command line overlaps the zero page")
ASSERT(X100_BOOT_PARAMS + BS_PAGE <= X100_BOOT_RAM_END, "the zero page is not in bootstrap memory")
ASSERT(X100_BOOT_RAM_END <= X100_LOW_RAM0_BASE, "bootstrap memory overlaps RAM given to the OS")
ASSERT(X100_RECORD_BASE >= X100_LOW_RAM1_END, "the boot record lies in RAM given to the OS")
ASSERT(X100_RECORD_BASE + X100_RECORD_SIZE <= X100_SFI_SCAN_BASE,
       "the boot record overlaps the SFI tables")
ASSERT(X100_SFI_BASE >= X100_SFI_SCAN_BASE && X100_SFI_END <= X100_SFI_SCAN_END,
       "the SFI tables are not where an OS looks for them")
ASSERT(BS_MMIO_DBOX - BS_MMIO == X100_DBOX_BASE - BS_MMIO_PHYS, "the DBOX window is not on the DBOX")
ASSERT(BS_MMIO_SBOX - BS_MMIO == X100_SBOX_BASE - BS_MMIO_PHYS, "the SBOX window is not on the SBOX")
ASSERT(BS_MMIO_GBOX0 - BS_MMIO == X100_GBOX0_BASE - BS_MMIO_PHYS,
       "the GBOX0 window is not on GBOX0")
