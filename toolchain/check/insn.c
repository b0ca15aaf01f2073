// SPDX-License-Identifier: BSD-3-Clause
/*
 * Decodes x86 instructions and accepts those that KNC has.
 *
 * This is a list of what is allowed: anything it does not name is refused. The sources are k1om-cpu-and-kernel.md
 * 2.1 and 2.2 and silicon-notes.md "CPU"; what they leave open is refused here, as in the strict model.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>

#include "insn.h"

/* How the bytes behind an opcode are laid out, and whether KNC has it. */
enum {
	OK = 0x01,  /* KNC has it, whatever the modrm byte says */
	M = 0x02,   /* modrm byte follows */
	I8 = 0x04,  /* 8-bit immediate */
	IZ = 0x08,  /* 16- or 32-bit immediate, by operand size */
	I16 = 0x10, /* 16-bit immediate */
	R8 = 0x20,  /* 8-bit jump distance */
	RZ = 0x40,  /* 16- or 32-bit jump distance */
	N64 = 0x80, /* not in 64-bit mode */
	X = 0x100,  /* decided by code below */
};

/* clang-format off */
static const uint16_t one_byte[256] = {
	/* 00 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, OK|N64, OK|N64,
	/* 08 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, OK|N64, 0,
	/* 10 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, OK|N64, OK|N64,
	/* 18 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, OK|N64, OK|N64,
	/* 20 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, 0, OK|N64,
	/* 28 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, 0, OK|N64,
	/* 30 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, 0, OK|N64,
	/* 38 */ OK|M, OK|M, OK|M, OK|M, OK|I8, OK|IZ, 0, OK|N64,
	/* 40 */ OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64,
	/* 48 */ OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64, OK|N64,
	/* 50 */ OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK,
	/* 60 */ OK|N64, OK|N64, X|M, OK|M, 0, 0, 0, 0,
	/* 68 */ OK|IZ, OK|M|IZ, OK|I8, OK|M|I8, X, X, X, X,
	/* 70 */ OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8,
	/* 78 */ OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8, OK|R8,
	/* 80 */ OK|M|I8, OK|M|IZ, X|M|I8, OK|M|I8, OK|M, OK|M, OK|M, OK|M,
	/* 88 */ OK|M, OK|M, OK|M, OK|M, X|M, X|M, X|M, X|M,
	/* 90 */ X, OK, OK, OK, OK, OK, OK, OK, OK, OK, X, OK, OK, OK, OK, OK,
	/* a0 */ X, X, X, X, OK, OK, OK, OK, OK|I8, OK|IZ, OK, OK, OK, OK, OK, OK,
	/* b0 */ OK|I8, OK|I8, OK|I8, OK|I8, OK|I8, OK|I8, OK|I8, OK|I8,
	/* b8 */ X, X, X, X, X, X, X, X,
	/* c0 */ X|M|I8, X|M|I8, OK|I16, OK, X|M, X|M, X|M|I8, X|M|IZ,
	/* c8 */ OK|I16|I8, OK, OK|I16, OK, OK, OK|I8, OK|N64, OK,
	/* d0 */ X|M, X|M, X|M, X|M, OK|I8|N64, OK|I8|N64, X, OK,
	/* d8 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* e0 */ OK|R8, OK|R8, OK|R8, OK|R8, X|I8, X|I8, X|I8, X|I8,
	/* e8 */ OK|RZ, OK|RZ, X, OK|R8, X, X, X, X,
	/* f0 */ 0, X, 0, 0, OK, OK, X|M, X|M, OK, OK, OK, OK, OK, OK, X|M, X|M,
};

static const uint16_t two_byte[256] = {
	/* 00 */ X|M, X|M, OK|M, OK|M, X, X, OK, X, OK, OK, X, OK, X, X|M, X, X|M|I8,
	/* 10 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 20 */ OK|M, OK|M, OK|M, OK|M, X|M, X, X|M, X, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 30 */ OK, OK, OK, OK, X, X, X, X, X|M, X|M, X|M|I8, X|M|I8, X|M, X|M, X|M, X|M,
	/* 40 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 50 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 60 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 70 */ X|M|I8, X|M|I8, X|M|I8, X|M|I8, X|M, X|M, X|M, X, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* 80 */ OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ,
	/* 88 */ OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ, OK|RZ,
	/* 90 */ OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M,
	/* 98 */ OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M,
	/* a0 */ OK, OK, OK, OK|M, OK|M|I8, OK|M, X|M, X|M,
	/* a8 */ OK, OK, X, OK|M, OK|M|I8, OK|M, X|M, OK|M,
	/* b0 */ OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M, OK|M,
	/* b8 */ X|M, X|M, X|M|I8, OK|M, X|M, X|M, OK|M, OK|M,
	/* c0 */ OK|M, OK|M, X|M|I8, X|M, X|M|I8, X|M|I8, X|M|I8, X|M,
	/* c8 */ OK, OK, OK, OK, OK, OK, OK, OK,
	/* d0 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* e0 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
	/* f0 */ X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M, X|M,
};
/* clang-format on */

/* One instruction while it is taken apart. */
struct state {
	const uint8_t *p;
	size_t size, at;
	int bits;
	bool opsize, adsize, lock, rep, repne;
	uint8_t rex;
	bool wide_operand; /* 32-bit (or 64-bit) immediates rather than 16-bit ones */
	uint8_t modrm;
	struct insn *out;
};

static const char *const conditions[16] = { "o", "no", "b", "ae", "e", "ne", "be", "a",
					    "s", "ns", "p", "np", "l", "ge", "le", "g" };

static const char UNKNOWN[] = "not in the list of instructions that KNC has";
static const char NO_PORTS[] = "KNC has no port instructions";
static const char NO_SSE[] = "KNC has neither MMX nor SSE";
static const char NO_FENCE[] = "KNC has no fences";
static const char NO_CMOV[] = "KNC has no conditional moves and no compares into the flags";
static const char NO_XSAVE[] = "KNC has no XSAVE";

__attribute__((format(printf, 3, 4))) static void refuse(struct state *s, const char *why,
							 const char *name, ...)
{
	va_list ap;

	if (s->out->why)
		return;
	s->out->why = why;
	va_start(ap, name);
	vsnprintf(s->out->name, sizeof(s->out->name), name, ap);
	va_end(ap);
}

/* The next byte; past the end the instruction is refused and 0 is read. */
static uint8_t take(struct state *s)
{
	if (s->at >= s->size || s->at >= 15) {
		refuse(s, "cut off by the end of the code, or longer than 15 bytes",
		       "(incomplete)");
		return 0;
	}
	return s->p[s->at++];
}

static int64_t take_signed(struct state *s, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)take(s) << (8 * i);
	switch (bytes) {
	case 1:
		return (int8_t)v;
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	default:
		return (int64_t)v;
	}
}

static bool is_register(const struct state *s)
{
	return s->modrm >> 6 == 3;
}

static int reg_field(const struct state *s)
{
	return s->modrm >> 3 & 7;
}

static void take_modrm(struct state *s)
{
	int mod, rm;
	bool addr16 = (s->bits == 16) != s->adsize && s->bits != 64;

	s->modrm = take(s);
	mod = s->modrm >> 6;
	rm = s->modrm & 7;
	if (mod == 3)
		return;
	if (addr16) {
		if (mod == 1)
			take_signed(s, 1);
		else if (mod == 2 || rm == 6)
			take_signed(s, 2);
		return;
	}
	if (rm == 4 && (take(s) & 7) == 5 && mod == 0)
		take_signed(s, 4);
	if (mod == 1)
		take_signed(s, 1);
	else if (mod == 2 || rm == 5)
		take_signed(s, 4);
}

/* Immediates and jump distances. */
static void take_rest(struct state *s, unsigned int layout)
{
	int z = s->wide_operand ? 4 : 2;

	if (layout & I16)
		take_signed(s, 2);
	if (layout & I8)
		take_signed(s, 1);
	if (layout & IZ)
		take_signed(s, z);
	if (layout & R8)
		s->out->rel = take_signed(s, 1);
	/* In 64-bit mode Intel's near branches have 32-bit distances whatever the prefix says. */
	if (layout & RZ)
		s->out->rel = take_signed(s, s->bits == 64 ? 4 : z);
}

/* x87: the forms a P5 has. Bit n of "mem" allows /n on memory; "reg" is asked for the rest by opcode. */
static void check_x87(struct state *s, uint8_t op)
{
	static const uint8_t mem[8] = { 0xff, 0xfd, 0xff, 0xad, 0xff, 0xdd, 0xff, 0xfd };
	int r = reg_field(s);
	bool ok = true;

	if (!is_register(s)) {
		if (mem[op - 0xd8] >> r & 1)
			return;
		if (r == 1 && (op == 0xdb || op == 0xdd || op == 0xdf))
			refuse(s, "KNC has no SSE3", "fisttp");
		else
			refuse(s, UNKNOWN, "x87 %02x /%d", op, r);
		return;
	}
	switch (op) {
	case 0xd9:
		ok = s->modrm < 0xd1 || (s->modrm >= 0xe0 && s->modrm != 0xe2 && s->modrm != 0xe3 &&
					 s->modrm != 0xe6 && s->modrm != 0xe7 && s->modrm != 0xef);
		break;
	case 0xda:
		if (r < 4)
			refuse(s, NO_CMOV, "fcmov%s", (const char *[]){ "b", "e", "be", "u" }[r]);
		ok = s->modrm == 0xe9;
		break;
	case 0xdb:
		if (r < 4)
			refuse(s, NO_CMOV, "fcmovn%s", (const char *[]){ "b", "e", "be", "u" }[r]);
		else if (r == 5 || r == 6)
			refuse(s, NO_CMOV, r == 5 ? "fucomi" : "fcomi");
		ok = s->modrm == 0xe2 || s->modrm == 0xe3;
		break;
	case 0xdc:
		ok = r != 2 && r != 3;
		break;
	case 0xdd:
		ok = r == 0 || (r >= 2 && r <= 5);
		break;
	case 0xde:
		ok = (r != 2 && r != 3) || s->modrm == 0xd9;
		break;
	case 0xdf:
		if (r == 5 || r == 6)
			refuse(s, NO_CMOV, r == 5 ? "fucomip" : "fcomip");
		ok = s->modrm == 0xe0;
		break;
	}
	if (!ok)
		refuse(s, UNKNOWN, "x87 %02x %02x", op, s->modrm);
}

/* LOCK is for read-modify-write instructions on memory; anywhere else it faults. */
static bool may_lock(const struct state *s, bool two, uint8_t op)
{
	int r = reg_field(s);

	if (is_register(s))
		return false;
	if (two)
		return op == 0xab || op == 0xb3 || op == 0xbb || (op == 0xba && r >= 5) ||
		       op == 0xb0 || op == 0xb1 || op == 0xc0 || op == 0xc1 || op == 0xc7;
	if (op < 0x38)
		return (op & 7) < 2;
	return ((op == 0x80 || op == 0x81 || op == 0x83) && r != 7) || op == 0x86 || op == 0x87 ||
	       ((op == 0xf6 || op == 0xf7) && (r == 2 || r == 3)) ||
	       ((op == 0xfe || op == 0xff) && r < 2);
}

static void check_0f01(struct state *s)
{
	static const struct {
		uint8_t modrm;
		const char *name;
	} names[] = {
		{ 0xc1, "vmcall" }, { 0xc8, "monitor" },   { 0xc9, "mwait" },  { 0xca, "clac" },
		{ 0xcb, "stac" },   { 0xd0, "xgetbv" },    { 0xd1, "xsetbv" }, { 0xd9, "vmmcall" },
		{ 0xdc, "stgi" },   { 0xe8, "serialize" }, { 0xee, "rdpkru" }, { 0xef, "wrpkru" },
		{ 0xf9, "rdtscp" }, { 0xfa, "monitorx" },  { 0xfb, "mwaitx" }, { 0xfc, "clzero" },
	};
	int r = reg_field(s);

	if (!is_register(s)) {
		if (r == 5)
			refuse(s, UNKNOWN, "0f 01 /5");
		return;
	}
	if (r == 4 || r == 6 || (s->modrm == 0xf8 && s->bits == 64)) /* SMSW, LMSW, SWAPGS */
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].modrm == s->modrm)
			refuse(s, "KNC does not have it", "%s", names[i].name);
	refuse(s, UNKNOWN, "0f 01 %02x", s->modrm);
}

static void check_0fae(struct state *s)
{
	static const char *const mem[8] = { 0, 0, 0, 0, "xsave", "xrstor", "xsaveopt", "clflush" };
	static const char *const fence[8] = { 0, 0, 0, 0, 0, "lfence", "mfence", "sfence" };
	static const char *const base[8] = { "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase",
					     0,          0,          "umonitor", 0 };
	int r = reg_field(s);

	if (is_register(s)) {
		if (s->opsize && r == 6)
			refuse(s, "KNC does not have it", "tpause");
		if (s->rep && base[r])
			refuse(s, "KNC does not have it", "%s", base[r]);
		if (!s->rep && !s->repne && !s->opsize && fence[r])
			refuse(s, NO_FENCE, "%s", fence[r]);
		refuse(s, UNKNOWN, "0f ae %02x", s->modrm);
		return;
	}
	/* FXSAVE, FXRSTOR, LDMXCSR, STMXCSR are there: k1om-cpu-and-kernel.md 2.1. */
	if (r < 4 && !s->opsize && !s->rep && !s->repne)
		return;
	if (r == 7)
		refuse(s, "KNC has no CLFLUSH", s->opsize ? "clflushopt" : "clflush");
	if (r == 6 && s->opsize)
		refuse(s, "KNC has no CLWB", "clwb");
	if (mem[r])
		refuse(s, NO_XSAVE, "%s", mem[r]);
	refuse(s, UNKNOWN, "0f ae /%d", r);
}

static void check_two_byte(struct state *s, uint8_t op)
{
	int r = reg_field(s);

	if (op >= 0x40 && op <= 0x4f) {
		refuse(s, NO_CMOV, "cmov%s", conditions[op & 15]);
		return;
	}
	switch (op) {
	case 0x00:
		if (r >= 6)
			refuse(s, UNKNOWN, "0f 00 /%d", r);
		break;
	case 0x01:
		check_0f01(s);
		break;
	case 0x05:
		if (s->bits != 64)
			refuse(s, "known on KNC in 64-bit mode only", "syscall");
		break;
	case 0x07:
		if (s->bits != 64 || !(s->rex & 8))
			refuse(s, "KNC has no compatibility mode to return to", "sysretl");
		s->out->flow = FLOW_END;
		break;
	case 0x0d:
		refuse(s, "KNC has no legacy prefetch", r == 1 ? "prefetchw" : "prefetch");
		break;
	case 0x18:
		if (r < 4)
			refuse(s, "KNC has no legacy prefetch", "prefetch%s",
			       (const char *[]){ "nta", "t0", "t1", "t2" }[r]);
		else
			refuse(s, UNKNOWN, "0f 18 /%d", r);
		break;
	case 0x1e:
		if (s->rep && s->modrm == 0xfa)
			refuse(s, "not known to run on KNC", "endbr64");
		else if (s->rep && s->modrm == 0xfb)
			refuse(s, "not known to run on KNC", "endbr32");
		else
			refuse(s, UNKNOWN, "0f 1e %02x", s->modrm);
		break;
	case 0x1f: /* the long NOP: k1om-cpu-and-kernel.md 2.1 */
		if (r || s->rep || s->repne)
			refuse(s, UNKNOWN, "0f 1f /%d", r);
		break;
	case 0x34:
	case 0x35:
		refuse(s, "KNC has no SYSENTER", op == 0x34 ? "sysenter" : "sysexit");
		break;
	case 0x77:
		refuse(s, NO_SSE, "emms");
		break;
	case 0xae:
		check_0fae(s);
		break;
	case 0xb8:
		refuse(s, "KNC has it under a VEX encoding only", s->rep ? "popcnt" : "0f b8");
		break;
	case 0xb9: /* UD1: wanted to fault, as UD2 */
		break;
	case 0xba:
		if (r < 4)
			refuse(s, UNKNOWN, "0f ba /%d", r);
		break;
	case 0xbc:
	case 0xbd:
		if (s->rep || s->repne)
			refuse(s, "KNC has it under a VEX encoding only",
			       op == 0xbc ? "tzcnt" : "lzcnt");
		break;
	case 0xc3:
		refuse(s, "KNC has no non-temporal stores", "movnti");
		break;
	case 0xc7:
		if (!is_register(s) && r == 1 && !(s->rex & 8))
			break;
		if (!is_register(s) && r == 1)
			refuse(s, "KNC has no 16-byte compare and exchange", "cmpxchg16b");
		else if (is_register(s) && (r == 6 || r == 7))
			refuse(s, "KNC does not have it",
			       s->rep && r == 7 ? "rdpid" :
			       r == 6           ? "rdrand" :
						  "rdseed");
		else if (r >= 3 && r <= 5)
			refuse(s, NO_XSAVE, r == 3 ? "xrstors" : r == 4 ? "xsavec" : "xsaves");
		else
			refuse(s, UNKNOWN, "0f c7 /%d", r);
		break;
	case 0xff:
		refuse(s, UNKNOWN, "ud0");
		break;
	default:
		if ((op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) ||
		    (op >= 0x50 && op <= 0x7f) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) ||
		    op >= 0xd0)
			refuse(s, NO_SSE, "sse/mmx 0f %02x", op);
		else
			refuse(s, UNKNOWN, "0f %02x", op);
	}
}

static void decode_0f38(struct state *s, bool imm)
{
	uint8_t op = take(s);

	take_modrm(s);
	if (imm)
		take_signed(s, 1);
	if (!imm && (op == 0xf0 || op == 0xf1))
		refuse(s, "KNC does not have it", s->repne ? "crc32" : "movbe");
	else if (!imm && op == 0x82 && s->opsize)
		refuse(s, "KNC does not have it", "invpcid");
	else if (!imm && op == 0xf6)
		refuse(s, "KNC does not have it", s->opsize ? "adcx" : "adox");
	refuse(s, "KNC has neither SSSE3 nor anything later", "0f %s %02x", imm ? "3a" : "38", op);
}

/* VEX: only what k1om-cpu-and-kernel.md 2.2 lists, and only in 64-bit mode. */
static void decode_vex(struct state *s, uint8_t first)
{
	uint8_t b = take(s), map = 1, pp, op;
	bool l, no_operand, ok = false;
	int r;

	if (first == 0xc4) {
		map = b & 0x1f;
		b = take(s);
		s->wide_operand = b & 0x80;
	}
	pp = b & 3;
	l = b & 4;
	no_operand = (b & 0x78) == 0x78;
	op = take(s);
	if (!(map == 1 && op == 0x77))
		take_modrm(s);
	r = reg_field(s);
	if (map == 3 ||
	    (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6))))
		take_signed(s, 1);
	if (map == 1 && !l && no_operand && s->bits == 64 && !s->rex && !s->opsize && !s->rep &&
	    !s->repne) {
		if (op == 0xae && is_register(s))
			ok = r == 6 && pp >= 2; /* DELAY, SPFLT */
		else if (op == 0xae)
			ok = r == 7 && pp >= 2; /* CLEVICT0, CLEVICT1 */
		else if (op == 0x18)
			ok = !is_register(s) && pp == 0; /* VPREFETCH* */
		else if (op == 0xb8 || op == 0xbd)
			ok = is_register(s) && pp == 2; /* POPCNT, LZCNT */
		else if (op == 0xbc)
			ok = is_register(s) && pp >= 2; /* TZCNT, TZCNTI */
		else if (op == 0x92 || op == 0x93)
			ok = is_register(s) && pp == 0; /* KMOV */
	}
	if (!ok)
		refuse(s, "not one of KNC's own VEX instructions", "vex %d.%02x /%d", map, op, r);
}

static void decode_evex(struct state *s)
{
	uint8_t map = take(s) & 7, op;

	take(s);
	take(s);
	op = take(s);
	take_modrm(s);
	if (map == 3)
		take_signed(s, 1);
	refuse(s, "vector instructions are not used on the card", "evex %d.%02x", map, op);
}

static void check_one_byte(struct state *s, uint8_t op)
{
	int r = reg_field(s);

	switch (op) {
	case 0x62: /* BOUND; in 64-bit mode the vector prefix, which is handled before */
		if (is_register(s))
			refuse(s, UNKNOWN, "62 %02x", s->modrm);
		break;
	case 0x6c:
	case 0x6d:
		refuse(s, NO_PORTS, "ins");
		break;
	case 0x6e:
	case 0x6f:
		refuse(s, NO_PORTS, "outs");
		break;
	case 0x8c:
	case 0x8e:
		if (r >= 6 || (op == 0x8e && r == 1))
			refuse(s, UNKNOWN, "%02x /%d", op, r);
		break;
	case 0x8d:
		if (is_register(s))
			refuse(s, UNKNOWN, "lea of a register");
		break;
	case 0x8f:
	case 0xc6:
	case 0xc7:
		if (r)
			refuse(s, UNKNOWN, "%02x /%d", op, r);
		break;
	case 0x90:
		if (s->rep)
			refuse(s, "KNC has no PAUSE", "pause");
		break;
	case 0x9a:
	case 0xea:
		if (s->bits == 64)
			refuse(s, "not in 64-bit mode", op == 0x9a ? "lcall" : "ljmp");
		take_signed(s, s->wide_operand ? 4 : 2);
		take_signed(s, 2);
		if (op == 0xea)
			s->out->flow = FLOW_END;
		break;
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		take_signed(s, s->bits == 64                ? (s->adsize ? 4 : 8) :
			       (s->bits == 16) != s->adsize ? 2 :
							      4);
		break;
	case 0xc0:
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		if (r == 6)
			refuse(s, UNKNOWN, "%02x /6", op);
		break;
	case 0xc4: /* LES, LDS: outside 64-bit mode, on memory */
	case 0xc5:
		break;
	case 0xe4:
	case 0xe5:
	case 0xec:
	case 0xed:
		refuse(s, NO_PORTS, "in");
		break;
	case 0xe6:
	case 0xe7:
	case 0xee:
	case 0xef:
		refuse(s, NO_PORTS, "out");
		break;
	case 0xf6:
	case 0xf7:
		if (r == 1)
			refuse(s, UNKNOWN, "%02x /1", op);
		if (r < 2)
			take_signed(s, op == 0xf6 ? 1 : s->wide_operand ? 4 : 2);
		break;
	case 0xfe:
	case 0xff:
		if (r == 7 || (op == 0xfe && r > 1) || (is_register(s) && (r == 3 || r == 5)))
			refuse(s, UNKNOWN, "%02x /%d", op, r);
		if (r == 4 || r == 5)
			s->out->flow = FLOW_END;
		break;
	default:
		if (op >= 0xb8 && op <= 0xbf)
			take_signed(s, s->rex & 8 ? 8 : s->wide_operand ? 4 : 2);
		else if (op >= 0xd8 && op <= 0xdf)
			check_x87(s, op);
		else
			refuse(s, UNKNOWN, "%02x", op);
	}
}

static void set_flow(struct insn *out, bool two, uint8_t op)
{
	if ((two && op >= 0x80 && op <= 0x8f) ||
	    (!two && ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || op == 0xe8)))
		out->flow = FLOW_BRANCH;
	else if (!two && (op == 0xe9 || op == 0xeb))
		out->flow = FLOW_JUMP;
	else if ((two && op == 0x0b) ||
		 (!two && (op == 0xc2 || op == 0xc3 || op == 0xca || op == 0xcb || op == 0xcf)))
		out->flow = FLOW_END;
}

static uint8_t take_prefixes(struct state *s)
{
	for (;;) {
		uint8_t b = take(s);

		switch (b) {
		case 0x66:
			s->opsize = true;
			break;
		case 0x67:
			s->adsize = true;
			break;
		case 0xf0:
			s->lock = true;
			break;
		case 0xf2:
			s->repne = true;
			s->rep = false;
			break;
		case 0xf3:
			s->rep = true;
			s->repne = false;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			if (s->bits != 64 || (b & 0xf0) != 0x40)
				return b;
			/* REX counts only right before the opcode. */
			s->rex = b;
			if (s->at < s->size &&
			    ((s->p[s->at] & 0xf0) == 0x40 || s->p[s->at] == 0x66 ||
			     (s->p[s->at] & 0xfc) == 0xf0)) {
				refuse(s, "a REX prefix that is not the last prefix", "rex");
				s->rex = 0;
				break;
			}
			return take(s);
		}
		if (s->out->why)
			return 0;
	}
}

void insn_decode(const uint8_t *p, size_t size, int bits, struct insn *out)
{
	struct state s = { .p = p, .size = size, .bits = bits, .out = out };
	unsigned int layout;
	bool two = false, string;
	uint8_t op;

	memset(out, 0, sizeof(*out));
	op = take_prefixes(&s);
	s.wide_operand = (bits != 16) != s.opsize || (s.rex & 8);
	if ((op == 0xc4 || op == 0xc5 || op == 0x62) &&
	    (bits == 64 || (s.at < size && p[s.at] >> 6 == 3))) {
		if (op == 0x62)
			decode_evex(&s);
		else
			decode_vex(&s, op);
		goto done;
	}
	if (op == 0x0f) {
		two = true;
		op = take(&s);
		if (op == 0x38 || op == 0x3a) {
			decode_0f38(&s, op == 0x3a);
			goto done;
		}
	}
	layout = two ? two_byte[op] : one_byte[op];
	if (layout & M)
		take_modrm(&s);
	if (layout & X) {
		if (two)
			check_two_byte(&s, op);
		else
			check_one_byte(&s, op);
	}
	take_rest(&s, layout);
	/* BSF and BSR are decided by their prefix alone; see check_two_byte(). */
	if (!(layout & (OK | X)) || ((layout & N64) && bits == 64))
		refuse(&s, UNKNOWN, "%s%02x", two ? "0f " : "", op);
	set_flow(out, two, op);

	string = !two && ((op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf));
	if ((s.rep || s.repne) && !string && !(s.rep && !two && op == 0xc3))
		refuse(&s, "a REP prefix on what is no string instruction", "%s %s%02x",
		       s.rep ? "rep" : "repne", two ? "0f " : "", op);
	if (s.lock && !((layout & M) && may_lock(&s, two, op)))
		refuse(&s, "a LOCK prefix where it faults", "lock %s%02x", two ? "0f " : "", op);
done:
	out->len = s.at ? s.at : 1;
}
