/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells the instructions a KNC processor has from those it lacks. Pure C: the model's translator and
 * the unit tests use the same code.
 */
#ifndef KNC_DECODE_H
#define KNC_DECODE_H

#include <stdbool.h>
#include <stdint.h>

enum knc_verdict {
	KNC_COMMON,    /* as on any x86-64; nothing else in the result is set */
	KNC_OWN,       /* needs the model's own code: op says which */
	KNC_REFUSED,   /* #UD: why says what it is */
	KNC_TOO_LONG,  /* more than 15 bytes before the decision: #GP as everywhere */
	KNC_TRUNCATED, /* fetch ran out of bytes */
};

/* Instructions that only KNC has or that work differently on it (k1om-cpu-and-kernel.md 2.2, 2.3). */
enum knc_op {
	KNC_OP_NOP,    /* VPREFETCHx, CLEVICTx: hints with a memory operand that is not accessed */
	KNC_OP_DELAY,  /* rm = register with the number of clocks */
	KNC_OP_SPFLT,  /* rm */
	KNC_OP_POPCNT, /* reg <- rm, as the next three */
	KNC_OP_LZCNT,
	KNC_OP_TZCNT,
	KNC_OP_TZCNTI,
	KNC_OP_KMOV_K_K, /* mask reg <- mask rm */
	KNC_OP_KMOV_K_R, /* mask reg <- general rm */
	KNC_OP_KMOV_R_K, /* general reg <- mask rm */
	KNC_OP_LDMXCSR,  /* memory */
	KNC_OP_STMXCSR,  /* memory */
	KNC_OP_RDPMC,
	KNC_OP_UD, /* for the model's helper only; never decoded */
};

/* What was refused; knc_why_name() has the words. */
enum knc_why {
	KNC_WHY_RESERVED,
	KNC_WHY_CMOV,
	KNC_WHY_FCMOV,
	KNC_WHY_FCOMI,
	KNC_WHY_FISTTP,
	KNC_WHY_SIMD,
	KNC_WHY_3DNOW,
	KNC_WHY_FENCE,
	KNC_WHY_PAUSE,
	KNC_WHY_PREFETCH,
	KNC_WHY_CLFLUSH,
	KNC_WHY_MOVNTI,
	KNC_WHY_CMPXCHG16B,
	KNC_WHY_MONITOR,
	KNC_WHY_SYSENTER,
	KNC_WHY_SYSCALL,
	KNC_WHY_RDTSCP,
	KNC_WHY_XSAVE,
	KNC_WHY_MOVBE,
	KNC_WHY_BITCOUNT,
	KNC_WHY_ENDBR,
	KNC_WHY_PORT_IO,
	KNC_WHY_VIRT,
	KNC_WHY_RANDOM,
	KNC_WHY_FSGSBASE,
	KNC_WHY_TSX,
	KNC_WHY_SMAP,
	KNC_WHY_VECTOR,
	KNC_WHY_COUNT,
};

struct knc_decoded {
	enum knc_verdict verdict;
	enum knc_op op;
	enum knc_why why;
	bool mem;         /* memory operand; its ModRM byte was the last one fetched */
	bool w;           /* 64-bit operand */
	bool addr_prefix; /* 67h seen */
	uint8_t modrm;
	uint8_t reg;    /* register number with its extension bit */
	uint8_t rm;     /* the same, where mem is false */
	uint8_t rex;    /* extension bits X (2) and B (1) of a memory operand */
	int8_t segment; /* ES CS SS DS FS GS = 0..5 by prefix, or -1 */
};

/* The next byte of the instruction (0..255), or -1 if there is none. */
typedef int (*knc_fetch_fn)(void *opaque);

/*
 * Decodes as much of one instruction as is needed to decide on it: prefixes, opcode and, for some,
 * the ModRM byte; never more than the processor itself would read before it raises #UD.
 * @code64: the code segment is a 64-bit one.
 * Returns the verdict, which also stands in @out.
 */
enum knc_verdict knc_decode(struct knc_decoded *out, bool code64, knc_fetch_fn fetch, void *opaque);

/* One noun for log messages; "reserved opcode" for a value that is none. */
const char *knc_why_name(enum knc_why why);

#endif
