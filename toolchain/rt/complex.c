// SPDX-License-Identifier: BSD-3-Clause
/* Complex multiplication and division and integer powers, which the compiler calls by these names (C11 annex G). */

double _Complex __muldc3(double a, double b, double c, double d);
double _Complex __divdc3(double a, double b, double c, double d);
float _Complex __mulsc3(float a, float b, float c, float d);
float _Complex __divsc3(float a, float b, float c, float d);
double __powidf2(double base, int exponent);
float __powisf2(float base, int exponent);

/* (a + bi) * (c + di). Infinite operands give an infinite product even where the plain formula says NaN. */
#define DEFINE_MUL(name, type)                                                                     \
	type _Complex name(type a, type b, type c, type d)                                         \
	{                                                                                          \
		type _Complex z;                                                                   \
		type x = a * c - b * d, y = a * d + b * c;                                         \
		if (__builtin_isnan(x) && __builtin_isnan(y)) {                                    \
			int again = 0;                                                             \
			if (__builtin_isinf(a) || __builtin_isinf(b)) {                            \
				a = __builtin_copysign((type) !!__builtin_isinf(a), a);            \
				b = __builtin_copysign((type) !!__builtin_isinf(b), b);            \
				c = __builtin_isnan(c) ? __builtin_copysign((type)0, c) : c;       \
				d = __builtin_isnan(d) ? __builtin_copysign((type)0, d) : d;       \
				again = 1;                                                         \
			}                                                                          \
			if (__builtin_isinf(c) || __builtin_isinf(d)) {                            \
				c = __builtin_copysign((type) !!__builtin_isinf(c), c);            \
				d = __builtin_copysign((type) !!__builtin_isinf(d), d);            \
				a = __builtin_isnan(a) ? __builtin_copysign((type)0, a) : a;       \
				b = __builtin_isnan(b) ? __builtin_copysign((type)0, b) : b;       \
				again = 1;                                                         \
			}                                                                          \
			if (!again && (__builtin_isinf(a * c) || __builtin_isinf(b * d) ||         \
				       __builtin_isinf(a * d) || __builtin_isinf(b * c))) {        \
				a = __builtin_isnan(a) ? __builtin_copysign((type)0, a) : a;       \
				b = __builtin_isnan(b) ? __builtin_copysign((type)0, b) : b;       \
				c = __builtin_isnan(c) ? __builtin_copysign((type)0, c) : c;       \
				d = __builtin_isnan(d) ? __builtin_copysign((type)0, d) : d;       \
				again = 1;                                                         \
			}                                                                          \
			if (again) {                                                               \
				x = (type)__builtin_inf() * (a * c - b * d);                       \
				y = (type)__builtin_inf() * (a * d + b * c);                       \
			}                                                                          \
		}                                                                                  \
		__real__ z = x;                                                                    \
		__imag__ z = y;                                                                    \
		return z;                                                                          \
	}

DEFINE_MUL(__muldc3, double)
DEFINE_MUL(__mulsc3, float)

/* (a + bi) / (c + di) by Smith's scaling: the larger part of the divisor never over- or underflows. */
#define DEFINE_DIV(name, type, abs)                                                                \
	type _Complex name(type a, type b, type c, type d)                                         \
	{                                                                                          \
		type _Complex z;                                                                   \
		type ratio, denominator, x, y;                                                     \
		if (abs(c) < abs(d)) {                                                             \
			ratio = c / d;                                                             \
			denominator = c * ratio + d;                                               \
			x = (a * ratio + b) / denominator;                                         \
			y = (b * ratio - a) / denominator;                                         \
		} else {                                                                           \
			ratio = d / c;                                                             \
			denominator = d * ratio + c;                                               \
			x = (b * ratio + a) / denominator;                                         \
			y = (b - a * ratio) / denominator;                                         \
		}                                                                                  \
		if (__builtin_isnan(x) && __builtin_isnan(y)) {                                    \
			if (c == 0 && d == 0 && (!__builtin_isnan(a) || !__builtin_isnan(b))) {    \
				x = __builtin_copysign((type)__builtin_inf(), c) * a;              \
				y = __builtin_copysign((type)__builtin_inf(), c) * b;              \
			} else if ((__builtin_isinf(a) || __builtin_isinf(b)) &&                   \
				   __builtin_isfinite(c) && __builtin_isfinite(d)) {               \
				a = __builtin_copysign((type) !!__builtin_isinf(a), a);            \
				b = __builtin_copysign((type) !!__builtin_isinf(b), b);            \
				x = (type)__builtin_inf() * (a * c + b * d);                       \
				y = (type)__builtin_inf() * (b * c - a * d);                       \
			} else if ((__builtin_isinf(c) || __builtin_isinf(d)) &&                   \
				   __builtin_isfinite(a) && __builtin_isfinite(b)) {               \
				c = __builtin_copysign((type) !!__builtin_isinf(c), c);            \
				d = __builtin_copysign((type) !!__builtin_isinf(d), d);            \
				x = 0 * (a * c + b * d);                                           \
				y = 0 * (b * c - a * d);                                           \
			}                                                                          \
		}                                                                                  \
		__real__ z = x;                                                                    \
		__imag__ z = y;                                                                    \
		return z;                                                                          \
	}

DEFINE_DIV(__divdc3, double, __builtin_fabs)
DEFINE_DIV(__divsc3, float, __builtin_fabsf)

#define DEFINE_POWI(name, type)                                                                    \
	type name(type base, int exponent)                                                         \
	{                                                                                          \
		unsigned int n = exponent < 0 ? -(unsigned int)exponent : (unsigned int)exponent;  \
		type result = n & 1 ? base : 1;                                                    \
		while (n >>= 1) {                                                                  \
			base *= base;                                                              \
			if (n & 1)                                                                 \
				result *= base;                                                    \
		}                                                                                  \
		return exponent < 0 ? 1 / result : result;                                         \
	}

DEFINE_POWI(__powidf2, double)
DEFINE_POWI(__powisf2, float)
