/* SPDX-License-Identifier: BSD-3-Clause */
/* The card's registers, as asm/x100.h of its kernel has them. */
#ifndef STUB_ASM_X100_H
#define STUB_ASM_X100_H

#include <x100/regs.h>

#include "stub.h"

extern void *x100_mmio;

static inline u32 x100_sbox_read(unsigned int reg)
{
	return readl(x100_mmio + X100_MMIO_SBOX + reg);
}

static inline void x100_sbox_write(unsigned int reg, u32 value)
{
	writel(value, x100_mmio + X100_MMIO_SBOX + reg);
}

#endif
