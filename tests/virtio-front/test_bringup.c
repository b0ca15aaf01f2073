// SPDX-License-Identifier: BSD-3-Clause
/*
 * The card's transport against a host that does what a test says (rude.h): bring-up, handshakes, removal,
 * deadlines, order and doubling of stores (x100-abi.md 2.1 to 2.11). Faked: the kernel under the drivers
 * (stub/), the card and its link (sim.h), the virtio drivers (driver.h).
 */
#include <fake.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/regs.h>

#include "driver.h"
#include "rude.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#define EVENT_IDX (1u << 29)
#define INDIRECT  (1u << 28)

static int begin(void **state)
{
	(void)state;
	rude_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(sim_warnings, 0);
	rude_end();
	return 0;
}

static void boot_task(void *arg)
{
	(void)arg;
	sim_boot();
	drv_load();
}

/* ------------------------------------------------------------------ order */

/* Where the first store of @value to the byte at @offset of the page is; fails if there is none from @from on. */
static unsigned int find_store(unsigned int from, u32 offset, u8 value)
{
	for (unsigned int i = from; i < sim_event_count; i++)
		if (sim_events[i].kind == SIM_STORE && sim_events[i].at == RUDE_PAGE + offset &&
		    (u8)sim_events[i].value == value)
			return i;
	fail_msg("nothing stored %u at offset %u", value, offset);
	return 0;
}

static unsigned int find_doorbell(unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < sim_event_count; i++)
		if (sim_events[i].kind == SIM_DOORBELL && sim_events[i].at == n)
			return i;
	fail_msg("doorbell %u did not ring", n);
	return 0;
}

#define CTRL(dev, field)  ((dev)->ctrl_offset + offsetof(struct x100_vdev_ctrl, field))
#define STATUS(dev)       ((dev)->offset + offsetof(struct x100_vdev_desc, status))
#define TYPE(dev)         ((dev)->offset + offsetof(struct x100_vdev_desc, type))
#define USED_ADDR(dev, q) ((dev)->offset + x100_vdev_vq_offset(q) + 8)

static void probe_goes_in_the_order_of_the_old_card(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_CONSOLE, 2, 128, 0, NULL, 12);
	unsigned int i, features;

	(void)state;
	sim_watch_stores(RUDE_PAGE, X100_DEVPAGE_SIZE);
	rude_boot();
	i = find_store(0, CTRL(d, h2c_vdev_db), 8);
	i = find_store(i, CTRL(d, host_ack), 0);
	i = find_store(i, CTRL(d, vdev_reset), 1);
	i = find_doorbell(i, 1);
	i = find_store(i, STATUS(d), 0);
	i = find_store(i, STATUS(d), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	i = find_doorbell(i, 1);
	i = find_store(i, STATUS(d), 3);
	i = find_doorbell(i, 1);
	features = d->offset + x100_vdev_guest_features(&d->head);
	i = find_store(i, features, 0);
	i = find_store(i, USED_ADDR(d, 0), 0);
	i = find_store(i, USED_ADDR(d, 1), 0);
	i = find_store(i, CTRL(d, used_address_updated), 1);
	i = find_doorbell(i, 1);
	i = find_store(i, STATUS(d), 7);
	i = find_doorbell(i, 1);
	/* The page's own doorbell is there as soon as it was scanned, before the drivers are. */
	find_store(0, offsetof(struct x100_bootparam, h2c_config_db), 9);
}

static void devices_come_up_in_the_order_of_the_page(void **state)
{
	struct rude_dev *d[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		d[i] = rude_add((u8)(4 - i), 1, 128, 0, NULL, 16);
	drv_plan[VIRTIO_ID_NET].queues = drv_plan[VIRTIO_ID_CONSOLE].queues = 1;
	rude_boot();
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(rude_desc(d[i])->status, 7);
		assert_int_equal(rude_ctrl(d[i])->h2c_vdev_db, 8 + i);
		assert_int_equal(rude_ctrl(d[i])->card_features, X100_CARD_RESUME);
	}
	assert_int_equal(rude_bootparam()->h2c_config_db, 12);
	assert_int_equal(sim_complaints, 0);
}

static void statuses_are_seen_one_by_one(void **state)
{
	static const u8 want[] = { 0, 1, 3, 7 };
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 0, NULL, 36);

	(void)state;
	rude.prompt = true;
	rude_boot();
	assert_int_equal(d->statuses, 4);
	assert_memory_equal(d->status_seen, want, 4);
	assert_int_equal(d->resets, 1);
	assert_int_equal(d->used_updates, 1);
}

static void doorbells_in_the_old_order_if_asked_for(void **state)
{
	struct rude_dev *a, *b;

	(void)state;
	sim_param("old_doorbells", 1);
	a = rude_add(VIRTIO_ID_BLOCK, 1, 128, 0, NULL, 36);
	b = rude_add(VIRTIO_ID_RNG, 1, 128, 0, NULL, 0);
	rude_boot();
	assert_int_equal(rude_ctrl(a)->h2c_vdev_db, 0);
	assert_int_equal(rude_ctrl(b)->h2c_vdev_db, 1);
	assert_int_equal(rude_bootparam()->h2c_config_db, 2);
}

static void the_boot_doorbell_is_taken_last(void **state)
{
	static const s8 order[] = { 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6 };

	(void)state;
	rude.next_ring = 0x2000;
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(rude_ctrl(&rude.dev[i])->h2c_vdev_db, order[i]);
	assert_int_equal(rude_bootparam()->h2c_config_db, 7);
}

static void devices_share_a_doorbell_when_there_are_many(void **state)
{
	struct rude_dev *first, *last;

	(void)state;
	for (unsigned int i = 0; i < 16; i++)
		rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	first = &rude.dev[0];
	last = &rude.dev[15];
	assert_int_equal(rude_ctrl(last)->h2c_vdev_db, 7);
	/* The config doorbell shares that of the first device; both hear it. */
	assert_int_equal(rude_bootparam()->h2c_config_db, 8);
	assert_int_equal(sim_doorbell_users(8), 2);
	assert_true(rude_remove(first));
	assert_int_equal(sim_doorbell_users(8), 1);
	assert_true(rude_change(last, X100_CHANGE_CONFIG));
}

/* ------------------------------------------------------------------ doubled stores */

/* Every doorbell to the host comes after two equal stores (x100-abi.md 2.9). */
static void assert_doubled(unsigned int *doorbells)
{
	const struct sim_event *last = NULL, *before = NULL;

	*doorbells = 0;
	for (unsigned int i = 0; i < sim_event_count; i++) {
		const struct sim_event *e = &sim_events[i];

		if (e->kind == SIM_STORE) {
			before = last;
			last = e;
		}
		if (e->kind != SIM_DOORBELL)
			continue;
		++*doorbells;
		assert_non_null(before);
		assert_int_equal(before->at, last->at);
		assert_int_equal(before->value & 0xFF, last->value & 0xFF);
		last = before = NULL;
	}
}

static void the_last_store_before_a_doorbell_is_made_twice(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	unsigned int doorbells;
	struct drv_dev *dev;

	(void)state;
	sim_watch_stores(RUDE_PAGE, X100_DEVPAGE_SIZE);
	rude_boot();
	sim_watch_none();
	assert_doubled(&doorbells);
	assert_int_equal(doorbells, 5);

	/* The avail index, with interrupts from both ends on. */
	dev = drv_find(VIRTIO_ID_NET);
	sim_forget_events();
	sim_watch_stores(d->ring[0], x100_vring_alloc(128));
	sim_watch_stores(d->ring[1], x100_vring_alloc(128));
	for (unsigned int i = 0; i < 20; i++) {
		for (unsigned int n = 0; n <= i % 3; n++)
			assert_non_null(drv_add(dev, i % 2, 60, 2, 0, 0));
		drv_kick(dev, i % 2);
		sim_run(1);
	}
	assert_doubled(&doorbells);
	assert_int_equal(doorbells, 20);
	assert_int_equal(dev->done, 39);

	/* Config change and removal. */
	sim_watch_none();
	sim_forget_events();
	sim_watch_stores(RUDE_PAGE, X100_DEVPAGE_SIZE);
	assert_true(rude_change(d, X100_CHANGE_CONFIG));
	assert_true(rude_remove(d));
	assert_doubled(&doorbells);
	assert_int_equal(doorbells, 4);
}

static void descriptors_are_stored_before_the_avail_index(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	struct drv_dev *dev;
	u64 avail;
	bool ring = false;

	(void)state;
	rude_boot();
	dev = drv_find(VIRTIO_ID_RNG);
	avail = d->ring[0] + x100_vring_avail(16);
	sim_forget_events();
	sim_watch_stores(d->ring[0], x100_vring_alloc(16));
	drv_add(dev, 0, 100, 4, 0, 0);
	drv_kick(dev, 0);
	/* Four descriptors of two words, the entry, the index twice. */
	for (unsigned int i = 0; i < sim_event_count; i++) {
		const struct sim_event *e = &sim_events[i];

		if (e->kind != SIM_STORE)
			break;
		if (i < 8)
			assert_true(e->at < d->ring[0] + 4 * 16);
		ring |= e->at == avail + 4;
		if (e->at == avail + 2)
			assert_true(ring && i >= 9);
	}
	assert_true(ring);
	assert_int_equal(sim_event_count, 12);
	assert_int_equal(sim_events[11].kind, SIM_DOORBELL);
}

/* ------------------------------------------------------------------ features */

static void accepts_what_the_driver_knows_of_the_offer(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_NET, 2, 128, 0x030003C1 | EVENT_IDX, NULL, 17);

	(void)state;
	rude_boot();
	assert_int_equal(rude_accepted(d), 0x3C1 | EVENT_IDX);
}

static void an_old_host_offers_no_event_idx(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);

	(void)state;
	rude_boot();
	assert_int_equal(rude_accepted(d), 4);
	assert_false(virtio_has_feature(drv_find(VIRTIO_ID_BLOCK)->vdev, VIRTIO_RING_F_EVENT_IDX));
}

static void never_accepts_indirect(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4 | INDIRECT | EVENT_IDX, NULL, 36);

	(void)state;
	rude_boot();
	assert_int_equal(rude_accepted(d), 4 | EVENT_IDX);
}

static void a_feature_table_may_have_any_length(void **state)
{
	static const u8 lengths[] = { 0, 1, 2, 8, 24 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct x100_vdev_desc head = { .num_vq = 1,
					       .feature_len = lengths[i],
					       .config_len = 4 };
		struct rude_dev *d = rude_lay(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
		u8 *bits;

		d->head = head;
		d->head.type = VIRTIO_ID_RNG;
		d->ctrl_offset = (u16)(d->offset + x100_vdev_ctrl_offset(&d->head));
		*rude_desc(d) = head;
		bits = rude.page + d->offset + x100_vdev_host_features(&d->head);
		memset(bits, 0xFF, lengths[i]);
		memset(bits + lengths[i], 0x77, lengths[i]);
		*rude_ctrl(d) = (struct x100_vdev_ctrl){ .h2c_vdev_db = -1 };
		rude_show(d);
	}
	rude_boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct rude_dev *d = &rude.dev[i];
		u8 *bits = rude.page + d->offset + x100_vdev_guest_features(&d->head);

		assert_int_equal(rude_desc(d)->status, 7);
		/* The driver knows bits 0 to 23 and the ring code 29; the rest of the table is cleared. */
		for (unsigned int b = 0; b < lengths[i]; b++)
			assert_int_equal(bits[b], b < 3 ? 0xFF : b == 3 ? 0x20 : 0);
	}
}

/* ------------------------------------------------------------------ rings */

static void trailer_is_found_at_the_place_of_generation_c(void **state)
{
	struct rude_dev *d;

	(void)state;
	rude.generation_c = true;
	d = rude_add(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	rude_boot();
	assert_int_equal(rude_desc(d)->status, 7);
}

static void a_wrong_trailer_is_refused(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	unsigned int kept;

	(void)state;
	/* The magic of queue 0 in queue 1. */
	memcpy(rude_ring(d, 1) + x100_vring_info_c2(128), rude_ring(d, 0) + x100_vring_info_c2(128),
	       8);
	rude_boot();
	assert_int_equal(rude_desc(d)->status, 0x83);
	assert_int_equal(rude_ctrl(d)->used_address_updated, 0);
	assert_true(sim_said("ring has no trailer"));
	kept = sim_objects();
	assert_true(rude_remove(d));
	assert_true(sim_objects() < kept);
}

static void the_trailer_survives_the_set_up(void **state)
{
	struct rude_dev *d;
	u8 want[8] = { 0 };
	u32 magic = X100_DEVPAGE_MAGIC + VIRTIO_ID_RNG;

	(void)state;
	memcpy(want + 4, &magic, 4);
	for (unsigned int c = 0; c < 2; c++) {
		rude.generation_c = c;
		d = rude_lay(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
		/* Garbage from a life before is cleared, all but the trailer. */
		memset(rude_ring(d, 0), 0x99, x100_vring_info_c(16));
		rude_show(d);
	}
	rude_boot();
	for (unsigned int c = 0; c < 2; c++) {
		u32 at = c ? x100_vring_info_c(16) : x100_vring_info_c2(16);

		d = &rude.dev[c];
		assert_memory_equal(rude_ring(d, 0) + at + 4, want + 4, 4);
		for (u32 i = 0; i < x100_vring_info_c(16); i++)
			assert_int_equal(rude_ring(d, 0)[i], 0);
	}
}

static void rings_have_as_many_entries_as_the_host_says(void **state)
{
	static const u16 num[] = { 1, 2, 64, 128, 256, 1024 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(num); i++)
		rude_add(VIRTIO_ID_RNG, 1, num[i], 0, NULL, 0);
	rude_boot();
	for (unsigned int i = 0; i < ARRAY_SIZE(num); i++) {
		struct rude_dev *d = &rude.dev[i];

		assert_int_equal(rude_desc(d)->status, 7);
		assert_int_equal(rude_vq(d, 0)->used_address % 4096, 0);
		assert_non_null(rude_used(d, 0));
	}
}

static void the_used_ring_lies_in_card_memory(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	struct drv_dev *dev;
	u8 zero[256] = { 0 };

	(void)state;
	rude_boot();
	dev = drv_find(VIRTIO_ID_RNG);
	for (unsigned int i = 0; i < 40; i++) {
		drv_add(dev, 0, 8, 1, 64, 2);
		drv_kick(dev, 0);
		sim_run(1);
	}
	assert_int_equal(dev->done, 40);
	assert_int_equal(((struct vring_used *)rude_used(d, 0))->idx, 40);
	/* The original one is never used. */
	assert_memory_equal(rude_ring(d, 0) + x100_vring_used(16), zero, x100_vring_used_size(16));
}

/* ------------------------------------------------------------------ the page */

static void no_page_no_devices(void **state)
{
	(void)state;
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), 0);
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI), 0);
	rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	assert_int_equal(drv_probes, 0);
	assert_int_equal(sim_complaints, 0);
	assert_int_equal(rude_bootparam()->h2c_config_db, -1);
}

static void a_card_that_boots_before_its_host_waits_for_the_page(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);

	(void)state;
	rude_go();
	rude_boot();
	sim_run(20000);
	assert_int_equal(drv_probes, 0);
	assert_int_equal(sim_complaints, 0);
	rude_come();
	sim_run(1500);
	assert_int_equal(rude_desc(d)->status, 7);
	assert_int_equal(rude_bootparam()->h2c_config_db, 9);
}

static void a_device_that_comes_later_is_found_by_the_config_doorbell(void **state)
{
	struct rude_dev *d;

	(void)state;
	rude_boot();
	assert_int_equal(drv_probes, 0);
	d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	sim_run(100);
	assert_int_equal(rude_desc(d)->status, 7);
}

static void a_device_added_while_the_doorbell_is_published_is_found(void **state)
{
	struct rude_dev *d = rude_lay(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);

	(void)state;
	sim_boot();
	/* The first scan is over, and the host did not see the doorbell yet (x100-abi.md 9.3 no. 9). */
	rude_desc(d)->type = d->head.type;
	drv_load();
	sim_run(200);
	assert_int_equal(rude_desc(d)->status, 7);
}

static void a_deleted_slot_is_skipped(void **state)
{
	struct rude_dev *gone = rude_lay(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	struct rude_dev *d;

	(void)state;
	rude_desc(gone)->type = X100_VDEV_DELETED;
	d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	rude_boot();
	assert_int_equal(rude_desc(d)->status, 7);
	assert_int_equal(drv_probes, 1);
}

static void a_page_full_to_the_end_has_no_end_mark(void **state)
{
	struct rude_dev *last;

	(void)state;
	rude.next_ring = 0x2000;
	/* 4096 - 24 = 14 * 272 + 264: 256 bytes of descriptor at most. */
	for (unsigned int i = 0; i < 14; i++)
		rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 216);
	last = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 208);
	assert_int_equal(last->offset + x100_vdev_total(&last->head), X100_DEVPAGE_SIZE);
	rude_boot();
	for (unsigned int i = 0; i < 15; i++)
		assert_int_equal(rude_desc(&rude.dev[i])->status, 7);
	assert_int_equal(sim_complaints, 0);
}

/* ------------------------------------------------------------------ removal */

static void removal_stores_the_type_before_the_ack(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	unsigned int i;

	(void)state;
	rude_boot();
	sim_forget_events();
	sim_watch_stores(RUDE_PAGE, X100_DEVPAGE_SIZE);
	assert_true(rude_remove(d));
	i = find_store(0, CTRL(d, host_ack), 0);
	i = find_store(i, CTRL(d, vdev_reset), 1);
	i = find_store(i, STATUS(d), 0);
	i = find_store(i, STATUS(d), 1);
	i = find_store(i, CTRL(d, h2c_vdev_db), 0xFF);
	i = find_store(i, TYPE(d), 0xFF);
	i = find_store(i, CTRL(d, guest_ack), 1);
	find_doorbell(i, 1);
	assert_int_equal(drv_removes, 1);
	assert_int_equal(sim_doorbell_users(8), 0);
}

static void a_slot_can_be_used_again(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	unsigned int objects;

	(void)state;
	rude_boot();
	assert_true(rude_remove(d));
	sim_run(100);
	objects = sim_objects();
	for (unsigned int i = 0; i < 100; i++) {
		rude.devs = 0;
		rude.next_ring = 0x4000;
		d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
		sim_run(100);
		assert_int_equal(rude_desc(d)->status, 7);
		assert_int_equal(rude_ctrl(d)->h2c_vdev_db, 8);
		for (unsigned int n = 0; n < 5; n++)
			drv_add(drv_find(VIRTIO_ID_BLOCK), 0, 100, 3, 100, 2);
		drv_kick(drv_find(VIRTIO_ID_BLOCK), 0);
		assert_true(rude_remove(d));
		sim_run(100);
		assert_int_equal(sim_objects(), objects);
	}
	assert_int_equal(drv_removes, 101);
	assert_int_equal(sim_complaints, 0);
}

static void buffers_come_back_to_the_driver_at_removal(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	struct drv_dev *dev;

	(void)state;
	rude_boot();
	rude.echo = false;
	dev = drv_find(VIRTIO_ID_BLOCK);
	for (unsigned int i = 0; i < 30; i++)
		assert_non_null(drv_add(dev, 0, 10, 2, 10, 2));
	drv_kick(dev, 0);
	sim_run(10);
	/* The driver calls it a bug if one of them is missing. */
	assert_true(rude_remove(d));
	assert_int_equal(drv_removes, 1);
}

static void removal_without_a_driver_is_acknowledged(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);

	(void)state;
	sim_boot();
	sim_run(100);
	assert_int_equal(rude_desc(d)->status, 1);
	assert_true(rude_remove(d));
	assert_int_equal(rude_desc(d)->type, -1);
}

static void a_device_removed_before_it_was_found_is_acknowledged(void **state)
{
	struct rude_dev *d;

	(void)state;
	rude_boot();
	/* Both doorbells ring before the card's work runs: it sees a new device that is to go. */
	d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	assert_true(rude_remove(d));
	assert_int_equal(sim_doorbell_users(9), 0);
}

/* ------------------------------------------------------------------ reset and config change */

static void a_driver_can_be_unbound_and_bound_again(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	struct device *dev;

	(void)state;
	rude_boot();
	dev = &drv_find(VIRTIO_ID_BLOCK)->vdev->dev;
	for (unsigned int i = 0; i < 3; i++) {
		device_release_driver(dev);
		assert_int_equal(rude_desc(d)->status, 1);
		assert_int_equal(d->resets, 2 + i);
		assert_int_equal(device_attach(dev), 1);
		sim_run(100);
		assert_int_equal(rude_desc(d)->status, 7);
		assert_non_null(drv_add(drv_find(VIRTIO_ID_BLOCK), 0, 1, 1, 1, 1));
		drv_kick(drv_find(VIRTIO_ID_BLOCK), 0);
		sim_run(10);
		assert_int_equal(drv_find(VIRTIO_ID_BLOCK)->done, 1);
	}
}

static void config_change_reaches_the_driver_and_is_acknowledged(void **state)
{
	u64 capacity = 100, config[5] = { capacity };
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, config, 36);
	struct drv_dev *dev;
	u64 seen;

	(void)state;
	rude_boot();
	dev = drv_find(VIRTIO_ID_BLOCK);
	dev->vdev->config->get(dev->vdev, 0, &seen, 8);
	assert_int_equal(seen, 100);
	capacity = 200;
	memcpy(rude.page + d->offset + x100_vdev_config(&d->head), &capacity, 8);
	assert_true(rude_change(d, X100_CHANGE_CONFIG));
	assert_int_equal(dev->config_changes, 1);
	dev->vdev->config->get(dev->vdev, 0, &seen, 8);
	assert_int_equal(seen, 200);
}

static int probe_slowly(struct drv_dev *dev)
{
	(void)dev;
	usleep_range(50000, 50000);
	return 0;
}

static void config_change_while_a_driver_probes_reaches_it(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);

	(void)state;
	drv_plan[VIRTIO_ID_BLOCK].early = probe_slowly;
	drv_early = true;
	sim_spawn("boot", boot_task, NULL);
	sim_run(20);
	assert_int_equal(rude_desc(d)->status, 7);
	assert_true(rude_change(d, X100_CHANGE_CONFIG));
	sim_run(100);
	assert_int_equal(drv_find(VIRTIO_ID_BLOCK)->config_changes, 1);
}

static void config_space_ends_where_the_host_says(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, "0123456789", 10);
	struct virtio_device *vdev;
	char buf[8];

	(void)state;
	rude_boot();
	vdev = drv_find(VIRTIO_ID_RNG)->vdev;
	vdev->config->get(vdev, 6, buf, 4);
	assert_memory_equal(buf, "6789", 4);
	memset(buf, 'x', sizeof(buf));
	vdev->config->get(vdev, 7, buf, 4);
	assert_memory_equal(buf, "\0\0\0\0xxxx", 8);
	vdev->config->get(vdev, 0xFFFFFFFE, buf, 4);
	vdev->config->set(vdev, 2, "ab", 2);
	vdev->config->set(vdev, 9, "zz", 2);
	vdev->config->set(vdev, 0xFFFFFFFF, "zz", 2);
	assert_memory_equal(rude.page + d->offset + x100_vdev_config(&d->head), "01ab456789", 10);
}

static void a_driver_that_gives_up_is_seen(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);

	(void)state;
	drv_plan[VIRTIO_ID_RNG].give_up = true;
	rude_boot();
	assert_int_equal(rude_desc(d)->status, 0x83);
	assert_true(rude_remove(d));
}

/* ------------------------------------------------------------------ a host that does not answer */

static bool goes_on(void *arg)
{
	return rude_desc(arg)->status != 0;
}

static void a_reset_without_an_answer_ends_after_10_s(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	u64 start = sim_now;

	(void)state;
	rude.answer_reset = false;
	sim_spawn("boot", boot_task, NULL);
	assert_true(sim_until(goes_on, d, 12000));
	assert_in_range(sim_now - start, 10 * SIM_S, 11 * SIM_S);
	assert_true(sim_said("no answer to a reset"));
}

static void used_rings_that_are_not_taken_fail_the_probe_after_10_s(void **state)
{
	struct rude_dev *d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	u64 start = sim_now;
	unsigned int objects;

	(void)state;
	rude.answer_used = false;
	sim_boot();
	objects = sim_objects();
	drv_load();
	assert_in_range(sim_now - start, 10 * SIM_S, 11 * SIM_S);
	assert_int_equal(rude_desc(d)->status, 0x83);
	assert_true(sim_said("does not take the used rings"));
	/* The driver's own structure is freed by it, everything else as well. */
	assert_int_equal(sim_objects(), objects);
}

static void way_down_takes_leave_of_every_device(void **state)
{
	struct rude_dev *a = rude_add(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
	struct rude_dev *b = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	u64 start;

	(void)state;
	rude_boot();
	rude.answer_ack = false;
	start = sim_now;
	sim_shutdown();
	sim_run(10);
	assert_in_range(sim_now - start, 0, SIM_S);
	assert_int_equal(rude_bootparam()->h2c_config_db, -1);
	for (unsigned int i = 0; i < 2; i++) {
		struct rude_dev *d = i ? b : a;

		assert_int_equal(d->resets, 2);
		assert_int_equal(rude_desc(d)->type, -1);
		assert_int_equal(rude_ctrl(d)->h2c_vdev_db, -1);
		assert_int_equal(rude_ctrl(d)->config_change, 0);
		assert_int_equal(rude_ctrl(d)->guest_ack, 0);
	}
}

static void way_down_does_not_wait_long_for_a_dead_host(void **state)
{
	u64 start;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	rude.answer_reset = false;
	start = sim_now;
	sim_shutdown();
	assert_in_range(sim_now - start, SIM_S, 4 * SIM_S);
}

static void way_down_does_not_wait_for_a_host_that_is_gone(void **state)
{
	u64 start;

	(void)state;
	rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	rude_go();
	start = sim_now;
	sim_shutdown();
	assert_in_range(sim_now - start, 0, SIM_S);
}

static void a_host_that_is_gone_leaves_the_devices_as_they_are(void **state)
{
	struct drv_dev *dev;

	(void)state;
	rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	rude_boot();
	dev = drv_find(VIRTIO_ID_BLOCK);
	rude_go();
	for (unsigned int i = 0; i < 10; i++)
		assert_non_null(drv_add(dev, 0, 10, 2, 10, 2));
	drv_kick(dev, 0);
	sim_ring_card(9);
	sim_ring_card(8);
	sim_run(1000);
	assert_int_equal(drv_removes, 0);
	assert_int_equal(drv_pending(dev), 10);
	assert_false(virtqueue_is_broken(dev->vq[0]));
	assert_int_equal(sim_complaints, 0);
}

/* ------------------------------------------------------------------ memory that runs out */

static void an_allocation_may_fail_anywhere(void **state)
{
	unsigned int n;

	(void)state;
	rude_boot();
	for (n = 1; n < 100; n++) {
		struct rude_dev *d;
		unsigned int before = sim_objects();

		rude.devs = 0;
		rude.next_ring = 0x4000;
		rude_bootparam();
		d = rude_lay(VIRTIO_ID_NET, 2, 128, 0, NULL, 17);
		sim_fail_allocation(n);
		rude_show(d);
		sim_run(100);
		if (sim_fail_allocation(0))
			break;
		/* Whatever came of it, it can be taken away, and nothing is left. */
		rude_remove(d);
		sim_run(100);
		assert_int_equal(sim_objects(), before);
		assert_int_equal(sim_doorbell_users(9), 0);
	}
	assert_in_range(n, 8, 99);
	assert_int_equal(rude_desc(&rude.dev[0])->status, 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(probe_goes_in_the_order_of_the_old_card),
		TEST(devices_come_up_in_the_order_of_the_page),
		TEST(statuses_are_seen_one_by_one),
		TEST(doorbells_in_the_old_order_if_asked_for),
		TEST(the_boot_doorbell_is_taken_last),
		TEST(devices_share_a_doorbell_when_there_are_many),
		TEST(the_last_store_before_a_doorbell_is_made_twice),
		TEST(descriptors_are_stored_before_the_avail_index),
		TEST(accepts_what_the_driver_knows_of_the_offer),
		TEST(an_old_host_offers_no_event_idx),
		TEST(never_accepts_indirect),
		TEST(a_feature_table_may_have_any_length),
		TEST(trailer_is_found_at_the_place_of_generation_c),
		TEST(a_wrong_trailer_is_refused),
		TEST(the_trailer_survives_the_set_up),
		TEST(rings_have_as_many_entries_as_the_host_says),
		TEST(the_used_ring_lies_in_card_memory),
		TEST(no_page_no_devices),
		TEST(a_card_that_boots_before_its_host_waits_for_the_page),
		TEST(a_device_that_comes_later_is_found_by_the_config_doorbell),
		TEST(a_device_added_while_the_doorbell_is_published_is_found),
		TEST(a_deleted_slot_is_skipped),
		TEST(a_page_full_to_the_end_has_no_end_mark),
		TEST(removal_stores_the_type_before_the_ack),
		TEST(a_slot_can_be_used_again),
		TEST(buffers_come_back_to_the_driver_at_removal),
		TEST(removal_without_a_driver_is_acknowledged),
		TEST(a_device_removed_before_it_was_found_is_acknowledged),
		TEST(a_driver_can_be_unbound_and_bound_again),
		TEST(config_change_reaches_the_driver_and_is_acknowledged),
		TEST(config_change_while_a_driver_probes_reaches_it),
		TEST(config_space_ends_where_the_host_says),
		TEST(a_driver_that_gives_up_is_seen),
		TEST(a_reset_without_an_answer_ends_after_10_s),
		TEST(used_rings_that_are_not_taken_fail_the_probe_after_10_s),
		TEST(way_down_takes_leave_of_every_device),
		TEST(way_down_does_not_wait_long_for_a_dead_host),
		TEST(way_down_does_not_wait_for_a_host_that_is_gone),
		TEST(a_host_that_is_gone_leaves_the_devices_as_they_are),
		TEST(an_allocation_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
