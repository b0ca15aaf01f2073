// SPDX-License-Identifier: GPL-2.0-only
/*
 * Joins the decoder to QEMU's translator, and carries out the instructions that are KNC's own.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "sysemu/cpu-timers.h"
#include "exec/exec-all.h"
#include "exec/cpu_ldst.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "cpu/knc-cpu.h"
#include "cpu/knc-decode.h"

#define MXCSR_MASK 0x30e07f /* k1om-cpu-and-kernel.md 2.3 */
#define DELAY_MAX  1023
#define MXCSR_DUE  (1u << 21)

/* How an instruction travels from the translator to the helper. */
#define OP_CODE(w) ((w)&0xff)
#define OP_REG(w)  ((w) >> 8 & 0xff)
#define OP_RM(w)   ((w) >> 16 & 0xff)
#define OP_W       (1u << 24)

static uint32_t pack(const struct knc_decoded *d)
{
	return d->op | d->reg << 8 | d->rm << 16 | (d->w ? OP_W : 0);
}

bool knc_predecode(CPUX86State *env, bool code64, int (*fetch)(void *opaque), void *opaque,
		   KncInsn *insn)
{
	bool strict = env->knc->strict;
	struct knc_decoded d;

	switch (knc_decode(&d, code64, fetch, opaque)) {
	case KNC_OWN:
		break;
	case KNC_REFUSED:
		if (!strict)
			return false;
		insn->op = KNC_OP_UD | d.why << 8;
		insn->call = insn->noreturn = true;
		return true;
	default:
		return false;
	}
	/* Where a relaxed processor uses SSE, MXCSR is the usual one. */
	if ((d.op == KNC_OP_LDMXCSR || d.op == KNC_OP_STMXCSR) && !strict &&
	    (env->hflags & HF_OSFXSR_MASK))
		return false;

	insn->op = pack(&d);
	insn->call = d.op != KNC_OP_NOP;
	insn->flags = d.op == KNC_OP_POPCNT || d.op == KNC_OP_LZCNT || d.op == KNC_OP_TZCNT ||
		      d.op == KNC_OP_TZCNTI;
	insn->mem = d.mem;
	insn->modrm = d.modrm;
	insn->rex = d.rex;
	insn->addr_prefix = d.addr_prefix;
	if (!code64 || d.segment >= R_FS)
		insn->segment = d.segment;
	return true;
}

static G_NORETURN void undefined(CPUX86State *env, enum knc_why why, uintptr_t ra)
{
	cpu_restore_state(env_cpu(env), ra);
	qemu_log_mask(LOG_GUEST_ERROR, "knc: CPU %d: #UD at 0x%" PRIx64 ": %s\n",
		      env_cpu(env)->cpu_index, (uint64_t)env->eip, knc_why_name(why));
	raise_exception(env, EXCP06_ILLOP);
}

/* Bit counts. The flags are those of the legacy instructions of the same name. */
static void count_bits(CPUX86State *env, uint32_t op)
{
	unsigned int size = op & OP_W ? 64 : 32;
	uint64_t src = env->regs[OP_RM(op)], result = size;
	bool carry = false;

	if (size == 32)
		src = (uint32_t)src;
	switch (OP_CODE(op)) {
	case KNC_OP_POPCNT:
		result = ctpop64(src);
		env->cc_src = src ? 0 : CC_Z;
		break;
	case KNC_OP_LZCNT:
		carry = !src;
		if (src)
			result = clz64(src) - (64 - size);
		break;
	case KNC_OP_TZCNTI: {
		/*
		 * Counts on from the bit above the one whose number stands in the destination, so -1 starts
		 * at bit 0. From the use in published mask loops; no manual was at hand.
		 */
		int64_t from = (size == 64 ? (int64_t)env->regs[OP_REG(op)] :
					     (int32_t)env->regs[OP_REG(op)]) +
			       1;

		src = from < 0 || from >= size ? 0 : src >> from << from;
	}
	/* fall through */
	case KNC_OP_TZCNT:
		carry = !src;
		if (src)
			result = ctz64(src);
		break;
	}
	if (OP_CODE(op) != KNC_OP_POPCNT)
		env->cc_src = (carry ? CC_C : 0) | (result ? 0 : CC_Z);
	env->regs[OP_REG(op)] = result;
}

/*
 * Gives the core to the other threads for a number of clocks; at most 1023 (k1om-cpu-and-kernel.md 2.1),
 * what more asked for does is not recorded. Old kernels measure time with it. Where instructions make
 * the clock (-icount), waiting here would stop it.
 */
static void delay(CPUX86State *env, uint64_t clocks, int len)
{
	X86CPU *cpu = env_archcpu(env);
	CPUState *cs = CPU(cpu);
	bool parallel = cs->tcg_cflags & CF_PARALLEL;
	uint64_t end = knc_clocks(cpu) + MIN(clocks, DELAY_MAX);

	do {
		if (parallel)
			sched_yield();
		/* Whoever wants this CPU to stop also stops its clock. */
	} while (!icount_enabled() && !qatomic_read(&cs->exit_request) && knc_clocks(cpu) < end);
	if (parallel)
		return;
	env->eip += len;
	cs->exception_index = EXCP_INTERRUPT;
	cpu_loop_exit(cs);
}

static uint64_t rdpmc(CPUX86State *env, uintptr_t ra)
{
	uint32_t counter = env->regs[R_ECX];

	if ((!(env->cr[4] & CR4_PCE_MASK) && (env->hflags & HF_CPL_MASK)) || counter > 1)
		raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
	return env->knc->pmc[counter];
}

static void set_mxcsr(CPUX86State *env, uint32_t val, uintptr_t ra)
{
	if (env->knc->strict && (!(val & MXCSR_DUE) || (val & ~MXCSR_MASK))) {
		cpu_restore_state(env_cpu(env), ra);
		qemu_log_mask(LOG_GUEST_ERROR, "knc: CPU %d: #GP at 0x%" PRIx64 ": MXCSR = 0x%x\n",
			      env_cpu(env)->cpu_index, (uint64_t)env->eip, val);
		raise_exception_err(env, EXCP0D_GPF, 0);
	}
	env->mxcsr = val;
}

void knc_fxsave_mxcsr(CPUX86State *env, target_ulong ptr, uintptr_t ra)
{
	cpu_stl_data_ra(env, ptr + 24, env->mxcsr, ra);
	cpu_stl_data_ra(env, ptr + 28, MXCSR_MASK, ra);
}

void knc_fxrstor_mxcsr(CPUX86State *env, target_ulong ptr, uintptr_t ra)
{
	set_mxcsr(env, cpu_ldl_data_ra(env, ptr + 24, ra), ra);
}

/* CR0 as for every instruction on this register: EM makes it undefined, TS unavailable. */
static void check_mxcsr_available(CPUX86State *env, uintptr_t ra)
{
	if (env->cr[0] & CR0_EM_MASK)
		raise_exception_err_ra(env, EXCP06_ILLOP, 0, ra);
	if (env->cr[0] & CR0_TS_MASK)
		raise_exception_err_ra(env, EXCP07_PREX, 0, ra);
}

void helper_knc_insn(CPUX86State *env, uint32_t op, target_ulong addr, int len)
{
	uint16_t *mask = env->knc->mask;
	uintptr_t ra = GETPC();

	switch (OP_CODE(op)) {
	case KNC_OP_UD:
		undefined(env, OP_REG(op), ra);
	case KNC_OP_DELAY:
		delay(env, op & OP_W ? env->regs[OP_RM(op)] : (uint32_t)env->regs[OP_RM(op)], len);
		break;
	case KNC_OP_SPFLT: /* selects what the performance monitor counts: nothing here */
		break;
	case KNC_OP_POPCNT:
	case KNC_OP_LZCNT:
	case KNC_OP_TZCNT:
	case KNC_OP_TZCNTI:
		count_bits(env, op);
		break;
	case KNC_OP_KMOV_K_K:
		mask[OP_REG(op) & 7] = mask[OP_RM(op) & 7];
		break;
	case KNC_OP_KMOV_K_R:
		mask[OP_REG(op) & 7] = env->regs[OP_RM(op)];
		break;
	case KNC_OP_KMOV_R_K:
		env->regs[OP_REG(op)] = mask[OP_RM(op) & 7];
		break;
	case KNC_OP_LDMXCSR:
		check_mxcsr_available(env, ra);
		set_mxcsr(env, cpu_ldl_data_ra(env, addr, ra), ra);
		break;
	case KNC_OP_STMXCSR:
		check_mxcsr_available(env, ra);
		cpu_stl_data_ra(env, addr, env->mxcsr, ra);
		break;
	case KNC_OP_RDPMC: {
		uint64_t val = rdpmc(env, ra);

		env->regs[R_EAX] = (uint32_t)val;
		env->regs[R_EDX] = val >> 32;
		break;
	}
	}
}
