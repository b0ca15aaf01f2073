// SPDX-License-Identifier: BSD-3-Clause
/* The operations of softfloat.h as functions from bits to bits; PREFIX is soft or hard. */
#include <stdarg.h>
#include <string.h>

#include "softfloat.h"

#define PASTE_(a, b) a##_##b
#define PASTE(a, b)  PASTE_(a, b)

static int in_range(double v, double above, double below)
{
	return v > above && v < below;
}

static long fold(__int128 v)
{
	return (long)(v ^ (v >> 64) * 3);
}

#define DEFINE(name, type, result, expression)                                                     \
	u64 PASTE(PREFIX, name)(u64 bits_a, u64 bits_b);                                           \
	u64 PASTE(PREFIX, name)(u64 bits_a, u64 bits_b)                                            \
	{                                                                                          \
		type a, b;                                                                         \
		result r;                                                                          \
		u64 bits = 0;                                                                      \
		memcpy(&a, &bits_a, sizeof(a));                                                    \
		memcpy(&b, &bits_b, sizeof(b));                                                    \
		(void)b;                                                                           \
		r = expression;                                                                    \
		memcpy(&bits, &r, sizeof(r));                                                      \
		return bits;                                                                       \
	}

#pragma GCC diagnostic ignored "-Wunused-function"
SOFTFLOAT_OPERATIONS(DEFINE)

/*
 * Doubles among variable arguments, in registers and on the stack, between integers of both widths: one character of
 * "kinds" per argument. The sum is exact for the values that the callers pass.
 */
static double vsum(const char *kinds, va_list ap)
{
	double sum = 0;
	va_list again;

	va_copy(again, ap);
	for (double scale = 1; *kinds; kinds++, scale *= 2)
		switch (*kinds) {
		case 'd':
			sum += scale * va_arg(again, double);
			break;
		case 'i':
			sum += scale * va_arg(again, int);
			break;
		case 'l':
			sum += scale * (double)va_arg(again, long);
			break;
		default:
			sum += scale * *va_arg(again, double *);
		}
	va_end(again);
	return sum;
}

static __attribute__((noinline)) double sum(const char *kinds, ...)
{
	va_list ap;
	double s;

	va_start(ap, kinds);
	s = vsum(kinds, ap);
	va_end(ap);
	return s;
}

static __attribute__((noinline)) double sum_behind(double a, int n, double b, const char *kinds,
						   ...)
{
	va_list ap;
	double s = a * n + b;

	va_start(ap, kinds);
	s += vsum(kinds, ap);
	va_end(ap);
	return s;
}

struct mixed {
	double d;
	long l;
	float f;
};

struct pair {
	float x, y;
};

static __attribute__((noinline)) struct mixed pass_mixed(struct mixed m, struct pair p)
{
	m.d += m.f + p.x;
	m.f = p.y;
	m.l++;
	return m;
}

static __attribute__((noinline)) struct pair pass_pair(struct pair p, float f)
{
	return (struct pair){ p.y + f, p.x - f };
}

u64 PASTE(PREFIX, calls)(u64 which, u64 unused);
u64 PASTE(PREFIX, calls)(u64 which, u64 unused)
{
	double five = 5.5, r = 0;
	struct mixed m = { 1.5, 7, 2.25f };
	struct pair p = { 3.0f, 4.5f };
	_Complex double z;
	u64 bits;

	(void)unused;
	switch (which) {
	case 0:
		r = sum("ddd", 1.5, -2.25, 1e10);
		break;
	case 1:
		r = sum("idldi", 3, 0.5, 1l << 40, -7.75, -9);
		break;
	case 2:
		r = sum("ddddddddddidld", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11,
			12.0, 13l, 14.5);
		break;
	case 3:
		r = sum_behind(2.5, 3, 0.125, "didp", 1.0, -2, 3.5, &five);
		break;
	case 4:
		r = sum_behind(2.5, 3, 0.125, "iiiiiidddi", 1, 2, 3, 4, 5, 6, 7.0, 8.0, 9.0, 10);
		break;
	case 5:
		m = pass_mixed(m, p);
		r = m.d * 100 + m.f + (double)m.l;
		break;
	case 6:
		p = pass_pair(p, 0.5f);
		r = (double)p.x * 1000 + (double)p.y;
		break;
	case 7:
		z = (1.5 + 2.0i) * (p.x - 0.25i) / (0.5 - 2.0i);
		r = __real__ z * 3 + __imag__ z;
		break;
	default:
		r = __builtin_powi(five, 7) + __builtin_powi(five, -3);
	}
	memcpy(&bits, &r, sizeof(bits));
	return bits;
}
