// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU type: identity, reset state, control registers, code segments. Instructions are in
 * knc-insn.c, MSRs in knc-msr.c, the local APIC in knc-apic.c.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "hw/qdev-properties.h"
#include "exec/exec-all.h"
#include "sysemu/reset.h"
#include "tcg/helper-tcg.h"
#include "cpu/knc-cpu.h"

/* k1om-cpu-and-kernel.md 1.3. FPU VME DE PSE TSC MSR PAE CX8 APIC MTRR PAT FXSR HTT. */
#define KNC_LEAF1_EDX                                                                              \
	(CPUID_FP87 | CPUID_VME | CPUID_DE | CPUID_PSE | CPUID_TSC | CPUID_MSR | CPUID_PAE |       \
	 CPUID_CX8 | CPUID_APIC | CPUID_MTRR | CPUID_PAT | CPUID_FXSR | CPUID_HT)
#define KNC_EXT_EDX (CPUID_EXT2_SYSCALL | CPUID_EXT2_NX | CPUID_EXT2_LM)
#define KNC_EXT_ECX CPUID_EXT3_LAHF_LM

/* What the relaxed processor has besides, of the things QEMU can do. */
#define RELAXED_LEAF1_EDX                                                                          \
	(CPUID_MCE | CPUID_MCA | CPUID_SEP | CPUID_PGE | CPUID_CMOV | CPUID_CLFLUSH | CPUID_MMX |  \
	 CPUID_SSE | CPUID_SSE2)
#define RELAXED_LEAF1_ECX                                                                          \
	(CPUID_EXT_SSE3 | CPUID_EXT_SSSE3 | CPUID_EXT_CX16 | CPUID_EXT_SSE41 | CPUID_EXT_SSE42 |   \
	 CPUID_EXT_MOVBE | CPUID_EXT_POPCNT)
#define RELAXED_EXT_EDX CPUID_EXT2_RDTSCP

#define KNC_CR4                                                                                    \
	(CR4_VME_MASK | CR4_PVI_MASK | CR4_TSD_MASK | CR4_DE_MASK | CR4_PSE_MASK | CR4_PAE_MASK |  \
	 CR4_MCE_MASK | CR4_PCE_MASK)
#define RELAXED_CR4 (CR4_PGE_MASK | CR4_OSFXSR_MASK | CR4_OSXMMEXCPT_MASK)

#define DEFAULT_TSC_HZ 1052630000 /* 5110P, 1.6 there */

static G_NORETURN void refuse(CPUX86State *env, int error_code, uintptr_t ra, const char *what,
			      uint64_t value)
{
	cpu_restore_state(env_cpu(env), ra);
	qemu_log_mask(LOG_GUEST_ERROR, "knc: CPU %d: #GP at 0x%" PRIx64 ": %s 0x%" PRIx64 "\n",
		      env_cpu(env)->cpu_index, (uint64_t)env->eip, what, value);
	raise_exception_err(env, EXCP0D_GPF, error_code);
}

uint64_t knc_clocks(X86CPU *cpu)
{
	return muldiv64(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), KNC_CPU(cpu)->tsc_hz,
			NANOSECONDS_PER_SECOND);
}

uint64_t knc_rdtsc(CPUX86State *env)
{
	return knc_clocks(env_archcpu(env)) + env->knc->tsc_offset;
}

void knc_cpuid(CPUX86State *env, uint32_t leaf, uint32_t count, uint32_t *eax, uint32_t *ebx,
	       uint32_t *ecx, uint32_t *edx)
{
	bool strict = env->knc->strict;

	*eax = *ebx = *ecx = *edx = 0;
	switch (leaf) {
	case 0:
		*eax = 4;
		*ebx = CPUID_VENDOR_INTEL_1;
		*ecx = CPUID_VENDOR_INTEL_3;
		*edx = CPUID_VENDOR_INTEL_2;
		break;
	case 1:
		*eax = env->cpuid_version;
		/* Line size in units of 8, 62 cores x 4 threads whatever the product, own id. */
		*ebx = 8 << 8 | 248 << 16 | env_archcpu(env)->apic_id << 24;
		*ecx = strict ? 0 : RELAXED_LEAF1_ECX;
		*edx = KNC_LEAF1_EDX | (strict ? 0 : RELAXED_LEAF1_EDX);
		break;
	case 2: /* one round; no descriptors recorded */
		*eax = 1;
		break;
	case 4: {
		/* L1d 32 KiB, L1i 32 KiB, a "data" L2 of 512 KiB; 8 ways are a guess. */
		static const struct {
			uint32_t type, level, sets;
		} cache[] = { { 1, 1, 64 }, { 2, 1, 64 }, { 1, 2, 1024 } };

		if (count < ARRAY_SIZE(cache)) {
			*eax = cache[count].type | cache[count].level << 5 | 1 << 8 | 3 << 14 |
			       61u << 26;
			*ebx = 63 | 7 << 22;
			*ecx = cache[count].sets - 1;
		}
		break;
	}
	case 0x20000000:
		*eax = 0x20000001; /* the leaf exists, its contents are unknown */
		break;
	case 0x80000000:
		*eax = 0x80000008;
		break;
	case 0x80000001:
		*ecx = KNC_EXT_ECX;
		*edx = KNC_EXT_EDX | (strict ? 0 : RELAXED_EXT_EDX);
		break;
	case 0x80000008:
		*eax = 40 | 48 << 8;
		break;
	}
}

void knc_check_cr(CPUX86State *env, int reg, target_ulong val, uintptr_t ra)
{
	uint64_t allowed = KNC_CR4 | (env->knc->strict ? 0 : RELAXED_CR4);
	bool ok = true;

	switch (reg) {
	case 0:
		if (val >> 32 || ((val & CR0_PG_MASK) && !(val & CR0_PE_MASK)) ||
		    ((val & CR0_NW_MASK) && !(val & CR0_CD_MASK)))
			ok = false;
		if (!(env->cr[0] & CR0_PG_MASK) && (val & CR0_PG_MASK) &&
		    (env->efer & MSR_EFER_LME) &&
		    (!(env->cr[4] & CR4_PAE_MASK) || (env->segs[R_CS].flags & DESC_L_MASK)))
			ok = false;
		if ((env->hflags & HF_CS64_MASK) && !(val & CR0_PG_MASK))
			ok = false;
		break;
	case 3:
		if ((env->efer & MSR_EFER_LMA) && val >> 40)
			ok = false;
		break;
	case 4:
		if (val & ~allowed)
			ok = false;
		if ((env->efer & MSR_EFER_LMA) && !(val & CR4_PAE_MASK))
			ok = false;
		if (ok && (val & CR4_PSE_MASK) && !env->knc->pse_warned) {
			/* Accepted, but breaks the TLB that the threads of a core share (2.3). */
			env->knc->pse_warned = true;
			qemu_log_mask(LOG_GUEST_ERROR, "knc: CPU %d: CR4.PSE set\n",
				      env_cpu(env)->cpu_index);
		}
		break;
	case 8:
		ok = val < 16;
		break;
	}
	if (!ok) {
		static const char *const names[9] = { "CR0 =", "CR1 =", "CR2 =", "CR3 =", "CR4 =",
						      "CR5 =", "CR6 =", "CR7 =", "CR8 =" };

		refuse(env, 0, ra, names[reg], val);
	}
}

/*
 * No compatibility mode: with EFER.LMA set every far transfer must enter 64-bit code. The code that
 * set CR0.PG runs on to its far jump; the fault itself is not recorded (k1om-cpu-and-kernel.md 3.2).
 */
void knc_check_cs(CPUX86State *env, uint32_t e2, uint32_t selector, uintptr_t ra)
{
	if (env->knc->strict && (env->efer & MSR_EFER_LMA) && !(e2 & DESC_L_MASK))
		refuse(env, selector & 0xfffc, ra, "32-bit code segment in long mode", selector);
}

/* Reset and INIT. QEMU clears the memory type ranges for both; an INIT leaves them alone. */
static void knc_reset(DeviceState *dev)
{
	KncCPUClass *class = KNC_CPU_GET_CLASS(dev);
	X86CPU *cpu = X86_CPU(dev);
	uint64_t deftype = cpu->env.mtrr_deftype;
	MTRRVar var[ARRAY_SIZE(cpu->env.mtrr_var)];

	memcpy(var, cpu->env.mtrr_var, sizeof(var));
	class->parent_reset(dev);
	memcpy(cpu->env.mtrr_var, var, sizeof(var));
	cpu->env.mtrr_deftype = deftype;
	if (KNC_CPU(dev)->knc.strict)
		cpu->env.mxcsr = 0x200000; /* k1om-cpu-and-kernel.md 2.3 */
	if (cpu->apic_state)
		device_cold_reset(cpu->apic_state);
}

/* The rest of a reset of the whole card. */
static void knc_power_reset(void *opaque)
{
	CPUX86State *env = opaque;

	memset(env->mtrr_var, 0, sizeof(env->mtrr_var));
	env->mtrr_deftype = 0;
	memset(env->mce_banks, 0, sizeof(env->mce_banks));
	env->mcg_status = 0;
	env->mcg_ctl = UINT64_MAX;
}

static void knc_realize(DeviceState *dev, Error **errp)
{
	KncCPUClass *class = KNC_CPU_GET_CLASS(dev);
	KncCPU *knc = KNC_CPU(dev);
	X86CPU *cpu = X86_CPU(dev);
	CPUX86State *env = &cpu->env;
	bool strict = knc->knc.strict;

	if (knc->tsc_hz < 1000000 || knc->tsc_hz > UINT32_MAX) {
		error_setg(errp, "knc: tsc-hz must be between 1000000 and 4294967295");
		return;
	}
	/* These tell QEMU what to emulate; CPUID has its own answers. VME it cannot do. */
	env->features[FEAT_1_EDX] = (KNC_LEAF1_EDX & ~(CPUID_VME | CPUID_HT)) |
				    (strict ? 0 : RELAXED_LEAF1_EDX);
	env->features[FEAT_1_ECX] = strict ? 0 : RELAXED_LEAF1_ECX;
	env->features[FEAT_8000_0001_EDX] = KNC_EXT_EDX | (strict ? 0 : RELAXED_EXT_EDX);
	env->features[FEAT_8000_0001_ECX] = KNC_EXT_ECX;
	env->cpuid_vendor1 = CPUID_VENDOR_INTEL_1;
	env->cpuid_vendor2 = CPUID_VENDOR_INTEL_2;
	env->cpuid_vendor3 = CPUID_VENDOR_INTEL_3;
	env->cpuid_version = 0xb10 | (env->cpuid_version & 0xf);
	env->cpuid_level = 4;
	env->cpuid_xlevel = 0x80000008;
	cpu->phys_bits = 40;

	class->parent_realize(dev, errp);

	/* Three banks and MCG_CTL, although CPUID has neither MCE nor MCA (3.3 there). */
	env->mcg_cap = 0x103;
	qemu_register_reset(knc_power_reset, env);
}

static void knc_init(Object *obj)
{
	KncCPU *knc = KNC_CPU(obj);

	X86_CPU(obj)->env.knc = &knc->knc;
	X86_CPU(obj)->env.cpuid_version = 3;
}

static Property knc_properties[] = {
	DEFINE_PROP_BOOL("strict", KncCPU, knc.strict, true),
	DEFINE_PROP_UINT64("tsc-hz", KncCPU, tsc_hz, DEFAULT_TSC_HZ),
	DEFINE_PROP_END_OF_LIST(),
};

static void knc_class_init(ObjectClass *oc, void *data)
{
	KncCPUClass *class = KNC_CPU_CLASS(oc);
	DeviceClass *dc = DEVICE_CLASS(oc);

	device_class_set_parent_realize(dc, knc_realize, &class->parent_realize);
	device_class_set_parent_reset(dc, knc_reset, &class->parent_reset);
	device_class_set_props(dc, knc_properties);
	class->parent_class.model_description = "Intel MIC X100 (Knights Corner)";
	class->parent_class.ordering = 1;
}

static const TypeInfo knc_type = {
	.name = TYPE_KNC_CPU,
	.parent = TYPE_X86_CPU,
	.instance_size = sizeof(KncCPU),
	.instance_init = knc_init,
	.class_size = sizeof(KncCPUClass),
	.class_init = knc_class_init,
};

static void knc_register(void)
{
	type_register_static(&knc_type);
}

type_init(knc_register)
