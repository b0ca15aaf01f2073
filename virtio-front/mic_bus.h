/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MIC bus: what a MIC X100 card finds on the board and what its host lends it (x100-abi.md 4).
 */
#ifndef MIC_BUS_H
#define MIC_BUS_H

#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/types.h>

#define MBUS_DEV_DMA_HOST 2
#define MBUS_DEV_DMA_MIC  3
#define MBUS_DEV_VIRTIO   4 /* ours: on the device page; the vendor is the virtio device id */
#define MBUS_ANY_ID       0xffffffff

struct mbus_device_id {
	u32 device;
	u32 vendor;
};

struct mic_irq; /* cookie of a requested interrupt */
struct mbus_device;

/* What the core that registered a device does for its driver. */
struct mbus_hw_ops {
	/* Interrupt @source, in the numbers of the device. Returns a cookie or ERR_PTR(). */
	struct mic_irq *(*request_threaded_irq)(struct mbus_device *mbdev, irq_handler_t handler,
						irq_handler_t thread, const char *name, void *data,
						int source);
	void (*free_irq)(struct mbus_device *mbdev, struct mic_irq *cookie, void *data);
	void (*ack_interrupt)(struct mbus_device *mbdev, int source);
};

struct mbus_device {
	struct device dev;
	struct mbus_device_id id;
	unsigned int index;
	const struct mbus_hw_ops *hw_ops;
	void __iomem *mmio_va; /* DBOX and SBOX */
};

/*
 * struct mbus_driver - a driver on the bus
 * @id_table: what it drives, ends with a device of 0
 * @probe: takes a device: 0 or a negative errno
 * @scan: called after a successful probe, may be NULL
 * @remove: gives the device back
 */
struct mbus_driver {
	struct device_driver driver;
	const struct mbus_device_id *id_table;
	int (*probe)(struct mbus_device *mbdev);
	void (*scan)(struct mbus_device *mbdev);
	void (*remove)(struct mbus_device *mbdev);
};

#define to_mbus_device(d) container_of(d, struct mbus_device, dev)
#define to_mbus_driver(d) container_of(d, struct mbus_driver, driver)

/*
 * mbus_register_device() - put a device called mbus-dev@index on the bus
 * @parent: device that it is a part of
 * @id: what it is
 * @index: free number
 * @hw_ops: its interrupts; must outlive the device
 * @mmio_va: the card's registers
 * @platform_data: for its driver, remains the caller's
 *
 * Returns the device, which mbus_unregister_device() takes away again, or ERR_PTR().
 */
struct mbus_device *mbus_register_device(struct device *parent, struct mbus_device_id id,
					 unsigned int index, const struct mbus_hw_ops *hw_ops,
					 void __iomem *mmio_va, void *platform_data);
void mbus_unregister_device(struct mbus_device *mbdev);

int mbus_register_driver(struct mbus_driver *driver);
void mbus_unregister_driver(struct mbus_driver *driver);

#endif
