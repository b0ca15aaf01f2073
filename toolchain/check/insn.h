/* SPDX-License-Identifier: BSD-3-Clause */
/* x86 instruction decoder that knows which instructions KNC has. */
#ifndef K1OM_CHECK_INSN_H
#define K1OM_CHECK_INSN_H

#include <stddef.h>
#include <stdint.h>

/* What an instruction does to the flow of control. */
enum insn_flow {
	FLOW_NEXT,   /* goes on behind itself */
	FLOW_BRANCH, /* conditional jump or call: target and behind itself */
	FLOW_JUMP,   /* target only */
	FLOW_END,    /* return, halt, indirect jump */
};

struct insn {
	unsigned int len; /* bytes; at least 1, even for what is refused */
	const char *why;  /* NULL if KNC has it, else a sentence without full stop */
	char name[24];    /* set if refused */
	enum insn_flow flow;
	int64_t rel; /* FLOW_BRANCH, FLOW_JUMP: target relative to the next instruction */
};

/*
 * Decode the instruction at p, of which at most "size" bytes exist, as code of 16, 32 or 64 bits.
 *
 * An instruction is accepted only if it is in the list of those that KNC is known to have; for a refused one
 * the length is the one usual processors see, so that what follows is still decoded rightly.
 */
void insn_decode(const uint8_t *p, size_t size, int bits, struct insn *out);

#endif
