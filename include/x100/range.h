/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Overflow-safe questions about address ranges [base, base + size). These guard every copy whose
 * address or length came from the other side of the link; nothing else does such arithmetic.
 */
#ifndef X100_RANGE_H
#define X100_RANGE_H

#include "types.h"

/* The kernel has no UINT64_MAX. */
#define X100_U64_MAX (~(uint64_t)0)

struct x100_range {
	uint64_t base; /* first byte */
	uint64_t size; /* bytes; 0 is the empty range */
};

/* True when base + size does not wrap past 2^64 (a range may end exactly there only if empty). */
static inline bool x100_range_valid(uint64_t base, uint64_t size)
{
	return size <= X100_U64_MAX - base;
}

/* One past the last byte. The caller has checked x100_range_valid(). */
static inline uint64_t x100_range_end(struct x100_range r)
{
	return r.base + r.size;
}

/* True when all of [base, base + size) lies inside outer. An empty range is inside if its base is. */
static inline bool x100_range_inside(struct x100_range outer, uint64_t base, uint64_t size)
{
	return base >= outer.base && base - outer.base <= outer.size &&
	       size <= outer.size - (base - outer.base);
}

/* True when the two ranges share at least one byte. Empty ranges overlap nothing. */
static inline bool x100_range_overlaps(struct x100_range a, struct x100_range b)
{
	if (!a.size || !b.size)
		return false;
	if (a.base < b.base)
		return b.base - a.base < a.size;
	return a.base - b.base < b.size;
}

/* value rounded up to a multiple of align (a power of two); false when that exceeds 2^64 - 1. */
static inline bool x100_range_align_up(uint64_t value, uint64_t align, uint64_t *out)
{
	if (value > X100_U64_MAX - (align - 1))
		return false;
	*out = (value + align - 1) & ~(align - 1);
	return true;
}

#endif
