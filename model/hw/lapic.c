// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delivery from the chip to QEMU's local APICs.
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "cpu.h"
#include "x100-lapic.h"

static X86CPU *cpu_with_id(uint32_t apic_id)
{
	CPUState *cs;

	CPU_FOREACH(cs) {
		if (X86_CPU(cs)->apic_id == apic_id)
			return X86_CPU(cs);
	}
	return NULL;
}

bool x100_lapic_deliver(uint32_t apic_id, enum x100_delivery mode, uint8_t vector, bool level)
{
	X86CPU *cpu = cpu_with_id(apic_id);

	if (!cpu || !cpu->apic_state)
		return false;
	switch (mode) {
	case X100_DM_FIXED:
	case X100_DM_LOWEST:
		/* Vectors below 16 are illegal; the local APIC would only note an error. */
		if (vector < 16)
			return false;
		apic_deliver_irq(apic_id, 0, APIC_DM_FIXED, vector, level);
		return true;
	case X100_DM_NMI:
		cpu_interrupt(CPU(cpu), CPU_INTERRUPT_NMI);
		return true;
	case X100_DM_INIT:
		cpu_interrupt(CPU(cpu), CPU_INTERRUPT_INIT);
		return true;
	case X100_DM_STARTUP:
		APIC_COMMON(cpu->apic_state)->sipi_vector = vector;
		cpu_interrupt(CPU(cpu), CPU_INTERRUPT_SIPI);
		return true;
	default:
		return false;
	}
}
