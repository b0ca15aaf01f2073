// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio transport of the MIC X100: devices of the host's page on the MIC bus, with descriptors and
 * avail rings in the memory of the host and used rings and buffers in that of the card (x100-abi.md
 * 2.5 to 2.11). What the card has told the host is kept here and never read back.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "devpage.h"
#include "mic_card.h"

struct virtio_mic_queue {
	struct virtqueue *vq; /* NULL: not in use */
	u64 address;          /* of the ring, as the host gave it */
	u16 num;
	void __iomem *ring;
	void *used;
};

struct virtio_mic {
	struct virtio_device vdev;
	struct mic_vdev *vd; /* NULL after remove() */
	struct mic_irq *irq;
	u8 status;
	struct virtio_mic_queue queue[X100_VDEV_MAX_QUEUES];
};

#define to_virtio_mic(v) container_of(v, struct virtio_mic, vdev)

static void __iomem *ctrl_field(const struct mic_vdev *vd, size_t offset)
{
	return vd->ctrl + offset;
}

#define CTRL(vd, field) ctrl_field(vd, offsetof(struct x100_vdev_ctrl, field))

static void write_status(const struct virtio_mic *vm)
{
	void __iomem *where = vm->vd->desc + offsetof(struct x100_vdev_desc, status);

	if (vm->status)
		mic_vdev_store(vm->vd, where, vm->status);
	else
		writeb(0, where);
}

static u8 vm_get_status(struct virtio_device *vdev)
{
	return to_virtio_mic(vdev)->status;
}

static void vm_set_status(struct virtio_device *vdev, u8 status)
{
	struct virtio_mic *vm = to_virtio_mic(vdev);

	if (!status)
		return;
	vm->status = status;
	write_status(vm);
}

/* How the host reaches the card. */
static void publish(const struct mic_vdev *vd)
{
	writeb(X100_CARD_RESUME, CTRL(vd, card_features));
	writeb(vd->h2c_db, CTRL(vd, h2c_vdev_db));
}

static void vm_reset(struct virtio_device *vdev)
{
	struct virtio_mic *vm = to_virtio_mic(vdev);
	struct mic_vdev *vd = vm->vd;
	int ret;

	writeb(0, CTRL(vd, host_ack));
	mic_vdev_store(vd, CTRL(vd, vdev_reset), 1);
	ret = mic_vdev_wait(vd, CTRL(vd, host_ack), 1);
	if (ret) {
		dev_warn(&vd->mbdev->dev, "no answer to a reset: %d\n", ret);
		/* It may be another host by now, which knows nothing of this device. */
		publish(vd);
	}
	vm->status = 0;
	write_status(vm);
}

static void write_features(const struct virtio_mic *vm)
{
	const struct x100_vdev_desc *head = &vm->vd->head;
	void __iomem *bitmap = vm->vd->desc + x100_vdev_guest_features(head);
	u8 byte[X100_VDEV_FEATURES] = {};
	unsigned int bit;

	/* Bit by bit, because a host of the old days may see them all that way. */
	memset_io(bitmap, 0, head->feature_len);
	for (bit = 0; bit < 8 * min_t(unsigned int, head->feature_len, sizeof(byte)); bit++) {
		if (!__virtio_test_bit(&vm->vdev, bit))
			continue;
		byte[bit / 8] |= 1u << bit % 8;
		writeb(byte[bit / 8], bitmap + bit / 8);
	}
}

/* The first 32 bits, a legacy device always: there is no way to say more (x100-abi.md 2.5). */
static u64 vm_get_features(struct virtio_device *vdev)
{
	struct mic_vdev *vd = to_virtio_mic(vdev)->vd;
	void __iomem *bitmap = vd->desc + x100_vdev_host_features(&vd->head);
	unsigned int i;
	u32 features = 0;

	for (i = 0; i < min_t(unsigned int, vd->head.feature_len, X100_VDEV_FEATURES); i++)
		features |= (u32)readb(bitmap + i) << 8 * i;
	return features;
}

static int vm_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	/* An old host would take the table's address for one of its own (x100-abi.md 9.1, 2). */
	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	write_features(to_virtio_mic(vdev));
	return 0;
}

static bool config_inside(const struct mic_vdev *vd, unsigned int offset, unsigned int len)
{
	return offset <= vd->head.config_len && len <= vd->head.config_len - offset;
}

/* What the host did not provide reads as zero; drivers ask for it only by mistake. */
static void vm_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	struct mic_vdev *vd = to_virtio_mic(vdev)->vd;

	if (config_inside(vd, offset, len))
		memcpy_fromio(buf, vd->desc + x100_vdev_config(&vd->head) + offset, len);
	else
		memset(buf, 0, len);
}

static void vm_set(struct virtio_device *vdev, unsigned int offset, const void *buf,
		   unsigned int len)
{
	struct mic_vdev *vd = to_virtio_mic(vdev)->vd;

	if (config_inside(vd, offset, len))
		memcpy_toio(vd->desc + x100_vdev_config(&vd->head) + offset, buf, len);
}

/* One doorbell for all queues; the ring code has stored the avail index twice. */
static bool vm_notify(struct virtqueue *vq)
{
	mic_vdev_ring(to_virtio_mic(vq->vdev)->vd);
	return true;
}

/* One doorbell for all queues. It may be shared, and it says nothing more than "look". */
static irqreturn_t vm_doorbell(int irq, void *data)
{
	struct virtio_mic *vm = data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vm->queue); i++) {
		struct virtqueue *vq = READ_ONCE(vm->queue[i].vq);

		if (vq)
			vring_interrupt(irq, vq);
	}
	return IRQ_HANDLED;
}

static void vm_synchronize_cbs(struct virtio_device *vdev)
{
	synchronize_irq(to_virtio_mic(vdev)->vd->irq);
}

static size_t used_size(u16 num)
{
	return PAGE_ALIGN(x100_vring_used_size(num));
}

static void free_queue(struct virtio_mic_queue *q)
{
	if (q->vq)
		vring_del_virtqueue(q->vq);
	if (q->used)
		free_pages_exact(q->used, used_size(q->num));
	if (q->ring)
		iounmap(q->ring);
	memset(q, 0, sizeof(*q));
}

static void vm_del_vqs(struct virtio_device *vdev)
{
	struct virtio_mic *vm = to_virtio_mic(vdev);
	struct virtqueue *vq[X100_VDEV_MAX_QUEUES];
	unsigned int i;

	/* First out of the doorbell's sight. */
	for (i = 0; i < ARRAY_SIZE(vm->queue); i++) {
		vq[i] = vm->queue[i].vq;
		WRITE_ONCE(vm->queue[i].vq, NULL);
	}
	synchronize_irq(vm->vd->irq);
	for (i = 0; i < ARRAY_SIZE(vm->queue); i++) {
		vm->queue[i].vq = vq[i];
		free_queue(&vm->queue[i]);
	}
}

static void __iomem *queue_config(const struct mic_vdev *vd, unsigned int index)
{
	return vd->desc + x100_vdev_vq_offset(index);
}

static void write_used_address(const struct virtio_mic *vm, unsigned int index)
{
	void __iomem *where = queue_config(vm->vd, index) +
			      offsetof(struct x100_vqconfig, used_address);

	writeq(virt_to_phys(vm->queue[index].used), where);
}

static struct virtqueue *setup_queue(struct virtio_mic *vm, unsigned int index,
				     vq_callback_t *callback, const char *name, bool ctx)
{
	struct mic_vdev *vd = vm->vd;
	struct virtio_mic_queue *q = &vm->queue[index];
	struct x100_vqconfig config;
	struct virtqueue *vq;
	const char *fault;

	if (index >= vd->head.num_vq)
		return ERR_PTR(-ENOENT);

	devpage_read(&config, queue_config(vd, index), sizeof(config));
	fault = devpage_ring_fault(&config);
	if (fault) {
		dev_err(&vd->mbdev->dev, "queue %u: %s\n", index, fault);
		return ERR_PTR(-EINVAL);
	}
	q->address = config.address;
	q->num = config.num;
	q->ring = ioremap(q->address, x100_vring_alloc(q->num));
	q->used = alloc_pages_exact(used_size(q->num), GFP_KERNEL | __GFP_ZERO);
	if (!q->ring || !q->used)
		return ERR_PTR(-ENOMEM);
	if (!devpage_trailer_valid(q->ring, q->num, vd->head.type, index)) {
		dev_err(&vd->mbdev->dev, "queue %u: ring has no trailer\n", index);
		return ERR_PTR(-EIO);
	}

	/* All but the trailer, which begins here in generation C. */
	memset_io(q->ring, 0, x100_vring_info_c(q->num));
	vq = vring_new_virtqueue_far(index, q->num, X100_VRING_ALIGN, &vm->vdev, ctx, q->ring,
				     q->used, vm_notify, callback, name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vq->num_max = q->num;
	write_used_address(vm, index);
	WRITE_ONCE(q->vq, vq);
	return vq;
}

static int vm_find_vqs(struct virtio_device *vdev, unsigned int nvqs, struct virtqueue *vqs[],
		       vq_callback_t *callbacks[], const char * const names[], const bool *ctx,
		       struct irq_affinity *desc)
{
	struct virtio_mic *vm = to_virtio_mic(vdev);
	struct mic_vdev *vd = vm->vd;
	unsigned int i, index = 0;
	int ret;

	for (i = 0; i < nvqs; i++) {
		if (!names[i]) {
			vqs[i] = NULL;
			continue;
		}
		vqs[i] = setup_queue(vm, index++, callbacks[i], names[i], ctx ? ctx[i] : false);
		if (IS_ERR(vqs[i])) {
			ret = PTR_ERR(vqs[i]);
			goto fail;
		}
	}

	/* The host uses the used rings from now on. */
	mic_vdev_store(vd, CTRL(vd, used_address_updated), 1);
	ret = mic_vdev_wait(vd, CTRL(vd, used_address_updated), 0);
	if (!ret)
		return 0;
	dev_err(&vd->mbdev->dev, "host does not take the used rings: %d\n", ret);
	ret = -ENODEV;
fail:
	vm_del_vqs(vdev);
	return ret;
}

static const char *vm_bus_name(struct virtio_device *vdev)
{
	return dev_name(vdev->dev.parent);
}

static const struct virtio_config_ops virtio_mic_ops = {
	.get = vm_get,
	.set = vm_set,
	.get_status = vm_get_status,
	.set_status = vm_set_status,
	.reset = vm_reset,
	.find_vqs = vm_find_vqs,
	.del_vqs = vm_del_vqs,
	.synchronize_cbs = vm_synchronize_cbs,
	.get_features = vm_get_features,
	.finalize_features = vm_finalize_features,
	.bus_name = vm_bus_name,
};

static void vm_config_changed(struct mic_vdev *vd)
{
	struct virtio_mic *vm = dev_get_drvdata(&vd->mbdev->dev);

	virtio_config_changed(&vm->vdev);
}

/* Nothing needs it; the old card driver left a pointer here. */
static void write_cookie(const struct mic_vdev *vd)
{
	writeq(vd->offset, CTRL(vd, vdev));
}

/* All ring operations of this kernel run to the end before anything like this does. */
static int resume_queues(void *data)
{
	struct virtio_mic *vm = data;
	unsigned int i;
	int ret = 0;

	BUILD_BUG_ON(!IS_ENABLED(CONFIG_PREEMPT_NONE));
	for (i = 0; i < ARRAY_SIZE(vm->queue) && !ret; i++) {
		/* Whoever waited for output on a console was told that it had failed. */
		bool drop = vm->vdev.id.device == VIRTIO_ID_CONSOLE && i == 1;

		if (vm->queue[i].vq)
			ret = virtqueue_resume(vm->queue[i].vq, drop);
	}
	/* Before any CPU can wait for the host with a lock held that this one wants. */
	if (!ret)
		mic_vdev_store(vm->vd, CTRL(vm->vd, guest_ack), 1);
	return ret;
}

static void vm_resume(struct mic_vdev *vd)
{
	struct virtio_mic *vm = dev_get_drvdata(&vd->mbdev->dev);
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(vm->queue); i++) {
		struct virtio_mic_queue *q = &vm->queue[i];
		struct x100_vqconfig config;

		if (!q->vq)
			continue;
		devpage_read(&config, queue_config(vd, i), sizeof(config));
		if (config.address != q->address || config.num != q->num ||
		    !devpage_trailer_valid(q->ring, q->num, vd->head.type, i)) {
			dev_err(&vd->mbdev->dev, "queue %u: host came back with another ring\n", i);
			return;
		}
		write_used_address(vm, i);
	}
	publish(vd);
	write_cookie(vd);
	write_features(vm);
	writeb(vm->status, vd->desc + offsetof(struct x100_vdev_desc, status));
	ret = stop_machine(resume_queues, vm, NULL);
	if (ret) {
		dev_err(&vd->mbdev->dev, "queues cannot go on: %d\n", ret);
		return;
	}
	dev_info(&vd->mbdev->dev, "host is back\n");

	/* For buffers whose doorbell went down with the host. */
	local_bh_disable();
	local_irq_disable();
	vm_doorbell(vd->irq, vm);
	local_irq_enable();
	local_bh_enable();
}

static void virtio_mic_release(struct device *dev)
{
	kfree(to_virtio_mic(dev_to_virtio(dev)));
}

static int virtio_mic_probe(struct mbus_device *mbdev)
{
	struct mic_vdev *vd = dev_get_platdata(&mbdev->dev);
	struct virtio_mic *vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	int ret;

	if (!vm)
		return -ENOMEM;
	vd->mbdev = mbdev;
	vm->vd = vd;
	vm->vdev.dev.parent = &mbdev->dev;
	vm->vdev.dev.release = virtio_mic_release;
	vm->vdev.config = &virtio_mic_ops;
	vm->vdev.id.device = mbdev->id.vendor;
	vm->vdev.id.vendor = MBUS_ANY_ID;
	dev_set_drvdata(&mbdev->dev, vm);

	vm->irq = mbdev->hw_ops->request_threaded_irq(mbdev, vm_doorbell, NULL,
						      dev_name(&mbdev->dev), vm, vd->irq);
	if (IS_ERR(vm->irq)) {
		ret = PTR_ERR(vm->irq);
		kfree(vm);
		return ret;
	}
	publish(vd);

	/* Changes are kept from here on until the driver wants to hear of them. */
	vd->config_changed = vm_config_changed;
	vd->resume = vm_resume;
	ret = register_virtio_device(&vm->vdev);
	if (ret) {
		vd->config_changed = NULL;
		vd->resume = NULL;
		mbdev->hw_ops->free_irq(mbdev, vm->irq, vm);
		put_device(&vm->vdev.dev);
		return ret;
	}
	write_cookie(vd);
	return 0;
}

static void virtio_mic_remove(struct mbus_device *mbdev)
{
	struct virtio_mic *vm = dev_get_drvdata(&mbdev->dev);
	struct mic_vdev *vd = vm->vd;
	struct mic_irq *irq = vm->irq;

	vd->config_changed = NULL;
	vd->resume = NULL;
	/* It may live on a little, but not with an interrupt. */
	get_device(&vm->vdev.dev);
	unregister_virtio_device(&vm->vdev);
	mbdev->hw_ops->free_irq(mbdev, irq, vm);
	put_device(&vm->vdev.dev);
}

static const struct mbus_device_id virtio_mic_ids[] = {
	{ MBUS_DEV_VIRTIO, MBUS_ANY_ID },
	{ 0 },
};

static struct mbus_driver virtio_mic_driver = {
	.driver = {
		.name = "virtio_mic",
		/* The page would not know that a device has lost its transport. */
		.suppress_bind_attrs = true,
	},
	.id_table = virtio_mic_ids,
	.probe = virtio_mic_probe,
	.remove = virtio_mic_remove,
};

static int __init virtio_mic_init(void)
{
	return mbus_register_driver(&virtio_mic_driver);
}
module_init(virtio_mic_init);

static void __exit virtio_mic_exit(void)
{
	mbus_unregister_driver(&virtio_mic_driver);
}
module_exit(virtio_mic_exit);
