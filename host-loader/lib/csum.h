/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum (RFC 1071) over plain memory, and finishing one that a card left to us. */
#ifndef X100_CSUM_H
#define X100_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Ones' complement sum, not folded, of @size bytes as 16-bit words in memory order. Sums of parts may be
 * added up where each part but the last has an even size.
 */
uint64_t x100_csum_sum(const void *bytes, size_t size);

/* A sum folded to 16 bits, in memory order; its complement is what stands in a header. */
uint16_t x100_csum_fold(uint64_t sum);

/*
 * Do what VIRTIO_NET_HDR_F_NEEDS_CSUM asks for: the checksum over @frame from @start to its end, put
 * at @start + @offset, where the sum of the pseudo header stands. Returns false, with nothing
 * changed, when that is not inside the frame.
 */
bool x100_csum_finish(void *frame, size_t size, size_t start, size_t offset);

#endif
