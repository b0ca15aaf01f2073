/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Card physical memory map (x100-hardware.md 2.1-2.4, silicon-notes.md "Bootstrap and reset").
 * Also read by the linker scripts through cpp: only #define lines outside the C part.
 */
#ifndef X100_MEMMAP_H
#define X100_MEMMAP_H

#ifdef __ASSEMBLER__
#define X100_UL(x) x
#else
#define X100_UL(x) x##ull
#endif

/* GDDR is linear from 0; these two windows lie over it and hide what is below. */
#define X100_LAPIC_BASE       X100_UL(0xFEE00000) /* local APIC page of each thread */
#define X100_LAPIC_SIZE       X100_UL(0x1000)
#define X100_FLASH_WINDOW     X100_UL(0xFF000000) /* boot flash and fuses, ends at 4 GiB */
#define X100_FLASH_WINDOW_END X100_UL(0x100000000)
#define X100_GDDR_LOW_END     X100_UL(0xFEE00000) /* usable RAM below 4 GiB ends here */
#define X100_GDDR_HIGH_BASE   X100_UL(0x100000000)

#define X100_GDDR_ECC_NUM  X100_UL(31) /* with ECC, 31/32 of the fitted GDDR is visible */
#define X100_GDDR_ECC_DEN  X100_UL(32)
#define X100_GDDR_TOP_KEPT X100_UL(0x1000) /* page at the very top the factory map keeps back */

/* Register blocks. BAR4 shows DBOX at +0 and SBOX at +0x10000. */
#define X100_GBOX1_BASE  X100_UL(0x0800790000)
#define X100_GBOX0_BASE  X100_UL(0x08007A0000)
#define X100_DBOX_BASE   X100_UL(0x08007C0000)
#define X100_SBOX_BASE   X100_UL(0x08007D0000)
#define X100_BOX_SIZE    X100_UL(0x10000)
#define X100_MMIO_BASE   X100_DBOX_BASE
#define X100_MMIO_SIZE   X100_UL(0x20000)
#define X100_IOAPIC_BASE X100_UL(0x08007DA800)

/* RAM at or above this is not GDDR of any product; an OS must not take it (k1om 10 no. 4). */
#define X100_MMIO_FLOOR X100_UL(0x0800000000)

/* System memory window: 32 SMPT pages of 16 GiB. */
#define X100_SYSMEM_BASE X100_UL(0x8000000000)
#define X100_SYSMEM_SIZE X100_UL(0x8000000000)

/* Flash image of this project: 2 MiB, mapped so that it ends at 4 GiB (the model's choice). */
#define X100_FLASH_SIZE     X100_UL(0x200000)
#define X100_FLASH_BASE     X100_UL(0xFFE00000)
#define X100_BOOTBLOCK_SIZE X100_UL(0x10000) /* bootstrap: at most the last 64 KiB */
#define X100_BOOTBLOCK_BASE X100_UL(0xFFFF0000)
#define X100_RESET_VECTOR   X100_UL(0xFFFFFFF0)

/* Low memory. RAM the factory e820 gives to the OS: */
#define X100_LOW_RAM0_BASE X100_UL(0x50000)
#define X100_LOW_RAM0_END  X100_UL(0x60000)
#define X100_LOW_RAM1_BASE X100_UL(0x80000)
#define X100_LOW_RAM1_END  X100_UL(0xD0000)
#define X100_LOW_END       X100_UL(0x100000)

/* What this project keeps in the holes of that map: */
#define X100_BOOT_RAM_BASE X100_UL(0x1000) /* bootstrap data, stacks, tables */
#define X100_BOOT_RAM_END  X100_UL(0x50000)
#define X100_BOOT_PARAMS   X100_UL(0x4F000) /* the zero page handed to Linux */
#define X100_RECORD_BASE   X100_UL(0xD0000) /* boot record, see record.h */
#define X100_RECORD_SIZE   X100_UL(0x10000)
#define X100_MPTABLE_BASE  X100_UL(0x9E000) /* inverted signature, for RAS only */
#define X100_MPTABLE_SIZE  X100_UL(0x2000)
#define X100_SFI_SCAN_BASE X100_UL(0xE0000) /* where an OS looks for SYST, 16-byte steps */
#define X100_SFI_SCAN_END  X100_UL(0x100000)
#define X100_SFI_BASE      X100_UL(0xEF180) /* SYST as measured on a 3120A; the rest follows */
#define X100_SFI_END       X100_UL(0xF0000)

/* Where hosts are told to put the image: 64 MiB, as the factory bootstrap does. */
#define X100_DOWNLOAD_ADDR X100_UL(0x04000000)

#endif
