/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where `-M x100,pci=on` puts a PCI Express host bridge that no card has. It carries QEMU's own
 * devices, to be measured against the card's. The kernel patch of bench/ repeats these numbers.
 *
 * Both memory windows are the same address for CPU and bus. There is no port I/O. GDDR, and nothing
 * else, can be reached by DMA over the bus; QEMU's virtio devices bypass it, and see what CPUs see,
 * unless they are given iommu_platform=on. Message interrupts are written to 0xFEE00000 as on a PC,
 * with the local APIC's id in bits 19:12.
 */
#ifndef X100_PCI_BRIDGE_H
#define X100_PCI_BRIDGE_H

/* Configuration space of 256 buses, 4 KiB per function. */
#define X100_PCI_ECAM_BASE 0x1000000000ull
#define X100_PCI_ECAM_SIZE 0x10000000ull

/* The one hole below 4 GiB on every card: after the local APIC, before the flash. */
#define X100_PCI_MMIO32_BASE 0xFEF00000ull
#define X100_PCI_MMIO32_SIZE 0x00100000ull

#define X100_PCI_MMIO64_BASE 0x1100000000ull
#define X100_PCI_MMIO64_SIZE 0x0100000000ull

/* INTA to INTD are I/O APIC pins 8 to 11, level triggered: pin 8 + (device + INTx) mod 4. */
#define X100_PCI_PIN 8

#endif
