// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host program is killed while the card works, and a new one takes over: the card's transport and
 * ring code against the real host code, which is thrown away and made anew from its stored state. No
 * request may be lost, none may come back twice. Faked: as in test_queues.c.
 */
#include "host.h"
#include "rude.h"

#include <stdlib.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

static struct drv_dev *live(u8 type)
{
	struct drv_dev *dev = drv_find(type);

	assert_non_null(dev);
	return dev;
}

static void restart_after(unsigned int ms)
{
	char *state = host_kill();

	sim_run(ms);
	assert_int_equal(host_resume(state), X100_OK);
	free(state);
}

static void assert_all_came_back_once(struct drv_dev *dev)
{
	assert_int_equal(drv_pending(dev), 0);
	assert_int_equal(dev->wrong, 0);
	for (const struct drv_request *r = dev->requests; r; r = r->next)
		assert_int_equal(r->completions, 1);
}

static void submit(struct drv_dev *dev, unsigned int queue, unsigned int requests)
{
	for (unsigned int i = 0; i < requests; i++)
		assert_non_null(drv_add(dev, queue, 1 + i * 37 % 5000,
					1 + i % 3 % (1 + i * 37 % 5000), 1 + i * 91 % 5000, 1));
	drv_kick(dev, queue);
}

static void requests_in_flight_are_executed_by_the_next_host(void **state)
{
	(void)state;
	for (unsigned int legacy = 0; legacy < 2; legacy++) {
		struct host_dev *d;

		host_begin(X100_GEN_C2, legacy);
		d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_boot();
		d->hold = true;
		submit(live(VIRTIO_ID_BLOCK), 0, 25);
		sim_run(10);
		assert_int_equal(d->served[0], 0);
		d->hold = false;
		restart_after(100);
		sim_run(200);
		assert_int_equal(d->served[0], 25);
		assert_all_came_back_once(live(VIRTIO_ID_BLOCK));
		assert_true(sim_said("host is back"));
		assert_int_equal(host.complaints, 0);
		/* And on it goes. */
		drv_free_done(live(VIRTIO_ID_BLOCK));
		submit(live(VIRTIO_ID_BLOCK), 0, 25);
		sim_run(10);
		assert_all_came_back_once(live(VIRTIO_ID_BLOCK));
		host_end();
	}
}

static void requests_made_while_there_is_no_host_are_executed(void **state)
{
	char *kept;

	(void)state;
	host_begin(X100_GEN_C2, false);
	host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	submit(live(VIRTIO_ID_BLOCK), 0, 5);
	sim_run(10);
	kept = host_kill();
	submit(live(VIRTIO_ID_BLOCK), 0, 20);
	sim_run(1000);
	assert_int_equal(drv_pending(live(VIRTIO_ID_BLOCK)), 20);
	assert_int_equal(host_resume(kept), X100_OK);
	free(kept);
	sim_run(200);
	assert_all_came_back_once(live(VIRTIO_ID_BLOCK));
	host_end();
}

static void requests_that_were_answered_are_not_executed_again(void **state)
{
	struct host_dev *d;
	struct drv_dev *dev;

	(void)state;
	host_begin(X100_GEN_C2, false);
	drv_plan[VIRTIO_ID_BLOCK].busy = true;
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	dev = live(VIRTIO_ID_BLOCK);
	submit(dev, 0, 10);
	sim_run(10);
	d->hold = true;
	submit(dev, 0, 10);
	sim_run(10);
	assert_int_equal(d->served[0], 10);
	/* Ten stand in the used ring, and the driver has not looked at them. */
	d->hold = false;
	restart_after(50);
	sim_run(200);
	assert_int_equal(d->served[0], 20);
	assert_int_equal(drv_drain(dev, 0), 20);
	assert_all_came_back_once(dev);
	host_end();
}

/* The card calls this before each thing that happens. */
static bool countdown(void *arg)
{
	unsigned int *left = arg;

	return !*left || !--*left;
}

static void load(struct drv_dev *dev, unsigned int requests)
{
	for (unsigned int i = 0; i < requests; i++) {
		unsigned int q = sim_random(dev->queues);
		u32 out = 3 + sim_random(3000), in = 3 + sim_random(3000);

		if (!drv_add(dev, q, out, 1 + sim_random(3), in, 1 + sim_random(3)))
			continue;
		if (sim_random(3))
			drv_kick(dev, q);
	}
	for (unsigned int q = 0; q < dev->queues; q++)
		drv_kick(dev, q);
}

/* Whatever was going on at that moment. */
static void killed_at_random_moments(u16 entries, unsigned int queues, unsigned int seeds,
				     bool legacy)
{
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		struct host_dev *d;
		struct drv_dev *dev;
		unsigned int done = 0;

		host_begin(seed & 1 ? X100_GEN_C2 : X100_GEN_C, legacy);
		drv_plan[VIRTIO_ID_BLOCK].queues = queues;
		d = host_add(VIRTIO_ID_BLOCK, queues, entries, 0, 36);
		host_boot();
		dev = live(VIRTIO_ID_BLOCK);
		sim_seed(seed);
		for (unsigned int round = 0; round < 6; round++) {
			unsigned int steps = 1 + sim_random(60);
			char *kept;

			d->at_once = 1 + sim_random(5);
			load(dev, 1 + sim_random(40));
			sim_until(countdown, &steps, 2);
			kept = host_kill();
			load(dev, sim_random(20));
			if (sim_random(2))
				sim_run(sim_random(30));
			assert_int_equal(host_resume(kept), X100_OK);
			free(kept);
			/* Sometimes it dies again before the card has noticed. */
			if (sim_random(3))
				sim_run(100);
		}
		sim_run(500);
		if (drv_pending(dev))
			fail_msg("seed %u: %u requests never came back", seed, drv_pending(dev));
		assert_all_came_back_once(dev);
		done = dev->done;
		for (unsigned int q = 0; q < queues; q++)
			assert_false(virtqueue_is_broken(dev->vq[q]));
		drv_free_done(dev);
		load(dev, 30);
		sim_run(50);
		assert_all_came_back_once(dev);
		assert_true(dev->done > done);
		assert_int_equal(sim_warnings, 0);
		host_end();
	}
}

static void killed_at_random_moments_ring_of_128(void **state)
{
	(void)state;
	killed_at_random_moments(128, 1, 60, false);
}

static void killed_at_random_moments_without_event_idx(void **state)
{
	(void)state;
	killed_at_random_moments(128, 1, 60, true);
}

static void killed_at_random_moments_small_ring(void **state)
{
	(void)state;
	killed_at_random_moments(16, 2, 60, false);
}

static void killed_at_random_moments_four_queues_of_1024(void **state)
{
	(void)state;
	killed_at_random_moments(1024, 4, 20, false);
}

/* ------------------------------------------------------------------ what the card has to say again */

static void a_new_host_is_told_everything_again(void **state)
{
	u8 before[X100_DEVPAGE_SIZE];
	struct rude_dev *d;

	(void)state;
	rude_begin();
	d = rude_add(VIRTIO_ID_NET, 2, 16, 0x3C1 | 1u << 29, NULL, 17);
	rude_boot();
	memcpy(before, rude.page, sizeof(before));
	rude_desc(d)->status = 0;
	rude_bootparam()->h2c_config_db = -1;
	for (unsigned int q = 0; q < 2; q++)
		rude_vq(d, q)->used_address = 0;
	memset(rude.page + d->offset + x100_vdev_guest_features(&d->head), 0, 4);
	*rude_ctrl(d) = (struct x100_vdev_ctrl){ .config_change = X100_CHANGE_RESUME,
						 .host_ack = 1,
						 .c2h_vdev_db = 1,
						 .h2c_vdev_db = -1 };
	rude.answer_ack = false;
	sim_forget_events();
	sim_ring_card(9);
	sim_run(50);
	sim_watch_none();
	assert_int_equal(rude_ctrl(d)->guest_ack, 1);
	assert_int_equal(sim_rings[1] > 0, 1);
	rude_ctrl(d)->guest_ack = 0;
	rude_ctrl(d)->config_change = 0;
	assert_memory_equal(rude.page, before, sizeof(before));
	rude_end();
}

static void a_buffer_whose_doorbell_was_lost_comes_back(void **state)
{
	struct rude_dev *d;
	struct drv_dev *dev;

	(void)state;
	rude_begin();
	d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	dev = live(VIRTIO_ID_RNG);
	rude.echo = false;
	for (unsigned int i = 0; i < 3; i++)
		drv_add(dev, 0, 5, 1, 0, 0);
	drv_kick(dev, 0);
	sim_run(5);
	/* The host put one into the used ring and died. */
	rude_push(d, 0, 0, 0);
	sim_run(5);
	assert_int_equal(dev->done, 0);
	assert_true(rude_change(d, X100_CHANGE_RESUME));
	sim_run(5);
	assert_int_equal(dev->done, 1);
	/* The other two stand behind it. */
	assert_int_equal(rude_avail_idx(d, 0), 3);
	dev->requests = NULL;
	rude_end();
}

static void a_new_host_is_told_that_the_card_polls(void **state)
{
	struct rude_dev *d;
	u16 *flags;

	(void)state;
	rude_begin();
	drv_plan[VIRTIO_ID_RNG].no_interrupts = true;
	d = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	flags = (u16 *)(rude_ring(d, 0) + x100_vring_avail(16));
	assert_int_equal(*flags, VRING_AVAIL_F_NO_INTERRUPT);
	*flags = 0;
	assert_true(rude_change(d, X100_CHANGE_RESUME));
	assert_int_equal(*flags, VRING_AVAIL_F_NO_INTERRUPT);
	rude_end();
}

/* ------------------------------------------------------------------ console */

static unsigned int turns_left;
static char *console_state;
static bool (*ordinary_turn)(void);

static bool turn_that_restarts(void)
{
	if (turns_left && !--turns_left)
		console_state = host_kill();
	if (console_state && host.card == NULL && turns_left == 0) {
		char *kept = console_state;

		console_state = NULL;
		assert_int_equal(host_resume(kept), X100_OK);
		free(kept);
	}
	return ordinary_turn();
}

static void a_console_that_waits_with_interrupts_off_is_released(void **state)
{
	struct host_dev *d;
	struct drv_dev *dev;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_CONSOLE, 2, 0, 0, 12);
	host_boot();
	dev = live(VIRTIO_ID_CONSOLE);
	assert_true(drv_write_console(dev, "before"));
	drv_free_done(dev);
	d->hold = true;
	for (unsigned int i = 0; i < 10; i++)
		drv_add(dev, 0, 0, 0, 100, 1);
	drv_kick(dev, 0);
	sim_run(5);

	ordinary_turn = sim_host_turn;
	sim_host_turn = turn_that_restarts;
	turns_left = 50;
	d->hold = true;
	/* Comes back although nobody answered: the ring is broken for the moment. */
	assert_false(drv_write_console(dev, "lost"));
	sim_host_turn = ordinary_turn;
	assert_true(virtqueue_is_broken(dev->vq[1]));
	d->hold = false;
	sim_run(300);
	assert_false(virtqueue_is_broken(dev->vq[1]));
	assert_int_equal(drv_pending(dev), 1); /* the lost output, which its driver has given up */
	assert_int_equal(d->served[0], 10);
	for (unsigned int i = 0; i < 300; i++)
		assert_true(drv_write_console(dev, "after"));
	assert_int_equal(dev->wrong, 0);
	assert_int_equal(host_info(d).fault, X100_FAULT_NONE);
	dev->requests = NULL; /* memory goes with the power */
	host_end();
}

/* ------------------------------------------------------------------ what else may be going on */

static void devices_keep_their_doorbells_and_features(void **state)
{
	struct host_dev *a, *b;
	struct x100_vdev_info before, after;
	s8 config_db;

	(void)state;
	host_begin(X100_GEN_C2, false);
	a = host_add(VIRTIO_ID_NET, 2, 0, 0x3C1, 17);
	b = host_add(VIRTIO_ID_BLOCK, 1, 0, 4, 36);
	host_boot();
	before = host_info(a);
	config_db = host.page->config_db;
	restart_after(10);
	sim_run(200);
	after = host_info(a);
	assert_int_equal(after.accepted, before.accepted);
	assert_int_equal(after.state, X100_VDEV_LIVE);
	assert_int_equal(host_info(b).state, X100_VDEV_LIVE);
	assert_int_equal(host.page->config_db, config_db);
	assert_int_equal(sim_complaints, 0);
	host_end();
}

static void a_device_that_is_not_there_any_more_is_removed(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	host_add(VIRTIO_ID_NET, 2, 0, 0, 17);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	d->dev = NULL;
	restart_after(10);
	sim_run(500);
	assert_null(drv_find(VIRTIO_ID_BLOCK));
	assert_non_null(drv_find(VIRTIO_ID_NET));
	host_end();
}

static void devices_can_be_added_and_removed_after_it(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_NET, 2, 0, 0, 17);
	host_boot();
	restart_after(10);
	sim_run(200);
	host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	sim_run(300);
	submit(live(VIRTIO_ID_BLOCK), 0, 20);
	sim_run(10);
	assert_all_came_back_once(live(VIRTIO_ID_BLOCK));
	assert_int_equal(host_remove(d), X100_OK);
	assert_null(drv_find(VIRTIO_ID_NET));
	assert_int_equal(sim_complaints, 0);
	host_end();
}

static bool answers(void *arg)
{
	struct drv_dev *dev = drv_find(VIRTIO_ID_BLOCK);

	(void)arg;
	if (!dev)
		return false;
	drv_free_done(dev);
	if (!drv_pending(dev)) {
		if (dev->done)
			return true;
		drv_add(dev, 0, 10, 1, 10, 1);
		drv_kick(dev, 0);
	}
	return dev->done != 0;
}

static void boot_task(void *arg)
{
	(void)arg;
	sim_boot();
	drv_load();
}

/* The card waits for answers while the host is replaced: it comes up, or can be made to. */
static void killed_while_a_driver_is_on_its_way_up(void **state)
{
	unsigned int worked = 0, moments = 0;

	(void)state;
	for (unsigned int steps = 1; steps < 24; steps++) {
		unsigned int left = steps;
		struct host_dev *d;
		char *kept;
		int ret;

		host_begin(X100_GEN_C2, false);
		d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
		host_power_on();
		sim_spawn("boot", boot_task, NULL);
		sim_until(countdown, &left, 1000);
		moments++;
		kept = host_kill();
		sim_run(5);
		ret = host_resume(kept);
		free(kept);
		if (ret) {
			/* A card that has not shown that it can be taken over has to be reset. */
			assert_int_equal(ret, X100_ERR_RESUME);
			host_end();
			continue;
		}
		if (!sim_until(answers, NULL, 30000)) {
			/* The driver gave up; it is bound again by hand. */
			if (drv_find(VIRTIO_ID_BLOCK))
				fail_msg("killed after %u steps: no answer", steps);
			assert_int_equal(host_remove(d), X100_OK);
		} else {
			worked++;
		}
		assert_int_equal(sim_warnings, 0);
		host_end();
	}
	assert_true(worked > 0);
	assert_int_equal(moments, 23);
}

static void a_card_that_was_reset_meanwhile_is_not_taken_over(void **state)
{
	struct x100_record *record;
	char *kept;

	(void)state;
	host_begin(X100_GEN_C2, false);
	host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	kept = host_kill();
	record = fake_record();
	record->run[record->current_run].pushes++;
	assert_int_equal(host_resume(kept), X100_ERR_STATE);
	free(kept);
	host_end();
}

/* A host that comes back with other rings than the card knows is not followed. */
static void another_ring_than_before_is_refused(void **state)
{
	struct host_dev *d;
	char *kept;
	struct x100_vqconfig *config;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	d->hold = true;
	submit(live(VIRTIO_ID_BLOCK), 0, 5);
	sim_run(10);
	kept = host_kill();
	assert_int_equal(host_resume(kept), X100_OK);
	free(kept);
	config = (void *)(d->dev->desc + x100_vdev_vq_offset(0));
	config->num = 64;
	sim_run(100);
	assert_true(sim_said("another ring"));
	assert_int_equal(drv_pending(live(VIRTIO_ID_BLOCK)), 5);
	host_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_in_flight_are_executed_by_the_next_host),
		cmocka_unit_test(requests_made_while_there_is_no_host_are_executed),
		cmocka_unit_test(requests_that_were_answered_are_not_executed_again),
		cmocka_unit_test(killed_at_random_moments_ring_of_128),
		cmocka_unit_test(killed_at_random_moments_without_event_idx),
		cmocka_unit_test(killed_at_random_moments_small_ring),
		cmocka_unit_test(killed_at_random_moments_four_queues_of_1024),
		cmocka_unit_test(a_new_host_is_told_everything_again),
		cmocka_unit_test(a_buffer_whose_doorbell_was_lost_comes_back),
		cmocka_unit_test(a_new_host_is_told_that_the_card_polls),
		cmocka_unit_test(a_console_that_waits_with_interrupts_off_is_released),
		cmocka_unit_test(devices_keep_their_doorbells_and_features),
		cmocka_unit_test(a_device_that_is_not_there_any_more_is_removed),
		cmocka_unit_test(devices_can_be_added_and_removed_after_it),
		cmocka_unit_test(killed_while_a_driver_is_on_its_way_up),
		cmocka_unit_test(a_card_that_was_reset_meanwhile_is_not_taken_over),
		cmocka_unit_test(another_ring_than_before_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
