/* SPDX-License-Identifier: BSD-3-Clause */
/* Pieces of the log reader that the fuzzer and the tests drive without a card. */
#ifndef X100_LIB_RECORD_H
#define X100_LIB_RECORD_H

#include <libx100.h>

/* The ring described by @klog can lie in @memory bytes of card memory. */
bool record_klog_sane(const struct x100_klog *klog, uint64_t memory);

/*
 * Bring the bytes of a ring into order.
 *
 * @ring: klog->size bytes, copied after @klog was; @klog passed record_klog_sane()
 * @now: klog->head as it was after the copy: what came meanwhile stands where the oldest bytes did
 * @from: count of bytes already seen
 * @text: klog->size + 1 bytes; printable and terminated on return
 * @lost: bytes overwritten before they could be seen
 *
 * Returns the length of the text.
 */
size_t record_klog_unroll(const char *ring, const struct x100_klog *klog, uint64_t now,
			  uint64_t from, char *text, uint64_t *lost);

#endif
