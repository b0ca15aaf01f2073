// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: a list of those KNC is known to have; every other one raises #GP
 * (k1om-cpu-and-kernel.md 3.1).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "hw/i386/apic.h"
#include "exec/exec-all.h"
#include "tcg/helper-tcg.h"
#include "cpu/knc-cpu.h"

#define MSR_TR_FIRST     0x02
#define MSR_TR_LAST      0x0e
#define MSR_SPU_BASE     0x1c
#define MSR_PERFCTR0     0x20
#define MSR_EVNTSEL0     0x28
#define MSR_FILTER_MASK  0x2c
#define MSR_PMU_STATUS   0x2d
#define MSR_PMU_OVF_CTRL 0x2e
#define MSR_PMU_CTRL     0x2f
#define MSR_SPU_ADDR     0x17e
#define MSR_SPU_BIND     0x17f
#define MSR_C6_STATUS    0x342
#define MC_BANKS         3
#define PMC_MASK         ((1ull << 40) - 1)
#define PHYS_MASK        ((1ull << 40) - 1)

/* Plain storage: where a register of our own lives, or NULL. */
static uint64_t *storage(struct KncState *knc, uint32_t msr)
{
	switch (msr) {
	case 0x00:
	case 0x01:
		return &knc->p5_mc[msr];
	case MSR_TR_FIRST:
	case 0x04 ... MSR_TR_LAST:
		return &knc->tr[msr];
	case MSR_SPU_BASE:
		return &knc->spu[0];
	case MSR_SPU_ADDR:
	case MSR_SPU_BIND:
		return &knc->spu[1 + msr - MSR_SPU_ADDR];
	case MSR_PERFCTR0:
	case MSR_PERFCTR0 + 1:
		return &knc->pmc[msr - MSR_PERFCTR0];
	case MSR_EVNTSEL0:
	case MSR_EVNTSEL0 + 1:
		return &knc->evntsel[msr - MSR_EVNTSEL0];
	case MSR_FILTER_MASK:
		return &knc->filter_mask;
	case MSR_PMU_STATUS:
		return &knc->pmu_status;
	case MSR_PMU_CTRL:
		return &knc->pmu_ctrl;
	case MSR_C6_STATUS:
		return &knc->c6_status;
	default:
		return NULL;
	}
}

/* Registers KNC shares with QEMU's own processors, which do the work. */
static bool common(uint32_t msr)
{
	switch (msr) {
	case MSR_IA32_APICBASE:
	case MSR_MTRRphysBase(0)... MSR_MTRRphysMask(7):
	case MSR_PAT:
	case MSR_MTRRdefType:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
	case MSR_MCG_CTL:
	case MSR_MC0_CTL ... MSR_MC0_CTL + 4 * MC_BANKS - 1:
	case MSR_EFER:
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_FMASK:
	case MSR_FSBASE:
	case MSR_GSBASE:
	case MSR_KERNELGSBASE:
		return true;
	default:
		return false;
	}
}

static G_NORETURN void refuse(CPUX86State *env, const char *what, uint32_t msr, uint64_t val,
			      uintptr_t ra)
{
	cpu_restore_state(env_cpu(env), ra);
	qemu_log_mask(LOG_GUEST_ERROR,
		      "knc: CPU %d: #GP at 0x%" PRIx64 ": %s of MSR 0x%x (0x%" PRIx64 ")\n",
		      env_cpu(env)->cpu_index, (uint64_t)env->eip, what, msr, val);
	raise_exception_err(env, EXCP0D_GPF, 0);
}

static bool canonical(uint64_t address)
{
	return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

static bool valid_memory_type(uint8_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* Reserved bits of the registers in common(), and EFER reduced to SCE, LME, LMA, NXE. */
static bool acceptable(CPUX86State *env, uint32_t msr, uint64_t val)
{
	int i;

	switch (msr) {
	case MSR_EFER:
		if (val & ~(uint64_t)(MSR_EFER_SCE | MSR_EFER_LME | MSR_EFER_LMA | MSR_EFER_NXE))
			return false;
		return !(((val ^ env->efer) & MSR_EFER_LME) && (env->cr[0] & CR0_PG_MASK));
	case MSR_IA32_APICBASE: /* no x2APIC */
		return !(val & ~(PHYS_MASK & ~0x6ffull));
	case MSR_PAT:
		for (i = 0; i < 8; i++, val >>= 8) {
			if (!valid_memory_type(val) && (uint8_t)val != 7)
				return false;
		}
		return true;
	case MSR_MTRRdefType:
		return !(val & ~0xcffull) && valid_memory_type(val);
	case MSR_MTRRphysBase(0)... MSR_MTRRphysMask(7):
		if (msr & 1)
			return !(val & ~(PHYS_MASK & ~0x7ffull));
		return !(val & ~(PHYS_MASK & ~0xf00ull)) && valid_memory_type(val);
	case MSR_LSTAR:
	case MSR_FSBASE:
	case MSR_GSBASE:
	case MSR_KERNELGSBASE:
		return canonical(val);
	case MSR_MCG_CAP:
		return false;
	default:
		return true;
	}
}

bool knc_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val, uintptr_t ra)
{
	const uint64_t *stored = storage(env->knc, msr);

	if (stored) {
		*val = *stored;
		return true;
	}
	switch (msr) {
	case MSR_IA32_TSC:
		*val = knc_rdtsc(env);
		return true;
	case MSR_PMU_OVF_CTRL:
		*val = 0;
		return true;
	case MSR_MTRRcap: /* eight variable ranges, no fixed ones; the value is not recorded */
		*val = 8;
		return true;
	}
	if (common(msr) || !env->knc->strict)
		return false;
	refuse(env, "read", msr, 0, ra);
}

bool knc_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val, uintptr_t ra)
{
	uint64_t *stored = storage(env->knc, msr);

	switch (msr) {
	case MSR_IA32_TSC:
		env->knc->tsc_offset = val - knc_clocks(env_archcpu(env));
		return true;
	case MSR_PERFCTR0:
	case MSR_PERFCTR0 + 1:
		val &= PMC_MASK;
		break;
	case MSR_PMU_OVF_CTRL:
		env->knc->pmu_status &= ~val;
		return true;
	case MSR_PMU_STATUS:
	case MSR_MTRRcap:
		refuse(env, "write", msr, val, ra);
	}
	if (stored) {
		*stored = val;
		return true;
	}
	if (common(msr)) {
		if (!acceptable(env, msr, val))
			refuse(env, "write", msr, val, ra);
		return false;
	}
	if (!env->knc->strict)
		return false;
	refuse(env, "write", msr, val, ra);
}
