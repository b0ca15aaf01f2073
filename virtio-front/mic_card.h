/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One device of the page, between the page (mic_card.c) and the virtio transport (virtio_mic.c).
 */
#ifndef MIC_CARD_H
#define MIC_CARD_H

#include <linux/list.h>
#include <linux/types.h>

#include <x100/devpage.h>

#include "mic_bus.h"

struct mic_card;

/* Platform data of an MBUS_DEV_VIRTIO device. */
struct mic_vdev {
	struct list_head node;
	struct mic_card *card;
	struct mbus_device *mbdev;
	u32 offset;                 /* of the descriptor on the page */
	struct x100_vdev_desc head; /* checked copy */
	void __iomem *desc;
	void __iomem *ctrl;
	int c2h_db;
	int h2c_db;
	int irq; /* of h2c_db */

	/*
	 * Set by the transport while it is bound, called from the core's work: the config space has
	 * changed; the host is new and knows nothing, tell it all and set guest_ack.
	 */
	void (*config_changed)(struct mic_vdev *vd);
	void (*resume)(struct mic_vdev *vd);
};

/* Ring the host. What it is to see by then has been stored twice (x100-abi.md 2.9). */
void mic_vdev_ring(const struct mic_vdev *vd);

/*
 * mic_vdev_store() - store a byte that the host is to look at now, and ring
 * @vd: the device
 * @where: on the page
 * @value: the byte
 */
void mic_vdev_store(const struct mic_vdev *vd, void __iomem *where, u8 value);

/*
 * mic_vdev_wait() - wait until the host has answered
 * @vd: the device
 * @where: byte on the page
 * @want: value that means "done"
 *
 * Sleeps. Returns 0; -ETIMEDOUT after 10 s; while the card goes down, after 1 s, and -ENODEV as
 * soon as the page is gone.
 */
int mic_vdev_wait(const struct mic_vdev *vd, const void __iomem *where, u8 want);

#endif
