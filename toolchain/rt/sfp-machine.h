/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gcc's soft-fp has to know about the card's user space: 64-bit words, little endian, rounding to nearest and no
 * exception flags, since nothing there could set or read them. NaNs come out as x86 SSE makes them.
 */
#ifndef X100_SFP_MACHINE_H
#define X100_SFP_MACHINE_H

#define _FP_W_TYPE_SIZE 64
#define _FP_W_TYPE      unsigned long
#define _FP_WS_TYPE     signed long
#define _FP_I_TYPE      long

typedef int TItype __attribute__((mode(TI)));
typedef unsigned int UTItype __attribute__((mode(TI)));
#define TI_BITS 128

/* The compilers look at the low 32 bits of what a comparison returns. */
#define CMPtype int

#define _FP_MUL_MEAT_S(R, X, Y) _FP_MUL_MEAT_1_imm(_FP_WFRACBITS_S, R, X, Y)
#define _FP_MUL_MEAT_D(R, X, Y) _FP_MUL_MEAT_1_wide(_FP_WFRACBITS_D, R, X, Y, umul_ppmm)
#define _FP_DIV_MEAT_S(R, X, Y) _FP_DIV_MEAT_1_imm(S, R, X, Y, _FP_DIV_HELP_imm)
#define _FP_DIV_MEAT_D(R, X, Y) _FP_DIV_MEAT_1_udiv_norm(D, R, X, Y)

#define _FP_NANFRAC_S               _FP_QNANBIT_S
#define _FP_NANFRAC_D               _FP_QNANBIT_D
#define _FP_NANSIGN_S               1
#define _FP_NANSIGN_D               1
#define _FP_KEEPNANFRACP            1
#define _FP_QNANNEGATEDP            0
#define _FP_TININESS_AFTER_ROUNDING 1

/* Of two NaNs the first operand wins. */
#define _FP_CHOOSENAN(fs, wc, R, X, Y, OP)                                                         \
	do {                                                                                       \
		R##_s = X##_s;                                                                     \
		_FP_FRAC_COPY_##wc(R, X);                                                          \
		R##_c = FP_CLS_NAN;                                                                \
	} while (0)

#define __LITTLE_ENDIAN 1234
#define __BIG_ENDIAN    4321
#define __BYTE_ORDER    __LITTLE_ENDIAN

#define strong_alias(name, aliasname) extern __typeof(name) aliasname __attribute__((alias(#name)))

#endif
