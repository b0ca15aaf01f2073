/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * PCI identity of the card (x100-hardware.md section 1).
 */
#ifndef X100_PCI_H
#define X100_PCI_H

#define X100_PCI_VENDOR       0x8086
#define X100_PCI_DEVICE_FIRST 0x2250
#define X100_PCI_DEVICE_LAST  0x225E
#define X100_PCI_DEVICE_5110P 0x2250
#define X100_PCI_DEVICE_7120P 0x225C
#define X100_PCI_DEVICE_3120A 0x225D
#define X100_PCI_CLASS        0x0B4000 /* co-processor; the prog-if is unknown, 0 here */
#define X100_PCI_REV_A0       0x00
#define X100_PCI_REV_B0       0x10
#define X100_PCI_REV_B1       0x11
#define X100_PCI_REV_C0       0x20

#define X100_BAR_APERTURE 0 /* card physical memory, linear from 0; 64-bit prefetchable */
#define X100_BAR_MMIO     4 /* 128 KiB of registers; 64-bit */

/* Capabilities, as dumped from a 5120D (x100-hardware.md 1.4). */
#define X100_PCI_CAP_PM   0x44
#define X100_PCI_CAP_EXP  0x4C
#define X100_PCI_CAP_MSI  0x88
#define X100_PCI_CAP_MSIX 0x98
#define X100_PCI_CAP_AER  0x100
#define X100_MSIX_VECTORS 16
#define X100_MSIX_TABLE   0x17000 /* offset in BAR4 */
#define X100_MSIX_PBA     0x18000

#endif
