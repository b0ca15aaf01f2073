// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sizing of GDDR by probing, and the memory map made from the size.
 */
#include "memory.h"

#define PATTERN 0x5AA5C33Cu

static bool in_hole(uint64_t addr)
{
	return addr >= X100_GDDR_LOW_END && addr < X100_GDDR_HIGH_BASE;
}

/*
 * A word keeps both of two patterns, and writing it leaves its alias below, at the power of two
 * under it, alone. Between write and read the bus carries the opposite value, so that lines which
 * merely float do not pass for memory.
 */
static bool holds(const struct bs_ops *ops, uint64_t addr, uint32_t pattern)
{
	uint64_t alias = addr;
	uint32_t saved, below, got;
	bool ok;

	for (uint64_t bit = BS_MEM_MAX; bit; bit >>= 1) {
		if (addr & bit) {
			alias = addr & ~bit;
			break;
		}
	}
	/* Registers and flash are not memory; word 0, the alias of powers of two, is nobody's. */
	if (in_hole(alias))
		alias = 0;
	saved = ops->mem_peek(ops->ctx, addr);
	below = ops->mem_peek(ops->ctx, alias);
	ops->mem_poke(ops->ctx, addr, pattern);
	ops->mem_poke(ops->ctx, alias, ~pattern);
	got = ops->mem_peek(ops->ctx, addr);
	ok = got == pattern && ops->mem_peek(ops->ctx, alias) == ~pattern;
	ops->mem_poke(ops->ctx, alias, below);
	ops->mem_poke(ops->ctx, addr, saved);
	return ok;
}

static bool present(const struct bs_ops *ops, uint64_t addr)
{
	/* What the hole hides does not matter; memory above it proves that GDDR goes on. */
	if (in_hole(addr))
		addr = X100_GDDR_HIGH_BASE;
	return holds(ops, addr, PATTERN) && holds(ops, addr, ~PATTERN);
}

uint64_t bs_memory_probe(const struct bs_ops *ops)
{
	uint64_t low = 1, high = BS_MEM_MAX / BS_MEM_STEP; /* in steps: low is there, high is not */
	uint64_t top;

	while (high - low > 1) {
		uint64_t mid = (low + high) / 2;

		if (present(ops, mid * BS_MEM_STEP))
			low = mid;
		else
			high = mid;
	}
	top = high * BS_MEM_STEP;
	return top < BS_MEM_MIN ? 0 : top;
}

struct x100_range bs_memory_push(uint64_t top)
{
	uint64_t end = top - X100_GDDR_TOP_KEPT;

	if (end > X100_GDDR_LOW_END)
		end = X100_GDDR_LOW_END;
	return (struct x100_range){ X100_LOW_END, end - X100_LOW_END };
}

static unsigned int add(struct x100_e820 *map, unsigned int n, uint64_t base, uint64_t end,
			uint32_t type)
{
	map[n] = (struct x100_e820){ base, end - base, type };
	return n + 1;
}

unsigned int bs_memory_map(uint64_t top, struct x100_e820 *map)
{
	struct x100_range push = bs_memory_push(top);
	uint64_t end = top - X100_GDDR_TOP_KEPT;
	unsigned int n = 0;

	n = add(map, n, 0, X100_LOW_RAM0_BASE, X100_E820_RESERVED);
	n = add(map, n, X100_LOW_RAM0_BASE, X100_LOW_RAM0_END, X100_E820_RAM);
	n = add(map, n, X100_LOW_RAM1_BASE, X100_LOW_RAM1_END, X100_E820_RAM);
	n = add(map, n, X100_RECORD_BASE, X100_LOW_END, X100_E820_RESERVED);
	n = add(map, n, push.base, x100_range_end(push), X100_E820_RAM);
	n = add(map, n, X100_LAPIC_BASE, X100_LAPIC_BASE + X100_LAPIC_SIZE, X100_E820_RESERVED);
	n = add(map, n, X100_FLASH_WINDOW, X100_FLASH_WINDOW_END, X100_E820_RESERVED);
	if (end > X100_GDDR_HIGH_BASE)
		n = add(map, n, X100_GDDR_HIGH_BASE, end, X100_E820_RAM);
	return n;
}

uint32_t bs_memory_spad0(uint64_t top)
{
	return (uint32_t)(top >> 10) << 3 | 1;
}
