// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction decoder on arbitrary bytes: it stays within them, gives one of its verdicts, gives it
 * again, and what it left unread does not matter.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/knc-decode.h"

struct bytes {
	const uint8_t *data;
	size_t size, read;
};

static int fetch(void *opaque)
{
	struct bytes *b = opaque;

	return b->read < b->size ? b->data[b->read++] : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct knc_decoded first, second;
	struct bytes b;

	if (size < 1)
		return 0;
	b = (struct bytes){ data + 1, size - 1, 0 };
	knc_decode(&first, data[0] & 1, fetch, &b);
	assert(b.read <= 15);
	assert(first.verdict <= KNC_TRUNCATED);
	assert((unsigned int)first.why < KNC_WHY_COUNT);
	assert(first.verdict != KNC_OWN || first.op < KNC_OP_UD);
	assert(first.reg < 16 && first.rm < 16 && first.rex < 4);
	assert(first.segment >= -1 && first.segment < 6);
	assert(first.verdict != KNC_TRUNCATED || b.read == size - 1);
	if (first.verdict != KNC_TRUNCATED && first.verdict != KNC_TOO_LONG) {
		/* The same bytes and no more: no byte that was not read counts. */
		b = (struct bytes){ data + 1, b.read, 0 };
		knc_decode(&second, data[0] & 1, fetch, &b);
		assert(first.verdict == second.verdict && first.op == second.op);
		assert(first.why == second.why && b.read == b.size);
	}
	return 0;
}
