/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The KNC processor as a QEMU CPU type.
 *
 * Properties: apic-id and stepping (QEMU's own; 2 = C0, 3 = B1, k1om-cpu-and-kernel.md 1.4), tsc-hz
 * (core clock: TSC and local APIC timer), strict (default on: what KNC lacks faults; off: QEMU's own x86-64
 * instructions, CR4 bits and MSRs work too and CPUID says so).
 */
#ifndef KNC_CPU_H
#define KNC_CPU_H

#include "cpu.h"

#define TYPE_KNC_CPU X86_CPU_TYPE_NAME("knc")
OBJECT_DECLARE_TYPE(KncCPU, KncCPUClass, KNC_CPU)

/* Registers no other x86 has; kept over reset, as the time stamp counter is. */
struct KncState {
	uint64_t tsc_offset;                      /* TSC = virtual clock in core clocks + this */
	uint64_t p5_mc[2];                        /* MSR 0x00, 0x01 */
	uint64_t tr[15];                          /* MSR 0x02, 0x04..0x0E: test registers */
	uint64_t spu[3];                          /* MSR 0x1C, 0x17E, 0x17F */
	uint64_t pmc[2], evntsel[2], filter_mask; /* MSR 0x20.. */
	uint64_t pmu_status, pmu_ctrl;
	uint64_t c6_status; /* MSR 0x342 */
	uint16_t mask[8];   /* k0..k7 */
	bool strict;
	bool pse_warned;
};

struct KncCPU {
	X86CPU parent_obj;
	struct KncState knc;
	uint64_t tsc_hz;
};

struct KncCPUClass {
	X86CPUClass parent_class;
	DeviceRealize parent_realize;
	DeviceReset parent_reset;
};

/* Core clocks since the start of the model; the same on every CPU. */
uint64_t knc_clocks(X86CPU *cpu);

#endif
