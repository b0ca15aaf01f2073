// SPDX-License-Identifier: BSD-3-Clause
/*
 * The boot record. Indices read back from it are checked each time: the record lies in memory the
 * host can write.
 */
#include <string.h>

#include "record.h"

/* CRC-32 as zlib's, bit by bit: sixteen bytes once per reset need no table. */
static uint32_t crc32(const void *data, uint32_t len)
{
	const uint8_t *byte = data;
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *byte++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return ~crc;
}

static uint32_t head_crc(const struct x100_record *record)
{
	return crc32(record, offsetof(struct x100_record, current_run));
}

static bool sound(const struct x100_record *record)
{
	const struct x100_run *run;

	if (record->magic != X100_RECORD_MAGIC || record->version != X100_RECORD_VERSION ||
	    record->size != sizeof(*record) || record->crc != head_crc(record) ||
	    record->current_run > 1)
		return false;
	run = &record->run[record->current_run];
	return run->seq && run->stages <= X100_RECORD_STAGES;
}

static struct x100_run *current(struct x100_record *record)
{
	return &record->run[record->current_run & 1];
}

bool bs_record_open(struct x100_record *record, uint64_t etc)
{
	bool kept = sound(record);
	uint32_t seq = 1, next = 0;

	if (kept) {
		seq = current(record)->seq + 1;
		if (!seq)
			seq = 1;
		next = !record->current_run;
	} else {
		memset(record, 0, sizeof(*record));
	}
	memset(&record->run[next], 0, sizeof(record->run[next]));
	record->run[next].seq = seq;
	record->current_run = next;
	record->etc_reset = etc;
	record->version = X100_RECORD_VERSION;
	record->size = sizeof(*record);
	record->magic = X100_RECORD_MAGIC;
	record->crc = head_crc(record);
	return kept;
}

void bs_record_stage(struct x100_record *record, uint64_t etc, uint32_t post, uint32_t detail)
{
	struct x100_run *run = current(record);
	uint32_t n = run->stages;

	run->post = post;
	if (n >= X100_RECORD_STAGES)
		return;
	run->stage[n] = (struct x100_stage){ etc, post, detail };
	run->stages = n + 1;
}

uint32_t bs_record_stages(const struct x100_record *record)
{
	uint32_t n = record->run[record->current_run & 1].stages;

	return n < X100_RECORD_STAGES ? n : X100_RECORD_STAGES;
}

void bs_record_push(struct x100_record *record, uint32_t keep)
{
	struct x100_run *run = current(record);

	run->reason = X100_REASON_NONE;
	memset(run->detail, 0, sizeof(run->detail));
	if (run->stages > keep)
		run->stages = keep;
	/* Last: a host that sees the new count takes the reason to be that of its own push. */
	__asm__ volatile("" ::: "memory");
	run->pushes++;
}

void bs_record_fault(struct x100_record *record, const struct bs_fault *fault)
{
	struct x100_run *run = current(record);

	memcpy(run->detail, fault->detail, sizeof(run->detail));
	run->reason = fault->reason;
}

void bs_record_console(struct x100_record *record, const char *text, uint32_t len)
{
	struct x100_run *run = current(record);

	for (uint32_t i = 0; i < len; i++)
		run->console[run->console_head++ % X100_RECORD_CONSOLE] = text[i];
}
