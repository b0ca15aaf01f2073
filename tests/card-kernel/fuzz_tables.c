// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: what the card kernel reads that others wrote, SFI tables and the wall-clock parameter. */
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "x100.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x100_wallclock wall;
	u8 *copy =
		malloc(size + 1); /* exactly as long as said, so that ASan sees any step beyond */
	long offset;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	offset = x100_sfi_find_syst(copy, size);
	if (offset >= 0) {
		const struct x100_sfi_header *syst = (const void *)(copy + offset);

		if (offset % 16 ||
		    x100_sfi_entries(syst, 8) * 8 + sizeof(*syst) > size - (size_t)offset)
			abort();
	}

	copy[size] = 0;
	if (!x100_wallclock_parse((const char *)copy, &wall)) {
		s64 seconds;
		u32 nsec;

		x100_wallclock_at(&wall, 0, &seconds, &nsec);
		if (nsec >= 1000000000)
			abort();
		x100_wallclock_at(&wall, ((u64)1 << 59) - 1, &seconds, &nsec);
		if (nsec >= 1000000000)
			abort();
	}
	free(copy);
	return 0;
}
