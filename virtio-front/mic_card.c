// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts on the MIC bus what a MIC X100 card has: its DMA channels, and the virtio devices that the
 * host describes on the device page, which come and go (x100-abi.md 2.1, 2.10, 2.11).
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <asm/x100.h>

#include <x100/irq.h>
#include <x100/memmap.h>
#include <x100/range.h>

#include "devpage.h"
#include "mic_card.h"

#define MIC_WAIT_S      10
#define MIC_WAIT_DOWN_S 1
#define MIC_POLL_MIN_US 20
#define MIC_POLL_MAX_US 20000

static bool old_doorbells;
module_param(old_doorbells, bool, 0444);
MODULE_PARM_DESC(old_doorbells, "take host-to-card doorbells from 0 up, as old cards did");

struct mic_card {
	struct device *dev;
	void __iomem *page;
	struct mbus_device *dma;
	struct mutex lock; /* all below */
	struct list_head devices;
	struct delayed_work scan;
	int config_db; /* -1 before it is published */
	u8 db_users[DEVPAGE_DOORBELLS];
	DECLARE_BITMAP(reported, X100_DEVPAGE_SIZE / 8); /* slots with an error in the log */
};

/* Doorbells 0 to 7 are the ICRs, 8 to 15 pins of the I/O APIC (x100-abi.md 7.1). */
static int doorbell_irq(unsigned int n)
{
	return n < X100_ICRS ? X100_IRQ_ICR(n) : X100_IRQ_PIN(X100_PIN_RDMASR(n - X100_ICRS));
}

static unsigned int doorbell_get(struct mic_card *card)
{
	unsigned int n = devpage_pick_doorbell(card->db_users, old_doorbells);

	card->db_users[n]++;
	return n;
}

static void doorbell_put(struct mic_card *card, unsigned int n)
{
	card->db_users[n]--;
}

/* All ones when the host program has gone and taken its memory away. */
static bool page_alive(const struct mic_card *card)
{
	return readl(card->page) == X100_DEVPAGE_MAGIC;
}

void mic_vdev_ring(const struct mic_vdev *vd)
{
	x100_sbox_write(X100_SBOX_SDBIC(vd->c2h_db), X100_SDBIC_REQUEST);
}

void mic_vdev_store(const struct mic_vdev *vd, void __iomem *where, u8 value)
{
	/* The doorbell may overtake the last store, but not the last but one (x100-abi.md 2.9). */
	writeb(value, where);
	writeb(value, where);
	mic_vdev_ring(vd);
}

int mic_vdev_wait(const struct mic_vdev *vd, const void __iomem *where, u8 want)
{
	ktime_t start = ktime_get();
	unsigned long pause = MIC_POLL_MIN_US;

	while (readb(where) != want) {
		bool down = system_state > SYSTEM_RUNNING;

		if (down && !page_alive(vd->card))
			return -ENODEV;
		if (ktime_ms_delta(ktime_get(), start) >
		    MSEC_PER_SEC * (down ? MIC_WAIT_DOWN_S : MIC_WAIT_S))
			return -ETIMEDOUT;
		usleep_range(pause, 2 * pause);
		pause = min_t(unsigned long, 2 * pause, MIC_POLL_MAX_US);
	}
	return 0;
}

/* Interrupts of a device on the bus are Linux interrupt numbers here. */
static struct mic_irq *mic_request_irq(struct mbus_device *mbdev, irq_handler_t handler,
				       irq_handler_t thread, const char *name, void *data,
				       int source)
{
	int ret = request_threaded_irq(source, handler, thread, IRQF_SHARED, name, data);

	return ret ? ERR_PTR(ret) : (struct mic_irq *)(unsigned long)source;
}

static void mic_free_irq(struct mbus_device *mbdev, struct mic_irq *cookie, void *data)
{
	free_irq((unsigned long)cookie, data);
}

static void mic_ack_interrupt(struct mbus_device *mbdev, int source)
{
	/* Nothing: the local APIC is acknowledged by Linux. */
}

static const struct mbus_hw_ops mic_hw_ops = {
	.request_threaded_irq = mic_request_irq,
	.free_irq = mic_free_irq,
	.ack_interrupt = mic_ack_interrupt,
};

/* True once for each slot, until the slot has been good again. */
static bool report_slot(struct mic_card *card, u32 offset)
{
	return !test_and_set_bit(offset / 8, card->reported);
}

static void mic_vdev_free(struct mic_vdev *vd)
{
	doorbell_put(vd->card, vd->h2c_db);
	list_del(&vd->node);
	kfree(vd);
}

/* Give its slot back to the host, which may use it again as soon as it sees guest_ack. */
static void mic_vdev_release_slot(struct mic_vdev *vd)
{
	writeb(-1, vd->ctrl + offsetof(struct x100_vdev_ctrl, h2c_vdev_db));
	writeb(0, vd->ctrl + offsetof(struct x100_vdev_ctrl, card_features));
	writeb(X100_VDEV_DELETED, vd->desc + offsetof(struct x100_vdev_desc, type));
	mic_vdev_store(vd, vd->ctrl + offsetof(struct x100_vdev_ctrl, guest_ack), 1);
}

static void publish_config_doorbell(struct mic_card *card, int db)
{
	/* The host polls for it or comes to it when a device rings. */
	writeb(db, card->page + offsetof(struct x100_bootparam, h2c_config_db));
}

/* Do what the host wants of a device that is known already. */
static void mic_vdev_update(struct mic_vdev *vd)
{
	struct mic_card *card = vd->card;
	void __iomem *guest_ack = vd->ctrl + offsetof(struct x100_vdev_ctrl, guest_ack);
	s8 type = readb(vd->desc + offsetof(struct x100_vdev_desc, type));
	u64 flags;
	u8 change;
	bool acked;

	/* In one read: the host clears both when it has seen guest_ack. */
	devpage_read(&flags, vd->ctrl + offsetof(struct x100_vdev_ctrl, config_change),
		     sizeof(flags));
	change = flags;
	acked = (u8)(flags >> 16) == 1;

	if (type != vd->head.type) {
		if (!page_alive(card))
			return;
		dev_warn(card->dev, "device at %u was taken away without notice\n", vd->offset);
		mbus_unregister_device(vd->mbdev);
		mic_vdev_free(vd);
		return;
	}

	switch (change) {
	case X100_CHANGE_REMOVE:
		mbus_unregister_device(vd->mbdev);
		mic_vdev_release_slot(vd);
		mic_vdev_free(vd);
		break;
	case X100_CHANGE_CONFIG:
		/* Once acknowledged, the flag may be gone at any moment. */
		if (acked)
			break;
		if (vd->config_changed)
			vd->config_changed(vd);
		mic_vdev_store(vd, guest_ack, 1);
		break;
	case X100_CHANGE_RESUME:
		/* Once acknowledged, the rings belong to the host and the drivers. */
		if (acked)
			break;
		publish_config_doorbell(card, card->config_db);
		if (vd->resume)
			vd->resume(vd);
		else
			mic_vdev_store(vd, guest_ack, 1);
		break;
	}
}

static void mic_vdev_add(struct mic_card *card, const struct devpage_slot *slot)
{
	struct mbus_device_id id = { MBUS_DEV_VIRTIO, slot->head.type };
	struct mic_vdev *vd = kzalloc(sizeof(*vd), GFP_KERNEL);

	if (!vd)
		return;
	vd->card = card;
	vd->offset = slot->offset;
	vd->head = slot->head;
	vd->desc = card->page + slot->offset;
	vd->ctrl = vd->desc + x100_vdev_ctrl_offset(&vd->head);
	vd->c2h_db = (s8)readb(vd->ctrl + offsetof(struct x100_vdev_ctrl, c2h_vdev_db));
	if (vd->c2h_db < 0 || vd->c2h_db >= X100_HOST_DOORBELLS) {
		if (report_slot(card, slot->offset))
			dev_err(card->dev, "device at %u: no doorbell %d\n", slot->offset,
				vd->c2h_db);
		kfree(vd);
		return;
	}
	vd->h2c_db = doorbell_get(card);
	vd->irq = doorbell_irq(vd->h2c_db);
	list_add_tail(&vd->node, &card->devices);

	/* Its place on the page is a free number as well. */
	vd->mbdev = mbus_register_device(card->dev, id, slot->offset / 8, &mic_hw_ops, x100_mmio,
					 vd);
	if (IS_ERR(vd->mbdev)) {
		if (report_slot(card, slot->offset))
			dev_err(card->dev, "device at %u: %ld\n", slot->offset,
				PTR_ERR(vd->mbdev));
		mic_vdev_free(vd);
		return;
	}
	clear_bit(slot->offset / 8, card->reported);
	/* One scan may be the answer to two doorbells: the host may want it back already. */
	mic_vdev_update(vd);
}

static struct mic_vdev *mic_card_overlap(struct mic_card *card, const struct devpage_slot *slot)
{
	struct x100_range range = { slot->offset, x100_vdev_total(&slot->head) };
	struct mic_vdev *vd;

	list_for_each_entry(vd, &card->devices, node) {
		struct x100_range known = { vd->offset, x100_vdev_total(&vd->head) };

		if (x100_range_overlaps(range, known))
			return vd;
	}
	return NULL;
}

static void mic_card_find(struct mic_card *card)
{
	struct devpage_slot slot = {};
	int ret;

	while ((ret = devpage_next(card->page, &slot)) > 0) {
		struct mic_vdev *known = mic_card_overlap(card, &slot);
		const char *fault;

		/* Go on behind what is known, whatever stands there now. */
		if (known) {
			if (known->offset == slot.offset) {
				slot.head = known->head;
				continue;
			}
			fault = "reaches into another";
		} else if (slot.head.type == X100_VDEV_DELETED) {
			continue;
		} else {
			fault = devpage_desc_fault(&slot.head);
		}

		if (!fault) {
			mic_vdev_add(card, &slot);
			continue;
		}
		if (slot.head.type != X100_VDEV_DELETED && page_alive(card) &&
		    report_slot(card, slot.offset))
			dev_err(card->dev, "device at %u: %s\n", slot.offset, fault);
	}
	if (ret && page_alive(card) && report_slot(card, slot.offset))
		dev_err(card->dev, "device at %u: reaches out of the page\n", slot.offset);
}

static void mic_card_scan(struct mic_card *card)
{
	struct mic_vdev *vd, *next;

	mutex_lock(&card->lock);
	/* Without a host there is nothing to learn; the devices wait for its return. */
	if (page_alive(card)) {
		list_for_each_entry_safe(vd, next, &card->devices, node)
			mic_vdev_update(vd);
		mic_card_find(card);
	}
	mutex_unlock(&card->lock);
}

static irqreturn_t config_doorbell(int irq, void *data)
{
	struct mic_card *card = data;

	mod_delayed_work(system_long_wq, &card->scan, 0);
	return IRQ_HANDLED;
}

/* Take what is on the page, and have the host ring from now on. False: no page yet. */
static bool mic_card_meet_host(struct mic_card *card)
{
	unsigned int db;
	int ret;

	if (!page_alive(card))
		return false;
	mic_card_scan(card);

	db = doorbell_get(card);
	ret = request_irq(doorbell_irq(db), config_doorbell, IRQF_SHARED, "mic-config", card);
	if (ret) {
		dev_err(card->dev, "doorbell %u: %d\n", db, ret);
		doorbell_put(card, db);
		return true;
	}
	card->config_db = db;
	publish_config_doorbell(card, db);
	return true;
}

static void mic_card_work(struct work_struct *work)
{
	struct mic_card *card = container_of(to_delayed_work(work), struct mic_card, scan);

	if (card->config_db >= 0 || mic_card_meet_host(card))
		mic_card_scan(card);
	else
		queue_delayed_work(system_long_wq, &card->scan, HZ);
}

/* Where the page is, or 0 (x100-abi.md 2.1). */
static u64 page_address(struct device *dev)
{
	const struct x100_range window = { X100_SYSMEM_BASE, X100_SYSMEM_SIZE };
	u64 addr = x100_sbox_read(X100_SBOX_SCRATCH(14)) |
		   (u64)x100_sbox_read(X100_SBOX_SCRATCH(15)) << 32;

	if (!addr) {
		dev_info(dev, "the host has no device page\n");
		return 0;
	}
	if (addr % 8 || !x100_range_inside(window, addr, X100_DEVPAGE_SIZE)) {
		dev_info(dev, "no device page at %#llx\n", addr);
		return 0;
	}
	return addr;
}

static void mic_card_start(struct mic_card *card)
{
	u64 addr = page_address(card->dev);
	bool met;

	if (!addr)
		return;
	card->page = ioremap(addr, X100_DEVPAGE_SIZE);
	if (!card->page)
		return;
	met = mic_card_meet_host(card);
	dev_info(card->dev, "%sdevice page at %#llx\n", met ? "" : "waiting for the ", addr);
	/*
	 * At once, for what the host did in between without a doorbell (x100-abi.md 9.3, 9). Later,
	 * if the host program has gone, to see whether it is back.
	 */
	queue_delayed_work(system_long_wq, &card->scan, met ? 0 : HZ);
}

static int mic_card_probe(struct platform_device *pdev)
{
	const struct mbus_device_id dma = { MBUS_DEV_DMA_MIC, MBUS_ANY_ID };
	struct mic_card *card = devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL);

	if (!card)
		return -ENOMEM;
	card->dev = &pdev->dev;
	card->config_db = -1;
	mutex_init(&card->lock);
	INIT_LIST_HEAD(&card->devices);
	INIT_DELAYED_WORK(&card->scan, mic_card_work);
	platform_set_drvdata(pdev, card);

	card->dma = mbus_register_device(card->dev, dma, 0, &mic_hw_ops, x100_mmio, NULL);
	if (IS_ERR(card->dma))
		dev_err(card->dev, "DMA channels: %ld\n", PTR_ERR(card->dma));
	mic_card_start(card);
	return 0;
}

/* Hear no more of the host. */
static void mic_card_stop(struct mic_card *card)
{
	cancel_delayed_work_sync(&card->scan);
	if (card->config_db < 0)
		return;
	if (page_alive(card))
		publish_config_doorbell(card, -1);
	free_irq(doorbell_irq(card->config_db), card);
	cancel_delayed_work_sync(&card->scan);
	doorbell_put(card, card->config_db);
	card->config_db = -1;
}

/* A removal that the host did not ask for (x100-abi.md 2.11). */
static void mic_vdev_leave(struct mic_vdev *vd, bool unregister)
{
	void __iomem *change = vd->ctrl + offsetof(struct x100_vdev_ctrl, config_change);
	bool alive = page_alive(vd->card);

	if (alive)
		writeb(X100_CHANGE_REMOVE, change);
	if (unregister)
		mbus_unregister_device(vd->mbdev);
	if (alive) {
		mic_vdev_release_slot(vd);
		writeb(0, change);
		writeb(0, vd->ctrl + offsetof(struct x100_vdev_ctrl, guest_ack));
	}
}

/*
 * The card goes down and the virtio core has reset the devices already. The drivers stay, because
 * nothing may wait for I/O here.
 */
static void mic_card_shutdown(struct platform_device *pdev)
{
	struct mic_card *card = platform_get_drvdata(pdev);
	struct mic_vdev *vd;

	if (!card->page)
		return;
	mic_card_stop(card);
	mutex_lock(&card->lock);
	list_for_each_entry(vd, &card->devices, node)
		mic_vdev_leave(vd, false);
	mutex_unlock(&card->lock);
}

static int mic_card_remove(struct platform_device *pdev)
{
	struct mic_card *card = platform_get_drvdata(pdev);
	struct mic_vdev *vd, *next;

	if (card->page) {
		mic_card_stop(card);
		list_for_each_entry_safe(vd, next, &card->devices, node) {
			mic_vdev_leave(vd, true);
			mic_vdev_free(vd);
		}
		iounmap(card->page);
	}
	if (!IS_ERR(card->dma))
		mbus_unregister_device(card->dma);
	return 0;
}

static struct platform_driver mic_card_driver = {
	.driver = {
		.name = "mic",
		.suppress_bind_attrs = true,
	},
	.probe = mic_card_probe,
	.remove = mic_card_remove,
	.shutdown = mic_card_shutdown,
};

static struct platform_device *mic_card_device;

static int __init mic_card_init(void)
{
	int ret = platform_driver_register(&mic_card_driver);

	if (ret)
		return ret;
	mic_card_device = platform_device_register_simple("mic", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(mic_card_device)) {
		platform_driver_unregister(&mic_card_driver);
		return PTR_ERR(mic_card_device);
	}
	return 0;
}
module_init(mic_card_init);

static void __exit mic_card_exit(void)
{
	platform_device_unregister(mic_card_device);
	platform_driver_unregister(&mic_card_driver);
}
module_exit(mic_card_exit);
