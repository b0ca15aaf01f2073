/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio driver for every device type: it puts chains of any shape into any queue and checks what comes
 * back. The other end has to answer each with echo_byte() of what it read.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include "sim.h"

#include <linux/virtio.h>
#include <linux/virtio_config.h>

#define DRV_QUEUES 4

struct drv_request {
	struct drv_dev *dev;
	unsigned int queue, id;
	u32 out_size, in_size;
	unsigned int parts;
	u8 *out, *in;             /* card pages, out first */
	unsigned int completions; /* by get_buf */
	u32 len;                  /* as the host said */
	bool detached;            /* came back by detach_unused_buf */
	struct drv_request *next;
};

struct drv_dev {
	struct virtio_device *vdev;
	struct virtqueue *vq[DRV_QUEUES];
	unsigned int queues;
	unsigned int type;
	unsigned int interrupts[DRV_QUEUES], config_changes;
	unsigned int done, wrong;     /* requests that came back; with other data than expected */
	struct drv_request *requests; /* not freed yet */
	struct drv_dev *next;
};

/* How the driver behaves towards devices of a type; drv_begin() sets what a stock driver would do. */
struct drv_plan {
	unsigned int queues;
	bool no_interrupts;                /* no callbacks: polls */
	bool give_up;                      /* probe fails after find_vqs */
	bool busy;                         /* is told of completions, but leaves them */
	int (*early)(struct drv_dev *dev); /* called at the end of probe */
};

extern struct drv_plan drv_plan[8]; /* by type */
extern struct drv_dev *drv_devs;
extern unsigned int drv_probes, drv_removes;
extern unsigned int drv_resubmit; /* so many completed requests are put back at once */

void drv_begin(void);
/* Register, after sim_boot(); or on the way, before there is a device, when drv_early says so. */
void drv_load(void);
extern bool drv_early;
struct drv_dev *drv_find(unsigned int type);

/*
 * Put a chain of @out_parts and @in_parts parts into the queue. NULL: no room, or the ring is broken. The
 * request stays until drv_free() or the removal of its device.
 */
struct drv_request *drv_add(struct drv_dev *dev, unsigned int queue, u32 out_size,
			    unsigned int out_parts, u32 in_size, unsigned int in_parts);
void drv_kick(struct drv_dev *dev, unsigned int queue);
/* Take what came back. Returns how many. */
unsigned int drv_drain(struct drv_dev *dev, unsigned int queue);
/* Free requests that came back; those that did not stay. */
void drv_free_done(struct drv_dev *dev);
unsigned int drv_pending(const struct drv_dev *dev);
/*
 * As the console driver writes: with interrupts off, waits until the host took it or the ring is broken.
 * Returns false when nothing came back.
 */
bool drv_write_console(struct drv_dev *dev, const char *text);

static inline u8 echo_byte(const u8 *out, u32 out_size, u32 i)
{
	return (u8)((out_size ? out[i % out_size] : 0) ^ (i * 7 + 0x5A));
}

#endif
