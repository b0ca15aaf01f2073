/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one way from the chip to a local APIC.
 */
#ifndef X100_LAPIC_H
#define X100_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

/* Delivery modes of APICICR and redirection entries (x100-hardware.md 3.8). */
enum x100_delivery {
	X100_DM_FIXED = 0,
	X100_DM_LOWEST = 1,
	X100_DM_SMI = 2,
	X100_DM_NMI = 4,
	X100_DM_INIT = 5,
	X100_DM_STARTUP = 6,
	X100_DM_EXTINT = 7,
};

/*
 * Delivers to the local APIC with id @apic_id (physical destination), with the big QEMU lock held.
 * @vector: for X100_DM_STARTUP the page the CPU starts in. @level: level triggered, EOI is
 * broadcast. Returns false if no CPU has that id or the mode cannot be delivered.
 */
bool x100_lapic_deliver(uint32_t apic_id, enum x100_delivery mode, uint8_t vector, bool level);

#endif
