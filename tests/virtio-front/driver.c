// SPDX-License-Identifier: BSD-3-Clause
/* The virtio driver of the tests. */
#include "driver.h"

#include <linux/virtio_ids.h>

struct drv_plan drv_plan[8];
struct drv_dev *drv_devs;
unsigned int drv_probes, drv_removes;
unsigned int drv_resubmit;
bool drv_early;
static bool loaded;
static unsigned int next_id;

static void request_free(struct drv_request *r)
{
	u32 size = r->out_size + r->in_size;

	free_pages_exact(r->out, size ? size : 1);
	kfree(r);
}

static void verify(struct drv_request *r)
{
	for (u32 i = 0; i < r->in_size && i < r->len; i++) {
		if (r->in[i] == echo_byte(r->out, r->out_size, i))
			continue;
		r->dev->wrong++;
		return;
	}
	if (r->len > r->in_size)
		r->dev->wrong++;
}

static int put(struct drv_request *r, unsigned int out_parts, unsigned int in_parts)
{
	struct scatterlist out[64], in[64], *sgs[2] = { out, in };
	unsigned int n = 0;

	if (out_parts) {
		sg_init_table(out, out_parts);
		for (unsigned int i = 0; i < out_parts; i++) {
			u32 from = r->out_size * i / out_parts,
			    to = r->out_size * (i + 1) / out_parts;

			sg_set_buf(&out[i], r->out + from, to - from);
		}
		sgs[n++] = out;
	}
	if (in_parts) {
		sg_init_table(in, in_parts);
		for (unsigned int i = 0; i < in_parts; i++) {
			u32 from = r->in_size * i / in_parts, to = r->in_size * (i + 1) / in_parts;

			sg_set_buf(&in[i], r->in + from, to - from);
		}
		sgs[n++] = in;
	}
	return virtqueue_add_sgs(r->dev->vq[r->queue], sgs, out_parts != 0, in_parts != 0, r,
				 GFP_ATOMIC);
}

struct drv_request *drv_add(struct drv_dev *dev, unsigned int queue, u32 out_size,
			    unsigned int out_parts, u32 in_size, unsigned int in_parts)
{
	u32 size = out_size + in_size;
	struct drv_request *r;

	if (out_parts + in_parts > virtqueue_get_vring_size(dev->vq[queue]))
		return NULL;
	r = kzalloc(sizeof(*r), GFP_ATOMIC);
	if (!r)
		return NULL;
	r->dev = dev;
	r->queue = queue;
	r->id = next_id++;
	r->out_size = out_size;
	r->in_size = in_size;
	r->parts = out_parts + in_parts;
	r->out = alloc_pages_exact(size ? size : 1, GFP_ATOMIC | __GFP_ZERO);
	if (!r->out) {
		kfree(r);
		return NULL;
	}
	r->in = r->out + out_size;
	for (u32 i = 0; i < out_size; i++)
		r->out[i] = (u8)(r->id * 31 + i * 13 + (i >> 8));
	if (put(r, out_parts, in_parts)) {
		request_free(r);
		return NULL;
	}
	r->next = dev->requests;
	dev->requests = r;
	return r;
}

void drv_kick(struct drv_dev *dev, unsigned int queue)
{
	virtqueue_kick(dev->vq[queue]);
}

unsigned int drv_drain(struct drv_dev *dev, unsigned int queue)
{
	struct drv_request *r;
	unsigned int len, n = 0;

	while ((r = virtqueue_get_buf(dev->vq[queue], &len))) {
		n++;
		r->completions++;
		r->len = len;
		dev->done++;
		verify(r);
		if (drv_resubmit && drv_resubmit-- && !put(r, r->out_size != 0, r->in_size != 0))
			virtqueue_kick(dev->vq[queue]);
	}
	return n;
}

void drv_free_done(struct drv_dev *dev)
{
	for (struct drv_request **at = &dev->requests; *at;) {
		struct drv_request *r = *at;

		if (!r->completions && !r->detached) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		request_free(r);
	}
}

unsigned int drv_pending(const struct drv_dev *dev)
{
	unsigned int n = 0;

	for (const struct drv_request *r = dev->requests; r; r = r->next)
		n += !r->completions && !r->detached;
	return n;
}

bool drv_write_console(struct drv_dev *dev, const char *text)
{
	struct drv_request *r;
	unsigned long flags;
	unsigned int len;
	bool back = false;

	(void)text;
	local_irq_save(flags);
	r = drv_add(dev, 1, 64, 1, 0, 0);
	if (r) {
		struct drv_request *got;

		virtqueue_kick(dev->vq[1]);
		while (!(got = virtqueue_get_buf(dev->vq[1], &len)) &&
		       !virtqueue_is_broken(dev->vq[1]))
			cpu_relax();
		if (got) {
			got->completions++;
			dev->done++;
			back = true;
		}
	}
	local_irq_restore(flags);
	return back;
}

static void interrupt(struct virtqueue *vq)
{
	struct drv_dev *dev = vq->vdev->priv;

	if (!dev)
		return;
	dev->interrupts[vq->index]++;
	if (drv_plan[dev->type].busy)
		return;
	do {
		virtqueue_disable_cb(vq);
		drv_drain(dev, vq->index);
		if (virtqueue_is_broken(vq))
			break;
	} while (!virtqueue_enable_cb(vq));
}

static void config_changed(struct virtio_device *vdev)
{
	struct drv_dev *dev = vdev->priv;

	dev->config_changes++;
}

static int probe(struct virtio_device *vdev)
{
	static const char *const name[DRV_QUEUES] = { "q0", "q1", "q2", "q3" };
	const struct drv_plan *plan = &drv_plan[vdev->id.device % ARRAY_SIZE(drv_plan)];
	vq_callback_t *callback[DRV_QUEUES];
	struct drv_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int ret;

	drv_probes++;
	if (!dev)
		return -ENOMEM;
	dev->vdev = vdev;
	dev->type = vdev->id.device % ARRAY_SIZE(drv_plan);
	dev->queues = plan->queues;
	vdev->priv = dev;
	for (unsigned int i = 0; i < dev->queues; i++)
		callback[i] = plan->no_interrupts ? NULL : interrupt;
	ret = virtio_find_vqs(vdev, dev->queues, dev->vq, callback, (const char **)name, NULL);
	if (ret)
		goto free;
	if (plan->give_up) {
		ret = -EINVAL;
		vdev->config->del_vqs(vdev);
		goto free;
	}
	dev->next = drv_devs;
	drv_devs = dev;
	virtio_device_ready(vdev);
	if (plan->early)
		plan->early(dev);
	return 0;
free:
	kfree(dev);
	vdev->priv = NULL;
	return ret;
}

static void forget(struct drv_dev *dev)
{
	for (struct drv_dev **at = &drv_devs; *at; at = &(*at)->next) {
		if (*at != dev)
			continue;
		*at = dev->next;
		return;
	}
}

static void unplug(struct virtio_device *vdev)
{
	struct drv_dev *dev = vdev->priv;

	drv_removes++;
	virtio_reset_device(vdev);
	for (unsigned int i = 0; i < dev->queues; i++) {
		struct drv_request *r;

		while ((r = virtqueue_detach_unused_buf(dev->vq[i])))
			r->detached = true;
	}
	vdev->config->del_vqs(vdev);
	/* What a console had in flight is given up when its host is restarted. */
	if (drv_pending(dev) && dev->type != VIRTIO_ID_CONSOLE)
		sim_bug("%u requests were lost", drv_pending(dev));
	for (struct drv_request *r = dev->requests; r; r = r->next)
		r->detached = true;
	drv_free_done(dev);
	forget(dev);
	vdev->priv = NULL;
	kfree(dev);
}

static const struct virtio_device_id ids[] = {
	{ VIRTIO_DEV_ANY_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

/* All that a device may have offered. */
static unsigned int features[24];

static struct virtio_driver driver = {
	.driver.name = "test",
	.id_table = ids,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.probe = probe,
	.remove = unplug,
	.config_changed = config_changed,
};

void drv_begin(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++)
		features[i] = i;
	memset(drv_plan, 0, sizeof(drv_plan));
	for (unsigned int i = 0; i < ARRAY_SIZE(drv_plan); i++)
		drv_plan[i].queues = i == VIRTIO_ID_NET || i == VIRTIO_ID_CONSOLE ? 2 : 1;
	drv_devs = NULL;
	drv_early = loaded = false;
	drv_probes = drv_removes = next_id = 0;
	drv_resubmit = 0;
}

void drv_load(void)
{
	if (!loaded)
		register_virtio_driver(&driver);
	loaded = true;
}

static int load_early(void)
{
	if (drv_early)
		drv_load();
	return 0;
}
fs_initcall(load_early);

struct drv_dev *drv_find(unsigned int type)
{
	for (struct drv_dev *dev = drv_devs; dev; dev = dev->next)
		if (dev->type == type)
			return dev;
	return NULL;
}
