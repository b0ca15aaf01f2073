// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MIC bus: devices, drivers, and who fits whom (x100-abi.md 4).
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "mic_bus.h"

static ssize_t device_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%04x\n", to_mbus_device(dev)->id.device);
}
static DEVICE_ATTR_RO(device);

static ssize_t vendor_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%04x\n", to_mbus_device(dev)->id.vendor);
}
static DEVICE_ATTR_RO(vendor);

static ssize_t modalias_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct mbus_device_id id = to_mbus_device(dev)->id;

	return sysfs_emit(buf, "mbus:d%08Xv%08X\n", id.device, id.vendor);
}
static DEVICE_ATTR_RO(modalias);

static struct attribute *mbus_dev_attrs[] = {
	&dev_attr_device.attr,
	&dev_attr_vendor.attr,
	&dev_attr_modalias.attr,
	NULL,
};
ATTRIBUTE_GROUPS(mbus_dev);

static int mbus_uevent(struct device *dev, struct kobj_uevent_env *env)
{
	struct mbus_device_id id = to_mbus_device(dev)->id;

	return add_uevent_var(env, "MODALIAS=mbus:d%08Xv%08X", id.device, id.vendor);
}

static bool mbus_id_match(struct mbus_device_id id, const struct mbus_device_id *want)
{
	if (want->device != MBUS_ANY_ID && want->device != id.device)
		return false;
	return want->vendor == MBUS_ANY_ID || want->vendor == id.vendor;
}

static int mbus_match(struct device *dev, struct device_driver *drv)
{
	const struct mbus_device_id *want = to_mbus_driver(drv)->id_table;

	for (; want->device; want++)
		if (mbus_id_match(to_mbus_device(dev)->id, want))
			return 1;
	return 0;
}

static int mbus_probe(struct device *dev)
{
	struct mbus_driver *driver = to_mbus_driver(dev->driver);
	int ret = driver->probe(to_mbus_device(dev));

	if (!ret && driver->scan)
		driver->scan(to_mbus_device(dev));
	return ret;
}

static void mbus_remove(struct device *dev)
{
	to_mbus_driver(dev->driver)->remove(to_mbus_device(dev));
}

static struct bus_type mic_bus = {
	.name = "mic",
	.match = mbus_match,
	.dev_groups = mbus_dev_groups,
	.uevent = mbus_uevent,
	.probe = mbus_probe,
	.remove = mbus_remove,
};

int mbus_register_driver(struct mbus_driver *driver)
{
	driver->driver.bus = &mic_bus;
	return driver_register(&driver->driver);
}
EXPORT_SYMBOL_GPL(mbus_register_driver);

void mbus_unregister_driver(struct mbus_driver *driver)
{
	driver_unregister(&driver->driver);
}
EXPORT_SYMBOL_GPL(mbus_unregister_driver);

static void mbus_release_dev(struct device *dev)
{
	kfree(to_mbus_device(dev));
}

struct mbus_device *mbus_register_device(struct device *parent, struct mbus_device_id id,
					 unsigned int index, const struct mbus_hw_ops *hw_ops,
					 void __iomem *mmio_va, void *platform_data)
{
	struct mbus_device *mbdev = kzalloc(sizeof(*mbdev), GFP_KERNEL);
	int ret;

	if (!mbdev)
		return ERR_PTR(-ENOMEM);

	mbdev->id = id;
	mbdev->index = index;
	mbdev->hw_ops = hw_ops;
	mbdev->mmio_va = mmio_va;
	mbdev->dev.parent = parent;
	mbdev->dev.bus = &mic_bus;
	mbdev->dev.release = mbus_release_dev;
	mbdev->dev.platform_data = platform_data;
	mbdev->dev.dma_mask = &mbdev->dev.coherent_dma_mask;
	mbdev->dev.coherent_dma_mask = DMA_BIT_MASK(64);
	device_initialize(&mbdev->dev);

	ret = dev_set_name(&mbdev->dev, "mbus-dev%u", index);
	if (!ret)
		ret = device_add(&mbdev->dev);
	if (ret) {
		put_device(&mbdev->dev);
		return ERR_PTR(ret);
	}
	return mbdev;
}
EXPORT_SYMBOL_GPL(mbus_register_device);

void mbus_unregister_device(struct mbus_device *mbdev)
{
	device_unregister(&mbdev->dev);
}
EXPORT_SYMBOL_GPL(mbus_unregister_device);

static int __init mbus_init(void)
{
	return bus_register(&mic_bus);
}
core_initcall(mbus_init);

static void __exit mbus_exit(void)
{
	bus_unregister(&mic_bus);
}
module_exit(mbus_exit);
