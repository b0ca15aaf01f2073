// SPDX-License-Identifier: BSD-3-Clause
/* The driver model of the stub kernel: buses, devices, drivers, what is freed with them, initcalls. */
#include "sim_parts.h"

#include <stdlib.h>

#define INITCALLS 32
#define DEVICES   128

struct devres {
	void (*action)(void *data);
	void *data;
	struct list_head list;
};

static struct {
	initcall_t fn;
	int level;
} initcall[INITCALLS];
static unsigned int initcalls;

static struct {
	const char *name;
	void *value;
	size_t size;
	u64 initial;
} param[INITCALLS];
static unsigned int params;

static struct device *devices; /* youngest first */
static struct ida *idas;       /* that were ever used */
enum system_states system_state;

/* ------------------------------------------------------------------ initcalls, parameters */

void sim_add_initcall(int level, initcall_t fn)
{
	unsigned int at = initcalls++;

	if (at >= INITCALLS)
		abort();
	/* In order of level; of one level as the linker put them. */
	for (; at && initcall[at - 1].level > level; at--)
		initcall[at] = initcall[at - 1];
	initcall[at].fn = fn;
	initcall[at].level = level;
}

void sim_boot(void)
{
	for (unsigned int i = 0; i < initcalls; i++) {
		int ret = initcall[i].fn();

		if (ret)
			sim_printk(4, "initcall %u failed: %d\n", i, ret);
	}
}

void sim_add_param(const char *name, void *value, size_t size)
{
	if (params >= INITCALLS)
		abort();
	param[params].name = name;
	param[params].size = size;
	param[params].value = value;
	memcpy(&param[params++].initial, value, size);
}

void sim_param(const char *name, unsigned int value)
{
	for (unsigned int i = 0; i < params; i++) {
		if (strcmp(param[i].name, name))
			continue;
		memcpy(param[i].value, &value, param[i].size);
		return;
	}
	sim_bug("no module parameter is called %s", name);
}

/* ------------------------------------------------------------------ devices */

void device_initialize(struct device *dev)
{
	dev->refs = 1;
	dev->initialized = true;
	INIT_LIST_HEAD(&dev->on_bus);
	INIT_LIST_HEAD(&dev->devres);
	mutex_init(&dev->mutex);
	dev->older = devices;
	devices = dev;
}

struct device *get_device(struct device *dev)
{
	if (dev) {
		if (dev->refs <= 0)
			sim_bug("get_device() of %s, which is gone", dev_name(dev));
		dev->refs++;
	}
	return dev;
}

void put_device(struct device *dev)
{
	if (!dev)
		return;
	if (dev->refs <= 0)
		sim_bug("put_device() of %s, which is gone", dev_name(dev));
	if (--dev->refs)
		return;
	for (struct device **at = &devices; *at; at = &(*at)->older) {
		if (*at != dev)
			continue;
		*at = dev->older;
		break;
	}
	if (dev->release)
		dev->release(dev);
	else if (dev->type && dev->type->release)
		dev->type->release(dev);
	else
		sim_bug("%s has no release function", dev_name(dev));
}

int dev_set_name(struct device *dev, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(dev->name_text, sizeof(dev->name_text), fmt, args);
	va_end(args);
	dev->kobj.name = dev->name_text;
	return 0;
}

void device_lock(struct device *dev)
{
	mutex_lock(&dev->mutex);
}

void device_unlock(struct device *dev)
{
	mutex_unlock(&dev->mutex);
}

static void release_devres(struct device *dev)
{
	while (!list_empty(&dev->devres)) {
		struct devres *r = list_first_entry(&dev->devres, struct devres, list);

		list_del(&r->list);
		r->action(r->data);
		kfree(r);
	}
}

int devm_add_action_or_reset(struct device *dev, void (*action)(void *data), void *data)
{
	struct devres *r = kmalloc(sizeof(*r), GFP_KERNEL);

	if (!r) {
		action(data);
		return -ENOMEM;
	}
	r->action = action;
	r->data = data;
	list_add(&r->list, &dev->devres);
	return 0;
}

static void free_it(void *p)
{
	kfree(p);
}

void *devm_kzalloc(struct device *dev, size_t size, gfp_t gfp)
{
	void *p = kzalloc(size, gfp);

	return p && !devm_add_action_or_reset(dev, free_it, p) ? p : NULL;
}

/* ------------------------------------------------------------------ binding */

/* With the device locked. 0: bound; 1: this driver is not for it, or its probe failed. */
static int try_bind(struct device *dev, struct device_driver *drv)
{
	int ret;

	if (dev->bus->match && dev->bus->match(dev, drv) <= 0)
		return 1;
	dev->driver = drv;
	ret = dev->bus->probe ? dev->bus->probe(dev) : drv->probe ? drv->probe(dev) : 0;
	if (!ret)
		return 0;
	release_devres(dev);
	dev->driver = NULL;
	dev->driver_data = NULL;
	if (ret != -ENODEV && ret != -ENXIO)
		sim_dev_printk(4, dev, "probe with driver %s failed: %d\n", drv->name, ret);
	return 1;
}

int device_attach(struct device *dev)
{
	struct device_driver *drv;
	int ret = 0;

	device_lock(dev);
	if (dev->added && !dev->driver && dev->bus) {
		list_for_each_entry(drv, &dev->bus->drivers, on_bus) {
			if (!try_bind(dev, drv)) {
				ret = 1;
				break;
			}
		}
	}
	device_unlock(dev);
	return ret;
}

static void unbind(struct device *dev)
{
	if (!dev->driver)
		return;
	if (dev->bus->remove)
		dev->bus->remove(dev);
	else if (dev->driver->remove)
		dev->driver->remove(dev);
	release_devres(dev);
	dev->driver = NULL;
	dev->driver_data = NULL;
}

void device_release_driver(struct device *dev)
{
	device_lock(dev);
	unbind(dev);
	device_unlock(dev);
}

int device_add(struct device *dev)
{
	if (!dev->initialized)
		sim_bug("device_add() of a device that was not initialized");
	if (!dev->init_name && !dev->name_text[0])
		return -EINVAL;
	get_device(dev);
	get_device(dev->parent);
	if (dev->bus && !dev->bus->registered)
		sim_bug("the bus of %s is not registered", dev_name(dev));
	if (dev->bus)
		list_add_tail(&dev->on_bus, &dev->bus->devices);
	dev->added = true;
	if (dev->bus && dev->bus->uevent) {
		struct kobj_uevent_env env = { .used = 0 };

		dev->bus->uevent(dev, &env);
	}
	if (dev->bus)
		device_attach(dev);
	return 0;
}

void device_del(struct device *dev)
{
	if (!dev->added)
		sim_bug("device_del() of %s, which was not added", dev_name(dev));
	dev->added = false;
	if (dev->bus)
		list_del_init(&dev->on_bus);
	device_release_driver(dev);
	put_device(dev->parent);
	put_device(dev);
}

int device_register(struct device *dev)
{
	device_initialize(dev);
	return device_add(dev);
}

void device_unregister(struct device *dev)
{
	device_del(dev);
	put_device(dev);
}

int bus_register(struct bus_type *bus)
{
	INIT_LIST_HEAD(&bus->devices);
	INIT_LIST_HEAD(&bus->drivers);
	bus->registered = true;
	return 0;
}

void bus_unregister(struct bus_type *bus)
{
	if (!list_empty(&bus->devices) || !list_empty(&bus->drivers))
		sim_bug("the bus %s goes with devices or drivers on it", bus->name);
	bus->registered = false;
}

/* The devices of a bus now, held: they may go while something is done to them. */
static unsigned int hold_devices(struct bus_type *bus, struct device *held[DEVICES])
{
	struct device *dev;
	unsigned int n = 0;

	list_for_each_entry(dev, &bus->devices, on_bus) {
		if (n == DEVICES)
			sim_bug("more than %u devices on the bus %s", DEVICES, bus->name);
		held[n++] = get_device(dev);
	}
	return n;
}

int driver_register(struct device_driver *drv)
{
	struct device *held[DEVICES];
	unsigned int n;

	if (!drv->bus->registered)
		sim_bug("the bus of driver %s is not registered", drv->name);
	list_add_tail(&drv->on_bus, &drv->bus->drivers);
	n = hold_devices(drv->bus, held);
	for (unsigned int i = 0; i < n; i++) {
		device_lock(held[i]);
		if (held[i]->added && !held[i]->driver)
			try_bind(held[i], drv);
		device_unlock(held[i]);
		put_device(held[i]);
	}
	return 0;
}

void driver_unregister(struct device_driver *drv)
{
	struct device *held[DEVICES];
	unsigned int n = hold_devices(drv->bus, held);

	for (unsigned int i = 0; i < n; i++) {
		if (held[i]->driver == drv)
			device_release_driver(held[i]);
		put_device(held[i]);
	}
	list_del(&drv->on_bus);
}

int add_uevent_var(struct kobj_uevent_env *env, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(env->text + env->used, sizeof(env->text) - env->used, fmt, args);
	va_end(args);
	env->used += (size_t)n + 1;
	return env->used > sizeof(env->text) ? -ENOMEM : 0;
}

/* ------------------------------------------------------------------ platform devices */

static int platform_match(struct device *dev, struct device_driver *drv)
{
	return !strcmp(to_platform_device(dev)->name, drv->name);
}

static int platform_probe(struct device *dev)
{
	return container_of(dev->driver, struct platform_driver, driver)
		->probe(to_platform_device(dev));
}

static void platform_remove(struct device *dev)
{
	struct platform_driver *drv = container_of(dev->driver, struct platform_driver, driver);

	if (drv->remove_new)
		drv->remove_new(to_platform_device(dev));
	else if (drv->remove)
		drv->remove(to_platform_device(dev));
}

static void platform_shutdown(struct device *dev)
{
	struct platform_driver *drv = container_of(dev->driver, struct platform_driver, driver);

	if (drv->shutdown)
		drv->shutdown(to_platform_device(dev));
}

static struct bus_type platform_bus = {
	.name = "platform",
	.match = platform_match,
	.probe = platform_probe,
	.remove = platform_remove,
	.shutdown = platform_shutdown,
};

int platform_driver_register(struct platform_driver *drv)
{
	drv->driver.bus = &platform_bus;
	return driver_register(&drv->driver);
}

void platform_driver_unregister(struct platform_driver *drv)
{
	driver_unregister(&drv->driver);
}

static void platform_release(struct device *dev)
{
	kfree(to_platform_device(dev));
}

struct platform_device *platform_device_register_simple(const char *name, int id, const void *res,
							unsigned int num)
{
	struct platform_device *pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);

	(void)res;
	(void)num;
	if (!pdev)
		return ERR_PTR(-ENOMEM);
	pdev->name = name;
	pdev->id = id;
	pdev->dev.bus = &platform_bus;
	pdev->dev.release = platform_release;
	dev_set_name(&pdev->dev, "%s", name);
	device_register(&pdev->dev);
	return pdev;
}

void platform_device_unregister(struct platform_device *pdev)
{
	device_unregister(&pdev->dev);
}

/* ------------------------------------------------------------------ numbers */

int ida_alloc(struct ida *ida, gfp_t gfp)
{
	(void)gfp;
	if (!ida->seen) {
		ida->seen = true;
		ida->next = idas;
		idas = ida;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ida->used) * BITS_PER_LONG; i++)
		if (!test_and_set_bit(i, ida->used))
			return (int)i;
	return -ENOSPC;
}

void ida_free(struct ida *ida, unsigned int id)
{
	if (!test_and_clear_bit(id, ida->used))
		sim_bug("ida_free() of %u, which is free", id);
}

/* ------------------------------------------------------------------ life */

void sim_drivers_begin(void)
{
	bus_register(&platform_bus);
	system_state = SYSTEM_RUNNING;
	for (unsigned int i = 0; i < params; i++)
		memcpy(param[i].value, &param[i].initial, param[i].size);
}

static struct device *youngest_that_is_up(void)
{
	struct device *dev = devices;

	while (dev && (!dev->added || dev->down))
		dev = dev->older;
	return dev;
}

/* In the order of the kernel on its way down: the youngest device first. */
void sim_shutdown(void)
{
	struct device *dev;

	system_state = SYSTEM_POWER_OFF;
	while ((dev = youngest_that_is_up())) {
		dev->down = true;
		get_device(dev);
		device_lock(dev);
		if (dev->bus && dev->driver && dev->bus->shutdown)
			dev->bus->shutdown(dev);
		else if (dev->driver && dev->driver->shutdown)
			dev->driver->shutdown(dev);
		device_unlock(dev);
		put_device(dev);
	}
}

void sim_drivers_end(void)
{
	devices = NULL;
	while (idas) {
		struct ida *ida = idas;

		idas = ida->next;
		memset(ida, 0, sizeof(*ida));
	}
}
