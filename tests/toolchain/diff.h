/* SPDX-License-Identifier: BSD-3-Clause */
/* What the functions of diff_gen.py and their main program share. */
#ifndef DIFF_H
#define DIFF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

struct memory {
	u8 u8[4];
	u16 u16[4];
	u32 u32[4];
	u64 u64[4];
	s8 s8[4];
	s16 s16[4];
	s32 s32[4];
	s64 s64[4];
};

typedef u64 (*diff_function)(u64 a, u64 b, u32 c, struct memory *m);

#define DIFF_MIN_MAX(t)                                                                            \
	static inline t min_##t(t a, t b)                                                          \
	{                                                                                          \
		return a < b ? a : b;                                                              \
	}                                                                                          \
	static inline t max_##t(t a, t b)                                                          \
	{                                                                                          \
		return a > b ? a : b;                                                              \
	}
DIFF_MIN_MAX(u32)
DIFF_MIN_MAX(u64)
DIFF_MIN_MAX(s32)
DIFF_MIN_MAX(s64)

#endif
