/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read by k1om-cc --user in front of every source: makes va_arg() find doubles.
 *
 * Without SSE the compiler's back end passes a double as a 64-bit integer, also among variable arguments, but clang's
 * va_arg looks for it where an SSE register would have been saved. So fetch the integer and take its bits. Structures
 * with floating-point members cannot be fetched with va_arg.
 */
#ifndef __ASSEMBLER__
#pragma clang system_header
#define __builtin_va_arg(ap, type)                                                                 \
	__builtin_choose_expr(__builtin_types_compatible_p(type, double), __extension__({          \
				      union {                                                      \
					      unsigned long bits;                                  \
					      double value;                                        \
				      } __x100_arg = { __builtin_va_arg(ap, unsigned long) };      \
				      __x100_arg.value;                                            \
			      }),                                                                  \
			      __builtin_va_arg(ap, type))
#endif
