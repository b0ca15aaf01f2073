// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: the whole card side, page, transport and rings, by a host that writes what it likes where it may,
 * between any two steps, while drivers work. The input is a list of such steps. Any bug the machine sees
 * (sim.h), any warning, and any request that is lost ends it.
 */
#include <stdlib.h>

#include "driver.h"
#include "rude.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const u8 *in;
static size_t left;

static u8 take8(void)
{
	if (!left)
		return 0;
	left--;
	return *in++;
}

static u16 take16(void)
{
	u16 low = take8();

	return (u16)(low | take8() << 8);
}

/* Write a few bytes of the input over memory of the host. */
static void overwrite(u8 *memory, u32 size)
{
	u32 at = take16() % size;

	for (u8 n = 1 + take8() % 16; n && at < size; n--)
		memory[at++] = take8();
}

/* What the card reads next of the page is something else. */
static void change_before_load(u64 phys)
{
	if (left)
		rude.page[(phys - RUDE_PAGE) % X100_DEVPAGE_SIZE] ^= take8();
}

static struct drv_dev *some_driver(void)
{
	unsigned int n = 0, wanted;
	struct drv_dev *dev;

	for (dev = drv_devs; dev; dev = dev->next)
		n++;
	if (!n)
		return NULL;
	wanted = take8() % n;
	for (dev = drv_devs; wanted--; dev = dev->next)
		;
	return dev;
}

static void used_ring_step(struct drv_dev *dev, unsigned int q)
{
	const struct vring *v = virtqueue_get_vring(dev->vq[q]);
	u16 idx = v->used->idx, id = take8(), kind = take8();

	switch (kind % 4) {
	case 0: /* as a host does */
		v->used->ring[idx % v->num].id = id % v->num;
		v->used->ring[idx % v->num].len = kind / 4;
		v->used->idx = idx + 1;
		break;
	case 1: /* likewise, and a head that is in the avail ring */
		v->used->ring[idx % v->num].id = v->avail->ring[idx % v->num];
		v->used->ring[idx % v->num].len = kind / 4;
		v->used->idx = idx + 1;
		break;
	case 2:
		v->used->ring[id % v->num].id = take16() | (u32)take16() << 16;
		break;
	default:
		v->used->idx = (u16)(idx + take16());
	}
}

static void driver_step(void)
{
	struct drv_dev *dev = some_driver();
	unsigned int q, n;
	u8 what = take8();

	if (!dev)
		return;
	q = what / 8 % dev->queues;
	switch (what % 8) {
	case 0:
	case 1:
		for (n = 1 + take8() % 8; n; n--) {
			u8 parts = take8();

			drv_add(dev, q, 16, 1 + parts % 4, 16, parts / 4 % 4);
		}
		drv_kick(dev, q);
		break;
	case 2:
		drv_drain(dev, q);
		drv_free_done(dev);
		break;
	case 3:
	case 4:
		used_ring_step(dev, q);
		rude_ring_dev(&rude.dev[take8() % rude.devs]);
		break;
	case 5:
		virtqueue_disable_cb(dev->vq[q]);
		break;
	case 6:
		virtqueue_enable_cb_delayed(dev->vq[q]);
		break;
	default: {
		struct virtio_device *vdev = dev->vdev;
		u8 buf[16];

		vdev->config->get(vdev, take8(), buf, take8() % 16);
		/* As through sysfs, which holds the device. */
		get_device(&vdev->dev);
		device_release_driver(&vdev->dev);
		if (take8() & 1)
			device_attach(&vdev->dev);
		put_device(&vdev->dev);
	}
	}
}

static void host_step(void)
{
	struct rude_dev *dev = &rude.dev[take8() % rude.devs];
	unsigned int q = 0;

	switch (take8() % 10) {
	case 0:
		overwrite(rude.page, X100_DEVPAGE_SIZE);
		break;
	case 1:
		overwrite((u8 *)rude_desc(dev), x100_vdev_total(&dev->head));
		break;
	case 2:
		q = take8() % dev->head.num_vq;
		overwrite(rude_ring(dev, q), x100_vring_alloc(dev->num));
		break;
	case 3:
		rude_ctrl(dev)->config_change = take8() % 5;
		rude_ring_config();
		break;
	case 4:
		rude_desc(dev)->type = (s8)take8();
		rude_ring_config();
		break;
	case 5:
		rude.answer_reset = take8() & 1;
		rude.answer_used = take8() & 1;
		break;
	case 6:
		sim_ring_card(take8() % 16);
		break;
	case 7:
		/* Back to how it was laid down. */
		*rude_desc(dev) = dev->head;
		for (q = 0; q < dev->head.num_vq; q++) {
			u32 magic = X100_DEVPAGE_MAGIC + (u8)dev->head.type + q;

			rude_vq(dev, q)->address = dev->ring[q];
			rude_vq(dev, q)->num = dev->num;
			memcpy(rude_ring(dev, q) + x100_vring_info_c2(dev->num) + 4, &magic, 4);
		}
		rude_ctrl(dev)->c2h_vdev_db = 0;
		rude_ctrl(dev)->config_change = 0;
		rude_ring_config();
		break;
	case 8:
		rude_bootparam()->magic = take8() & 1 ? X100_DEVPAGE_MAGIC : take8();
		break;
	default:
		if (take8() & 1)
			sim_watch_loads(RUDE_PAGE, X100_DEVPAGE_SIZE, change_before_load);
		else
			sim_watch_none();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool booted = false;
	u8 flags;

	in = data;
	left = size;
	rude_begin();
	flags = take8();
	rude.echo = false;
	rude.answer_ack = flags & 1;
	rude.generation_c = flags & 2;
	sim_param("old_doorbells", flags >> 2 & 1);
	drv_plan[VIRTIO_ID_BLOCK].busy = flags & 8;
	rude_add(VIRTIO_ID_CONSOLE, 2, 16, flags & 16 ? 1u << 29 : 0, NULL, 12);
	rude_add(VIRTIO_ID_BLOCK, 1, 16, flags & 32 ? ~0u : 0, NULL, 36);
	rude_add(VIRTIO_ID_RNG, 1, 2, 1u << 29, NULL, 0);
	sim_seed(flags >> 6);
	if (!(flags & 64)) {
		rude_boot();
		booted = true;
	}
	while (left) {
		switch (take8() % 4) {
		case 0:
			host_step();
			break;
		case 1:
		case 2:
			driver_step();
			break;
		default:
			if (booted) {
				sim_run(take8());
			} else {
				rude_boot();
				booted = true;
			}
		}
	}
	if (booted)
		sim_run(100);
	if (flags & 128)
		sim_shutdown();
	if (sim_warnings)
		sim_bug("%u warnings", sim_warnings);
	rude_end();
	return 0;
}
