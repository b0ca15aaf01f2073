// SPDX-License-Identifier: BSD-3-Clause
/*
 * Compares floating point in software, as card programs have it, with the host's over special and random values. One
 * TAP line per operation. NaNs have to be NaNs, of whatever sign and payload; all else has to agree to the bit.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "softfloat.h"

#define RANDOM_PAIRS 400000

#define DECLARE(name, type, result, expression)                                                    \
	u64 soft_##name(u64 a, u64 b);                                                             \
	u64 hard_##name(u64 a, u64 b);
SOFTFLOAT_OPERATIONS(DECLARE)
u64 soft_calls(u64 which, u64 unused);
u64 hard_calls(u64 which, u64 unused);

enum kind {
	KIND_double,
	KIND_float,
	KIND_int,
	KIND_u32,
	KIND_long,
	KIND_u64
};

static const struct {
	const char *name;
	u64 (*soft)(u64 a, u64 b);
	u64 (*hard)(u64 a, u64 b);
	enum kind operands, result;
} operations[] = {
#define ROW(name, type, result, expression)                                                        \
	{ #name, soft_##name, hard_##name, KIND_##type, KIND_##result },
	SOFTFLOAT_OPERATIONS(ROW)
};

static const u64 special_double[] = {
	0,
	0x8000000000000000,
	1,
	0x8000000000000001,
	0x000fffffffffffff,
	0x0010000000000000,
	0x0010000000000001,
	0x7fefffffffffffff,
	0x7ff0000000000000,
	0xfff0000000000000,
	0x7ff8000000000000,
	0xfff8000000000000,
	0x7ff0000000000001,
	0x3ff0000000000000,
	0xbff0000000000000,
	0x3fefffffffffffff,
	0x3ff0000000000001,
	0x3fe0000000000000,
	0x4000000000000000,
	0x41dfffffffc00000,
	0x41e0000000000000,
	0xc1e0000000000000,
	0xc1e0000000200000,
	0x41efffffffe00000,
	0x41f0000000000000,
	0x43dfffffffffffff,
	0x43e0000000000000,
	0xc3e0000000000000,
	0x43efffffffffffff,
	0x43f0000000000000,
	0x4340000000000000,
	0x4340000000000001,
	0x47efffffe0000000,
	0x47efffffefffffff,
	0x47effffff0000000,
	0x36a0000000000000,
	0x3690000000000000,
	0x3690000000000001,
	0x380fffffe0000000,
	0x3810000000000000,
	0x1ff0000000000000,
	0x2000000000000000,
	0x5fe0000000000000,
	0x3ca0000000000000,
	0x4024000000000000,
};

static const u64 special_float[] = {
	0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x00800001,
	0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x3f800000,
	0xbf800000, 0x3f7fffff, 0x3f800001, 0x40000000, 0x4effffff, 0x4f000000, 0xcf000000,
	0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000, 0xdf000000, 0x5f7fffff, 0x5f800000,
	0x4b800000, 0x4b800001, 0x1f800000, 0x20000000, 0x5f000001, 0x33800000, 0x41200000,
};

static const u64 special_int[] = {
	0,
	1,
	2,
	0x7f,
	0xff,
	0xffffff,
	0x1000000,
	0x1000001,
	0x1000003,
	0x7fffffff,
	0x80000000,
	0x80000001,
	0xffffffff,
	0x100000000,
	0x1fffffffffffff,
	0x20000000000001,
	0x20000000000003,
	0x7fffffffffffffff,
	0x8000000000000000,
	0x8000000000000400,
	0x8000000000000401,
	0xfffffffffffff800,
	0xffffffffffffffff,
	0x7ffffffffffffe00,
	0x7ffffffffffffdff,
};

static u64 random_state = 0x2545f4914f6cdd1d;

static u64 random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Random operands: any bits, or exponents close to each other or to one so that rounding and cancelling happen. */
static void random_operands(enum kind kind, u64 *a, u64 *b)
{
	u64 how = random_bits() >> 60;
	unsigned int mantissa = kind == KIND_double ? 52 : 23;
	u64 exponent_mask = kind == KIND_double ? 0x7ff : 0xff;

	*a = random_bits();
	*b = random_bits();
	if (kind != KIND_double && kind != KIND_float) {
		*a >>= how * 4;
		*b >>= random_bits() >> 58;
		return;
	}
	if (how < 10) {
		u64 middle = exponent_mask / 2 - 4 + random_bits() % 70,
		    near = middle - 2 + random_bits() % 5;

		*a = (*a & ~(exponent_mask << mantissa)) | (middle & exponent_mask) << mantissa;
		*b = (*b & ~(exponent_mask << mantissa)) | (near & exponent_mask) << mantissa;
	}
	if (how & 1)
		*a &= ~0ul << (random_bits() % mantissa);
	if (how & 2)
		*b &= ~0ul << (random_bits() % mantissa);
}

static int is_nan(enum kind kind, u64 bits)
{
	if (kind == KIND_double)
		return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
	return kind == KIND_float && (bits & 0x7fffffff) > 0x7f800000;
}

static unsigned long differences;

static void compare(unsigned int i, u64 a, u64 b)
{
	u64 soft = operations[i].soft(a, b), hard = operations[i].hard(a, b);

	if (soft == hard ||
	    (is_nan(operations[i].result, soft) && is_nan(operations[i].result, hard)))
		return;
	if (differences++ < 3)
		printf("# %s(%#lx, %#lx): %#lx in software, %#lx by the host\n", operations[i].name,
		       a, b, soft, hard);
}

int main(void)
{
	unsigned int n = sizeof(operations) / sizeof(operations[0]), number = 0, failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		enum kind kind = operations[i].operands;
		const u64 *special = kind == KIND_double ? special_double :
				     kind == KIND_float  ? special_float :
							   special_int;
		size_t count = (kind == KIND_double ? sizeof(special_double) :
				kind == KIND_float  ? sizeof(special_float) :
						      sizeof(special_int)) /
			       sizeof(u64);

		differences = 0;
		for (size_t x = 0; x < count; x++)
			for (size_t y = 0; y < count; y++)
				compare(i, special[x], special[y]);
		for (unsigned int k = 0; k < RANDOM_PAIRS; k++) {
			u64 a, b;

			random_operands(kind, &a, &b);
			compare(i, a, b);
		}
		failed += differences != 0;
		printf("%s %u - %s", differences ? "not ok" : "ok", ++number, operations[i].name);
		if (differences)
			printf(": %lu results differ", differences);
		printf("\n");
	}
	for (unsigned int i = 0; i < 9; i++) {
		u64 soft = soft_calls(i, 0), hard = hard_calls(i, 0);

		failed += soft != hard;
		printf("%s %u - variable arguments, structures, complex numbers: %u\n",
		       soft == hard ? "ok" : "not ok", ++number, i);
	}
	printf("1..%u\n", number);
	return failed != 0;
}
