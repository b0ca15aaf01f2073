// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: the checks of a boot record and of a kernel log ring, from bytes a card could hold. */
#include <libx100.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

/* zlib's crc32() of magic, version and size. */
#define RECORD_CRC 0xFE1DFBCDu

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct x100_record record;
	static char console[X100_RECORD_CONSOLE + 1];
	struct x100_klog klog;
	uint64_t from = 0, now = 0, lost;
	bool valid = false;

	memset(&record, 0, sizeof(record));
	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	/* The head is what a reader checks; half of the runs get past it. */
	if (size && data[size - 1] & 1) {
		record.magic = X100_RECORD_MAGIC;
		record.version = X100_RECORD_VERSION;
		record.size = sizeof(record);
		record.crc = RECORD_CRC;
		record.current_run &= 1;
		valid = true;
	}
	if (!x100_record_check(&record)) {
		if (valid)
			abort();
	} else {
		for (int i = 0; i < 2; i++) {
			const struct x100_run *run = &record.run[i];

			if (run->stages > X100_RECORD_STAGES)
				abort();
			if (x100_run_console(run, console) > X100_RECORD_CONSOLE)
				abort();
		}
	}
	klog = record.klog;
	if (size >= sizeof(klog)) {
		memcpy(&klog, data, sizeof(klog));
		klog.phys &= ~0xFFFull;
		klog.size = 16u << (data[0] % 12);
		memcpy(&from, data + size - 8, 8);
		memcpy(&now, data + size / 2, 8);
	}
	if (record_klog_sane(&klog, 8ull << 30)) {
		char *ring = calloc(1, klog.size), *text = malloc((size_t)klog.size + 1);

		if (ring && text) {
			memcpy(ring, data, size < klog.size ? size : klog.size);
			if (record_klog_unroll(ring, &klog, now, from, text, &lost) > klog.size)
				abort();
		}
		free(ring);
		free(text);
	}
	return 0;
}
