// SPDX-License-Identifier: BSD-3-Clause
/* 128-bit division and checked multiplication, which the compiler calls by these names (libgcc's ABI). */

typedef __int128 i128;
typedef unsigned __int128 u128;

u128 __udivmodti4(u128 n, u128 d, u128 *rest);
u128 __udivti3(u128 n, u128 d);
u128 __umodti3(u128 n, u128 d);
i128 __divti3(i128 n, i128 d);
i128 __modti3(i128 n, i128 d);
i128 __muloti4(i128 a, i128 b, int *overflow);

static int leading_zeros(u128 v)
{
	unsigned long high = v >> 64;

	return high ? __builtin_clzl(high) : 64 + __builtin_clzl((unsigned long)v);
}

/* Quotient n / d, with the remainder in *rest; d = 0 traps as the DIV instruction would. */
u128 __udivmodti4(u128 n, u128 d, u128 *rest)
{
	u128 q = 0;
	int shift;

	if (!(d >> 64) && (unsigned long)(n >> 64) < (unsigned long)d) {
		unsigned long low = n, high = n >> 64;

		__asm__("divq %4"
			: "=a"(low), "=d"(high)
			: "0"(low), "1"(high), "r"((unsigned long)d)
			: "cc");
		*rest = high;
		return low;
	}
	if (!d)
		__builtin_trap();
	if (n < d) {
		*rest = n;
		return 0;
	}
	shift = leading_zeros(d) - leading_zeros(n);
	d <<= shift;
	for (; shift >= 0; shift--, d >>= 1) {
		q <<= 1;
		if (n >= d) {
			n -= d;
			q |= 1;
		}
	}
	*rest = n;
	return q;
}

u128 __udivti3(u128 n, u128 d)
{
	u128 rest;

	return __udivmodti4(n, d, &rest);
}

u128 __umodti3(u128 n, u128 d)
{
	u128 rest;

	__udivmodti4(n, d, &rest);
	return rest;
}

static u128 magnitude(i128 v)
{
	return v < 0 ? -(u128)v : (u128)v;
}

i128 __divti3(i128 n, i128 d)
{
	u128 q = __udivti3(magnitude(n), magnitude(d));

	return (n < 0) != (d < 0) ? -q : q;
}

i128 __modti3(i128 n, i128 d)
{
	u128 rest = __umodti3(magnitude(n), magnitude(d));

	return n < 0 ? -rest : rest;
}

/* a * b; *overflow says whether it fitted. */
i128 __muloti4(i128 a, i128 b, int *overflow)
{
	u128 limit = ((a < 0) != (b < 0)) ? (u128)1 << 127 : ((u128)1 << 127) - 1;

	*overflow = a && b && magnitude(b) > __udivti3(limit, magnitude(a));
	return (u128)a * (u128)b;
}
