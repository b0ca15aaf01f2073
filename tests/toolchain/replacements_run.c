// SPDX-License-Identifier: BSD-3-Clause
/* Main program of replacements.c: the original instructions and the prelude's must agree. Output is TAP. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replacements.h"

#define ARITHMETIC 0x8d5ul /* OF SF ZF AF PF CF */
#define COMPARED   0x45ul  /* ZF PF CF: what FCOMI is for */

static unsigned int number, failures;

static void tap(int good, const char *what, unsigned int which)
{
	failures += !good;
	printf("%s %u - %s %u\n", good ? "ok" : "not ok", ++number, what, which);
}

static unsigned long flags_of(unsigned int i)
{
	static const unsigned int bits[] = { 0x1, 0x4, 0x10, 0x40, 0x80, 0x800 };
	unsigned long flags = 0x202;

	for (unsigned int bit = 0; bit < 6; bit++)
		flags |= i & (1u << bit) ? bits[bit] : 0;
	return flags;
}

static int same_x87(unsigned int which, const double *v, unsigned long flags)
{
	struct x87_result a, b;
	unsigned long matter = which < COMPARES_END ? COMPARED : ~0ul;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	native_x87(which, v, flags, &a);
	clean_x87(which, v, flags, &b);
	/* The tag word and the stack top; other words of the environment hold addresses and C1. */
	return (a.flags & matter) == (b.flags & matter) &&
	       (a.flags & ~ARITHMETIC) == (b.flags & ~ARITHMETIC) && a.reg == b.reg &&
	       !memcmp(a.environment + 8, b.environment + 8, 2) &&
	       ((a.environment[5] ^ b.environment[5]) & 0x38) == 0 &&
	       !memcmp(a.stack, b.stack, sizeof(a.stack));
}

int main(void)
{
	static const double values[] = { 0.0,     -0.0,     1.0,       -1.0, 1e300,
					 -1e-300, INFINITY, -INFINITY, NAN };

	for (unsigned int which = 0; which < HINTS; which++) {
		int good = 1;

		for (unsigned int i = 0; i < 64; i++)
			good &= native_hints(which, flags_of(i)) == clean_hints(which, flags_of(i));
		tap(good, "flags around hint or fence", which);
	}
	{
		unsigned long a[8] = { 0 }, b[8] = { 0 };

		native_movnti((unsigned long)0x123456789abcdef0ull, a);
		clean_movnti((unsigned long)0x123456789abcdef0ull, b);
		tap(!memcmp(a, b, sizeof(a)) && a[3] != 0, "movnti", 0);
	}
	for (unsigned int which = 0; which < X87_END; which++) {
		int good = 1;

		for (unsigned int x = 0; x < 9; x++)
			for (unsigned int y = 0; y < 9; y++)
				for (unsigned int i = 0; i < 64; i++) {
					double v[4] = { values[x], values[y], values[(y + 3) % 9],
							values[(y + 5) % 9] };

					good &= same_x87(which, v, flags_of(i));
				}
		tap(good, which < COMPARES_END ? "x87 compare" : "x87 conditional move", which);
	}
	printf("1..%u\n", number);
	return failures != 0;
}
