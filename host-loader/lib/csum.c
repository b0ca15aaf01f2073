// SPDX-License-Identifier: BSD-3-Clause
/* The Internet checksum, eight bytes at a time. */
#include "csum.h"

#include <string.h>

#include <x100/range.h>

static uint64_t add(uint64_t sum, uint64_t value)
{
	sum += value;
	return sum + (sum < value); /* the carry comes in again at the other end */
}

uint64_t x100_csum_sum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t a = 0, b = 0, c = 0, d = 0, word[4], last = 0;

	/* Four chains of additions, so that none waits for another. */
	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(word, at, sizeof(word));
		a = add(a, word[0]);
		b = add(b, word[1]);
		c = add(c, word[2]);
		d = add(d, word[3]);
	}
	for (; size >= sizeof(last); size -= sizeof(last), at += sizeof(last)) {
		memcpy(&last, at, sizeof(last));
		a = add(a, last);
	}
	last = 0;
	memcpy(&last, at, size);
	a = add(a, last);
	/* Short of 2^64, so that a caller can add a few of them. */
	a = add(add(a, b), add(c, d));
	return (a >> 32) + (a & 0xFFFFFFFF);
}

uint16_t x100_csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xFFFFFFFF);
	sum = (sum >> 32) + (sum & 0xFFFFFFFF);
	sum = (sum >> 16) + (sum & 0xFFFF);
	sum = (sum >> 16) + (sum & 0xFFFF);
	return (uint16_t)((sum >> 16) + (sum & 0xFFFF));
}

bool x100_csum_finish(void *frame, size_t size, size_t start, size_t offset)
{
	const struct x100_range all = { 0, size };
	uint8_t *bytes = frame;
	uint16_t sum;

	if (!x100_range_inside(all, start, offset) ||
	    !x100_range_inside(all, start + offset, sizeof(sum)))
		return false;
	sum = (uint16_t)~x100_csum_fold(x100_csum_sum(bytes + start, size - start));
	/* 0 would say "none" in UDP; both mean the same everywhere else (RFC 768). */
	if (!sum)
		sum = 0xFFFF;
	memcpy(bytes + start + offset, &sum, sizeof(sum));
	return true;
}
