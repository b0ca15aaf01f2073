// SPDX-License-Identifier: BSD-3-Clause
/*
 * A host that breaks the rules, one kind per test: the card's drivers report it once and skip it, serve the
 * other devices, and neither follow it nor crash nor hang. "Follow" would be a mapping outside of the
 * host's memory, a lock-up, or memory of the card that is not a buffer; the machine calls each of these a
 * bug. Faked: the kernel under the drivers (stub/), the card and its link (sim.h), the virtio drivers
 * (driver.h), the host (rude.h).
 */
#include <fake.h>

#include <x100/boot.h>
#include <x100/regs.h>

#include "driver.h"
#include "rude.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

static struct rude_dev *good, *bad;

static int begin(void **state)
{
	(void)state;
	rude_begin();
	return 0;
}

/* The good device, whatever happened to the other one. */
static void assert_good_works(void)
{
	struct drv_dev *dev = drv_find(VIRTIO_ID_BLOCK);
	unsigned int before;

	assert_non_null(dev);
	before = dev->done;
	for (unsigned int i = 0; i < 10; i++)
		assert_non_null(drv_add(dev, 0, 50, 2, 50, 2));
	drv_kick(dev, 0);
	sim_run(10);
	assert_int_equal(dev->done - before, 10);
	assert_int_equal(dev->wrong, 0);
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(sim_warnings, 0);
	/* Messages are limited: nobody can fill the log. */
	assert_true(sim_complaints < 20);
	rude_end();
	return 0;
}

/* A good device, then one that a test breaks before the card sees it. */
static void two_devices(u8 type, u8 queues, u16 num)
{
	good = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	bad = rude_lay(type, queues, num, 0, NULL, 12);
}

static void boot_both(void)
{
	rude_desc(bad)->type = bad->head.type;
	rude_boot();
	assert_good_works();
}

/* The bad one was never bound, and somebody said why. */
static void assert_refused(const char *words)
{
	assert_int_equal(drv_probes, 1);
	assert_true(sim_said(words));
	/* Once. */
	sim_forget_messages();
	rude_ring_config();
	sim_run(50);
	assert_int_equal(sim_complaints, 0);
}

/* Its driver's probe failed, and somebody said why. */
static void assert_failed(const char *words)
{
	assert_null(drv_find(bad->head.type));
	assert_int_equal(rude_desc(bad)->status, 0x83);
	assert_true(sim_said(words));
	assert_true(rude_remove(bad));
	assert_good_works();
}

/* ------------------------------------------------------------------ where the page is */

static void boot_without_devices(void)
{
	rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_boot();
	assert_int_equal(drv_probes, 0);
	assert_int_equal(sim_rings[0] + sim_rings[1] + sim_rings[2] + sim_rings[3], 0);
}

static void page_at(u64 address)
{
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), (u32)address);
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI), (u32)(address >> 32));
}

static void page_in_the_cards_own_memory(void **state)
{
	(void)state;
	page_at(0x18000000);
	boot_without_devices();
	assert_true(sim_said("no device page"));
}

static void page_in_the_registers(void **state)
{
	(void)state;
	page_at(0x08007C0000ull);
	boot_without_devices();
}

static void page_behind_the_window(void **state)
{
	(void)state;
	page_at(0x10000000000ull);
	boot_without_devices();
}

static void page_across_the_end_of_the_window(void **state)
{
	(void)state;
	page_at(0xFFFFFFF800ull);
	boot_without_devices();
}

static void page_that_wraps_around(void **state)
{
	(void)state;
	page_at(0xFFFFFFFFFFFFF800ull);
	boot_without_devices();
}

static void page_not_aligned(void **state)
{
	(void)state;
	page_at(RUDE_PAGE + 4);
	/* A good page otherwise. */
	rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	memmove(rude.page + 4, rude.page, X100_DEVPAGE_SIZE - 4);
	rude_boot();
	assert_int_equal(drv_probes, 0);
}

static void page_nobody_mapped(void **state)
{
	(void)state;
	page_at(RUDE_CARD + RUDE_SIZE);
	boot_without_devices();
}

static void page_with_a_wrong_magic(void **state)
{
	(void)state;
	rude_bootparam()->magic = 0xC0FFEE01;
	boot_without_devices();
}

static void page_of_ones(void **state)
{
	(void)state;
	memset(rude.page, 0xFF, X100_DEVPAGE_SIZE);
	rude_boot();
	assert_int_equal(drv_probes, 0);
}

static void page_of_ones_behind_a_good_magic(void **state)
{
	(void)state;
	memset(rude.page + 4, 0xFF, X100_DEVPAGE_SIZE - 4);
	rude_boot();
	assert_int_equal(drv_probes, 0);
}

static void page_of_noise(void **state)
{
	(void)state;
	sim_seed(99);
	for (unsigned int i = 4; i < X100_DEVPAGE_SIZE; i++)
		rude.page[i] = (u8)sim_random(256);
	rude.turn = NULL;
	rude.devs = 0;
	sim_seed(0);
	rude_boot();
}

/* ------------------------------------------------------------------ the descriptor */

static void type_of_a_negative_number(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	bad->head.type = -2;
	boot_both();
	assert_refused("no virtio device id");
}

static void type_nobody_knows(void **state)
{
	(void)state;
	/* Any positive number may be a device; the test driver takes them all, an old one none. */
	two_devices(127, 1, 16);
	boot_both();
	assert_int_equal(rude_desc(bad)->status, 7);
}

static void no_queues_at_all(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	rude_desc(bad)->num_vq = 0;
	boot_both();
	assert_refused("no queues");
}

static void more_queues_than_the_peers_know(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 5, 16);
	boot_both();
	assert_refused("too many queues");
}

static void queues_that_reach_out_of_the_page(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	rude_desc(bad)->num_vq = 255;
	boot_both();
	assert_refused("reaches out of the page");
}

static void sizes_that_end_one_byte_behind_the_page(void **state)
{
	(void)state;
	good = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	for (unsigned int i = 0; i < 10; i++) {
		struct rude_dev *filler = rude_lay(VIRTIO_ID_RNG, 1, 16, 0, NULL, 255);

		rude_desc(filler)->type = X100_VDEV_DELETED;
	}
	/* What is left takes a descriptor of exactly its size less eight. */
	bad = rude_lay(VIRTIO_ID_RNG, 1, 16, 0, NULL, 0);
	rude_desc(bad)->feature_len = 255;
	rude_desc(bad)->config_len = 255;
	rude_desc(bad)->num_vq = 4;
	while (bad->offset + x100_vdev_total(rude_desc(bad)) <= X100_DEVPAGE_SIZE)
		rude_desc(bad)->num_vq++;
	boot_both();
	assert_refused("reaches out of the page");
}

static void the_longest_lengths_there_are(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	*rude_desc(bad) =
		(struct x100_vdev_desc){ .num_vq = 4, .feature_len = 255, .config_len = 255 };
	bad->head = *rude_desc(bad);
	bad->head.type = VIRTIO_ID_RNG;
	bad->ctrl_offset = (u16)(bad->offset + x100_vdev_ctrl_offset(&bad->head));
	*rude_ctrl(bad) = (struct x100_vdev_ctrl){ .h2c_vdev_db = -1 };
	boot_both();
	/* Odd, but all of it is on the page. */
	assert_int_equal(rude_desc(bad)->status, 7);
	assert_true(rude_remove(bad));
}

static void doorbell(s8 n)
{
	two_devices(VIRTIO_ID_RNG, 1, 16);
	rude_ctrl(bad)->c2h_vdev_db = n;
	boot_both();
	assert_refused("no doorbell");
}

static void doorbell_4(void **state)
{
	(void)state;
	doorbell(4);
}

static void doorbell_8(void **state)
{
	(void)state;
	doorbell(8);
}

static void doorbell_minus_1(void **state)
{
	(void)state;
	doorbell(-1);
}

static void doorbell_minus_128(void **state)
{
	(void)state;
	doorbell(-128);
}

static void a_list_of_deleted_slots_without_end(void **state)
{
	(void)state;
	for (unsigned int at = sizeof(struct x100_bootparam); at < X100_DEVPAGE_SIZE; at++)
		rude.page[at] = 0xFF;
	rude_boot();
	assert_int_equal(drv_probes, 0);
}

static void as_many_devices_as_the_page_has_room_for(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (u32 at = sizeof(struct x100_bootparam); at + 48 <= X100_DEVPAGE_SIZE; at += 48, n++) {
		struct x100_vdev_desc *d = (void *)(rude.page + at);

		*d = (struct x100_vdev_desc){ .type = VIRTIO_ID_RNG, .num_vq = 1 };
		((struct x100_vdev_ctrl *)(rude.page + at + 32))->h2c_vdev_db = -1;
	}
	assert_int_equal(n, 84);
	/* Each waits for an answer to its reset; nobody gives one. */
	sim_boot();
	drv_load();
	assert_int_equal(drv_probes, 84);
	assert_null(drv_devs);
	sim_forget_messages();
}

/* ------------------------------------------------------------------ rings */

static void ring_num(u16 num, const char *words)
{
	two_devices(VIRTIO_ID_CONSOLE, 2, 16);
	rude_vq(bad, 1)->num = num;
	boot_both();
	assert_failed(words);
}

static void ring_of_0_entries(void **state)
{
	(void)state;
	ring_num(0, "not a power of two");
}

static void ring_of_100_entries(void **state)
{
	(void)state;
	ring_num(100, "not a power of two");
}

static void ring_of_65535_entries(void **state)
{
	(void)state;
	ring_num(65535, "not a power of two");
}

static void ring_of_32768_entries(void **state)
{
	(void)state;
	ring_num(32768, "too many entries");
}

static void ring_of_2048_entries(void **state)
{
	(void)state;
	ring_num(2048, "too many entries");
}

static void ring_at(u64 address, const char *words)
{
	two_devices(VIRTIO_ID_CONSOLE, 2, 128);
	rude_vq(bad, 1)->address = address;
	boot_both();
	assert_failed(words);
}

static void ring_at_0(void **state)
{
	(void)state;
	ring_at(0, "not in the host's memory");
}

static void ring_in_the_cards_memory(void **state)
{
	(void)state;
	ring_at(0x18000000, "not in the host's memory");
}

static void ring_over_the_registers(void **state)
{
	(void)state;
	ring_at(0x08007C0000ull, "not in the host's memory");
}

static void ring_across_the_end_of_the_window(void **state)
{
	(void)state;
	ring_at(0xFFFFFFF000ull, "not in the host's memory");
}

static void ring_whose_end_wraps_around(void **state)
{
	(void)state;
	ring_at(0xFFFFFFFFFFFFF000ull, "not in the host's memory");
}

static void ring_not_aligned(void **state)
{
	(void)state;
	ring_at(RUDE_CARD + 0x4100, "not aligned");
}

static void ring_where_nobody_mapped_anything(void **state)
{
	(void)state;
	ring_at(RUDE_CARD + 4 * RUDE_SIZE, "no trailer");
}

static void ring_that_is_the_page_itself(void **state)
{
	(void)state;
	ring_at(RUDE_PAGE, "no trailer");
}

static void two_queues_with_one_ring(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_CONSOLE, 2, 128);
	rude_vq(bad, 1)->address = rude_vq(bad, 0)->address;
	boot_both();
	/* The trailer names one queue only. */
	assert_failed("no trailer");
}

static void trailer_of_another_device(void **state)
{
	u32 magic = X100_DEVPAGE_MAGIC + VIRTIO_ID_BLOCK;

	(void)state;
	two_devices(VIRTIO_ID_CONSOLE, 2, 128);
	memcpy(rude_ring(bad, 0) + x100_vring_info_c2(128) + 4, &magic, 4);
	boot_both();
	assert_failed("no trailer");
}

/* ------------------------------------------------------------------ answers that do not come, or wrongly */

static void reset_answered_with_garbage(void **state)
{
	u64 start = sim_now;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	rude_ctrl(bad)->c2h_vdev_db = 3;
	rude_desc(bad)->type = bad->head.type;
	bad->gone = true; /* nobody answers it */
	sim_boot();
	assert_in_range(sim_now - start, 10 * SIM_S, 12 * SIM_S);
	rude_ctrl(bad)->host_ack = 0x55;
	drv_load();
	sim_run(100);
	assert_good_works();
	assert_true(sim_said("no answer to a reset"));
	assert_true(sim_said("does not take the used rings"));
}

static void removal_while_a_driver_probes(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	rude_desc(bad)->type = bad->head.type;
	rude_ctrl(bad)->config_change = X100_CHANGE_REMOVE;
	rude_boot();
	rude_ring_config();
	sim_run(100);
	assert_int_equal(rude_desc(bad)->type, X100_VDEV_DELETED);
	assert_null(drv_find(VIRTIO_ID_RNG));
	assert_good_works();
}

static void removal_that_is_asked_for_twice(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	rude.answer_ack = false;
	rude_ctrl(bad)->config_change = X100_CHANGE_REMOVE;
	for (unsigned int i = 0; i < 5; i++) {
		rude_ring_config();
		sim_run(50);
	}
	assert_int_equal(drv_removes, 1);
	assert_good_works();
}

static void removal_of_a_deleted_slot(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	assert_true(rude_remove(bad));
	rude_ctrl(bad)->config_change = X100_CHANGE_REMOVE;
	rude_ring_config();
	sim_run(50);
	assert_int_equal(rude_ctrl(bad)->guest_ack, 0);
	assert_int_equal(drv_removes, 1);
	assert_good_works();
}

static void change_requests_nobody_knows(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	for (unsigned int change = 4; change < 256; change++) {
		rude_ctrl(bad)->config_change = (u8)change;
		rude_ring_config();
		sim_run(20);
		assert_int_equal(rude_ctrl(bad)->guest_ack, 0);
	}
	assert_int_equal(dev->config_changes, 0);
	rude_ctrl(bad)->config_change = 0;
	assert_good_works();
}

static void acknowledge_flags_full_of_garbage(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	memset(rude_ctrl(bad), 0xEE, sizeof(struct x100_vdev_ctrl));
	rude_ring_config();
	sim_run(50);
	assert_good_works();
	/* The doorbell is known from before: its driver goes on as well. */
	drv_add(drv_find(VIRTIO_ID_RNG), 0, 5, 1, 5, 1);
	drv_kick(drv_find(VIRTIO_ID_RNG), 0);
	assert_int_equal(rude_avail_idx(bad, 0), 1);
}

static void resume_that_was_not_asked_for(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	rude.echo = false;
	for (unsigned int i = 0; i < 8; i++)
		drv_add(dev, 0, 5, 1, 5, 1);
	drv_kick(dev, 0);
	for (unsigned int i = 0; i < 5; i++)
		assert_true(rude_change(bad, X100_CHANGE_RESUME));
	rude.echo = true;
	/* Eight requests are in the ring, from where the used ring stands. */
	assert_int_equal(rude_avail_idx(bad, 0), 8);
	bad->last_avail[0] = 0;
	rude_echo(bad, 0);
	rude_ring_dev(bad);
	sim_run(10);
	assert_int_equal(dev->done, 8);
	assert_int_equal(dev->wrong, 0);
	assert_good_works();
}

static void resume_with_an_impossible_used_index(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	rude.echo = false;
	drv_add(dev, 0, 5, 1, 5, 1);
	drv_kick(dev, 0);
	sim_run(5);
	((struct vring_used *)rude_used(bad, 0))->idx = 5000;
	assert_false(rude_change(bad, X100_CHANGE_RESUME));
	assert_true(virtqueue_is_broken(dev->vq[0]));
	assert_true(sim_said("cannot go on"));
	rude_remove(bad);
	rude.echo = true;
	assert_good_works();
}

/* ------------------------------------------------------------------ a page that changes under the driver */

static void type_flips_under_a_live_device(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	rude_desc(bad)->type = VIRTIO_ID_NET;
	rude_ring_config();
	sim_run(100);
	assert_true(sim_said("taken away without notice"));
	assert_null(drv_find(VIRTIO_ID_RNG));
	assert_good_works();
}

static void type_becomes_the_end_of_the_list(void **state)
{
	(void)state;
	good = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	bad = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 12);
	rude_add(VIRTIO_ID_NET, 2, 16, 0, NULL, 12);
	rude_boot();
	rude_desc(bad)->type = X100_VDEV_END;
	rude_ring_config();
	sim_run(100);
	/* The one behind it was found already and stays. */
	assert_null(drv_find(VIRTIO_ID_RNG));
	assert_non_null(drv_find(VIRTIO_ID_NET));
	assert_good_works();
}

static void lengths_change_under_a_live_device(void **state)
{
	struct rude_dev *behind;

	(void)state;
	good = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	bad = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 12);
	behind = rude_add(VIRTIO_ID_NET, 2, 16, 0, NULL, 12);
	rude_boot();
	rude_desc(bad)->num_vq = 3;
	rude_desc(bad)->feature_len = 50;
	rude_desc(bad)->config_len = 255;
	rude_ring_config();
	sim_run(100);
	/* Those of the time when it was found count, also for the way to what comes behind. */
	assert_non_null(drv_find(VIRTIO_ID_RNG));
	rude_add(VIRTIO_ID_CONSOLE, 2, 16, 0, NULL, 12);
	sim_run(100);
	assert_non_null(drv_find(VIRTIO_ID_CONSOLE));
	assert_true(rude_remove(behind));
	assert_true(rude_remove(bad));
	assert_good_works();
}

static void a_new_descriptor_reaches_into_a_live_one(void **state)
{
	(void)state;
	good = rude_add(VIRTIO_ID_BLOCK, 1, 128, 4, NULL, 36);
	rude_boot();
	/* The first slot is deleted and comes back longer, over the second. */
	bad = rude_add(VIRTIO_ID_RNG, 1, 16, 0, NULL, 12);
	sim_run(100);
	rude_remove(good);
	sim_run(100);
	*rude_desc(good) = (struct x100_vdev_desc){
		.type = VIRTIO_ID_NET, .num_vq = 2, .feature_len = 4, .config_len = 36
	};
	rude_ring_config();
	sim_run(100);
	assert_true(sim_said("reaches into another"));
	assert_null(drv_find(VIRTIO_ID_NET));
	assert_non_null(drv_find(VIRTIO_ID_RNG));
}

static unsigned int loads;

/* Another value at each look at the descriptor of the bad device. */
static void change_head(u64 phys)
{
	u64 offset = phys - RUDE_PAGE;

	if (offset < bad->offset || offset >= bad->offset + x100_vdev_total(&bad->head))
		return;
	loads++;
	rude_desc(bad)->num_vq = (u8)(loads * 3);
	rude_desc(bad)->config_len = (u8)(loads * 50);
	rude_desc(bad)->feature_len = (u8)(loads * 7);
}

static void head_changes_between_two_reads(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	loads = 0;
	sim_watch_loads(RUDE_PAGE, X100_DEVPAGE_SIZE, change_head);
	rude_desc(bad)->type = bad->head.type;
	sim_boot();
	drv_load();
	sim_run(100);
	assert_true(loads > 0);
	sim_watch_none();
	assert_good_works();
}

/* A good address for the check and a bad one for the use. */
static void change_ring(u64 phys)
{
	u64 offset = phys - RUDE_PAGE - bad->offset;

	if (offset >= x100_vdev_vq_offset(0) && offset < x100_vdev_vq_offset(1)) {
		loads++;
		rude_vq(bad, 0)->address = loads & 1 ? bad->ring[0] : 0x18000000;
		rude_vq(bad, 0)->num = loads & 1 ? 16 : 0xFFFF;
	}
}

static void ring_changes_between_two_reads(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	loads = 0;
	sim_watch_loads(RUDE_PAGE, X100_DEVPAGE_SIZE, change_ring);
	rude_desc(bad)->type = bad->head.type;
	sim_boot();
	drv_load();
	sim_run(100);
	assert_in_range(loads, 3, 3); /* address, used address, number: each once */
	sim_watch_none();
	assert_good_works();
}

static void change_everything(u64 phys)
{
	u64 offset = phys - RUDE_PAGE;

	if (offset >= bad->offset && offset < X100_DEVPAGE_SIZE)
		for (u64 i = 0; i < 8 && offset + i < X100_DEVPAGE_SIZE; i++)
			rude.page[offset + i] = (u8)sim_random(256);
}

static void every_read_gives_something_else(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 20; seed++) {
		two_devices(VIRTIO_ID_CONSOLE, 2, 16);
		rude_desc(bad)->type = bad->head.type;
		sim_seed(seed);
		sim_watch_loads(RUDE_PAGE, X100_DEVPAGE_SIZE, change_everything);
		sim_boot();
		drv_load();
		for (unsigned int i = 0; i < 10; i++) {
			rude_ring_config();
			sim_run(100);
		}
		sim_watch_none();
		sim_seed(0);
		assert_good_works();
		rude_end();
		rude_begin();
	}
}

static void config_space_changes_while_it_is_read(void **state)
{
	struct virtio_device *vdev;
	u8 buf[12];

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	sim_watch_loads(RUDE_PAGE, X100_DEVPAGE_SIZE, change_everything);
	vdev = drv_find(VIRTIO_ID_RNG)->vdev;
	for (unsigned int i = 0; i < 100; i++)
		vdev->config->get(vdev, i % 20, buf, i % 12);
	sim_watch_none();
	assert_good_works();
}

static void features_change_after_they_were_accepted(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	memset(rude.page + bad->offset + x100_vdev_host_features(&bad->head), 0xFF, 8);
	drv_add(dev, 0, 5, 1, 5, 1);
	drv_kick(dev, 0);
	sim_run(10);
	assert_int_equal(dev->done, 1);
	assert_int_equal(virtqueue_get_vring_size(dev->vq[0]), 16);
	assert_false(virtio_has_feature(dev->vdev, VIRTIO_RING_F_EVENT_IDX));
}

static void status_is_overwritten_by_the_host(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	for (unsigned int status = 0; status < 256; status += 51) {
		rude_desc(bad)->status = (u8)status;
		rude_ring_config();
		rude_ring_dev(bad);
		sim_run(20);
		/* The card believes what it wrote. */
		assert_int_equal(dev->vdev->config->get_status(dev->vdev), 7);
	}
	assert_true(rude_remove(bad));
	assert_good_works();
}

static void used_address_is_overwritten_by_the_host(void **state)
{
	struct drv_dev *dev;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	rude.echo = false;
	rude_vq(bad, 0)->used_address = 0x1234;
	rude_vq(bad, 0)->address = 0;
	drv_add(dev, 0, 5, 1, 5, 1);
	drv_kick(dev, 0);
	rude_ring_dev(bad);
	sim_run(10);
	assert_true(rude_remove(bad));
	rude.echo = true;
	assert_good_works();
}

static void the_magic_goes_away(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	rude_bootparam()->magic = 0;
	rude_ctrl(bad)->config_change = X100_CHANGE_REMOVE;
	rude_ring_config();
	sim_run(100);
	/* Not the page it was: nothing on it counts. */
	assert_int_equal(drv_removes, 0);
	rude_bootparam()->magic = X100_DEVPAGE_MAGIC;
	rude_ring_config();
	sim_run(100);
	assert_int_equal(drv_removes, 1);
	assert_good_works();
}

static void the_whole_page_is_zeroed_under_live_devices(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	memset(rude.page + 4, 0, X100_DEVPAGE_SIZE - 4);
	rude.devs = 0;
	sim_ring_card(10);
	sim_run(100);
	sim_ring_card(10);
	sim_run(30000);
	/* Taken away without notice, both. */
	assert_null(drv_devs);
}

/* ------------------------------------------------------------------ used rings */

static struct drv_dev *device_with_requests(unsigned int requests)
{
	struct drv_dev *dev;

	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	rude.echo = false;
	dev = drv_find(VIRTIO_ID_RNG);
	for (unsigned int i = 0; i < requests; i++)
		assert_non_null(drv_add(dev, 0, 5, 1, 5, 1));
	drv_kick(dev, 0);
	sim_run(5);
	return dev;
}

/* The queue is broken, nothing else is, and it can be taken away with all its buffers. */
static void assert_broken(struct drv_dev *dev, unsigned int done)
{
	rude_ring_dev(bad);
	sim_run(10);
	assert_true(virtqueue_is_broken(dev->vq[0]));
	assert_int_equal(dev->done, done);
	assert_null(drv_add(dev, 0, 5, 1, 5, 1));
	assert_true(rude_remove(bad));
	rude.echo = true;
	assert_good_works();
}

static void used_id_out_of_range(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	rude_push(bad, 0, 16, 5);
	assert_broken(dev, 0);
}

static void used_id_of_all_ones(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	rude_push(bad, 0, 0xFFFFFFFF, 5);
	assert_broken(dev, 0);
}

static void used_id_of_the_middle_of_a_chain(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	rude_push(bad, 0, 1, 5);
	assert_broken(dev, 0);
}

static void used_id_of_a_free_descriptor(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	rude_push(bad, 0, 12, 5);
	assert_broken(dev, 0);
}

static void used_id_twice(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	rude_push(bad, 0, 0, 5);
	rude_push(bad, 0, 0, 5);
	dev->wrong = 0;
	assert_broken(dev, 1);
}

static void used_index_that_jumps(void **state)
{
	struct drv_dev *dev = device_with_requests(4);
	struct vring_used *used = (void *)rude_used(bad, 0);

	(void)state;
	/* Entries that were never written: all say head 0, which came back with the first. */
	used->idx = 30000;
	assert_broken(dev, 1);
}

static void used_index_that_goes_back(void **state)
{
	struct drv_dev *dev;
	struct vring_used *used;

	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	dev = drv_find(VIRTIO_ID_RNG);
	for (unsigned int i = 0; i < 5; i++)
		drv_add(dev, 0, 5, 1, 5, 1);
	drv_kick(dev, 0);
	sim_run(5);
	assert_int_equal(dev->done, 5);
	used = (void *)rude_used(bad, 0);
	used->idx = 4;
	rude_ring_dev(bad);
	sim_run(10);
	assert_true(virtqueue_is_broken(dev->vq[0]));
	assert_true(rude_remove(bad));
	assert_good_works();
}

static void used_length_greater_than_the_buffer(void **state)
{
	struct drv_dev *dev = device_with_requests(4);

	(void)state;
	/* Stock drivers check it themselves; the ring code hands it on, as for any device. */
	rude_push(bad, 0, 0, 0xFFFFFFFF);
	rude_ring_dev(bad);
	sim_run(10);
	assert_int_equal(dev->done, 1);
	assert_int_equal(dev->wrong, 1);
	assert_true(rude_remove(bad));
	rude.echo = true;
	assert_good_works();
}

static void descriptors_are_overwritten_by_the_host(void **state)
{
	struct drv_dev *dev = device_with_requests(4);
	unsigned int objects;

	(void)state;
	/* Loops, wild addresses, NEXT everywhere: the card never reads them back. */
	memset(rude_ring(bad, 0), 0xFF, 16 * 16);
	for (unsigned int i = 0; i < 4; i++)
		rude_push(bad, 0, 2 * i, 0);
	rude_ring_dev(bad);
	sim_run(10);
	assert_int_equal(dev->done, 4);
	assert_false(virtqueue_is_broken(dev->vq[0]));
	drv_free_done(dev);
	objects = sim_objects();
	for (unsigned int i = 0; i < 8; i++)
		assert_non_null(drv_add(dev, 0, 5, 1, 5, 1));
	assert_true(sim_objects() > objects);
	assert_true(rude_remove(bad));
	rude.echo = true;
	assert_good_works();
}

static void avail_ring_is_overwritten_by_the_host(void **state)
{
	struct drv_dev *dev = device_with_requests(1);

	(void)state;
	memset(rude_ring(bad, 0) + x100_vring_avail(16), 0xEE, 6 + 2 * 16);
	for (unsigned int i = 0; i < 3; i++)
		assert_non_null(drv_add(dev, 0, 5, 1, 5, 1));
	drv_kick(dev, 0);
	/* Its own count goes on where it was. */
	assert_int_equal(rude_avail_idx(bad, 0), 4);
	assert_true(rude_remove(bad));
	rude.echo = true;
	assert_good_works();
}

static void the_trailer_is_overwritten_after_the_probe(void **state)
{
	struct drv_dev *dev = device_with_requests(1);

	(void)state;
	memset(rude_ring(bad, 0) + x100_vring_info_c(16), 0xEE, 10);
	rude_push(bad, 0, 0, 0);
	rude_ring_dev(bad);
	sim_run(10);
	assert_int_equal(dev->done, 1);
	/* It counts again only when a host comes back. */
	assert_false(rude_change(bad, X100_CHANGE_RESUME));
	assert_true(sim_said("another ring"));
	assert_true(rude_remove(bad));
}

static void a_storm_of_doorbells(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	for (unsigned int i = 0; i < 2000; i++) {
		sim_ring_card(i % 16);
		if (i % 7 == 0)
			sim_run(1);
	}
	sim_run(10);
	assert_int_equal(sim_complaints, 0);
	assert_good_works();
}

static void doorbells_before_anything_is_there(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	for (unsigned int n = 0; n < 16; n++)
		sim_ring_card(n);
	boot_both();
}

static void doorbells_of_a_device_that_is_gone(void **state)
{
	(void)state;
	two_devices(VIRTIO_ID_RNG, 1, 16);
	boot_both();
	assert_true(rude_remove(bad));
	for (unsigned int n = 0; n < 16; n++)
		sim_ring_card(n);
	sim_run(10);
	assert_good_works();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(page_in_the_cards_own_memory),
		TEST(page_in_the_registers),
		TEST(page_behind_the_window),
		TEST(page_across_the_end_of_the_window),
		TEST(page_that_wraps_around),
		TEST(page_not_aligned),
		TEST(page_nobody_mapped),
		TEST(page_with_a_wrong_magic),
		TEST(page_of_ones),
		TEST(page_of_ones_behind_a_good_magic),
		TEST(page_of_noise),
		TEST(type_of_a_negative_number),
		TEST(type_nobody_knows),
		TEST(no_queues_at_all),
		TEST(more_queues_than_the_peers_know),
		TEST(queues_that_reach_out_of_the_page),
		TEST(sizes_that_end_one_byte_behind_the_page),
		TEST(the_longest_lengths_there_are),
		TEST(doorbell_4),
		TEST(doorbell_8),
		TEST(doorbell_minus_1),
		TEST(doorbell_minus_128),
		TEST(a_list_of_deleted_slots_without_end),
		TEST(as_many_devices_as_the_page_has_room_for),
		TEST(ring_of_0_entries),
		TEST(ring_of_100_entries),
		TEST(ring_of_65535_entries),
		TEST(ring_of_32768_entries),
		TEST(ring_of_2048_entries),
		TEST(ring_at_0),
		TEST(ring_in_the_cards_memory),
		TEST(ring_over_the_registers),
		TEST(ring_across_the_end_of_the_window),
		TEST(ring_whose_end_wraps_around),
		TEST(ring_not_aligned),
		TEST(ring_where_nobody_mapped_anything),
		TEST(ring_that_is_the_page_itself),
		TEST(two_queues_with_one_ring),
		TEST(trailer_of_another_device),
		TEST(reset_answered_with_garbage),
		TEST(removal_while_a_driver_probes),
		TEST(removal_that_is_asked_for_twice),
		TEST(removal_of_a_deleted_slot),
		TEST(change_requests_nobody_knows),
		TEST(acknowledge_flags_full_of_garbage),
		TEST(resume_that_was_not_asked_for),
		TEST(resume_with_an_impossible_used_index),
		TEST(type_flips_under_a_live_device),
		TEST(type_becomes_the_end_of_the_list),
		TEST(lengths_change_under_a_live_device),
		TEST(a_new_descriptor_reaches_into_a_live_one),
		TEST(head_changes_between_two_reads),
		TEST(ring_changes_between_two_reads),
		TEST(every_read_gives_something_else),
		TEST(config_space_changes_while_it_is_read),
		TEST(features_change_after_they_were_accepted),
		TEST(status_is_overwritten_by_the_host),
		TEST(used_address_is_overwritten_by_the_host),
		TEST(the_magic_goes_away),
		TEST(the_whole_page_is_zeroed_under_live_devices),
		TEST(used_id_out_of_range),
		TEST(used_id_of_all_ones),
		TEST(used_id_of_the_middle_of_a_chain),
		TEST(used_id_of_a_free_descriptor),
		TEST(used_id_twice),
		TEST(used_index_that_jumps),
		TEST(used_index_that_goes_back),
		TEST(used_length_greater_than_the_buffer),
		TEST(descriptors_are_overwritten_by_the_host),
		TEST(avail_ring_is_overwritten_by_the_host),
		TEST(the_trailer_is_overwritten_after_the_probe),
		TEST(a_storm_of_doorbells),
		TEST(doorbells_before_anything_is_there),
		TEST(doorbells_of_a_device_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
