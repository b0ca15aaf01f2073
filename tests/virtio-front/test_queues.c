// SPDX-License-Identifier: BSD-3-Clause
/*
 * The card's transport and ring code against the real host code: data through queues of every size and
 * number, with each kind of notification, and devices that come and go. Faked: the kernel under the
 * drivers (stub/), the card and its link (sim.h), the virtio drivers (driver.h) and the back-ends (host.h).
 */
#include "host.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

static struct drv_dev *live(u8 type)
{
	struct drv_dev *dev = drv_find(type);

	assert_non_null(dev);
	return dev;
}

static void assert_no_complaints(void)
{
	assert_int_equal(sim_complaints, 0);
	assert_int_equal(sim_warnings, 0);
	assert_int_equal(host.complaints, 0);
}

/* Random chains, random batches, random pauses; every byte is checked on both sides. */
static void echo(struct drv_dev *dev, unsigned int queue, unsigned int requests, u64 seed)
{
	unsigned int most = min(virtqueue_get_vring_size(dev->vq[queue]) / 2, 24u);
	unsigned int before = dev->done;

	sim_seed(seed);
	for (unsigned int i = 0; i < requests;) {
		unsigned int batch = 1 + sim_random(20);

		for (; batch && i < requests; batch--) {
			u32 out = sim_random(3) ? sim_random(9000) : 0;
			u32 in = sim_random(3) ? sim_random(9000) : 0;
			unsigned int out_parts = out ? 1 + sim_random(min(out, most)) : 0;
			unsigned int in_parts = in ? 1 + sim_random(min(in, most)) : 0;

			if (!out_parts && !in_parts)
				continue;
			if (!drv_add(dev, queue, out, out_parts, in, in_parts))
				break;
			i++;
		}
		drv_kick(dev, queue);
		sim_run(sim_random(3));
		drv_free_done(dev);
	}
	sim_run(50);
	sim_seed(0);
	assert_int_equal(dev->done - before, requests);
	assert_int_equal(dev->wrong, 0);
	assert_int_equal(drv_pending(dev), 0);
	drv_free_done(dev);
}

static void random_chains_go_around_a_ring_of_128(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	assert_int_equal(virtqueue_get_vring_size(live(VIRTIO_ID_BLOCK)->vq[0]), 128);
	echo(live(VIRTIO_ID_BLOCK), 0, 3000, 1);
	assert_int_equal(d->served[0], 3000);
	assert_int_equal(host_info(d).fault, X100_FAULT_NONE);
	assert_no_complaints();
	host_end();
}

static void random_chains_go_around_a_ring_of_1024(void **state)
{
	(void)state;
	host_begin(X100_GEN_C2, false);
	host_add(VIRTIO_ID_BLOCK, 1, 1024, 0, 36);
	host_boot();
	assert_int_equal(virtqueue_get_vring_size(live(VIRTIO_ID_BLOCK)->vq[0]), 1024);
	echo(live(VIRTIO_ID_BLOCK), 0, 6000, 2);
	assert_no_complaints();
	host_end();
}

static void random_chains_go_around_small_rings(void **state)
{
	(void)state;
	for (u16 entries = 2; entries <= 16; entries *= 2) {
		host_begin(X100_GEN_C2, entries & 4);
		host_add(VIRTIO_ID_RNG, 1, entries, 0, 0);
		host_boot();
		echo(live(VIRTIO_ID_RNG), 0, 500, entries);
		assert_no_complaints();
		host_end();
	}
}

/* One-descriptor chains, so that 65536 of them do not take long. */
static void indices_wrap_around_16_bits(void **state)
{
	struct drv_dev *dev;

	(void)state;
	for (unsigned int legacy = 0; legacy < 2; legacy++) {
		host_begin(X100_GEN_C2, legacy);
		host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_boot();
		dev = live(VIRTIO_ID_BLOCK);
		for (unsigned int i = 0; i < 70000 / 100; i++) {
			for (unsigned int n = 0; n < 100; n++)
				assert_non_null(drv_add(dev, 0, 0, 0, 4, 1));
			drv_kick(dev, 0);
			sim_settle();
			drv_free_done(dev);
		}
		assert_int_equal(dev->done, 70000);
		assert_int_equal(dev->wrong, 0);
		assert_no_complaints();
		host_end();
	}
}

static void four_queues_at_once(void **state)
{
	struct host_dev *d;
	struct drv_dev *dev;

	(void)state;
	host_begin(X100_GEN_C2, false);
	drv_plan[VIRTIO_ID_BLOCK].queues = 4;
	d = host_add(VIRTIO_ID_BLOCK, 4, 0, 0, 36);
	host_boot();
	dev = live(VIRTIO_ID_BLOCK);
	sim_seed(3);
	for (unsigned int i = 0; i < 4000; i++) {
		unsigned int q = sim_random(4);

		if (drv_add(dev, q, 1 + sim_random(600), 1, 1 + sim_random(600), 1))
			drv_kick(dev, q);
		if (!sim_random(4))
			sim_run(1);
		drv_free_done(dev);
	}
	sim_run(50);
	for (unsigned int q = 0; q < 4; q++)
		assert_true(d->served[q] > 500);
	assert_int_equal(dev->done, d->served[0] + d->served[1] + d->served[2] + d->served[3]);
	assert_int_equal(dev->wrong, 0);
	assert_int_equal(drv_pending(dev), 0);
	assert_no_complaints();
	host_end();
}

static void a_driver_may_use_fewer_queues_than_there_are(void **state)
{
	(void)state;
	host_begin(X100_GEN_C2, false);
	host_add(VIRTIO_ID_BLOCK, 4, 0, 0, 36);
	host_boot();
	echo(live(VIRTIO_ID_BLOCK), 0, 300, 4);
	assert_int_equal(sim_complaints, 0);
	host_end();
}

static void three_devices_of_an_old_host(void **state)
{
	static const enum x100_generation generation[] = { X100_GEN_C2, X100_GEN_C };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct host_dev *console, *net, *block;

		host_begin(generation[i], true);
		console = host_add(VIRTIO_ID_CONSOLE, 2, 0, 0xFFFFFF, 12);
		net = host_add(VIRTIO_ID_NET, 2, 0, 0xFFFFFF, 17);
		block = host_add(VIRTIO_ID_BLOCK, 1, 0, 0xFFFFFF, 36);
		host_boot();
		assert_int_equal(console->features, 0);
		assert_int_equal(net->features, 0x3C1);
		assert_int_equal(block->features, 0x4);
		echo(live(VIRTIO_ID_CONSOLE), 1, 200, 5);
		echo(live(VIRTIO_ID_NET), 0, 200, 6);
		echo(live(VIRTIO_ID_NET), 1, 200, 7);
		echo(live(VIRTIO_ID_BLOCK), 0, 200, 8);
		assert_no_complaints();
		host_end();
	}
}

/* ------------------------------------------------------------------ notifications */

static void a_card_that_polls_gets_no_interrupt(void **state)
{
	(void)state;
	for (unsigned int legacy = 0; legacy < 2; legacy++) {
		struct drv_dev *dev;
		struct host_dev *d;

		host_begin(X100_GEN_C2, legacy);
		drv_plan[VIRTIO_ID_BLOCK].no_interrupts = true;
		d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_boot();
		dev = live(VIRTIO_ID_BLOCK);
		for (unsigned int i = 0; i < 300; i++) {
			assert_non_null(drv_add(dev, 0, 100, 1, 100, 1));
			drv_kick(dev, 0);
			sim_run(1);
			assert_int_equal(drv_drain(dev, 0), 1);
			drv_free_done(dev);
		}
		/* With EVENT_IDX, used_event stands at 0 and is passed once in 65536. */
		assert_true(host_info(d).notifies <= 1);
		assert_int_equal(dev->wrong, 0);
		host_end();
	}
}

static void a_host_that_polls_gets_no_doorbell(void **state)
{
	(void)state;
	for (unsigned int legacy = 0; legacy < 2; legacy++) {
		struct drv_dev *dev;
		struct host_dev *d;
		unsigned int rings;

		host_begin(X100_GEN_C2, legacy);
		d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_boot();
		dev = live(VIRTIO_ID_BLOCK);
		d->polls = true;
		/* The first one is taken, and from then on notifications are off. */
		drv_add(dev, 0, 100, 1, 100, 1);
		drv_kick(dev, 0);
		sim_run(1);
		rings = sim_rings[0];
		for (unsigned int i = 0; i < 60; i++) {
			assert_non_null(drv_add(dev, 0, 100, 1, 100, 1));
			drv_kick(dev, 0);
			sim_run(1);
		}
		assert_int_equal(sim_rings[0], rings);
		x100_task_queue(host.loop, &d->more);
		sim_run(1);
		assert_int_equal(dev->done, 61);
		host_end();
	}
}

/* Each request alone: one doorbell there, one back. */
static void one_doorbell_each_way_at_depth_1(void **state)
{
	(void)state;
	for (unsigned int legacy = 0; legacy < 2; legacy++) {
		struct drv_dev *dev;
		struct host_dev *d;
		struct x100_vdev_info a, b;

		host_begin(X100_GEN_C2, legacy);
		d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_boot();
		dev = live(VIRTIO_ID_BLOCK);
		a = host_info(d);
		for (unsigned int i = 0; i < 500; i++) {
			drv_add(dev, 0, 100, 2, 100, 2);
			drv_kick(dev, 0);
			sim_run(1);
			drv_free_done(dev);
		}
		b = host_info(d);
		assert_int_equal(dev->done, 500);
		assert_int_equal(b.kicks - a.kicks, 500);
		assert_int_equal(b.notifies - a.notifies, 500);
		host_end();
	}
}

/* A full ring, served some at a time: few doorbells for many requests. */
static void few_doorbells_at_depth_32(void **state)
{
	struct drv_dev *dev;
	struct host_dev *d;
	struct x100_vdev_info a, b;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	dev = live(VIRTIO_ID_BLOCK);
	drv_resubmit = 3200 - 32;
	d->at_once = 32;
	a = host_info(d);
	for (unsigned int i = 0; i < 32; i++)
		drv_add(dev, 0, 100, 1, 100, 1);
	drv_kick(dev, 0);
	sim_run(1);
	assert_int_equal(dev->done, 3200);
	b = host_info(d);
	assert_true(b.kicks - a.kicks <= dev->done / 5);
	assert_true(b.notifies - a.notifies <= dev->done / 5);
	host_end();
}

/* Tasks, interrupts and the host's turns in thousands of random orders. */
static void no_notification_is_lost_in_any_order(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 40; seed++) {
		struct host_dev *d;

		host_begin(seed & 1 ? X100_GEN_C2 : X100_GEN_C, seed & 2);
		d = host_add(VIRTIO_ID_NET, 2, seed & 4 ? 0 : 16, 0, 17);
		host_boot();
		d->at_once = seed % 5;
		echo(live(VIRTIO_ID_NET), 0, 150, seed);
		echo(live(VIRTIO_ID_NET), 1, 150, seed + 1000);
		assert_no_complaints();
		host_end();
	}
}

/* ------------------------------------------------------------------ devices come and go */

static void devices_come_and_go_100_times_under_load(void **state)
{
	struct host_dev *stays;
	unsigned int objects = 0;

	(void)state;
	host_begin(X100_GEN_C2, false);
	stays = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	for (unsigned int i = 0; i < 100; i++) {
		struct host_dev *d;

		host.devs = 1;
		d = host_add(VIRTIO_ID_NET, 2, 0, 0, 17);
		sim_run(300);
		assert_true(d->live);
		d->hold = i & 1;
		for (unsigned int n = 0; n < 20; n++) {
			drv_add(live(VIRTIO_ID_NET), n % 2, 100, 1, 100, 1);
			drv_kick(live(VIRTIO_ID_NET), n % 2);
			drv_add(live(VIRTIO_ID_BLOCK), 0, 100, 1, 100, 1);
			drv_kick(live(VIRTIO_ID_BLOCK), 0);
		}
		assert_int_equal(host_remove(d), X100_OK);
		assert_int_equal(d->stops, d->starts);
		sim_run(10);
		drv_free_done(live(VIRTIO_ID_BLOCK));
		assert_null(drv_find(VIRTIO_ID_NET));
		if (!objects)
			objects = sim_objects();
		assert_int_equal(sim_objects(), objects);
	}
	assert_int_equal(stays->served[0], 2000);
	assert_int_equal(live(VIRTIO_ID_BLOCK)->wrong, 0);
	assert_no_complaints();
	host_end();
}

static void a_driver_that_is_bound_again_finds_fresh_rings(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	for (unsigned int i = 0; i < 5; i++) {
		struct device *dev = &live(VIRTIO_ID_BLOCK)->vdev->dev;

		echo(live(VIRTIO_ID_BLOCK), 0, 100, i + 1);
		d->hold = true;
		for (unsigned int n = 0; n < 10; n++)
			drv_add(live(VIRTIO_ID_BLOCK), 0, 100, 1, 100, 1);
		drv_kick(live(VIRTIO_ID_BLOCK), 0);
		sim_run(5);
		device_release_driver(dev);
		d->hold = false;
		assert_int_equal(device_attach(dev), 1);
		sim_run(300);
		assert_int_equal(d->starts, i + 2);
	}
	assert_no_complaints();
	host_end();
}

static int config_error;

static void config_done(void *arg, int error)
{
	(void)arg;
	config_error = error;
}

static void config_changes_reach_the_driver(void **state)
{
	struct host_dev *d;
	struct drv_dev *dev;
	u8 bytes[8] = { 9, 8, 7, 6, 5, 4, 3, 2 }, seen[8];

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	dev = live(VIRTIO_ID_BLOCK);
	for (unsigned int i = 1; i <= 5; i++) {
		config_error = 1;
		bytes[0] = (u8)i;
		assert_int_equal(x100_vdev_config_write(d->dev, 0, bytes, 8, config_done, NULL),
				 X100_OK);
		sim_run(300);
		assert_int_equal(config_error, X100_OK);
		assert_int_equal(dev->config_changes, i);
		dev->vdev->config->get(dev->vdev, 0, seen, 8);
		assert_memory_equal(seen, bytes, 8);
	}
	assert_no_complaints();
	host_end();
}

static void the_way_down_leaves_a_quiet_host(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_add(VIRTIO_ID_NET, 2, 0, 0, 17);
	host_boot();
	sim_shutdown();
	sim_run(1000);
	assert_false(d->live);
	assert_int_equal(host_info(d).fault, X100_FAULT_NONE);
	assert_no_complaints();
	host_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_chains_go_around_a_ring_of_128),
		cmocka_unit_test(random_chains_go_around_a_ring_of_1024),
		cmocka_unit_test(random_chains_go_around_small_rings),
		cmocka_unit_test(indices_wrap_around_16_bits),
		cmocka_unit_test(four_queues_at_once),
		cmocka_unit_test(a_driver_may_use_fewer_queues_than_there_are),
		cmocka_unit_test(three_devices_of_an_old_host),
		cmocka_unit_test(a_card_that_polls_gets_no_interrupt),
		cmocka_unit_test(a_host_that_polls_gets_no_doorbell),
		cmocka_unit_test(one_doorbell_each_way_at_depth_1),
		cmocka_unit_test(few_doorbells_at_depth_32),
		cmocka_unit_test(no_notification_is_lost_in_any_order),
		cmocka_unit_test(devices_come_and_go_100_times_under_load),
		cmocka_unit_test(a_driver_that_is_bound_again_finds_fresh_rings),
		cmocka_unit_test(config_changes_reach_the_driver),
		cmocka_unit_test(the_way_down_leaves_a_quiet_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
