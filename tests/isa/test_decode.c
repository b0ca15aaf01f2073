// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction decoder alone: every encoding KNC lacks, every one it has of its own, prefixes,
 * how many bytes are read, and input that ends early. Nothing is faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/knc-decode.h"

struct bytes {
	const uint8_t *next, *end;
	unsigned int read;
};

static int fetch(void *opaque)
{
	struct bytes *b = opaque;

	if (b->next == b->end)
		return -1;
	b->read++;
	return *b->next++;
}

enum modes {
	M64 = 1,
	M32 = 2,
	ALL = 3
};

struct row {
	const char *name;
	enum modes modes;
	uint8_t length; /* of code; what follows is never to be read */
	uint8_t code[15];
	enum knc_why why;
};

#define ROW(name, modes, why, ...)                                                                 \
	{                                                                                          \
		name, modes, sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ }, KNC_WHY_##why    \
	}

/* Each ends with the last byte that may be read to refuse it. */
static const struct row refused[] = {
	ROW("CMOVO", ALL, CMOV, 0x0f, 0x40),
	ROW("CMOVNE", ALL, CMOV, 0x0f, 0x45),
	ROW("CMOVG", ALL, CMOV, 0x0f, 0x4f),
	ROW("CMOVE r16", ALL, CMOV, 0x66, 0x0f, 0x44),
	ROW("CMOVE r64", M64, CMOV, 0x48, 0x0f, 0x44),
	ROW("FCMOVB", ALL, FCMOV, 0xda, 0xc1),
	ROW("FCMOVE", ALL, FCMOV, 0xda, 0xc9),
	ROW("FCMOVBE", ALL, FCMOV, 0xda, 0xd1),
	ROW("FCMOVU", ALL, FCMOV, 0xda, 0xd9),
	ROW("FCMOVNB", ALL, FCMOV, 0xdb, 0xc1),
	ROW("FCMOVNE", ALL, FCMOV, 0xdb, 0xc9),
	ROW("FCMOVNBE", ALL, FCMOV, 0xdb, 0xd1),
	ROW("FCMOVNU", ALL, FCMOV, 0xdb, 0xd9),
	ROW("FUCOMI", ALL, FCOMI, 0xdb, 0xe9),
	ROW("FCOMI", ALL, FCOMI, 0xdb, 0xf1),
	ROW("FUCOMIP", ALL, FCOMI, 0xdf, 0xe9),
	ROW("FCOMIP", ALL, FCOMI, 0xdf, 0xf1),
	ROW("FISTTP m32", ALL, FISTTP, 0xdb, 0x0e),
	ROW("FISTTP m64", ALL, FISTTP, 0xdd, 0x0e),
	ROW("FISTTP m16", ALL, FISTTP, 0xdf, 0x0e),
	ROW("EMMS", ALL, SIMD, 0x0f, 0x77),
	ROW("MOVD mm", ALL, SIMD, 0x0f, 0x6e),
	ROW("MOVQ mm", ALL, SIMD, 0x0f, 0x6f),
	ROW("PADDB mm", ALL, SIMD, 0x0f, 0xfc),
	ROW("PADDD mm", ALL, SIMD, 0x0f, 0xfe),
	ROW("MOVUPS", ALL, SIMD, 0x0f, 0x10),
	ROW("MOVSS", ALL, SIMD, 0xf3, 0x0f, 0x10),
	ROW("MOVSD", ALL, SIMD, 0xf2, 0x0f, 0x10),
	ROW("MOVAPS", ALL, SIMD, 0x0f, 0x28),
	ROW("CVTSI2SD r64", M64, SIMD, 0xf2, 0x48, 0x0f, 0x2a),
	ROW("UCOMISS", ALL, SIMD, 0x0f, 0x2e),
	ROW("ADDSD", ALL, SIMD, 0xf2, 0x0f, 0x58),
	ROW("PXOR xmm", ALL, SIMD, 0x66, 0x0f, 0xef),
	ROW("MOVDQU", ALL, SIMD, 0xf3, 0x0f, 0x6f),
	ROW("LDDQU", ALL, SIMD, 0xf2, 0x0f, 0xf0),
	ROW("MASKMOVQ", ALL, SIMD, 0x0f, 0xf7),
	ROW("CMPPS", ALL, SIMD, 0x0f, 0xc2),
	ROW("SHUFPS", ALL, SIMD, 0x0f, 0xc6),
	ROW("HADDPS", ALL, SIMD, 0xf2, 0x0f, 0x7c),
	ROW("FEMMS", ALL, 3DNOW, 0x0f, 0x0e),
	ROW("PFADD", ALL, 3DNOW, 0x0f, 0x0f),
	ROW("LFENCE", ALL, FENCE, 0x0f, 0xae, 0xe8),
	ROW("MFENCE", ALL, FENCE, 0x0f, 0xae, 0xf0),
	ROW("SFENCE", ALL, FENCE, 0x0f, 0xae, 0xf8),
	ROW("PAUSE", ALL, PAUSE, 0xf3, 0x90),
	ROW("PAUSE with 66", ALL, PAUSE, 0x66, 0xf3, 0x90),
	ROW("PREFETCHNTA", ALL, PREFETCH, 0x0f, 0x18),
	ROW("PREFETCHW", ALL, PREFETCH, 0x0f, 0x0d),
	ROW("CLFLUSH", ALL, CLFLUSH, 0x0f, 0xae, 0x38),
	ROW("CLFLUSHOPT", ALL, CLFLUSH, 0x66, 0x0f, 0xae, 0x38),
	ROW("CLWB", ALL, CLFLUSH, 0x66, 0x0f, 0xae, 0x30),
	ROW("MOVNTI", ALL, MOVNTI, 0x0f, 0xc3),
	ROW("CMPXCHG16B", M64, CMPXCHG16B, 0x48, 0x0f, 0xc7, 0x08),
	ROW("MONITOR", ALL, MONITOR, 0x0f, 0x01, 0xc8),
	ROW("MWAIT", ALL, MONITOR, 0x0f, 0x01, 0xc9),
	ROW("MONITORX", ALL, MONITOR, 0x0f, 0x01, 0xfa),
	ROW("MWAITX", ALL, MONITOR, 0x0f, 0x01, 0xfb),
	ROW("SYSENTER", ALL, SYSENTER, 0x0f, 0x34),
	ROW("SYSEXIT", ALL, SYSENTER, 0x0f, 0x35),
	ROW("SYSCALL outside 64-bit mode", M32, SYSCALL, 0x0f, 0x05),
	ROW("SYSRET outside 64-bit mode", M32, SYSCALL, 0x0f, 0x07),
	ROW("RDTSCP", ALL, RDTSCP, 0x0f, 0x01, 0xf9),
	ROW("XGETBV", ALL, XSAVE, 0x0f, 0x01, 0xd0),
	ROW("XSETBV", ALL, XSAVE, 0x0f, 0x01, 0xd1),
	ROW("XSAVE", ALL, XSAVE, 0x0f, 0xae, 0x20),
	ROW("XRSTOR", ALL, XSAVE, 0x0f, 0xae, 0x28),
	ROW("XSAVEOPT", ALL, XSAVE, 0x0f, 0xae, 0x30),
	ROW("XSAVEC", ALL, XSAVE, 0x0f, 0xc7, 0x20),
	ROW("MOVBE", ALL, MOVBE, 0x0f, 0x38),
	ROW("CRC32", ALL, MOVBE, 0xf2, 0x0f, 0x38),
	ROW("ROUNDPS", ALL, MOVBE, 0x66, 0x0f, 0x3a),
	ROW("POPCNT", ALL, BITCOUNT, 0xf3, 0x0f, 0xb8),
	ROW("POPCNT r64", M64, BITCOUNT, 0xf3, 0x48, 0x0f, 0xb8),
	ROW("TZCNT", ALL, BITCOUNT, 0xf3, 0x0f, 0xbc),
	ROW("LZCNT", ALL, BITCOUNT, 0xf3, 0x0f, 0xbd),
	ROW("ENDBR64", ALL, ENDBR, 0xf3, 0x0f, 0x1e),
	ROW("hint NOP 19", ALL, ENDBR, 0x0f, 0x19),
	ROW("0F 1F /1", ALL, ENDBR, 0x0f, 0x1f, 0x08),
	ROW("INSB", ALL, PORT_IO, 0x6c),
	ROW("REP INSD", ALL, PORT_IO, 0xf3, 0x6d),
	ROW("OUTSB", ALL, PORT_IO, 0x6e),
	ROW("OUTSD", ALL, PORT_IO, 0x6f),
	ROW("IN AL, imm8", ALL, PORT_IO, 0xe4),
	ROW("IN EAX, imm8", ALL, PORT_IO, 0xe5),
	ROW("OUT imm8, AL", ALL, PORT_IO, 0xe6),
	ROW("OUT imm8, EAX", ALL, PORT_IO, 0xe7),
	ROW("IN AL, DX", ALL, PORT_IO, 0xec),
	ROW("IN EAX, DX", ALL, PORT_IO, 0xed),
	ROW("OUT DX, AL", ALL, PORT_IO, 0xee),
	ROW("OUT DX, EAX", ALL, PORT_IO, 0xef),
	ROW("VMCALL", ALL, VIRT, 0x0f, 0x01, 0xc1),
	ROW("VMRUN", ALL, VIRT, 0x0f, 0x01, 0xd8),
	ROW("VMREAD", ALL, VIRT, 0x0f, 0x78),
	ROW("VMXON", ALL, VIRT, 0xf3, 0x0f, 0xc7, 0x30),
	ROW("RDRAND", ALL, RANDOM, 0x0f, 0xc7, 0xf0),
	ROW("RDSEED", ALL, RANDOM, 0x0f, 0xc7, 0xf8),
	ROW("RDFSBASE", M64, FSGSBASE, 0xf3, 0x0f, 0xae, 0xc0),
	ROW("WRGSBASE", M64, FSGSBASE, 0xf3, 0x48, 0x0f, 0xae, 0xd8),
	ROW("XBEGIN", ALL, TSX, 0xc7, 0xf8),
	ROW("XABORT", ALL, TSX, 0xc6, 0xf8),
	ROW("XEND", ALL, TSX, 0x0f, 0x01, 0xd5),
	ROW("CLAC", ALL, SMAP, 0x0f, 0x01, 0xca),
	ROW("STAC", ALL, SMAP, 0x0f, 0x01, 0xcb),
	ROW("SWAPGS outside 64-bit mode", M32, RESERVED, 0x0f, 0x01, 0xf8),
	ROW("GETSEC", ALL, RESERVED, 0x0f, 0x37),
	ROW("MOV from test register", ALL, RESERVED, 0x0f, 0x24),
	ROW("UD1", ALL, RESERVED, 0x0f, 0xb9),
	ROW("UD0", ALL, RESERVED, 0x0f, 0xff),
	ROW("0F 04", ALL, RESERVED, 0x0f, 0x04),
	ROW("XOP", ALL, RESERVED, 0x8f, 0xe8),
	ROW("FXSAVE with 66", ALL, RESERVED, 0x66, 0x0f, 0xae, 0x00),
	ROW("LDMXCSR with F3", ALL, RESERVED, 0xf3, 0x0f, 0xae, 0x10),
	ROW("LOCK LDMXCSR", ALL, RESERVED, 0xf0, 0x0f, 0xae, 0x10),
	ROW("MVEX", M64, VECTOR, 0x62),
	ROW("MVEX form in 32-bit code", M32, VECTOR, 0x62, 0xf1),
	ROW("VEX in 32-bit code: DELAY", M32, VECTOR, 0xc5, 0xfa),
	ROW("VEX3 in 32-bit code", M32, VECTOR, 0xc4, 0xe1),
	ROW("VADDPS ymm", M64, VECTOR, 0xc5, 0xfc, 0x58),
	ROW("VZEROUPPER", M64, VECTOR, 0xc5, 0xf8, 0x77),
	ROW("ANDN (map 2)", M64, VECTOR, 0xc4, 0xe2, 0x78, 0xf2),
	ROW("KNOT", M64, VECTOR, 0xc5, 0xf8, 0x44),
	ROW("JKZD", M64, VECTOR, 0xc5, 0xf8, 0x84),
	ROW("DELAY with VVVV", M64, VECTOR, 0xc5, 0xf2, 0xae),
	ROW("DELAY with L", M64, VECTOR, 0xc5, 0xfe, 0xae),
	ROW("DELAY form on memory", M64, VECTOR, 0xc5, 0xfa, 0xae, 0x37),
	ROW("VEX NP 0F AE", M64, VECTOR, 0xc5, 0xf8, 0xae),
	ROW("VEX F3 0F AE /5", M64, VECTOR, 0xc5, 0xfa, 0xae, 0xef),
	ROW("CLEVICT0 form on a register", M64, VECTOR, 0xc5, 0xfb, 0xae, 0xf8),
	ROW("VPREFETCH form on a register", M64, VECTOR, 0xc5, 0xf8, 0x18, 0xc0),
	ROW("VEX POPCNT on memory", M64, VECTOR, 0xc5, 0xfa, 0xb8, 0x00),
	ROW("VEX TZCNT on memory", M64, VECTOR, 0xc5, 0xfa, 0xbc, 0x00),
	ROW("VEX LZCNT on memory", M64, VECTOR, 0xc5, 0xfa, 0xbd, 0x00),
	ROW("VEX F2 0F BD", M64, VECTOR, 0xc5, 0xfb, 0xbd),
	ROW("KMOV with W", M64, VECTOR, 0xc4, 0xe1, 0xf8, 0x92, 0xc0),
	ROW("66 before VEX", M64, RESERVED, 0x66, 0xc5, 0xfa, 0xae),
	ROW("F3 before VEX", M64, RESERVED, 0xf3, 0xc5, 0xf8, 0xae),
	ROW("REX before VEX", M64, RESERVED, 0x48, 0xc5, 0xfa, 0xae),
	ROW("LOCK before VEX", M64, RESERVED, 0xf0, 0xc5, 0xfa, 0xae),
};

/* Run as on any x86-64. */
static const struct row common[] = {
	ROW("ADD", ALL, RESERVED, 0x01),
	ROW("NOP", ALL, RESERVED, 0x90),
	ROW("F3 XCHG r8", M64, RESERVED, 0xf3, 0x49, 0x90),
	ROW("66 NOP", ALL, RESERVED, 0x66, 0x66, 0x66, 0x66, 0x90),
	ROW("long NOP", ALL, RESERVED, 0x0f, 0x1f, 0x44),
	ROW("66 long NOP", ALL, RESERVED, 0x66, 0x0f, 0x1f, 0x84),
	ROW("CS 66 long NOP", ALL, RESERVED, 0x66, 0x2e, 0x0f, 0x1f, 0x84),
	ROW("UD2", ALL, RESERVED, 0x0f, 0x0b),
	ROW("SYSCALL", M64, RESERVED, 0x0f, 0x05),
	ROW("SYSRETQ", M64, RESERVED, 0x48, 0x0f, 0x07),
	ROW("SLDT", ALL, RESERVED, 0x0f, 0x00, 0xc0),
	ROW("LGDT", ALL, RESERVED, 0x0f, 0x01, 0x10),
	ROW("SMSW", ALL, RESERVED, 0x0f, 0x01, 0xe0),
	ROW("LMSW", ALL, RESERVED, 0x0f, 0x01, 0xf0),
	ROW("INVLPG", ALL, RESERVED, 0x0f, 0x01, 0x38),
	ROW("SWAPGS", M64, RESERVED, 0x0f, 0x01, 0xf8),
	ROW("CLTS", ALL, RESERVED, 0x0f, 0x06),
	ROW("WBINVD", ALL, RESERVED, 0x0f, 0x09),
	ROW("MOV CR", ALL, RESERVED, 0x0f, 0x20),
	ROW("MOV DR", ALL, RESERVED, 0x0f, 0x23),
	ROW("WRMSR", ALL, RESERVED, 0x0f, 0x30),
	ROW("RDTSC", ALL, RESERVED, 0x0f, 0x31),
	ROW("RDMSR", ALL, RESERVED, 0x0f, 0x32),
	ROW("JE", ALL, RESERVED, 0x0f, 0x84),
	ROW("SETE", ALL, RESERVED, 0x0f, 0x94),
	ROW("CPUID", ALL, RESERVED, 0x0f, 0xa2),
	ROW("SHLD", ALL, RESERVED, 0x0f, 0xa4),
	ROW("LOCK BTS", ALL, RESERVED, 0xf0, 0x0f, 0xab),
	ROW("FXSAVE", ALL, RESERVED, 0x0f, 0xae, 0x00),
	ROW("FXSAVE64", M64, RESERVED, 0x48, 0x0f, 0xae, 0x00),
	ROW("FXRSTOR", ALL, RESERVED, 0x0f, 0xae, 0x08),
	ROW("IMUL", ALL, RESERVED, 0x0f, 0xaf),
	ROW("LOCK CMPXCHG", ALL, RESERVED, 0xf0, 0x0f, 0xb1),
	ROW("MOVZX", ALL, RESERVED, 0x0f, 0xb6),
	ROW("BSF", ALL, RESERVED, 0x0f, 0xbc),
	ROW("BSR", ALL, RESERVED, 0x0f, 0xbd),
	ROW("MOVSX", ALL, RESERVED, 0x0f, 0xbe),
	ROW("XADD", ALL, RESERVED, 0x0f, 0xc1),
	ROW("CMPXCHG8B", ALL, RESERVED, 0x0f, 0xc7, 0x08),
	ROW("BSWAP", ALL, RESERVED, 0x0f, 0xc8),
	ROW("POP m", ALL, RESERVED, 0x8f, 0x00),
	ROW("MOV m, imm", ALL, RESERVED, 0xc7, 0x00),
	ROW("BOUND", M32, RESERVED, 0x62, 0x06),
	ROW("LES", M32, RESERVED, 0xc4, 0x06),
	ROW("LDS", M32, RESERVED, 0xc5, 0x06),
	ROW("FADD m32", ALL, RESERVED, 0xd8, 0x06),
	ROW("FILD m16", ALL, RESERVED, 0xdf, 0x06),
	ROW("FIST m32", ALL, RESERVED, 0xdb, 0x16),
	ROW("FUCOMPP", ALL, RESERVED, 0xda, 0xe9),
	ROW("FNINIT", ALL, RESERVED, 0xdb, 0xe3),
	ROW("FNSTSW AX", ALL, RESERVED, 0xdf, 0xe0),
	ROW("FUCOM", ALL, RESERVED, 0xdd, 0xe1),
	ROW("LAHF", ALL, RESERVED, 0x9f),
	ROW("IRET", ALL, RESERVED, 0xcf),
	ROW("INC (REX in 64-bit code)", M32, RESERVED, 0x40),
	ROW("REX dropped by a later prefix", M64, RESERVED, 0x48, 0x66, 0x0f, 0xc7, 0x08),
};

static enum knc_verdict decode(const struct row *row, bool code64, struct knc_decoded *out,
			       unsigned int length, unsigned int *read)
{
	struct bytes b = { row->code, row->code + length, 0 };
	enum knc_verdict verdict = knc_decode(out, code64, fetch, &b);

	*read = b.read;
	return verdict;
}

/* Each mode of each row, with the code complete and cut short at every byte. */
static void check_rows(const struct row *rows, size_t count, enum knc_verdict expected)
{
	for (const struct row *row = rows; row < rows + count; row++) {
		for (int code64 = 0; code64 < 2; code64++) {
			struct knc_decoded d;
			unsigned int read;

			if (!(row->modes & (code64 ? M64 : M32)))
				continue;
			if (decode(row, code64, &d, row->length, &read) != expected ||
			    d.verdict != expected || read != row->length)
				fail_msg("%s, %s code: verdict %d, read %u of %u", row->name,
					 code64 ? "64-bit" : "32-bit", d.verdict, read,
					 row->length);
			if (expected == KNC_REFUSED && d.why != row->why)
				fail_msg("%s: called a %s", row->name, knc_why_name(d.why));
			for (unsigned int n = 0; n < row->length; n++) {
				if (decode(row, code64, &d, n, &read) != KNC_TRUNCATED)
					fail_msg("%s cut to %u bytes: verdict %d", row->name, n,
						 d.verdict);
			}
		}
	}
}

static void missing_instructions_are_refused(void **state)
{
	(void)state;
	check_rows(refused, sizeof(refused) / sizeof(*refused), KNC_REFUSED);
}

static void common_instructions_pass(void **state)
{
	(void)state;
	check_rows(common, sizeof(common) / sizeof(*common), KNC_COMMON);
}

static void all_sixteen_cmov_conditions_are_refused(void **state)
{
	(void)state;
	for (int cc = 0; cc < 16; cc++) {
		const struct row row = { "CMOVcc", ALL, 2, { 0x0f, 0x40 + cc }, KNC_WHY_CMOV };

		check_rows(&row, 1, KNC_REFUSED);
	}
}

static struct knc_decoded own(unsigned int length, const uint8_t *code, bool code64)
{
	struct bytes b = { code, code + length, 0 };
	struct knc_decoded d;

	assert_int_equal(knc_decode(&d, code64, fetch, &b), KNC_OWN);
	assert_int_equal(b.read, length);
	return d;
}

#define OWN64(...) own(sizeof((uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ }, true)
#define OWN32(...) own(sizeof((uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ }, false)

static void delay_names_its_register(void **state)
{
	struct knc_decoded d = OWN64(0xc5, 0xfa, 0xae, 0xf7);

	(void)state;
	assert_int_equal(d.op, KNC_OP_DELAY);
	assert_false(d.mem);
	assert_false(d.w);
	assert_int_equal(d.rm, 7);
	d = OWN64(0xc4, 0xc1, 0xfa, 0xae, 0xf1); /* r9, W */
	assert_int_equal(d.op, KNC_OP_DELAY);
	assert_true(d.w);
	assert_int_equal(d.rm, 9);
}

static void spflt_differs_from_delay_in_its_prefix(void **state)
{
	(void)state;
	assert_int_equal(OWN64(0xc5, 0xfb, 0xae, 0xf0).op, KNC_OP_SPFLT);
}

static void clevict_takes_memory_only(void **state)
{
	struct knc_decoded d = OWN64(0xc5, 0xfb, 0xae, 0x38);

	(void)state;
	assert_int_equal(d.op, KNC_OP_NOP);
	assert_true(d.mem);
	assert_int_equal(d.modrm, 0x38);
	assert_int_equal(OWN64(0xc5, 0xfa, 0xae, 0x3f).op, KNC_OP_NOP);
}

static void all_eight_vprefetches_are_hints(void **state)
{
	(void)state;
	for (int n = 0; n < 8; n++) {
		struct knc_decoded d = OWN64(0xc5, 0xf8, 0x18, 0x44 | n << 3);

		assert_int_equal(d.op, KNC_OP_NOP);
		assert_true(d.mem);
	}
}

static void extension_bits_of_a_memory_operand_are_kept(void **state)
{
	struct knc_decoded d = OWN64(0x64, 0x67, 0xc4, 0x81, 0x78, 0x18, 0x0c);

	(void)state;
	assert_int_equal(d.rex, 3);
	assert_int_equal(d.segment, 4);
	assert_true(d.addr_prefix);
}

static void bit_counts_name_both_registers(void **state)
{
	struct knc_decoded d = OWN64(0xc5, 0xfa, 0xb8, 0xd9); /* ebx <- ecx */

	(void)state;
	assert_int_equal(d.op, KNC_OP_POPCNT);
	assert_int_equal(d.reg, 3);
	assert_int_equal(d.rm, 1);
	d = OWN64(0xc4, 0x41, 0xfa, 0xbd, 0xc1); /* r8 <- r9, 64 bits */
	assert_int_equal(d.op, KNC_OP_LZCNT);
	assert_int_equal(d.reg, 8);
	assert_int_equal(d.rm, 9);
	assert_true(d.w);
	assert_int_equal(OWN64(0xc5, 0xfa, 0xbc, 0xc1).op, KNC_OP_TZCNT);
	assert_int_equal(OWN64(0xc5, 0xfb, 0xbc, 0xc1).op, KNC_OP_TZCNTI);
}

static void kmov_directions(void **state)
{
	(void)state;
	assert_int_equal(OWN64(0xc5, 0xf8, 0x90, 0xd1).op, KNC_OP_KMOV_K_K);
	assert_int_equal(OWN64(0xc5, 0xf8, 0x92, 0xd1).op, KNC_OP_KMOV_K_R);
	assert_int_equal(OWN64(0xc5, 0xf8, 0x93, 0xd1).op, KNC_OP_KMOV_R_K);
}

static void mxcsr_moves_exist_in_every_mode(void **state)
{
	struct knc_decoded d = OWN64(0x41, 0x0f, 0xae, 0x11);

	(void)state;
	assert_int_equal(d.op, KNC_OP_LDMXCSR);
	assert_int_equal(d.rex, 1);
	assert_int_equal(OWN32(0x0f, 0xae, 0x16).op, KNC_OP_LDMXCSR);
	assert_int_equal(OWN32(0x2e, 0x0f, 0xae, 0x1e).segment, 1);
	assert_int_equal(OWN32(0x0f, 0xae, 0x1e).op, KNC_OP_STMXCSR);
}

static void rdpmc_is_own(void **state)
{
	(void)state;
	assert_int_equal(OWN64(0x0f, 0x33).op, KNC_OP_RDPMC);
	assert_int_equal(OWN32(0x0f, 0x33).op, KNC_OP_RDPMC);
}

static void sixteen_bytes_are_too_long(void **state)
{
	uint8_t code[16];
	struct bytes b = { code, code + sizeof(code), 0 };
	struct knc_decoded d;

	(void)state;
	memset(code, 0x66, sizeof(code));
	assert_int_equal(knc_decode(&d, true, fetch, &b), KNC_TOO_LONG);
	assert_int_equal(b.read, 15);
}

static void every_reason_has_a_name(void **state)
{
	(void)state;
	for (int why = 0; why < KNC_WHY_COUNT; why++)
		assert_non_null(knc_why_name(why));
	assert_string_equal(knc_why_name(KNC_WHY_COUNT), knc_why_name(KNC_WHY_RESERVED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_instructions_are_refused),
		cmocka_unit_test(common_instructions_pass),
		cmocka_unit_test(all_sixteen_cmov_conditions_are_refused),
		cmocka_unit_test(delay_names_its_register),
		cmocka_unit_test(spflt_differs_from_delay_in_its_prefix),
		cmocka_unit_test(clevict_takes_memory_only),
		cmocka_unit_test(all_eight_vprefetches_are_hints),
		cmocka_unit_test(extension_bits_of_a_memory_operand_are_kept),
		cmocka_unit_test(bit_counts_name_both_registers),
		cmocka_unit_test(kmov_directions),
		cmocka_unit_test(mxcsr_moves_exist_in_every_mode),
		cmocka_unit_test(rdpmc_is_own),
		cmocka_unit_test(sixteen_bytes_are_too_long),
		cmocka_unit_test(every_reason_has_a_name),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
