/* SPDX-License-Identifier: BSD-3-Clause */
/* Notes the particulars of an error. */
#ifndef X100_WHY_H
#define X100_WHY_H

#include <libx100.h>

/* Write the particulars, if there is room for them, and return @error. */
int x100_fail(struct x100_why *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
