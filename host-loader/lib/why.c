// SPDX-License-Identifier: BSD-3-Clause
/* Particulars of errors. */
#include "why.h"

#include <stdarg.h>
#include <stdio.h>

int x100_fail(struct x100_why *why, int error, const char *format, ...)
{
	va_list args;

	if (why) {
		va_start(args, format);
		vsnprintf(why->text, sizeof(why->text), format, args);
		va_end(args);
	}
	return error;
}
