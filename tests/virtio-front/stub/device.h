/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver model of the kernel: devices, buses and drivers (driver_core.c). */
#ifndef STUB_DEVICE_H
#define STUB_DEVICE_H

#include "sched.h"

struct virtio_device_id {
	u32 device, vendor;
};

#define VIRTIO_DEV_ANY_ID 0xffffffff

struct module;
struct device;
struct device_driver;
struct device_node;
struct fwnode_handle;

struct kobject {
	const char *name;
};

struct kobj_uevent_env {
	char text[256];
	size_t used;
};

int add_uevent_var(struct kobj_uevent_env *env, const char *fmt, ...) __printf(2, 3);

struct attribute {
	const char *name;
	umode_t mode;
};

struct device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *dev, struct device_attribute *attr, char *buf);
	ssize_t (*store)(struct device *dev, struct device_attribute *attr, const char *buf,
			 size_t count);
};

struct attribute_group {
	const char *name;
	umode_t (*is_visible)(struct kobject *kobj, struct attribute *attr, int n);
	struct attribute **attrs;
};

#define DEVICE_ATTR_RO(n)                                                                          \
	struct device_attribute dev_attr_##n = { .attr = { #n, 0444 }, .show = n##_show }
#define ATTRIBUTE_GROUPS(n)                                                                        \
	static const struct attribute_group n##_group = { .attrs = n##_attrs };                    \
	static const struct attribute_group *n##_groups[] = { &n##_group, NULL }
#define sysfs_emit sprintf

struct bus_type {
	const char *name;
	int (*match)(struct device *dev, struct device_driver *drv);
	int (*uevent)(struct device *dev, struct kobj_uevent_env *env);
	int (*probe)(struct device *dev);
	void (*remove)(struct device *dev);
	void (*shutdown)(struct device *dev);
	const struct attribute_group **dev_groups, **drv_groups, **bus_groups;
	/* The stub's. */
	struct list_head devices, drivers;
	bool registered;
};

struct device_driver {
	const char *name;
	struct bus_type *bus;
	struct module *owner;
	const struct attribute_group **groups, **dev_groups;
	int (*probe)(struct device *dev);
	int (*remove)(struct device *dev);
	void (*shutdown)(struct device *dev);
	bool suppress_bind_attrs;
	int probe_type;
	struct list_head on_bus;
};

struct device_type {
	const char *name;
	void (*release)(struct device *dev);
};

struct dma_map_ops;

struct device {
	struct kobject kobj;
	struct device *parent;
	struct bus_type *bus;
	struct device_driver *driver;
	const struct device_type *type;
	const struct attribute_group **groups;
	void *driver_data, *platform_data;
	struct device_node *of_node;
	struct fwnode_handle *fwnode;
	const char *init_name;
	u64 *dma_mask, coherent_dma_mask;
	const struct dma_map_ops *dma_ops;
	unsigned int id;
	void (*release)(struct device *dev);
	/* The stub's. */
	char name_text[64];
	int refs;
	bool added, initialized, down;
	struct device *older;
	struct mutex mutex;
	struct list_head on_bus, devres;
};

int bus_register(struct bus_type *bus);
void bus_unregister(struct bus_type *bus);
int driver_register(struct device_driver *drv);
void driver_unregister(struct device_driver *drv);
void device_initialize(struct device *dev);
int device_add(struct device *dev);
void device_del(struct device *dev);
int device_register(struct device *dev);
void device_unregister(struct device *dev);
struct device *get_device(struct device *dev);
void put_device(struct device *dev);
int dev_set_name(struct device *dev, const char *fmt, ...) __printf(2, 3);
void device_release_driver(struct device *dev);
int device_attach(struct device *dev);
void device_lock(struct device *dev);
void device_unlock(struct device *dev);
void sim_dev_printk(int level, const struct device *dev, const char *fmt, ...) __printf(3, 4);

static inline const char *dev_name(const struct device *dev)
{
	return dev->init_name ? dev->init_name : dev->name_text;
}

static inline void *dev_get_drvdata(const struct device *dev)
{
	return dev->driver_data;
}

static inline void dev_set_drvdata(struct device *dev, void *data)
{
	dev->driver_data = data;
}

static inline void *dev_get_platdata(const struct device *dev)
{
	return dev->platform_data;
}

#define dev_err(dev, fmt, ...)  sim_dev_printk(3, dev, fmt, ##__VA_ARGS__)
#define dev_warn(dev, fmt, ...) sim_dev_printk(4, dev, fmt, ##__VA_ARGS__)
#define dev_info(dev, fmt, ...) sim_dev_printk(6, dev, fmt, ##__VA_ARGS__)
#define dev_warn_once           dev_warn

/* Freed when the driver is unbound, last one first. */
int devm_add_action_or_reset(struct device *dev, void (*action)(void *data), void *data);
void *devm_kzalloc(struct device *dev, size_t size, gfp_t gfp);

struct platform_device {
	const char *name;
	int id;
	struct device dev;
};

struct platform_driver {
	int (*probe)(struct platform_device *pdev);
	int (*remove)(struct platform_device *pdev);
	void (*remove_new)(struct platform_device *pdev);
	void (*shutdown)(struct platform_device *pdev);
	struct device_driver driver;
	const struct platform_device_id *id_table;
};

#define PLATFORM_DEVID_NONE   (-1)
#define to_platform_device(d) container_of(d, struct platform_device, dev)
int platform_driver_register(struct platform_driver *drv);
void platform_driver_unregister(struct platform_driver *drv);
struct platform_device *platform_device_register_simple(const char *name, int id, const void *res,
							unsigned int num);
void platform_device_unregister(struct platform_device *pdev);
static inline void platform_set_drvdata(struct platform_device *pdev, void *data)
{
	pdev->dev.driver_data = data;
}
static inline void *platform_get_drvdata(const struct platform_device *pdev)
{
	return pdev->dev.driver_data;
}

/* Numbers from 0 on. */
struct ida {
	unsigned long used[4];
	bool seen;
	struct ida *next;
};

#define DEFINE_IDA(name) struct ida name
int ida_alloc(struct ida *ida, gfp_t gfp);
void ida_free(struct ida *ida, unsigned int id);
#define ida_destroy(ida) ((void)(ida))

/* What stands at module level is called by hand (sim.h). */
typedef int (*initcall_t)(void);
void sim_add_initcall(int level, initcall_t fn);
#define sim_initcall(level, fn)                                                                    \
	__attribute__((constructor)) static void sim_initcall_##fn(void)                           \
	{                                                                                          \
		sim_add_initcall(level, fn);                                                       \
	}
#define core_initcall(fn) sim_initcall(1, fn)
#define fs_initcall(fn)   sim_initcall(5, fn)
#define module_init(fn)   sim_initcall(6, fn)
#define module_exit(fn)   static void (*const sim_exit_##fn)(void) __maybe_unused = fn
#define module_driver(drv, reg, unreg)                                                             \
	static int drv##_init(void)                                                                \
	{                                                                                          \
		return reg(&(drv));                                                                \
	}                                                                                          \
	module_init(drv##_init);                                                                   \
	static void drv##_exit(void)                                                               \
	{                                                                                          \
		unreg(&(drv));                                                                     \
	}                                                                                          \
	module_exit(drv##_exit)

/* Parameters are found by name (sim.h). */
void sim_add_param(const char *name, void *value, size_t size);
#define module_param_named(n, var, type, perm)                                                     \
	__attribute__((constructor)) static void sim_param_##n(void)                               \
	{                                                                                          \
		sim_add_param(#n, &(var), sizeof(var));                                            \
	}
#define module_param(n, type, perm) module_param_named(n, n, type, perm)

/* No device tree, no Xen, no memory sanitizer. */
#define dev_of_node(dev)                          ((struct device_node *)NULL)
#define of_get_available_child_count(np)          0
#define of_get_next_available_child(np, prev)     ((struct device_node *)NULL)
#define of_device_is_compatible(np, name)         0
#define of_node_put(np)                           ((void)(np))
#define xen_domain()                              0
#define kmsan_handle_dma(page, offset, size, dir) ((void)0)

enum system_states {
	SYSTEM_BOOTING,
	SYSTEM_SCHEDULING,
	SYSTEM_FREEING_INITMEM,
	SYSTEM_RUNNING,
	SYSTEM_HALT,
	SYSTEM_POWER_OFF,
	SYSTEM_RESTART
};
extern enum system_states system_state;

#endif
