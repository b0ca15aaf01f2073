// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU's x86 core expects of the PC that is not there: the interrupt a CPU takes comes from its
 * local APIC alone, and the time stamp counter of a CPU that is not a KNC counts nanoseconds.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-misc-target.h"
#include "qemu/timer.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "cpu.h"

int cpu_get_pic_interrupt(CPUX86State *env)
{
	return apic_get_interrupt(env_archcpu(env)->apic_state);
}

DeviceState *cpu_get_current_apic(void)
{
	return current_cpu ? X86_CPU(current_cpu)->apic_state : NULL;
}

uint64_t cpu_get_tsc(CPUX86State *env)
{
	return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* kvmvapic: patches Windows guests of KVM; its hook is never armed here. */
void vapic_report_tpr_access(DeviceState *dev, CPUState *cpu, target_ulong ip, TPRAccess access)
{
	g_assert_not_reached();
}

void qmp_rtc_reset_reinjection(Error **errp)
{
	error_setg(errp, "this machine has no RTC");
}
