/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host's device page says (x100-abi.md section 2), judged before anybody follows it. The
 * page belongs to the host: each field is read once, into a copy, and only the copy is used.
 */
#ifndef MIC_DEVPAGE_H
#define MIC_DEVPAGE_H

#include <linux/types.h>

#include <x100/devpage.h>

#define DEVPAGE_FIRST     sizeof(struct x100_bootparam) /* offset of the first descriptor */
#define DEVPAGE_DOORBELLS 16                            /* host to card (x100-abi.md 7.1) */

/* A descriptor found on the page. All zero before the first devpage_next(). */
struct devpage_slot {
	u32 offset;                 /* on the page */
	struct x100_vdev_desc head; /* as it was when it was read */
};

/*
 * devpage_read() - copy from the page or from another structure of the host
 * @to: @len bytes
 * @from: 8-byte aligned
 * @len: multiple of 8
 */
void devpage_read(void *to, const void __iomem *from, size_t len);

/*
 * devpage_next() - go to the next descriptor, deleted ones included
 * @page: the mapped page
 * @slot: where the walk is
 *
 * Returns 1 for a descriptor whose parts all lie on the page, 0 at the end of the list, -EINVAL if
 * @slot reaches out of the page; the walk ends there, too. Each step goes forward.
 */
int devpage_next(const void __iomem *page, struct devpage_slot *slot);

/* What is wrong with a descriptor of devpage_next(), for the log; NULL if it can be used. */
const char *devpage_desc_fault(const struct x100_vdev_desc *head);

/* The same for the copy of a queue's place: x100_vring_alloc(num) bytes may be mapped if NULL. */
const char *devpage_ring_fault(const struct x100_vqconfig *config);

/*
 * devpage_trailer_valid() - did the host prepare this ring for this queue?
 * @ring: mapping of x100_vring_alloc(@num) bytes
 * @num: checked number of entries
 * @type: virtio device id
 * @queue: its number in the device
 *
 * The magic word stands at one of two places, which cannot both match (x100-abi.md 2.7).
 */
bool devpage_trailer_valid(const void __iomem *ring, u32 num, u8 type, u8 queue);

/*
 * devpage_pick_doorbell() - choose a doorbell for the host to ring
 * @users: how often each is in use
 * @old_order: take the lowest of the least used ones, as the old card driver did
 *
 * The host rings 8 to 15 with one posted write, for the others it has to read a register first;
 * 7 is also the doorbell of the boot (x100-abi.md 7.1). So 8 to 15 come first here, and 7 last.
 */
unsigned int devpage_pick_doorbell(const u8 users[DEVPAGE_DOORBELLS], bool old_order);

#endif
