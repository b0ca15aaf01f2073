/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only way the logic in lib/ reaches hardware. The card fills the table in hw/, tests and
 * fuzzers fill it with fakes.
 */
#ifndef BS_OPS_H
#define BS_OPS_H

#include <x100/types.h>

struct bs_ops {
	void *ctx;

	/* SBOX register at byte offset @off (x100/regs.h). */
	uint32_t (*sbox_read)(void *ctx, uint32_t off);
	void (*sbox_write)(void *ctx, uint32_t off, uint32_t value);

	/* Elapsed time in ETC ticks of X100_ETC_NS, monotonic; 64 bits never wrap. */
	uint64_t (*ticks)(void *ctx);

	/* Copies @len bytes (at most 4096) of card memory at @phys to @dst. Each byte is read once. */
	void (*mem_read)(void *ctx, uint64_t phys, void *dst, uint32_t len);

	/* One aligned 32-bit access to card memory, also where there may be none. */
	uint32_t (*mem_peek)(void *ctx, uint64_t phys);
	void (*mem_poke)(void *ctx, uint64_t phys, uint32_t value);
};

#define BS_TICKS_MS(ms) ((uint64_t)(ms) * (X100_ETC_HZ / 1000))

#endif
