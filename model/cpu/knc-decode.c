// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction set of KNC as far as the references know it. Two-byte opcodes are an allow list:
 * what is not known to exist raises #UD (k1om-cpu-and-kernel.md 2.1, silicon-notes.md CPU).
 */
#include "knc-decode.h"

#define MAX_LENGTH 15

struct reader {
	knc_fetch_fn fetch;
	void *opaque;
	unsigned int length;
	enum knc_verdict failure; /* why next() returned -1 */
};

struct prefixes {
	bool data;  /* 66h */
	bool rep;   /* F3h */
	bool repne; /* F2h */
	bool lock;
	uint8_t rex; /* 0 if none */
};

static const char *const why_names[KNC_WHY_COUNT] = {
	[KNC_WHY_RESERVED] = "reserved opcode",
	[KNC_WHY_CMOV] = "CMOVcc",
	[KNC_WHY_FCMOV] = "FCMOVcc",
	[KNC_WHY_FCOMI] = "FCOMI",
	[KNC_WHY_FISTTP] = "FISTTP",
	[KNC_WHY_SIMD] = "MMX or SSE instruction",
	[KNC_WHY_3DNOW] = "3DNow! instruction",
	[KNC_WHY_FENCE] = "fence",
	[KNC_WHY_PAUSE] = "PAUSE",
	[KNC_WHY_PREFETCH] = "PREFETCH",
	[KNC_WHY_CLFLUSH] = "CLFLUSH",
	[KNC_WHY_MOVNTI] = "MOVNTI",
	[KNC_WHY_CMPXCHG16B] = "CMPXCHG16B",
	[KNC_WHY_MONITOR] = "MONITOR or MWAIT",
	[KNC_WHY_SYSENTER] = "SYSENTER or SYSEXIT",
	[KNC_WHY_SYSCALL] = "SYSCALL or SYSRET outside 64-bit mode",
	[KNC_WHY_RDTSCP] = "RDTSCP",
	[KNC_WHY_XSAVE] = "XSAVE family",
	[KNC_WHY_MOVBE] = "three-byte opcode (MOVBE, CRC32, ...)",
	[KNC_WHY_BITCOUNT] = "legacy POPCNT, LZCNT or TZCNT",
	[KNC_WHY_ENDBR] = "ENDBR or another hint NOP",
	[KNC_WHY_PORT_IO] = "port I/O",
	[KNC_WHY_VIRT] = "virtualization instruction",
	[KNC_WHY_RANDOM] = "RDRAND, RDSEED or RDPID",
	[KNC_WHY_FSGSBASE] = "RDFSBASE family",
	[KNC_WHY_TSX] = "transactional memory instruction",
	[KNC_WHY_SMAP] = "CLAC or STAC",
	[KNC_WHY_VECTOR] = "vector or mask instruction (not modelled)",
};

const char *knc_why_name(enum knc_why why)
{
	return (unsigned int)why < KNC_WHY_COUNT ? why_names[why] : why_names[KNC_WHY_RESERVED];
}

static int next(struct reader *r)
{
	int byte;

	if (r->length == MAX_LENGTH) {
		r->failure = KNC_TOO_LONG;
		return -1;
	}
	byte = r->fetch(r->opaque);
	if (byte < 0) {
		r->failure = KNC_TRUNCATED;
		return -1;
	}
	r->length++;
	return byte;
}

static enum knc_verdict refuse(struct knc_decoded *out, enum knc_why why)
{
	out->why = why;
	return KNC_REFUSED;
}

static bool is_register(int modrm)
{
	return (modrm & 0xc0) == 0xc0;
}

static int opcode_extension(int modrm)
{
	return (modrm >> 3) & 7;
}

/* Fills the operand fields of an own instruction; r, x, b are the extension bits (0 or 1). */
static enum knc_verdict own(struct knc_decoded *out, enum knc_op op, int modrm, int r, int x, int b)
{
	out->op = op;
	out->modrm = modrm;
	out->mem = !is_register(modrm);
	out->reg = opcode_extension(modrm) | r << 3;
	out->rm = (modrm & 7) | b << 3;
	out->rex = x << 1 | b;
	return KNC_OWN;
}

/* 0F 01: system instructions, most of the register forms came after KNC's base. */
static enum knc_verdict group7(struct knc_decoded *out, bool code64, int modrm)
{
	int ext = opcode_extension(modrm);

	if (!is_register(modrm))
		return ext == 5 ? refuse(out, KNC_WHY_RESERVED) : KNC_COMMON;
	if (ext == 4 || ext == 6) /* SMSW, LMSW */
		return KNC_COMMON;
	if (modrm == 0xf8 && code64) /* SWAPGS */
		return KNC_COMMON;
	switch (modrm) {
	case 0xc8:
	case 0xc9:
		return refuse(out, KNC_WHY_MONITOR);
	case 0xca:
	case 0xcb:
		return refuse(out, KNC_WHY_SMAP);
	case 0xd0:
	case 0xd1:
		return refuse(out, KNC_WHY_XSAVE);
	case 0xd5:
	case 0xd6:
		return refuse(out, KNC_WHY_TSX);
	case 0xf9:
		return refuse(out, KNC_WHY_RDTSCP);
	case 0xfa:
	case 0xfb:
		return refuse(out, KNC_WHY_MONITOR);
	case 0xc1 ... 0xc4:
	case 0xd4:
	case 0xd8 ... 0xdf:
		return refuse(out, KNC_WHY_VIRT);
	default:
		return refuse(out, KNC_WHY_RESERVED);
	}
}

/* 0F AE: FXSAVE, FXRSTOR, LDMXCSR and STMXCSR are there although SSE is not (2.3 there). */
static enum knc_verdict group15(struct knc_decoded *out, const struct prefixes *p, int modrm)
{
	int ext = opcode_extension(modrm);

	if (is_register(modrm)) {
		if (p->rep && ext < 4)
			return refuse(out, KNC_WHY_FSGSBASE);
		return refuse(out, ext >= 5 ? KNC_WHY_FENCE : KNC_WHY_RESERVED);
	}
	if (ext == 7 || (ext == 6 && p->data))
		return refuse(out, KNC_WHY_CLFLUSH);
	if (ext >= 4)
		return refuse(out, KNC_WHY_XSAVE);
	if (p->data || p->rep || p->repne || p->lock)
		return refuse(out, KNC_WHY_RESERVED);
	if (ext < 2)
		return KNC_COMMON;
	return own(out, ext == 2 ? KNC_OP_LDMXCSR : KNC_OP_STMXCSR, modrm, 0, p->rex >> 1 & 1,
		   p->rex & 1);
}

/* 0F C7: CMPXCHG8B is the only one. */
static enum knc_verdict group9(struct knc_decoded *out, const struct prefixes *p, int modrm)
{
	int ext = opcode_extension(modrm);

	if (!is_register(modrm) && ext == 1)
		return p->rex & 8 ? refuse(out, KNC_WHY_CMPXCHG16B) : KNC_COMMON;
	if (is_register(modrm))
		return refuse(out, ext >= 6 ? KNC_WHY_RANDOM : KNC_WHY_RESERVED);
	return refuse(out, ext >= 6 ? KNC_WHY_VIRT : KNC_WHY_XSAVE);
}

static enum knc_verdict two_byte(struct knc_decoded *out, bool code64, const struct prefixes *p,
				 struct reader *r)
{
	int opcode = next(r);
	int modrm;

	if (opcode < 0)
		return r->failure;

	switch (opcode) {
	case 0x00: /* SLDT STR LLDT LTR VERR VERW */
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return opcode_extension(modrm) < 6 ? KNC_COMMON : refuse(out, KNC_WHY_RESERVED);
	case 0x01:
		modrm = next(r);
		return modrm < 0 ? r->failure : group7(out, code64, modrm);
	case 0x02:          /* LAR */
	case 0x03:          /* LSL */
	case 0x06:          /* CLTS */
	case 0x08:          /* INVD */
	case 0x09:          /* WBINVD */
	case 0x0b:          /* UD2 */
	case 0x20 ... 0x23: /* MOV to and from control and debug registers */
	case 0x30 ... 0x32: /* WRMSR RDTSC RDMSR */
	case 0x80 ... 0x8f: /* Jcc */
	case 0x90 ... 0x9f: /* SETcc */
	case 0xa0 ... 0xa5: /* PUSH FS, POP FS, CPUID, BT, SHLD */
	case 0xa8 ... 0xad: /* PUSH GS, POP GS, RSM, BTS, SHRD */
	case 0xaf:          /* IMUL */
	case 0xb0 ... 0xb7: /* CMPXCHG LSS BTR LFS LGS MOVZX */
	case 0xba:          /* BT group with immediate */
	case 0xbb:          /* BTC */
	case 0xbe:          /* MOVSX */
	case 0xbf:
	case 0xc0: /* XADD */
	case 0xc1:
	case 0xc8 ... 0xcf: /* BSWAP */
		return KNC_COMMON;
	case 0x05: /* as on every Intel processor: in 64-bit mode only */
	case 0x07:
		return code64 ? KNC_COMMON : refuse(out, KNC_WHY_SYSCALL);
	case 0x0d:
	case 0x18:
		return refuse(out, KNC_WHY_PREFETCH);
	case 0x0e:
	case 0x0f:
		return refuse(out, KNC_WHY_3DNOW);
	case 0x19 ... 0x1e:
		return refuse(out, KNC_WHY_ENDBR);
	case 0x1f: /* the long NOP runs */
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return opcode_extension(modrm) ? refuse(out, KNC_WHY_ENDBR) : KNC_COMMON;
	case 0x33:
		return p->lock ? refuse(out, KNC_WHY_RESERVED) :
				 own(out, KNC_OP_RDPMC, 0xc0, 0, 0, 0);
	case 0x34:
	case 0x35:
		return refuse(out, KNC_WHY_SYSENTER);
	case 0x38:
	case 0x3a:
		return refuse(out, KNC_WHY_MOVBE);
	case 0x40 ... 0x4f:
		return refuse(out, KNC_WHY_CMOV);
	case 0x78:
	case 0x79:
		return refuse(out, KNC_WHY_VIRT);
	case 0xae:
		modrm = next(r);
		return modrm < 0 ? r->failure : group15(out, p, modrm);
	case 0xb8:
		return refuse(out, p->rep ? KNC_WHY_BITCOUNT : KNC_WHY_RESERVED);
	case 0xbc: /* BSF, BSR: there, but F3 makes TZCNT and LZCNT of them */
	case 0xbd:
		return p->rep ? refuse(out, KNC_WHY_BITCOUNT) : KNC_COMMON;
	case 0xc3:
		return refuse(out, KNC_WHY_MOVNTI);
	case 0xc7:
		modrm = next(r);
		return modrm < 0 ? r->failure : group9(out, p, modrm);
	case 0x10 ... 0x17:
	case 0x28 ... 0x2f:
	case 0x50 ... 0x77:
	case 0x7c ... 0x7f:
	case 0xc2:
	case 0xc4 ... 0xc6:
	case 0xd0 ... 0xfe:
		return refuse(out, KNC_WHY_SIMD);
	default:
		return refuse(out, KNC_WHY_RESERVED);
	}
}

/* D8..DF: a 387 without what the Pentium Pro and SSE3 added. */
static enum knc_verdict x87(struct knc_decoded *out, int opcode, int modrm)
{
	int ext = opcode_extension(modrm);

	if (!is_register(modrm)) {
		if (ext == 1 && (opcode == 0xdb || opcode == 0xdd || opcode == 0xdf))
			return refuse(out, KNC_WHY_FISTTP);
		return KNC_COMMON;
	}
	if ((opcode == 0xda || opcode == 0xdb) && ext < 4)
		return refuse(out, KNC_WHY_FCMOV);
	if ((opcode == 0xdb || opcode == 0xdf) && (ext == 5 || ext == 6))
		return refuse(out, KNC_WHY_FCOMI);
	return KNC_COMMON;
}

/*
 * C4 and C5 in 64-bit mode. The scalar instructions of 2.2 there, moves between mask and general
 * registers; the 512-bit unit is not modelled.
 */
static enum knc_verdict vex(struct knc_decoded *out, int opcode, const struct prefixes *p,
			    struct reader *r)
{
	enum {
		NONE,
		P66,
		PF3,
		PF2
	};
	int b1 = next(r), b2 = 0, op, modrm;
	int vr, vx = 0, vb = 0, map = 1, pp, ext;

	if (b1 < 0)
		return r->failure;
	vr = !(b1 & 0x80);
	if (opcode == 0xc4) {
		b2 = next(r);
		if (b2 < 0)
			return r->failure;
		vx = !(b1 & 0x40);
		vb = !(b1 & 0x20);
		map = b1 & 0x1f;
		out->w = b2 & 0x80;
	} else {
		b2 = b1;
	}
	pp = b2 & 3;
	op = next(r);
	if (op < 0)
		return r->failure;
	/* Neither another prefix, nor a third operand, nor 256 bits, nor another map. */
	if (p->data || p->rep || p->repne || p->lock || p->rex)
		return refuse(out, KNC_WHY_RESERVED);
	if (map != 1 || (b2 & 0x78) != 0x78 || (b2 & 0x04))
		return refuse(out, KNC_WHY_VECTOR);

	switch (op) {
	case 0x18:
	case 0x90:
	case 0x92:
	case 0x93:
		if (pp != NONE)
			return refuse(out, KNC_WHY_VECTOR);
		break;
	case 0xae:
	case 0xbc:
		if (pp != PF3 && pp != PF2)
			return refuse(out, KNC_WHY_VECTOR);
		break;
	case 0xb8:
	case 0xbd:
		if (pp != PF3)
			return refuse(out, KNC_WHY_VECTOR);
		break;
	default:
		return refuse(out, KNC_WHY_VECTOR);
	}
	modrm = next(r);
	if (modrm < 0)
		return r->failure;
	ext = opcode_extension(modrm);

	if (!is_register(modrm)) {
		if (op == 0x18 || (op == 0xae && ext == 7))
			return own(out, KNC_OP_NOP, modrm, vr, vx, vb);
		return refuse(out, KNC_WHY_VECTOR);
	}
	switch (op) {
	case 0x90:
	case 0x92:
	case 0x93:
		if (out->w)
			break;
		return own(out,
			   op == 0x90 ? KNC_OP_KMOV_K_K :
			   op == 0x92 ? KNC_OP_KMOV_K_R :
					KNC_OP_KMOV_R_K,
			   modrm, vr, vx, vb);
	case 0xae:
		if (ext != 6)
			break;
		return own(out, pp == PF3 ? KNC_OP_DELAY : KNC_OP_SPFLT, modrm, vr, vx, vb);
	case 0xb8:
		return own(out, KNC_OP_POPCNT, modrm, vr, vx, vb);
	case 0xbc:
		return own(out, pp == PF3 ? KNC_OP_TZCNT : KNC_OP_TZCNTI, modrm, vr, vx, vb);
	case 0xbd:
		return own(out, KNC_OP_LZCNT, modrm, vr, vx, vb);
	}
	return refuse(out, KNC_WHY_VECTOR);
}

static enum knc_verdict one_byte(struct knc_decoded *out, int opcode, bool code64,
				 const struct prefixes *p, struct reader *r)
{
	int modrm;

	switch (opcode) {
	case 0x0f:
		return two_byte(out, code64, p, r);
	case 0x62: /* MVEX; BOUND in 16/32-bit code */
		if (code64)
			return refuse(out, KNC_WHY_VECTOR);
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return is_register(modrm) ? refuse(out, KNC_WHY_VECTOR) : KNC_COMMON;
	/*
	 * Port I/O: listed as unsupported for 64-bit mode. For 16/32-bit code nothing is recorded; with
	 * no I/O space behind it, code that relies on it is wrong anyway, so it is refused there too.
	 */
	case 0x6c ... 0x6f:
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		return refuse(out, KNC_WHY_PORT_IO);
	case 0x8f: /* POP; the rest is AMD's XOP */
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return opcode_extension(modrm) ? refuse(out, KNC_WHY_RESERVED) : KNC_COMMON;
	case 0x90: /* F3 90 with REX.B is an XCHG */
		return p->rep && !(p->rex & 1) ? refuse(out, KNC_WHY_PAUSE) : KNC_COMMON;
	case 0xc4: /* LES and LDS in 16/32-bit code */
	case 0xc5:
		if (code64)
			return vex(out, opcode, p, r);
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return is_register(modrm) ? refuse(out, KNC_WHY_VECTOR) : KNC_COMMON;
	case 0xc6: /* MOV; the rest is XABORT, XBEGIN */
	case 0xc7:
		modrm = next(r);
		if (modrm < 0)
			return r->failure;
		return opcode_extension(modrm) ? refuse(out, KNC_WHY_TSX) : KNC_COMMON;
	case 0xd8 ... 0xdf:
		modrm = next(r);
		return modrm < 0 ? r->failure : x87(out, opcode, modrm);
	default:
		return KNC_COMMON;
	}
}

enum knc_verdict knc_decode(struct knc_decoded *out, bool code64, knc_fetch_fn fetch, void *opaque)
{
	struct reader r = { .fetch = fetch, .opaque = opaque };
	struct prefixes p = { 0 };
	int byte;

	*out = (struct knc_decoded){ .segment = -1 };
	for (;;) {
		byte = next(&r);
		if (byte < 0)
			return out->verdict = r.failure;
		switch (byte) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			out->segment = (byte >> 3) & 3;
			break;
		case 0x64:
		case 0x65:
			out->segment = byte - 0x60;
			break;
		case 0x66:
			p.data = true;
			break;
		case 0x67:
			out->addr_prefix = true;
			break;
		case 0xf0:
			p.lock = true;
			break;
		case 0xf2:
			p.repne = true;
			p.rep = false;
			break;
		case 0xf3:
			p.rep = true;
			p.repne = false;
			break;
		case 0x40 ... 0x4f:
			if (code64) {
				p.rex = byte;
				continue;
			}
			/* fall through */
		default:
			return out->verdict = one_byte(out, byte, code64, &p, &r);
		}
		p.rex = 0; /* REX counts only right before the opcode */
	}
}
