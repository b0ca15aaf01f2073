// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: the card's judgement of the device page and of a ring, alone (virtio-front/devpage.c). */
#include <stdlib.h>

#include <x100/memmap.h>

#include "devpage.h"
#include "sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_rings(const u8 *page, const struct devpage_slot *slot)
{
	for (unsigned int q = 0; q < slot->head.num_vq; q++) {
		struct x100_vqconfig config;

		devpage_read(&config, page + slot->offset + x100_vdev_vq_offset(q), sizeof(config));
		if (devpage_ring_fault(&config))
			continue;
		if (config.address < X100_SYSMEM_BASE ||
		    config.address + x100_vring_alloc(config.num) >
			    X100_SYSMEM_BASE + X100_SYSMEM_SIZE)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as the page, so that ASan sees any step beyond. */
	u8 *page = calloc(1, X100_DEVPAGE_SIZE);
	u8 *ring = calloc(1, x100_vring_alloc(4));
	struct devpage_slot slot = { 0 };
	u8 users[DEVPAGE_DOORBELLS];
	u32 end = 0;

	if (!page || !ring)
		abort();
	memcpy(page, data, min(size, (size_t)X100_DEVPAGE_SIZE));
	while (devpage_next(page, &slot) > 0) {
		if (slot.offset < end ||
		    slot.offset + x100_vdev_total(&slot.head) > X100_DEVPAGE_SIZE)
			abort();
		end = slot.offset + x100_vdev_total(&slot.head);
		if (!devpage_desc_fault(&slot.head)) {
			if (slot.head.type <= 0 || slot.head.num_vq > X100_VDEV_MAX_QUEUES)
				abort();
			look_at_rings(page, &slot);
		}
	}

	memcpy(ring, data, min(size, (size_t)x100_vring_alloc(4)));
	if (size > 2)
		devpage_trailer_valid(ring, 1u << data[0] % 3, data[1], data[2]);
	memcpy(users, page, sizeof(users));
	for (unsigned int old = 0; old < 2; old++) {
		unsigned int n = devpage_pick_doorbell(users, old);

		for (unsigned int i = 0; i < DEVPAGE_DOORBELLS; i++)
			if (n >= DEVPAGE_DOORBELLS || users[i] < users[n])
				abort();
	}
	free(page);
	free(ring);
	return 0;
}
