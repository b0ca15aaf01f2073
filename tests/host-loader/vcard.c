// SPDX-License-Identifier: BSD-3-Clause
/* The card side of the device page on the fake card. */
#include "vcard.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/regs.h>

#include "card.h"
#include "vpage.h"

struct vcard vcard;

static void note_log(void *arg, int level, const struct x100_vdev *dev, const char *text)
{
	(void)arg;
	(void)dev;
	assert_in_range(level, 3, 7);
	vcard.lines[level]++;
	snprintf(vcard.line, sizeof(vcard.line), "%s", text);
}

static void note_shutdown(void *arg, uint32_t sdbic1)
{
	(void)arg;
	vcard.shutdowns++;
	vcard.shutdown = sdbic1;
}

void vcard_new_page(const struct x100_vpage_params *params)
{
	x100_vpage_free(vcard.page);
	vcard.params = *params;
	vcard.params.log = note_log;
	vcard.params.shutdown = note_shutdown;
	assert_int_equal(x100_vpage_new(vcard.card, vcard.loop, &vcard.params, &vcard.page),
			 X100_OK);
}

int vcard_setup(void **state)
{
	const struct x100_vpage_params params = { .generation = X100_GEN_C2 };

	if (fake_setup(state))
		return -1;
	memset(&vcard, 0, sizeof(vcard));
	vcard.card = fake_open();
	vcard.loop = x100_loop_new();
	x100_loop_set_clock(vcard.loop, &fake_clock);
	vcard.heap = VCARD_HEAP;
	vcard.next_db = 8;
	vcard_new_page(&params);
	return 0;
}

int vcard_teardown(void **state)
{
	x100_vpage_free(vcard.page);
	x100_close(vcard.card);
	x100_loop_free(vcard.loop);
	return fake_teardown(state);
}

void vcard_boot(void)
{
	assert_int_equal(card_devpage_prepare(vcard.card), X100_OK);
}

void vcard_turn(void)
{
	x100_loop_turn(vcard.loop, 0);
}

void vcard_run(uint64_t ms)
{
	uint64_t end = fake.now + ms * X100_NS_PER_MS;

	while (fake.now < end)
		x100_loop_turn(vcard.loop,
			       (int)((end - fake.now + X100_NS_PER_MS - 1) / X100_NS_PER_MS));
	vcard_turn();
}

/* ------------------------------------------------------------------ memory */

uint8_t *vcard_host(uint64_t address, uint64_t size)
{
	unsigned int entry = x100_smpt_index(address);
	uint64_t bus =
		x100_smpt_host(x100_smpt_entry((uint64_t)entry * X100_SMPT_PAGE_SIZE), address);

	if (fake_sbox(X100_SBOX_SMPT(entry)))
		bus = x100_smpt_host(fake_sbox(X100_SBOX_SMPT(entry)), address);
	for (int i = 0; i < FAKE_DMAS; i++) {
		struct x100_range r = { fake.dma[i].iova, fake.dma[i].size };

		if (r.size && x100_range_inside(r, bus, size))
			return (uint8_t *)fake.dma[i].memory + (bus - r.base);
	}
	return NULL;
}

uint8_t *vcard_page(void)
{
	uint64_t at = fake_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO)) |
		      (uint64_t)fake_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI)) << 32;
	uint8_t *page = vcard_host(at, X100_DEVPAGE_SIZE);

	assert_non_null(page);
	return page;
}

uint64_t vcard_alloc(uint64_t size)
{
	uint64_t at = vcard.heap;

	vcard.heap += (size + 4095) & ~4095ull;
	assert_true(vcard.heap <= FAKE_MEMORY);
	return at;
}

uint8_t *vcard_memory(uint64_t address)
{
	return fake.memory + address;
}

void vcard_ring_only(unsigned int n)
{
	uint64_t one = 1;

	assert_int_equal(write(fake.irq_fd[4 + n], &one, sizeof(one)), sizeof(one));
}

void vcard_ring(unsigned int n)
{
	vcard_ring_only(n);
	vcard_turn();
}

void vcard_publish(int8_t db)
{
	shared_store8(vcard_page() + (vcard.params.generation == X100_GEN_A ? 6 : 4), (uint8_t)db);
}

/* ------------------------------------------------------------------ driver */

#define CTRL(d, member) SHARED_AT((d)->ctrl, struct x100_vdev_ctrl, member)
#define DESC(d, member) SHARED_AT((d)->desc, struct x100_vdev_desc, member)

uint8_t *vcard_scan(unsigned int n)
{
	uint32_t at = vcard.params.generation == X100_GEN_A ? sizeof(struct x100_bootparam_a) :
							      sizeof(struct x100_bootparam);
	uint8_t *page = vcard_page();

	for (;;) {
		struct x100_vdev_desc d;

		assert_true(at + sizeof(d) <= X100_DEVPAGE_SIZE);
		memcpy(&d, page + at, sizeof(d));
		if (d.type == X100_VDEV_END)
			return NULL;
		if (d.type != X100_VDEV_DELETED && !n--)
			return page + at;
		at += x100_vdev_total(&d);
	}
}

void vcard_attach(struct vcard_driver *d, unsigned int n)
{
	struct x100_vdev_desc head;

	memset(d, 0, sizeof(*d));
	d->desc = vcard_scan(n);
	assert_non_null(d->desc);
	memcpy(&head, d->desc, sizeof(head));
	d->ctrl = d->desc + x100_vdev_ctrl_offset(&head);
	d->type = head.type;
	d->queues = head.num_vq;
	d->config_len = head.config_len;
	memcpy(&d->offered, d->desc + x100_vdev_host_features(&head), sizeof(d->offered));
	d->h2c_db = (int8_t)vcard.next_db++;
	shared_store8(CTRL(d, h2c_vdev_db), (uint8_t)d->h2c_db);
	d->c2h_db = shared_load8(CTRL(d, c2h_vdev_db));
}

void vcard_reset(struct vcard_driver *d)
{
	shared_store8(CTRL(d, host_ack), 0);
	shared_store8(CTRL(d, vdev_reset), 1);
	vcard_ring(d->c2h_db);
	assert_int_equal(shared_load8(CTRL(d, host_ack)), 1);
	assert_int_equal(shared_load8(CTRL(d, vdev_reset)), 0);
	assert_int_equal(shared_load8(DESC(d, status)), 0);
}

void vcard_status(struct vcard_driver *d, uint8_t status)
{
	shared_store8(DESC(d, status), status);
	vcard_ring(d->c2h_db);
}

void vcard_accept(struct vcard_driver *d, uint32_t features)
{
	struct x100_vdev_desc head;

	memcpy(&head, d->desc, sizeof(head));
	d->accepted = features;
	shared_store32(d->desc + x100_vdev_guest_features(&head), features);
}

void vcard_queues(struct vcard_driver *d)
{
	for (unsigned int i = 0; i < d->queues; i++) {
		uint8_t *at = d->desc + x100_vdev_vq_offset(i);
		struct vcard_queue *q = &d->q[i];
		struct x100_vqconfig c;
		uint32_t magic;

		memcpy(&c, at, sizeof(c));
		memset(q, 0, sizeof(*q));
		q->num = c.num;
		q->ring = vcard_host(c.address, x100_vring_alloc(c.num));
		assert_non_null(q->ring);
		memset(q->ring, 0, x100_vring_used(c.num) + x100_vring_used_size(c.num));
		memcpy(&magic,
		       q->ring + 4 +
			       (vcard.params.generation == X100_GEN_C2 ? x100_vring_info_c2(c.num) :
									 x100_vring_info_c(c.num)),
		       sizeof(magic));
		assert_int_equal(magic, X100_DEVPAGE_MAGIC + (uint32_t)d->type + i);
		q->used = vcard_alloc(x100_vring_used_size(c.num));
		memset(vcard_memory(q->used), 0, x100_vring_used_size(c.num));
		shared_store64(SHARED_AT(at, struct x100_vqconfig, used_address), q->used);
	}
	shared_store8(CTRL(d, used_address_updated), 1);
	vcard_ring(d->c2h_db);
}

void vcard_probe(struct vcard_driver *d, unsigned int n, uint32_t wanted)
{
	vcard_attach(d, n);
	vcard_reset(d);
	vcard_status(d, 1);
	vcard_status(d, 3);
	vcard_accept(d, d->offered & wanted);
	vcard_queues(d);
	assert_int_equal(shared_load8(CTRL(d, used_address_updated)), 0);
	vcard_status(d, 7);
}

void vcard_release(struct vcard_driver *d)
{
	assert_int_equal(shared_load8(CTRL(d, config_change)), X100_CHANGE_REMOVE);
	vcard_reset(d);
	vcard_status(d, 1);
	shared_store8(CTRL(d, h2c_vdev_db), (uint8_t)-1);
	shared_store8(DESC(d, type), (uint8_t)X100_VDEV_DELETED);
	shared_store8(CTRL(d, guest_ack), 1);
}

/* ------------------------------------------------------------------ rings */

void vcard_desc(struct vcard_queue *q, uint16_t at, uint64_t address, uint32_t size, uint16_t flags,
		uint16_t next)
{
	uint8_t *p = q->ring + 16u * at;

	memcpy(p, &address, 8);
	memcpy(p + 8, &size, 4);
	memcpy(p + 12, &flags, 2);
	memcpy(p + 14, &next, 2);
}

void vcard_set_avail_idx(struct vcard_queue *q, uint16_t idx)
{
	q->avail_idx = idx;
	shared_store16(q->ring + x100_vring_avail(q->num) + 2, idx);
}

void vcard_offer(struct vcard_queue *q, uint16_t head)
{
	memcpy(q->ring + x100_vring_avail(q->num) + 4 + 2 * (q->avail_idx % q->num), &head, 2);
	vcard_set_avail_idx(q, (uint16_t)(q->avail_idx + 1));
}

uint16_t vcard_chain(struct vcard_queue *q, unsigned int readable, unsigned int writable,
		     uint32_t size, uint64_t *first)
{
	uint16_t head = q->free_desc;
	unsigned int all = readable + writable;

	for (unsigned int i = 0; i < all; i++) {
		uint64_t at = vcard_alloc(size);
		uint16_t next = (uint16_t)((head + i + 1) % q->num);

		if (!i && first)
			*first = at;
		vcard_desc(q, (uint16_t)((head + i) % q->num), at, size,
			   (uint16_t)((i + 1 < all ? 1 : 0) | (i >= readable ? 2 : 0)), next);
	}
	q->free_desc = (uint16_t)((head + all) % q->num);
	vcard_offer(q, head);
	return head;
}

void vcard_kick(struct vcard_driver *d)
{
	vcard_ring(d->c2h_db);
}

bool vcard_used(struct vcard_queue *q, uint32_t *id, uint32_t *len)
{
	uint8_t *used = vcard_memory(q->used);

	if (shared_load16(used + 2) == q->used_idx)
		return false;
	memcpy(id, used + 4 + 8 * (q->used_idx % q->num), 4);
	memcpy(len, used + 8 + 8 * (q->used_idx % q->num), 4);
	q->used_idx++;
	return true;
}

uint16_t vcard_used_flags(const struct vcard_queue *q)
{
	return shared_load16(vcard_memory(q->used));
}

uint16_t vcard_avail_event(const struct vcard_queue *q)
{
	return shared_load16(vcard_memory(q->used) + 4 + 8 * q->num);
}

void vcard_set_used_event(struct vcard_queue *q, uint16_t event)
{
	shared_store16(q->ring + x100_vring_used_event(q->num), event);
}

void vcard_set_avail_flags(struct vcard_queue *q, uint16_t flags)
{
	shared_store16(q->ring + x100_vring_avail(q->num), flags);
}

/* ------------------------------------------------------------------ back-end */

static void backend_start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct vcard_backend *b = arg;

	assert_ptr_equal(b->dev, dev);
	assert_int_equal(b->starts, b->stops);
	b->starts++;
	b->features = features;
}

static void backend_stop(void *arg, struct x100_vdev *dev)
{
	struct vcard_backend *b = arg;

	assert_ptr_equal(b->dev, dev);
	b->stops++;
	assert_int_equal(b->starts, b->stops);
}

static void backend_kick(void *arg, struct x100_vdev *dev)
{
	struct vcard_backend *b = arg;

	assert_ptr_equal(b->dev, dev);
	assert_int_equal(b->starts, b->stops + 1);
	b->kicks++;
	if (b->on_kick)
		b->on_kick(b);
}

const struct x100_backend_ops vcard_ops = {
	.start = backend_start,
	.stop = backend_stop,
	.kick = backend_kick,
};

void vcard_done(void *arg, int error)
{
	struct vcard_backend *b = arg;

	b->done++;
	b->error = error;
}

struct x100_vdev *vcard_add(struct vcard_backend *b, const char *name, unsigned int queues,
			    uint16_t entries)
{
	static const uint8_t config[36] = { 1, 2, 3, 4 };
	const struct x100_vdev_params params = {
		.type = 2,
		.queues = queues,
		.entries = entries,
		.features = 0x4,
		.config = config,
		.config_size = sizeof(config),
		.name = name,
		.ops = &vcard_ops,
		.arg = b,
	};

	memset(b, 0, sizeof(*b));
	assert_int_equal(x100_vpage_add(vcard.page, &params, &b->dev), X100_OK);
	return b->dev;
}
