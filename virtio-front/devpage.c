// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judges what stands on the host's device page. No state and no registers, so that the unit tests
 * and the fuzzer run the same code.
 */
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/types.h>

#include <asm/unaligned.h>

#include <x100/devpage.h>
#include <x100/memmap.h>
#include <x100/range.h>

#include "devpage.h"

void devpage_read(void *to, const void __iomem *from, size_t len)
{
	for (; len >= sizeof(u64); len -= sizeof(u64), from += sizeof(u64), to += sizeof(u64))
		put_unaligned(readq(from), (u64 *)to);
}

int devpage_next(const void __iomem *page, struct devpage_slot *slot)
{
	const struct x100_range whole = { 0, X100_DEVPAGE_SIZE };

	slot->offset = slot->offset ? slot->offset + x100_vdev_total(&slot->head) : DEVPAGE_FIRST;
	/* A page that is full to the last descriptor has no end mark. */
	if (!x100_range_inside(whole, slot->offset, sizeof(slot->head)))
		return 0;
	devpage_read(&slot->head, page + slot->offset, sizeof(slot->head));
	if (slot->head.type == X100_VDEV_END)
		return 0;
	if (!x100_range_inside(whole, slot->offset, x100_vdev_total(&slot->head)))
		return -EINVAL;
	return 1;
}

const char *devpage_desc_fault(const struct x100_vdev_desc *head)
{
	if (head->type <= 0)
		return "no virtio device id";
	if (!head->num_vq)
		return "no queues";
	if (head->num_vq > X100_VDEV_MAX_QUEUES)
		return "too many queues";
	return NULL;
}

const char *devpage_ring_fault(const struct x100_vqconfig *config)
{
	const struct x100_range window = { X100_SYSMEM_BASE, X100_SYSMEM_SIZE };

	if (!is_power_of_2(config->num))
		return "number of entries is not a power of two";
	if (config->num > X100_VRING_MAX)
		return "too many entries";
	if (config->address % X100_VRING_ALIGN)
		return "ring is not aligned";
	if (!x100_range_inside(window, config->address, x100_vring_alloc(config->num)))
		return "ring is not in the host's memory";
	return NULL;
}

/* In generation C it is not aligned to more than two bytes. */
static u32 trailer_magic(const void __iomem *info)
{
	info += offsetof(struct x100_vring_info, magic);
	return readw(info) | (u32)readw(info + 2) << 16;
}

bool devpage_trailer_valid(const void __iomem *ring, u32 num, u8 type, u8 queue)
{
	u32 magic = X100_DEVPAGE_MAGIC + type + queue;

	return trailer_magic(ring + x100_vring_info_c2(num)) == magic ||
	       trailer_magic(ring + x100_vring_info_c(num)) == magic;
}

unsigned int devpage_pick_doorbell(const u8 users[DEVPAGE_DOORBELLS], bool old_order)
{
	static const u8 preferred[DEVPAGE_DOORBELLS] = {
		8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7
	};
	unsigned int best = old_order ? 0 : preferred[0];
	unsigned int i;

	for (i = 1; i < DEVPAGE_DOORBELLS; i++) {
		unsigned int n = old_order ? i : preferred[i];

		if (users[n] < users[best])
			best = n;
	}
	return best;
}
