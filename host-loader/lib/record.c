// SPDX-License-Identifier: BSD-3-Clause
/*
 * The boot record and the kernel log that the card keeps in its memory. The card may write anything
 * there at any time, so all of it is copied out once, checked, and only then used.
 */
#include <stdlib.h>
#include <string.h>

#include <x100/memmap.h>
#include <x100/range.h>

#include "card.h"
#include "record.h"

/* CRC-32 as zlib computes it; of 16 bytes, so a table would not pay. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return ~crc;
}

bool x100_record_check(struct x100_record *record)
{
	if (record->magic != X100_RECORD_MAGIC || record->version != X100_RECORD_VERSION ||
	    record->size != sizeof(*record) || record->current_run > 1 ||
	    record->crc !=
		    crc32((const uint8_t *)record, offsetof(struct x100_record, current_run)))
		return false;
	for (unsigned int i = 0; i < 2; i++)
		if (record->run[i].stages > X100_RECORD_STAGES)
			record->run[i].stages = X100_RECORD_STAGES;
	return true;
}

int x100_record_read(struct x100_card *card, struct x100_record *record)
{
	struct card_look look;
	int ret = card_look(card, &look);

	if (ret)
		return ret;
	if (look.post == ~0u)
		return card_fail(card, X100_ERR_OFF_BUS, "POST reads all ones");
	if (!card->ops->memory_backed && !x100_post_memory_usable(look.post)) {
		char text[8];

		return card_fail(card, X100_ERR_TRAINING, "POST %s: %s",
				 x100_post_text(look.post, text), x100_post_words(look.post));
	}
	ret = x100_memory_read(card, X100_RECORD_BASE, record, sizeof(*record));
	if (ret)
		return ret;
	if (!x100_record_check(record))
		return card_fail(card, X100_ERR_NO_RECORD, "nothing valid at 0x%llx",
				 (unsigned long long)X100_RECORD_BASE);
	return X100_OK;
}

const struct x100_run *x100_record_current(const struct x100_record *record)
{
	return &record->run[record->current_run & 1];
}

const struct x100_run *x100_record_previous(const struct x100_record *record)
{
	const struct x100_run *run = &record->run[!(record->current_run & 1)];

	return run->seq ? run : NULL;
}

void x100_text_clean(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\r' && i + 1 < size && text[i + 1] == '\n')
			text[i] = ' ';
		else if ((c < 0x20 && c != '\n' && c != '\t') || c >= 0x7F)
			text[i] = '.';
	}
}

size_t x100_run_console(const struct x100_run *run, char *text)
{
	uint32_t head = run->console_head;
	size_t size = head < X100_RECORD_CONSOLE ? head : X100_RECORD_CONSOLE;
	uint32_t from = head - (uint32_t)size;

	for (size_t i = 0; i < size; i++)
		text[i] = run->console[(from + i) % X100_RECORD_CONSOLE];
	text[size] = '\0';
	x100_text_clean(text, size);
	return size;
}

bool record_klog_sane(const struct x100_klog *klog, uint64_t memory)
{
	struct x100_range ram = { 0, memory };

	return klog->phys && !(klog->phys & 0xFFF) && klog->size >= 16 &&
	       klog->size <= X100_KLOG_MAX && !(klog->size & (klog->size - 1)) &&
	       x100_range_inside(ram, klog->phys, klog->size);
}

size_t record_klog_unroll(const char *ring, const struct x100_klog *klog, uint64_t now,
			  uint64_t from, char *text, uint64_t *lost)
{
	uint64_t newest = now > klog->head ? now : klog->head;
	uint64_t first = newest > klog->size ? newest - klog->size : 0;
	size_t n = 0;

	if (first > klog->head)
		first = klog->head;

	*lost = 0;
	if (from > klog->head)
		from = first; /* another kernel's count: begin anew */
	if (from < first) {
		*lost = first - from;
		from = first;
	}
	for (; from != klog->head; from++)
		text[n++] = ring[from & (klog->size - 1)];
	text[n] = '\0';
	x100_text_clean(text, n);
	return n;
}

int x100_klog_read(struct x100_card *card, uint64_t *from, char **text, size_t *size,
		   uint64_t *lost)
{
	struct x100_record record;
	struct x100_klog klog;
	uint64_t now;
	char *ring;
	int ret = x100_record_read(card, &record);

	*text = NULL;
	*size = 0;
	*lost = 0;
	if (ret)
		return ret;
	klog = record.klog;
	if (!klog.phys || klog.seq != x100_record_current(&record)->seq)
		return card_fail(card, X100_ERR_NO_RECORD, "no card kernel has published a log");
	if (!record_klog_sane(&klog, card->aperture))
		return card_fail(card, X100_ERR_NO_RECORD, "the published log makes no sense");
	ring = malloc(klog.size);
	*text = malloc((size_t)klog.size + 1);
	if (!ring || !*text) {
		ret = card_fail(card, X100_ERR_MEMORY, "no memory for the log");
		goto out;
	}
	ret = x100_memory_read(card, klog.phys, ring, klog.size);
	if (!ret)
		ret = x100_memory_read(card,
				       X100_RECORD_BASE + offsetof(struct x100_record, klog.head),
				       &now, sizeof(now));
	if (ret)
		goto out;
	*size = record_klog_unroll(ring, &klog, now, *from, *text, lost);
	*from = klog.head;
out:
	free(ring);
	if (ret) {
		free(*text);
		*text = NULL;
	}
	return ret;
}
