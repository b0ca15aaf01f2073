// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/vdev.c: adding, probing, resetting, changing and removing a device, the deadlines of
 * all that, and what a card that breaks its rules gets. Faked: the card with its driver (vcard.c), time.
 */
#include "vcard.h"

#include <stdio.h>
#include <string.h>

#include <x100/regs.h>

#include "vpage.h"

#define CTRL(d, member) SHARED_AT((d)->ctrl, struct x100_vdev_ctrl, member)
#define DESC(d, member) SHARED_AT((d)->desc, struct x100_vdev_desc, member)

static struct vcard_backend be, be2;
static struct vcard_driver drv;

static struct x100_vdev_info info(void)
{
	struct x100_vdev_info i;

	x100_vdev_info(be.dev, &i);
	return i;
}

/* A live device whose card has published its config doorbell. */
static void begin_live(void)
{
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, ~0u);
	vcard_publish(15);
	vcard_run(1000);
	assert_int_equal(info().state, X100_VDEV_LIVE);
	memset(fake.rung, 0, sizeof(fake.rung));
}

static void expect_fault(enum x100_fault fault, uint64_t detail)
{
	assert_int_equal(info().state, X100_VDEV_FAULTED);
	assert_int_equal(info().fault, fault);
	assert_int_equal(info().fault_detail, detail);
	assert_int_equal(be.starts, be.stops);
	assert_non_null(strstr(vcard.line, x100_fault_words(fault)));
}

/* ------------------------------------------------------------------ adding */

static struct x100_vdev_params params(void)
{
	static const uint8_t config[250];

	return (struct x100_vdev_params){
		.type = 1,
		.queues = 2,
		.features = 0xFFFFFFFF,
		.config = config,
		.config_size = 10,
		.name = "net0",
		.ops = &vcard_ops,
		.arg = &be,
	};
}

static void impossible_devices_are_refused(void **state)
{
	struct x100_vdev_params p;
	struct x100_vdev *dev;

	(void)state;
#define REFUSED(error, ...)                                                                        \
	p = params();                                                                              \
	__VA_ARGS__;                                                                               \
	assert_int_equal(x100_vpage_add(vcard.page, &p, &dev), error);                             \
	assert_null(dev)
	REFUSED(X100_ERR_ARGUMENT, p.type = 0);
	REFUSED(X100_ERR_ARGUMENT, p.type = 128);
	REFUSED(X100_ERR_ARGUMENT, p.queues = 0);
	REFUSED(X100_ERR_ARGUMENT, p.queues = 5);
	REFUSED(X100_ERR_ARGUMENT, p.entries = 100);
	REFUSED(X100_ERR_ARGUMENT, p.entries = 2048);
	REFUSED(X100_ERR_ARGUMENT, p.config_size = 193); /* 8 + 48 + 8 + 193 = 257 */
	REFUSED(X100_ERR_ARGUMENT, p.name = "");
	REFUSED(X100_ERR_ARGUMENT, p.name = "a name of more than thirty-two bytes");
	p = params();
	p.config_size = 192;
	assert_int_equal(x100_vpage_add(vcard.page, &p, &dev), X100_OK);
	REFUSED(X100_ERR_ARGUMENT, p.queues = 1); /* the name is taken */
}

static void transport_features_are_the_pages(void **state)
{
	struct x100_vdev_params p = params();

	(void)state;
	assert_int_equal(x100_vpage_add(vcard.page, &p, &be.dev), X100_OK);
	assert_int_equal(info().offered, 0x2FFFFFFF);
}

static void legacy_features_are_those_of_the_old_daemon(void **state)
{
	static const uint32_t want[] = { 0, 0x3C1, 0x4, 0, 0 };
	const struct x100_vpage_params legacy = { .legacy_features = true };

	(void)state;
	vcard_new_page(&legacy);
	for (uint8_t type = 1; type <= 4; type++) {
		struct x100_vdev_params p = params();
		char name[16];

		snprintf(name, sizeof(name), "d%d", type);
		p.type = type;
		p.name = name;
		assert_int_equal(x100_vpage_add(vcard.page, &p, &be.dev), X100_OK);
		assert_int_equal(info().offered, want[type]);
	}
}

static void a_full_page_takes_no_more(void **state)
{
	struct x100_vdev_params p = params();
	struct x100_vdev *dev;
	unsigned int count = 0;
	char name[16];
	int ret;

	(void)state;
	p.name = name;
	do {
		snprintf(name, sizeof(name), "net%u", count);
		ret = x100_vpage_add(vcard.page, &p, &dev);
		count += !ret;
	} while (!ret);
	assert_int_equal(ret, X100_ERR_NO_ROOM);
	/* 96 bytes each from 24 on, with a 0 behind the last one. */
	assert_int_equal(count, (4096 - 1 - 24) / 96);
	assert_non_null(x100_vpage_dev(vcard.page, count - 1));
	assert_null(x100_vpage_dev(vcard.page, count));
	x100_vdev_remove(x100_vpage_dev(vcard.page, 7), NULL, NULL);
	assert_int_equal(x100_vpage_add(vcard.page, &p, &dev), X100_OK);
}

static void devices_get_doorbells_0_2_3_in_turn(void **state)
{
	static const uint8_t want[] = { 0, 2, 3, 0 };
	static struct vcard_backend b[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d%d", i);
		vcard_add(&b[i], name, 1, 8);
		assert_int_equal(b[i].dev->c2h_db, want[i]);
	}
}

static void rings_are_inside_memory_the_card_can_reach(void **state)
{
	static struct vcard_backend b[8];

	(void)state;
	/* 8 devices with 4 rings of 32 KiB: more than one arena. */
	for (int i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d%d", i);
		vcard_add(&b[i], name, 4, 1024);
	}
	assert_int_equal(fake.dma_maps, 2);
	vcard_boot();
	for (unsigned int i = 0; i < 8; i++)
		vcard_probe(&drv, i, 0);
}

static void a_device_added_to_a_running_card_rings_it(void **state)
{
	(void)state;
	vcard_boot();
	vcard_publish(12);
	vcard_run(1000);
	memset(fake.rung, 0, sizeof(fake.rung));
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(fake.rung[12], 1);
	vcard_probe(&drv, 0, 0);
	assert_int_equal(be.starts, 1);
}

/* ------------------------------------------------------------------ probe and reset */

static void a_device_is_idle_then_probing_then_live(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	assert_int_equal(info().state, X100_VDEV_IDLE);
	vcard_attach(&drv, 0);
	vcard_reset(&drv);
	assert_int_equal(info().state, X100_VDEV_IDLE);
	vcard_status(&drv, 1);
	assert_int_equal(info().state, X100_VDEV_PROBING);
	vcard_status(&drv, 3);
	vcard_accept(&drv, 4);
	vcard_queues(&drv);
	assert_int_equal(be.starts, 0);
	vcard_status(&drv, 7);
	assert_int_equal(info().state, X100_VDEV_LIVE);
	assert_int_equal(be.starts, 1);
	assert_int_equal(be.features, 4);
	assert_int_equal(info().accepted, 4);
	assert_true(be.kicks >= 1);
}

static void kicks_reach_the_back_end_only_when_it_is_live(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_attach(&drv, 0);
	vcard_reset(&drv);
	vcard_kick(&drv);
	assert_int_equal(be.kicks, 0);
}

static void a_reset_stops_and_forgets(void **state)
{
	struct x100_chain *chain;

	(void)state;
	begin_live();
	chain = x100_chain_new(x100_vdev_queue(be.dev, 0));
	vcard_chain(&drv.q[0], 1, 0, 16, NULL);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	vcard_reset(&drv);
	assert_int_equal(be.stops, 1);
	assert_int_equal(info().state, X100_VDEV_IDLE);
	assert_int_equal(info().resets, 2);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	assert_int_equal(be.starts, 2);
	/* Indices begin at 0 again. */
	vcard_chain(&drv.q[0], 1, 0, 16, NULL);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 0);
	x100_chain_free(chain);
}

static void used_rings_are_taken_before_a_reset_is_done(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_attach(&drv, 0);
	shared_store8(CTRL(&drv, used_address_updated), 1);
	vcard_reset(&drv);
	assert_int_equal(shared_load8(CTRL(&drv, used_address_updated)), 0);
	assert_int_equal(be.dev->vq[0].used_address, 0);
}

static void a_queue_the_driver_does_not_use_has_no_chains(void **state)
{
	struct x100_vq *vq;

	(void)state;
	vcard_add(&be, "disk0", 2, 8);
	vcard_boot();
	vcard_attach(&drv, 0);
	vcard_reset(&drv);
	vcard_queues(&drv);
	shared_store64(SHARED_AT(drv.desc + x100_vdev_vq_offset(1), struct x100_vqconfig,
				 used_address),
		       0);
	shared_store8(CTRL(&drv, used_address_updated), 1);
	vcard_kick(&drv);
	vcard_status(&drv, 7);
	assert_int_equal(be.starts, 1);
	vq = x100_vdev_queue(be.dev, 1);
	vcard_offer(&drv.q[1], 0);
	assert_false(x100_vq_more(vq));
	x100_vq_flush(vq);
	assert_false(x100_vq_notify_on(vq));
}

static void a_driver_that_gives_up_while_setting_up_hints_at_the_generation(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_attach(&drv, 0);
	vcard_reset(&drv);
	vcard_status(&drv, 3);
	vcard_status(&drv, 0x83);
	assert_int_equal(info().state, X100_VDEV_FAILED);
	assert_non_null(strstr(vcard.line, "generation C"));
	assert_null(strstr(vcard.line, "generation C2"));
}

static void a_driver_that_gives_up_later_does_not(void **state)
{
	(void)state;
	begin_live();
	vcard_status(&drv, 0x87);
	assert_int_equal(info().state, X100_VDEV_FAILED);
	assert_int_equal(be.stops, 1);
	assert_null(strstr(vcard.line, "generation"));
}

static void a_driver_that_lets_go_without_a_reset_stops_the_device(void **state)
{
	(void)state;
	begin_live();
	vcard_status(&drv, 1);
	assert_int_equal(be.stops, 1);
	assert_int_equal(info().state, X100_VDEV_PROBING);
}

static void an_old_cards_doorbell_is_followed_by_a_second_look(void **state)
{
	(void)state;
	begin_live();
	be.kicks = 0;
	vcard_kick(&drv);
	assert_int_equal(be.kicks, 1);
	vcard_run(10);
	assert_int_equal(be.kicks, 2);
	vcard_run(1000);
	assert_int_equal(be.kicks, 2);
}

/* The doorbell comes first, then the flag becomes visible. */
static void a_reset_that_shows_late_is_seen(void **state)
{
	(void)state;
	begin_live();
	vcard_kick(&drv);
	shared_store8(CTRL(&drv, host_ack), 0);
	shared_store8(CTRL(&drv, vdev_reset), 1);
	vcard_run(10);
	assert_int_equal(shared_load8(CTRL(&drv, host_ack)), 1);
}

/* ------------------------------------------------------------------ faults of a page */

static void begin_probe(void)
{
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_attach(&drv, 0);
	vcard_reset(&drv);
}

static void features_that_were_not_offered_are_a_fault(void **state)
{
	(void)state;
	begin_probe();
	vcard_queues(&drv);
	vcard_accept(&drv, 0x10000000);
	vcard_status(&drv, 7);
	expect_fault(X100_FAULT_FEATURES, 0x10000000);
	assert_int_equal(be.starts, 0);
}

static void a_doorbell_number_above_15_is_a_fault(void **state)
{
	(void)state;
	begin_probe();
	vcard_queues(&drv);
	shared_store8(CTRL(&drv, h2c_vdev_db), 16);
	vcard_status(&drv, 7);
	expect_fault(X100_FAULT_DOORBELL, 16);
}

static void a_doorbell_number_below_minus_1_is_a_fault(void **state)
{
	(void)state;
	begin_probe();
	shared_store8(CTRL(&drv, h2c_vdev_db), 0x80);
	vcard_reset(&drv);
	expect_fault(X100_FAULT_DOORBELL, 0x80);
}

static void used_fault(uint64_t address)
{
	begin_probe();
	shared_store64(SHARED_AT(drv.desc + x100_vdev_vq_offset(0), struct x100_vqconfig,
				 used_address),
		       address);
	shared_store8(CTRL(&drv, used_address_updated), 1);
	vcard_kick(&drv);
	expect_fault(X100_FAULT_USED_ADDRESS, address);
	/* Such a driver is not told to go on. */
	assert_int_equal(shared_load8(CTRL(&drv, used_address_updated)), 1);
	vcard_status(&drv, 7);
	assert_int_equal(be.starts, 0);
	/* A reset ends it, though the wrong address still stands there. */
	vcard_reset(&drv);
	vcard_run(10);
	assert_int_equal(info().fault, X100_FAULT_NONE);
}

static void a_used_ring_outside_card_memory_is_a_fault(void **state)
{
	(void)state;
	used_fault(FAKE_MEMORY);
}

static void a_used_ring_that_leaves_card_memory_is_a_fault(void **state)
{
	(void)state;
	used_fault(FAKE_MEMORY - x100_vring_used_size(8) + 2);
}

static void a_used_ring_that_is_not_aligned_is_a_fault(void **state)
{
	(void)state;
	used_fault(VCARD_HEAP + 2);
}

static void a_used_ring_at_the_end_of_the_address_space_is_a_fault(void **state)
{
	(void)state;
	used_fault(UINT64_MAX - 3);
}

static void a_used_ring_does_not_move_while_the_device_is_live(void **state)
{
	uint64_t before;

	(void)state;
	begin_live();
	before = be.dev->vq[0].used_address;
	shared_store64(SHARED_AT(drv.desc + x100_vdev_vq_offset(0), struct x100_vqconfig,
				 used_address),
		       VCARD_HEAP);
	shared_store8(CTRL(&drv, used_address_updated), 1);
	vcard_kick(&drv);
	assert_int_equal(shared_load8(CTRL(&drv, used_address_updated)), 0);
	assert_int_equal(be.dev->vq[0].used_address, before);
}

static void a_ring_trailer_that_was_overwritten_is_a_fault(void **state)
{
	(void)state;
	begin_probe();
	vcard_queues(&drv);
	drv.q[0].ring[x100_vring_info_c2(8) + 4]++;
	vcard_status(&drv, 7);
	expect_fault(X100_FAULT_HOST_RING, 0);
}

static void a_storm_of_resets_is_a_fault_and_is_let_rest(void **state)
{
	(void)state;
	begin_probe();
	for (unsigned int i = 0; i < VDEV_RATE; i++) {
		shared_store8(CTRL(&drv, vdev_reset), 1);
		vcard_kick(&drv);
	}
	expect_fault(X100_FAULT_RATE, VDEV_RATE + 1);
	shared_store8(CTRL(&drv, vdev_reset), 1);
	vcard_kick(&drv);
	assert_int_equal(shared_load8(CTRL(&drv, vdev_reset)), 1);
	/* After a second its driver may try once more. */
	vcard_run(1100);
	assert_int_equal(shared_load8(CTRL(&drv, vdev_reset)), 0);
	assert_int_equal(info().state, X100_VDEV_IDLE);
}

static void a_storm_of_status_changes_is_a_fault(void **state)
{
	(void)state;
	begin_probe();
	for (unsigned int i = 0; i <= VDEV_RATE; i++)
		vcard_status(&drv, i & 1 ? 3 : 1);
	assert_int_equal(info().fault, X100_FAULT_RATE);
}

static void what_the_host_wrote_is_never_read_back(void **state)
{
	(void)state;
	begin_live();
	/* Lengths, ring address and size, doorbell: all that an old host read again. */
	memset(drv.desc + 1, 0xFF, 3);
	memset(drv.desc + x100_vdev_vq_offset(0), 0xFF, 8);
	memset(SHARED_AT(drv.desc + x100_vdev_vq_offset(0), struct x100_vqconfig, num), 0xFF, 2);
	shared_store8(CTRL(&drv, c2h_vdev_db), 0x7F);
	vcard_chain(&drv.q[0], 1, 0, 16, NULL);
	assert_true(x100_vq_more(x100_vdev_queue(be.dev, 0)));
	vcard_reset(&drv);
	assert_int_equal(info().fault, X100_FAULT_NONE);
	assert_int_equal(vpage_memory_address(vcard.page, &be.dev->vq[0].memory),
			 vcard.page->address + X100_DEVPAGE_SIZE);
}

static void a_back_end_can_fault_its_device(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_fault(be.dev, X100_FAULT_REQUEST, 77);
	expect_fault(X100_FAULT_REQUEST, 77);
	assert_int_equal(be.stops, 1);
	/* The first one stands. */
	x100_vdev_fault(be.dev, X100_FAULT_HEAD, 1);
	expect_fault(X100_FAULT_REQUEST, 77);
}

static void a_faulted_device_leaves_the_others_alone(void **state)
{
	struct vcard_driver other;

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	vcard_probe(&other, 1, 0);
	x100_vdev_fault(be.dev, X100_FAULT_LOOP, 0);
	be2.kicks = 0;
	vcard_kick(&other);
	assert_int_equal(be2.kicks, 1);
	assert_int_equal(be2.stops, 0);
}

/* ------------------------------------------------------------------ config changes */

static void a_config_change_waits_for_the_card(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 2, "\x55", 1, vcard_done, &be), X100_OK);
	assert_int_equal(shared_load8(drv.desc + 8 + 24 + 8 + 2), 0x55);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), X100_CHANGE_CONFIG);
	assert_int_equal(fake.rung[15], 1);
	vcard_run(500);
	assert_int_equal(be.done, 0);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_run(100);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_OK);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), 0);
	assert_int_equal(shared_load8(CTRL(&drv, guest_ack)), 0);
}

static void an_answer_with_a_doorbell_is_seen_at_once(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_kick(&drv);
	assert_int_equal(be.done, 1);
}

static void a_config_change_without_an_answer_ends_after_10_s(void **state)
{
	uint64_t start;

	(void)state;
	begin_live();
	start = fake.now;
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	while (!be.done)
		x100_loop_turn(vcard.loop, -1);
	assert_int_equal(be.error, X100_ERR_NO_ANSWER);
	assert_in_range(fake.now - start, 10 * X100_NS_PER_SEC, 10 * X100_NS_PER_SEC + 100000000);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), 0);
	assert_int_equal(be.stops, 0);
}

static void changes_meanwhile_are_sent_together_afterwards(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	assert_int_equal(x100_vdev_config_write(be.dev, 1, "b", 1, vcard_done, &be), X100_OK);
	assert_int_equal(x100_vdev_config_write(be.dev, 2, "c", 1, vcard_done, &be), X100_OK);
	/* The card may be reading: nothing moves under it. */
	assert_int_equal(shared_load8(drv.desc + 40), 'a');
	assert_int_equal(shared_load8(drv.desc + 41), 2);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_run(100);
	assert_int_equal(be.done, 1);
	assert_int_equal(shared_load8(drv.desc + 41), 'b');
	assert_int_equal(shared_load8(drv.desc + 42), 'c');
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), X100_CHANGE_CONFIG);
	assert_int_equal(fake.rung[15], 2);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_run(100);
	assert_int_equal(be.done, 3);
}

static void a_change_that_waited_ends_when_the_driver_goes(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	assert_int_equal(x100_vdev_config_write(be.dev, 1, "b", 1, vcard_done, &be), X100_OK);
	vcard_reset(&drv);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_kick(&drv);
	assert_int_equal(be.done, 2);
	assert_int_equal(be.error, X100_ERR_NOT_READY);
	assert_int_equal(shared_load8(drv.desc + 41), 'b');
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), 0);
}

static void without_a_driver_the_bytes_are_just_stored(void **state)
{
	uint8_t bytes[40];

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(x100_vdev_config_write(be.dev, 3, "xy", 2, vcard_done, &be), X100_OK);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_ERR_NOT_READY);
	assert_int_equal(x100_vdev_config_read(be.dev, bytes, sizeof(bytes)), 36);
	assert_memory_equal(bytes, "\1\2\3xy", 5);
	/* They are still there after the boot. */
	vcard_boot();
	x100_vdev_config_read(be.dev, bytes, sizeof(bytes));
	assert_memory_equal(bytes, "\1\2\3xy", 5);
}

static void a_driver_that_is_being_set_up_is_told_afterwards(void **state)
{
	(void)state;
	begin_probe();
	vcard_publish(15);
	vcard_status(&drv, 3);
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "z", 1, NULL, NULL), X100_OK);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), 0);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), X100_CHANGE_CONFIG);
}

static void bytes_outside_the_config_space_are_refused(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(x100_vdev_config_write(be.dev, 37, "", 0, vcard_done, &be),
			 X100_ERR_ARGUMENT);
	assert_int_equal(x100_vdev_config_write(be.dev, 35, "ab", 2, vcard_done, &be),
			 X100_ERR_ARGUMENT);
	assert_int_equal(be.done, 0);
}

static void what_the_card_writes_to_its_config_space_is_read(void **state)
{
	uint8_t bytes[2];

	(void)state;
	begin_live();
	shared_store8(drv.desc + 41, 0x99);
	assert_int_equal(x100_vdev_config_read(be.dev, bytes, 2), 2);
	assert_int_equal(bytes[1], 0x99);
	/* A change of another byte leaves it alone. */
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, NULL, NULL), X100_OK);
	assert_int_equal(shared_load8(drv.desc + 41), 0x99);
}

static void a_reset_of_the_card_ends_a_config_change(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	assert_int_equal(x100_vdev_config_write(be.dev, 1, "b", 1, vcard_done, &be), X100_OK);
	x100_vpage_card_reset(vcard.page);
	assert_int_equal(be.done, 2);
	assert_int_equal(be.error, X100_ERR_NOT_READY);
	assert_int_equal(be.stops, 1);
}

/* ------------------------------------------------------------------ removal */

static void a_device_no_card_knows_is_gone_at_once(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	x100_vdev_remove(be.dev, vcard_done, &be);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_OK);
	assert_null(x100_vpage_dev(vcard.page, 0));
	assert_null(vcard_scan(0));
	assert_int_equal(vcard_page()[24], 0xFF);
}

static void a_card_that_is_just_starting_may_have_found_it(void **state)
{
	unsigned int page;
	int slot;

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	page = be.dev->vq[0].memory.page;
	slot = be.dev->slot;
	vcard_boot();
	x100_vdev_remove(be.dev, vcard_done, &be);
	assert_int_equal(be.error, X100_OK);
	vcard_add(&be2, "disk1", 1, 8);
	assert_int_not_equal(be2.dev->vq[0].memory.page, page);
	assert_int_not_equal(be2.dev->slot, slot);
	/* Nothing of an OS that ended is held on to. */
	vcard_boot();
	assert_int_equal(be2.dev->slot, slot);
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(be.dev->vq[0].memory.page, page);
}

static void a_removal_waits_for_the_card(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_remove(be.dev, vcard_done, &be);
	assert_int_equal(fake.rung[15], 1);
	assert_int_equal(info().state, X100_VDEV_REMOVING);
	/* Its driver still gets its requests served. */
	be.kicks = 0;
	vcard_kick(&drv);
	assert_int_equal(be.kicks, 1);
	assert_int_equal(be.stops, 0);
	vcard_release(&drv);
	assert_int_equal(be.stops, 1);
	vcard_run(100);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_OK);
	assert_int_equal((int8_t)shared_load8(drv.desc), -1);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), 0);
	assert_int_equal(shared_load8(CTRL(&drv, guest_ack)), 0);
}

static void a_slot_is_free_only_when_the_card_deleted_it(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_remove(be.dev, vcard_done, &be);
	/* As old cards do: the acknowledgement first. */
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_run(1000);
	assert_int_equal(be.done, 0);
	shared_store8(DESC(&drv, type), 0xFF);
	vcard_run(100);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_OK);
}

static void the_slot_and_the_rings_are_used_again(void **state)
{
	uint8_t *before;
	unsigned int page;

	(void)state;
	begin_live();
	before = drv.desc;
	page = be.dev->vq[0].memory.page;
	x100_vdev_remove(be.dev, NULL, NULL);
	vcard_release(&drv);
	vcard_run(100);
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(be.dev->vq[0].memory.page, page);
	vcard_probe(&drv, 0, 0);
	assert_ptr_equal(drv.desc, before);
	assert_int_equal(be.starts, 1);
}

static void a_card_that_does_not_answer_loses_it_after_15_s(void **state)
{
	uint64_t start;
	uint8_t *before;
	unsigned int page;

	(void)state;
	begin_live();
	before = drv.desc;
	page = be.dev->vq[0].memory.page;
	start = fake.now;
	x100_vdev_remove(be.dev, vcard_done, &be);
	while (!be.done)
		x100_loop_turn(vcard.loop, -1);
	assert_int_equal(be.error, X100_ERR_NO_ANSWER);
	assert_in_range(fake.now - start, 15 * X100_NS_PER_SEC, 15 * X100_NS_PER_SEC + 100000000);
	assert_int_equal(be.stops, 1);
	assert_int_equal((int8_t)*before, -1);
	/* It may go on writing: neither rings nor slot are given to another. */
	vcard_add(&be2, "disk1", 1, 8);
	assert_true(be2.dev->vq[0].memory.page != page);
	assert_ptr_not_equal(vcard_scan(0), before);
	/* Until the card is reset. */
	x100_vdev_remove(be2.dev, NULL, NULL);
	vcard_boot();
	vcard_add(&be2, "disk1", 1, 8);
	assert_int_equal(be2.dev->vq[0].memory.page, page);
	assert_ptr_equal(vcard_scan(0), before);
}

static void a_generation_a_card_has_10_s_to_let_go(void **state)
{
	const struct x100_vpage_params a = { .generation = X100_GEN_A };
	uint64_t start;

	(void)state;
	vcard_new_page(&a);
	begin_live();
	start = fake.now;
	x100_vdev_remove(be.dev, vcard_done, &be);
	while (!be.done)
		x100_loop_turn(vcard.loop, -1);
	assert_int_equal(be.error, X100_ERR_NO_ANSWER);
	assert_in_range(fake.now - start, 10 * X100_NS_PER_SEC, 10 * X100_NS_PER_SEC + 100000000);
}

static void a_removal_waits_for_a_driver_that_has_not_published_its_doorbell(void **state)
{
	(void)state;
	begin_probe();
	x100_vdev_remove(be.dev, vcard_done, &be);
	assert_int_equal(be.done, 0);
	vcard_publish(9);
	vcard_run(300);
	assert_true(fake.rung[9] >= 1);
	vcard_release(&drv);
	vcard_run(100);
	assert_int_equal(be.error, X100_OK);
	assert_int_equal(be.done, 1);
}

static void a_removal_comes_after_a_config_change(void **state)
{
	(void)state;
	begin_live();
	assert_int_equal(x100_vdev_config_write(be.dev, 0, "a", 1, vcard_done, &be), X100_OK);
	x100_vdev_remove(be.dev, vcard_done, &be);
	assert_int_equal(shared_load8(CTRL(&drv, config_change)), X100_CHANGE_CONFIG);
	shared_store8(CTRL(&drv, guest_ack), 1);
	vcard_kick(&drv);
	assert_int_equal(be.done, 1);
	vcard_release(&drv);
	vcard_run(100);
	assert_int_equal(be.done, 2);
	assert_int_equal(be.error, X100_OK);
}

static void a_reset_of_the_card_ends_a_removal(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_remove(be.dev, vcard_done, &be);
	x100_vpage_card_reset(vcard.page);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.error, X100_OK);
	assert_null(x100_vpage_dev(vcard.page, 0));
}

static void a_faulted_device_can_be_removed(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_fault(be.dev, X100_FAULT_LOOP, 0);
	x100_vdev_remove(be.dev, vcard_done, &be);
	vcard_release(&drv);
	vcard_run(100);
	assert_int_equal(be.error, X100_OK);
	assert_int_equal(be.done, 1);
	assert_int_equal(be.stops, 1);
}

static void freeing_the_page_ends_a_removal(void **state)
{
	(void)state;
	begin_live();
	x100_vdev_remove(be.dev, vcard_done, &be);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	assert_int_equal(be.done, 1);
	assert_int_equal(be.stops, 1);
}

static void remove_in_kick(struct vcard_backend *b)
{
	b->on_kick = NULL;
	x100_vdev_remove(b->dev, vcard_done, b);
}

static void a_back_end_may_remove_its_device_when_it_is_kicked(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	be.on_kick = remove_in_kick;
	vcard_kick(&drv);
	assert_int_equal(be.done, 0);
	vcard_publish(9);
	vcard_run(300);
	vcard_release(&drv);
	vcard_run(100);
	assert_int_equal(be.done, 1);
	assert_ptr_equal(x100_vpage_dev(vcard.page, 0), be2.dev);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, vcard_setup, vcard_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(impossible_devices_are_refused),
		TEST(transport_features_are_the_pages),
		TEST(legacy_features_are_those_of_the_old_daemon),
		TEST(a_full_page_takes_no_more),
		TEST(devices_get_doorbells_0_2_3_in_turn),
		TEST(rings_are_inside_memory_the_card_can_reach),
		TEST(a_device_added_to_a_running_card_rings_it),
		TEST(a_device_is_idle_then_probing_then_live),
		TEST(kicks_reach_the_back_end_only_when_it_is_live),
		TEST(a_reset_stops_and_forgets),
		TEST(used_rings_are_taken_before_a_reset_is_done),
		TEST(a_queue_the_driver_does_not_use_has_no_chains),
		TEST(a_driver_that_gives_up_while_setting_up_hints_at_the_generation),
		TEST(a_driver_that_gives_up_later_does_not),
		TEST(a_driver_that_lets_go_without_a_reset_stops_the_device),
		TEST(an_old_cards_doorbell_is_followed_by_a_second_look),
		TEST(a_reset_that_shows_late_is_seen),
		TEST(features_that_were_not_offered_are_a_fault),
		TEST(a_doorbell_number_above_15_is_a_fault),
		TEST(a_doorbell_number_below_minus_1_is_a_fault),
		TEST(a_used_ring_outside_card_memory_is_a_fault),
		TEST(a_used_ring_that_leaves_card_memory_is_a_fault),
		TEST(a_used_ring_that_is_not_aligned_is_a_fault),
		TEST(a_used_ring_at_the_end_of_the_address_space_is_a_fault),
		TEST(a_used_ring_does_not_move_while_the_device_is_live),
		TEST(a_ring_trailer_that_was_overwritten_is_a_fault),
		TEST(a_storm_of_resets_is_a_fault_and_is_let_rest),
		TEST(a_storm_of_status_changes_is_a_fault),
		TEST(what_the_host_wrote_is_never_read_back),
		TEST(a_back_end_can_fault_its_device),
		TEST(a_faulted_device_leaves_the_others_alone),
		TEST(a_config_change_waits_for_the_card),
		TEST(an_answer_with_a_doorbell_is_seen_at_once),
		TEST(a_config_change_without_an_answer_ends_after_10_s),
		TEST(changes_meanwhile_are_sent_together_afterwards),
		TEST(a_change_that_waited_ends_when_the_driver_goes),
		TEST(without_a_driver_the_bytes_are_just_stored),
		TEST(a_driver_that_is_being_set_up_is_told_afterwards),
		TEST(bytes_outside_the_config_space_are_refused),
		TEST(what_the_card_writes_to_its_config_space_is_read),
		TEST(a_reset_of_the_card_ends_a_config_change),
		TEST(a_device_no_card_knows_is_gone_at_once),
		TEST(a_card_that_is_just_starting_may_have_found_it),
		TEST(a_removal_waits_for_the_card),
		TEST(a_slot_is_free_only_when_the_card_deleted_it),
		TEST(the_slot_and_the_rings_are_used_again),
		TEST(a_card_that_does_not_answer_loses_it_after_15_s),
		TEST(a_generation_a_card_has_10_s_to_let_go),
		TEST(a_removal_waits_for_a_driver_that_has_not_published_its_doorbell),
		TEST(a_removal_comes_after_a_config_change),
		TEST(a_reset_of_the_card_ends_a_removal),
		TEST(a_faulted_device_can_be_removed),
		TEST(freeing_the_page_ends_a_removal),
		TEST(a_back_end_may_remove_its_device_when_it_is_kicked),
	};

	return cmocka_run_group_tests_name("vdev", tests, NULL, NULL);
}
