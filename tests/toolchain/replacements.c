// SPDX-License-Identifier: BSD-3-Clause
/*
 * Runs what the prelude puts in place of fences, hints, MOVNTI, FCOMI and FCMOV beside the original instructions and
 * compares registers, flags and the x87 stack. Compiled twice: with SIDE=native by gcc, with SIDE=clean by k1om-cc;
 * the main program is in replacements_run.c.
 */
#include "replacements.h"

#define PASTE_(a, b) a##_##b
#define PASTE(a, b)  PASTE_(a, b)

#if defined(__x86_64__)
#define PUSHF               "pushfq"
#define POPF                "popfq"
#define FLAGS_TYPE          unsigned long
#define INTEL_COMPARE(name) ".intel_syntax noprefix\n\t" name " st, st(2)\n\t.att_syntax prefix"
#else
#define PUSHF               "pushfl"
#define POPF                "popfl"
#define FLAGS_TYPE          unsigned int
/* prelude32.s refuses its longer replacements in Intel syntax. */
#define INTEL_COMPARE(name) name " %%st(2), %%st"
#endif

/* Run INSN with the given flags; the result is the flags afterwards. */
#define WITH_FLAGS(insn, flags)                                                                    \
	__extension__({                                                                            \
		FLAGS_TYPE flags_out;                                                              \
		__asm__ volatile("push %1\n\t" POPF "\n\t" insn "\n\t" PUSHF "\n\tpop %0"          \
				 : "=r"(flags_out)                                                 \
				 : "r"((FLAGS_TYPE)(flags)), "r"(&memory)                          \
				 : "cc", "memory");                                                \
		flags_out;                                                                         \
	})

static unsigned long memory[4];

unsigned long PASTE(SIDE, hints)(unsigned int which, unsigned long flags)
{
	switch (which) {
	case 0:
		return WITH_FLAGS("mfence", flags);
	case 1:
		return WITH_FLAGS("lfence", flags);
	case 2:
		return WITH_FLAGS("sfence", flags);
	case 3:
		return WITH_FLAGS("pause", flags);
	case 4:
		return WITH_FLAGS("prefetcht0 (%2)", flags);
	case 5:
		return WITH_FLAGS("prefetcht1 8(%2)", flags);
	case 6:
		return WITH_FLAGS("prefetcht2 (%2)", flags);
	case 7:
		return WITH_FLAGS("prefetchnta (%2)", flags);
	case 8:
		return WITH_FLAGS("prefetchw (%2)", flags);
	default:
		return WITH_FLAGS("clflush (%2)", flags);
	}
}

unsigned long PASTE(SIDE, movnti)(unsigned long value, unsigned long *where)
{
	unsigned int half = (unsigned int)value;

	__asm__ volatile("movnti %1, 4(%0)" : : "r"(where), "r"(half) : "memory");
	__asm__ volatile("movntil %1, 12(%0)" : : "r"(where), "r"(half) : "memory");
#if defined(__x86_64__)
	__asm__ volatile("movntiq %1, 16(%0)" : : "r"(where), "r"(value) : "memory");
	__asm__ volatile("movnti %1, 24(%0)" : : "r"(where), "r"(value) : "memory");
#endif
	return value;
}

/*
 * Load four values, so that st(i) = v[i], run the instruction with the given flags, store the flags and the stack.
 * A popping compare leaves three values: the stack is stored by FSTP until its top is back where it was.
 */
#define X87(insn, left)                                                                            \
	do {                                                                                       \
		FLAGS_TYPE flags_out;                                                              \
		unsigned long reg_ = 0x5a5a1234;                                                   \
		__asm__ volatile(                                                                  \
			"fninit\n\tfldl 24(%2)\n\tfldl 16(%2)\n\tfldl 8(%2)\n\tfldl (%2)\n\t"      \
			"push %3\n\t" POPF "\n\t" insn "\n\t" PUSHF "\n\tpop %0\n\t"               \
			: "=&r"(flags_out), "+a"(reg_)                                             \
			: "r"(v), "r"((FLAGS_TYPE)flags)                                           \
			: "cc", "memory");                                                         \
		out->flags = flags_out;                                                            \
		out->reg = reg_;                                                                   \
		__asm__ volatile("fnstenv (%0)\n\tfldenv (%0)"                                     \
				 :                                                                 \
				 : "r"(out->environment)                                           \
				 : "memory");                                                      \
		for (int i = 0; i < (left); i++)                                                   \
			__asm__ volatile("fstpl (%0)" : : "r"(&out->stack[i]) : "memory");         \
	} while (0)

#define COMPARES(index, name)                                                                      \
	case (index):                                                                              \
		X87(#name " %%st(1), %%st", 4);                                                    \
		break;                                                                             \
	case (index) + 1:                                                                          \
		X87(#name " %%st(3), %%st(0)", 4);                                                 \
		break;                                                                             \
	case (index) + 2:                                                                          \
		X87(#name " %%st(0), %%st", 4);                                                    \
		break;                                                                             \
	case (index) + 3:                                                                          \
		X87(#name "p %%st(2), %%st", 3);                                                   \
		break;                                                                             \
	case (index) + 4:                                                                          \
		X87(#name "p", 3);                                                                 \
		break;                                                                             \
	case (index) + 5:                                                                          \
		X87(INTEL_COMPARE(#name), 4);                                                      \
		break;

#define MOVES(index, cc)                                                                           \
	case (index):                                                                              \
		X87("fcmov" #cc " %%st(1), %%st", 4);                                              \
		break;                                                                             \
	case (index) + 1:                                                                          \
		X87("fcmov" #cc " %%st(3), %%st(0)", 4);                                           \
		break;                                                                             \
	case (index) + 2:                                                                          \
		X87("fcmov" #cc " %%st(0), %%st", 4);                                              \
		break;

void PASTE(SIDE, x87)(unsigned int which, const double *v, unsigned long flags,
		      struct x87_result *out)
{
	switch (which) {
		COMPARES(0, fcomi)
		COMPARES(6, fucomi)
		MOVES(12, b)
		MOVES(15, e)
		MOVES(18, be)
		MOVES(21, u)
		MOVES(24, nb)
		MOVES(27, ne)
		MOVES(30, nbe)
		MOVES(33, nu)
	default:
		break;
	}
}
