/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on floating-point numbers given as bits: name, operand widths, C expression over a and b. Compiled by
 * k1om-cc --user (soft_*) and by plain gcc with SSE (hard_*); only integers cross the border between the two.
 */
#ifndef SOFTFLOAT_H
#define SOFTFLOAT_H

typedef unsigned int u32;
typedef unsigned long u64;

/* X(name, type of a and b, type of the result, expression) */
#define SOFTFLOAT_OPERATIONS(X)                                                                    \
	X(add, double, double, a + b)                                                              \
	X(sub, double, double, a - b)                                                              \
	X(mul, double, double, a *b)                                                               \
	X(div, double, double, a / b)                                                              \
	X(neg, double, double, -a)                                                                 \
	X(abs, double, double, __builtin_fabs(a))                                                  \
	X(eq, double, int, a == b)                                                                 \
	X(ne, double, int, a != b)                                                                 \
	X(lt, double, int, a < b)                                                                  \
	X(le, double, int, a <= b)                                                                 \
	X(gt, double, int, a > b)                                                                  \
	X(ge, double, int, a >= b)                                                                 \
	X(unordered, double, int, __builtin_isunordered(a, b))                                     \
	X(less_greater, double, int, __builtin_islessgreater(a, b))                                \
	X(choose, double, double, a < b ? a : b)                                                   \
	X(to_float, double, float, (float)a)                                                       \
	X(to_int, double, int, in_range(a, -2147483649.0, 2147483648.0) ? (int)a : 0)              \
	X(to_uint, double, u32, in_range(a, -1, 4294967296.0) ? (u32)a : 0)                        \
	X(to_long, double, long,                                                                   \
	  in_range(a, -9223372036854775809.0, 9223372036854775808.0) ? (long)a : 0)                \
	X(to_ulong, double, u64, in_range(a, -1, 18446744073709551616.0) ? (u64)a : 0)             \
	X(to_int128, double, long, in_range(a, -1e38, 1e38) ? fold((__int128)a) : 0)               \
	X(square_sum, double, double, a *a + b * b)                                                \
	X(addf, float, float, a + b)                                                               \
	X(subf, float, float, a - b)                                                               \
	X(mulf, float, float, a *b)                                                                \
	X(divf, float, float, a / b)                                                               \
	X(negf, float, float, -a)                                                                  \
	X(eqf, float, int, a == b)                                                                 \
	X(ltf, float, int, a < b)                                                                  \
	X(lef, float, int, a <= b)                                                                 \
	X(gtf, float, int, a > b)                                                                  \
	X(gef, float, int, a >= b)                                                                 \
	X(unorderedf, float, int, __builtin_isunordered(a, b))                                     \
	X(f_to_double, float, double, (double)a)                                                   \
	X(f_to_int, float, int, in_range(a, -2147483649.0, 2147483648.0) ? (int)a : 0)             \
	X(f_to_uint, float, u32, in_range(a, -1, 4294967296.0) ? (u32)a : 0)                       \
	X(f_to_long, float, long,                                                                  \
	  in_range(a, -9223372036854775809.0, 9223372036854775808.0) ? (long)a : 0)                \
	X(f_to_ulong, float, u64, in_range(a, -1, 18446744073709551616.0) ? (u64)a : 0)            \
	X(from_int, int, double, (double)a)                                                        \
	X(from_uint, u32, double, (double)a)                                                       \
	X(from_long, long, double, (double)a)                                                      \
	X(from_ulong, u64, double, (double)a)                                                      \
	X(from_int128, long, double, (double)((__int128)a * b))                                    \
	X(f_from_int, int, float, (float)a)                                                        \
	X(f_from_uint, u32, float, (float)a)                                                       \
	X(f_from_long, long, float, (float)a)                                                      \
	X(f_from_ulong, u64, float, (float)a)                                                      \
	X(f_from_int128, long, float, (float)((__int128)a * b))                                    \
	X(divide_int128, long, long, fold(((__int128)a << 33 ^ b) / ((__int128)b << 20 | 1)))      \
	X(modulo_int128, long, long, fold(((__int128)a << 33 ^ b) % ((__int128)b << 20 | 1)))      \
	X(udivide_int128, u64, u64,                                                                \
	  fold(((unsigned __int128)a << 64 | b) / (((unsigned __int128)b << 1 | 1))))              \
	X(umodulo_int128, u64, u64,                                                                \
	  fold(((unsigned __int128)a << 60 | b) % ((unsigned __int128)b << 64 | 3)))

#endif
