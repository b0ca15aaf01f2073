/* SPDX-License-Identifier: BSD-3-Clause */
/* What replacements.c and its main program share. */
#ifndef REPLACEMENTS_H
#define REPLACEMENTS_H

#define HINTS        10
#define COMPARES_END 12
#define X87_END      36

struct x87_result {
	unsigned long flags, reg;
	unsigned char environment[28];
	double stack[4];
};

unsigned long native_hints(unsigned int which, unsigned long flags);
unsigned long clean_hints(unsigned int which, unsigned long flags);
unsigned long native_movnti(unsigned long value, unsigned long *where);
unsigned long clean_movnti(unsigned long value, unsigned long *where);
void native_x87(unsigned int which, const double *v, unsigned long flags, struct x87_result *out);
void clean_x87(unsigned int which, const double *v, unsigned long flags, struct x87_result *out);

#endif
