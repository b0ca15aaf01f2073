// SPDX-License-Identifier: BSD-3-Clause
/* The host made by hand. */
#include "rude.h"

#include <fake.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/range.h>
#include <x100/regs.h>

#include "driver.h"

#include <linux/virtio_ring.h>

#define RUDE_IOVA  0x567800000ull
#define FIRST_RING 0x4000ull

struct rude rude;

static bool turn(void);

static void on_mmio(u32 offset, u32 value)
{
	for (unsigned int n = 0; n < 4; n++)
		if (offset == X100_MMIO_SBOX + X100_SBOX_SDBIC(n) && (value & X100_SDBIC_REQUEST))
			rude.rung |= 1u << n;
	if (rude.prompt)
		turn();
}

struct x100_bootparam *rude_bootparam(void)
{
	return (struct x100_bootparam *)rude.page;
}

struct x100_vdev_desc *rude_desc(const struct rude_dev *dev)
{
	return (struct x100_vdev_desc *)(rude.page + dev->offset);
}

struct x100_vqconfig *rude_vq(const struct rude_dev *dev, unsigned int queue)
{
	return (struct x100_vqconfig *)(rude.page + dev->offset + x100_vdev_vq_offset(queue));
}

struct x100_vdev_ctrl *rude_ctrl(const struct rude_dev *dev)
{
	return (struct x100_vdev_ctrl *)(rude.page + dev->ctrl_offset);
}

u32 rude_accepted(const struct rude_dev *dev)
{
	u32 bits;

	memcpy(&bits, rude.page + dev->offset + x100_vdev_guest_features(&dev->head), 4);
	return bits;
}

u8 *rude_ring(const struct rude_dev *dev, unsigned int queue)
{
	return rude.memory + (dev->ring[queue] - RUDE_CARD);
}

u8 *rude_used(const struct rude_dev *dev, unsigned int queue)
{
	u64 at = rude_vq(dev, queue)->used_address;

	if (!at || !x100_range_inside((struct x100_range){ 0, FAKE_MEMORY }, at,
				      x100_vring_used_size(dev->num)))
		return NULL;
	return fake.memory + at;
}

/* ------------------------------------------------------------------ rings */

static struct vring vring_of(const struct rude_dev *dev, unsigned int queue)
{
	struct vring v;

	vring_init(&v, dev->num, rude_ring(dev, queue), X100_VRING_ALIGN);
	v.used = (struct vring_used *)rude_used(dev, queue);
	return v;
}

u16 rude_avail_idx(const struct rude_dev *dev, unsigned int queue)
{
	return vring_of(dev, queue).avail->idx;
}

void rude_push(struct rude_dev *dev, unsigned int queue, u32 id, u32 len)
{
	struct vring v = vring_of(dev, queue);
	u16 idx = dev->used_idx[queue]++;

	if (!v.used)
		return;
	v.used->ring[idx % v.num].id = id;
	v.used->ring[idx % v.num].len = len;
	v.used->idx = idx + 1;
}

void rude_ring_dev(const struct rude_dev *dev)
{
	s8 db = rude_ctrl(dev)->h2c_vdev_db;

	if (db >= 0 && db < 16)
		sim_ring_card((unsigned int)db);
}

static void echo_chain(struct rude_dev *dev, unsigned int queue, u16 head)
{
	static u8 out[1 << 20];
	struct vring v = vring_of(dev, queue);
	u32 out_size = 0, done = 0;
	unsigned int i = head;

	for (unsigned int n = 0; n < v.num; n++, i = v.desc[i].next) {
		struct vring_desc d = v.desc[i];

		if (!x100_range_inside((struct x100_range){ 0, FAKE_MEMORY }, d.addr, d.len))
			sim_bug("descriptor %u points at %#llx", i, (u64)d.addr);
		if (d.flags & VRING_DESC_F_WRITE) {
			for (u32 b = 0; b < d.len; b++, done++)
				fake.memory[d.addr + b] = echo_byte(out, out_size, done);
		} else {
			memcpy(out + out_size, fake.memory + d.addr, d.len);
			out_size += d.len;
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
	}
	rude_push(dev, queue, head, done);
}

unsigned int rude_echo(struct rude_dev *dev, unsigned int queue)
{
	struct vring v = vring_of(dev, queue);
	unsigned int n = 0;

	if (!v.used)
		return 0;
	while (dev->last_avail[queue] != v.avail->idx) {
		echo_chain(dev, queue, v.avail->ring[dev->last_avail[queue]++ % v.num]);
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ answers */

static void note_status(struct rude_dev *dev)
{
	u8 status = rude_desc(dev)->status;

	if (dev->statuses && dev->status_seen[dev->statuses - 1] == status)
		return;
	if (dev->statuses < sizeof(dev->status_seen))
		dev->status_seen[dev->statuses++] = status;
}

static void answer(struct rude_dev *dev)
{
	struct x100_vdev_ctrl *ctrl = rude_ctrl(dev);

	dev->kicks++;
	note_status(dev);
	if (ctrl->used_address_updated == 1 && rude.answer_used) {
		dev->used_updates++;
		ctrl->used_address_updated = 0;
	}
	if (ctrl->vdev_reset == 1 && rude.answer_reset) {
		dev->resets++;
		rude_desc(dev)->status = 0;
		memset(dev->last_avail, 0, sizeof(dev->last_avail));
		memset(dev->used_idx, 0, sizeof(dev->used_idx));
		ctrl->vdev_reset = 0;
		ctrl->host_ack = 1;
	}
	if (ctrl->guest_ack == 1 && rude.answer_ack) {
		dev->acks++;
		ctrl->config_change = 0;
		ctrl->guest_ack = 0;
	}
	if (rude.echo && rude_desc(dev)->status == 7) {
		unsigned int n = 0;

		for (unsigned int q = 0; q < dev->head.num_vq; q++)
			n += rude_echo(dev, q);
		if (n)
			rude_ring_dev(dev);
	}
}

static bool turn(void)
{
	unsigned int rung = rude.rung;

	if (rude.turn) {
		rude.turn();
		return false;
	}
	rude.rung = 0;
	for (unsigned int i = 0; i < rude.devs; i++) {
		struct rude_dev *dev = &rude.dev[i];

		if (!dev->gone && (rung & (1u << (rude_ctrl(dev)->c2h_vdev_db & 3))))
			answer(dev);
	}
	return rung != 0;
}

/* ------------------------------------------------------------------ devices */

void rude_ring_config(void)
{
	s8 db = rude_bootparam()->h2c_config_db;

	if (db >= 0 && db < 16)
		sim_ring_card((unsigned int)db);
}

struct rude_dev *rude_lay(u8 type, u8 queues, u16 num, u32 features, const void *config,
			  u8 config_len)
{
	struct rude_dev *dev = &rude.dev[rude.devs++];
	struct x100_vdev_ctrl ctrl = { .h2c_vdev_db = -1 };

	if (rude.devs > ARRAY_SIZE(rude.dev))
		abort();
	memset(dev, 0, sizeof(*dev));
	dev->head = (struct x100_vdev_desc){
		.type = (s8)type, .num_vq = queues, .feature_len = 4, .config_len = config_len
	};
	dev->num = num;
	dev->offset = sizeof(struct x100_bootparam);
	if (rude.devs > 1)
		dev->offset = (u16)(dev[-1].offset + x100_vdev_total(&dev[-1].head));
	dev->ctrl_offset = (u16)(dev->offset + x100_vdev_ctrl_offset(&dev->head));
	*rude_desc(dev) = dev->head;
	rude_desc(dev)->type = 0;
	for (unsigned int q = 0; q < queues && q < X100_VDEV_MAX_QUEUES; q++) {
		u32 magic = X100_DEVPAGE_MAGIC + type + q;
		u32 info = rude.generation_c ? x100_vring_info_c(num) : x100_vring_info_c2(num);

		dev->ring[q] = RUDE_CARD + rude.next_ring;
		rude.next_ring += x100_vring_alloc(num);
		if (rude.next_ring > RUDE_SIZE)
			abort();
		memset(rude_ring(dev, q), 0, x100_vring_alloc(num));
		memcpy(rude_ring(dev, q) + info + offsetof(struct x100_vring_info, magic), &magic,
		       4);
		*rude_vq(dev, q) = (struct x100_vqconfig){ .address = dev->ring[q], .num = num };
	}
	memcpy(rude.page + dev->offset + x100_vdev_host_features(&dev->head), &features, 4);
	memset(rude.page + dev->offset + x100_vdev_guest_features(&dev->head), 0, 4);
	if (config)
		memcpy(rude.page + dev->offset + x100_vdev_config(&dev->head), config, config_len);
	ctrl.c2h_vdev_db = (s8)(rude.devs % 4);
	*rude_ctrl(dev) = ctrl;
	return dev;
}

void rude_show(struct rude_dev *dev)
{
	rude_desc(dev)->type = dev->head.type;
	rude_ring_config();
}

struct rude_dev *rude_add(u8 type, u8 queues, u16 num, u32 features, const void *config,
			  u8 config_len)
{
	struct rude_dev *dev = rude_lay(type, queues, num, features, config, config_len);

	rude_show(dev);
	return dev;
}

static bool acknowledged(void *arg)
{
	struct rude_dev *dev = arg;

	return rude_ctrl(dev)->guest_ack == 1;
}

bool rude_change(struct rude_dev *dev, u8 change)
{
	bool kept = rude.answer_ack, ok;

	rude.answer_ack = false;
	rude_ctrl(dev)->config_change = change;
	rude_ring_config();
	ok = sim_until(acknowledged, dev, 10000);
	rude_ctrl(dev)->config_change = 0;
	rude_ctrl(dev)->guest_ack = 0;
	rude.answer_ack = kept;
	dev->acks += ok;
	return ok;
}

bool rude_remove(struct rude_dev *dev)
{
	bool ok = rude_change(dev, X100_CHANGE_REMOVE);

	rude_desc(dev)->type = X100_VDEV_DELETED;
	dev->gone = true;
	return ok;
}

/* ------------------------------------------------------------------ life */

void rude_come(void)
{
	sim_host_map(RUDE_IOVA, RUDE_SIZE, rude.fd, 0);
	rude.memory = sim_host_at(RUDE_CARD);
	rude.page = sim_host_at(RUDE_PAGE);
	sim_host_turn = turn;
}

void rude_go(void)
{
	sim_host_forget();
	sim_host_turn = NULL;
}

void rude_begin(void)
{
	sim_begin();
	drv_begin();
	memset(&rude, 0, sizeof(rude));
	rude.answer_reset = rude.answer_used = rude.answer_ack = rude.echo = true;
	rude.next_ring = FIRST_RING;
	rude.fd = memfd_create("rude", MFD_CLOEXEC);
	if (rude.fd < 0 || ftruncate(rude.fd, RUDE_SIZE))
		abort();
	rude_come();
	*rude_bootparam() = (struct x100_bootparam){
		.magic = X100_DEVPAGE_MAGIC,
		.h2c_config_db = -1,
		.node_id = 1,
		.h2c_scif_db = 0xFF,
		.c2h_scif_db = 0xFF,
	};
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), (u32)RUDE_PAGE);
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI), (u32)(RUDE_PAGE >> 32));
	sim_on_mmio = on_mmio;
}

void rude_boot(void)
{
	sim_boot();
	drv_load();
	sim_run(200);
}

void rude_end(void)
{
	sim_end();
	close(rude.fd);
}
