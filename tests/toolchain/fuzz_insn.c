// SPDX-License-Identifier: BSD-3-Clause
/* libFuzzer target: the decoder stays inside its bytes, always moves on, and says why it refuses. */
#include <stdlib.h>
#include <string.h>

#include "../../toolchain/check/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int modes[] = { 16, 32, 64 };

	for (int m = 0; m < 3; m++)
		for (size_t at = 0; at < size;) {
			/* A copy of exactly the bytes there are, so that reading past them is seen. */
			size_t n = size - at < 20 ? size - at : 20;
			uint8_t *bytes = malloc(n);
			struct insn in;

			if (!bytes)
				abort();
			memcpy(bytes, data + at, n);
			insn_decode(bytes, n, modes[m], &in);
			free(bytes);
			if (!in.len || in.len > 15 || in.len > n || (in.why && !in.name[0]))
				abort();
			at += in.len;
		}
	return 0;
}
