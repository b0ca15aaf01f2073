// SPDX-License-Identifier: BSD-3-Clause
/*
 * The 32 windows onto host memory: which entry shows what, and who uses it. The rules are those of
 * the old host driver (x100-abi.md 0.4), so that card addresses come out as old peers expect.
 */
#include <libx100.h>

#include <string.h>

#include <x100/range.h>

#define PAGE X100_SMPT_PAGE_SIZE

void x100_smpt_init(struct x100_smpt *smpt)
{
	memset(smpt, 0, sizeof(*smpt));
	for (unsigned int i = 0; i < X100_SMPT_ENTRIES; i++)
		smpt->entry[i].host = (uint64_t)i * PAGE;
}

static uint64_t page_of(uint64_t address)
{
	return address & ~(uint64_t)(PAGE - 1);
}

/* The entry that shows @host already, or none. */
static int find_shown(const struct x100_smpt *smpt, uint64_t host)
{
	for (int i = 0; i < X100_SMPT_ENTRIES; i++)
		if (smpt->entry[i].host == host)
			return i;
	return -1;
}

/* The first run of @count unused entries, or none. */
static int find_free(const struct x100_smpt *smpt, unsigned int count)
{
	unsigned int run = 0;

	for (unsigned int i = 0; i < X100_SMPT_ENTRIES; i++) {
		run = smpt->entry[i].bytes ? 0 : run + 1;
		if (run == count)
			return (int)(i + 1 - count);
	}
	return -1;
}

/* Entries [first, first + count) show @host and what follows it. */
static bool shows(const struct x100_smpt *smpt, unsigned int first, unsigned int count,
		  uint64_t host)
{
	for (unsigned int i = 0; i < count; i++)
		if (smpt->entry[first + i].host != host + i * PAGE)
			return false;
	return true;
}

uint64_t x100_smpt_map(struct x100_smpt *smpt, uint64_t host, uint64_t size, uint32_t *changed)
{
	uint64_t base = page_of(host), at = host;
	unsigned int count;
	int first;

	*changed = 0;
	if (!size || !x100_range_valid(host, size) || size > (uint64_t)X100_SMPT_ENTRIES * PAGE)
		return 0;
	count = (unsigned int)((page_of(host + size - 1) - base) >> X100_SMPT_PAGE_SHIFT) + 1;
	if (count > X100_SMPT_ENTRIES)
		return 0;

	/* An entry that shows the start wins; one too near the end is as good as none. */
	first = find_shown(smpt, base);
	if (first >= 0 && (unsigned int)first + count > X100_SMPT_ENTRIES)
		first = -1;
	if (first < 0)
		first = find_free(smpt, count);
	else if (!shows(smpt, (unsigned int)first, count, base))
		return 0;
	if (first < 0)
		return 0;

	for (unsigned int i = 0; i < count; i++) {
		unsigned int n = (unsigned int)first + i;
		uint64_t end = base + (i + 1) * PAGE;
		uint64_t part = host + size - at;

		if (end - at < part)
			part = end - at;
		if (smpt->entry[n].host != base + i * PAGE) {
			smpt->entry[n].host = base + i * PAGE;
			*changed |= 1u << n;
		}
		smpt->entry[n].bytes += part;
		at += part;
	}
	return x100_smpt_card((unsigned int)first, host);
}

bool x100_smpt_unmap(struct x100_smpt *smpt, uint64_t card, uint64_t size)
{
	static const struct x100_range window = { X100_SYSMEM_BASE, X100_SYSMEM_SIZE };
	unsigned int first, last;

	if (!size || !x100_range_inside(window, card, size))
		return false;
	first = x100_smpt_index(card);
	last = x100_smpt_index(card + size - 1);

	/* All or nothing: look first, then take away. */
	for (int take = 0; take < 2; take++) {
		uint64_t at = card, left = size;

		for (unsigned int n = first; n <= last; n++) {
			uint64_t part = PAGE - (at & (PAGE - 1));

			if (part > left)
				part = left;
			if (smpt->entry[n].bytes < part)
				return false;
			if (take)
				smpt->entry[n].bytes -= part;
			at += part;
			left -= part;
		}
	}
	return true;
}
