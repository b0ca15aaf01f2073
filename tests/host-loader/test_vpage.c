// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/vpage.c and what push, reset, irq and dma do for it: the page through boots and
 * resets, doorbells both ways, the end of a card OS. Faked: the card with its driver (vcard.c), time.
 */
#include "vcard.h"

#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/post.h>
#include <x100/regs.h>

#include "vpage.h"

static struct vcard_backend be, be2;
static struct vcard_driver drv;

static unsigned int all_rung(void)
{
	unsigned int all = 0;

	for (int i = 0; i < 16; i++)
		all += fake.rung[i];
	return all;
}

/* ------------------------------------------------------------------ making one */

static void only_the_arena_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(fake.dma_maps, 1);
	assert_int_equal(fake.last_dma.size, ARENA_SIZE);
	assert_int_equal(fake.irqs, X100_IRQ_VECTORS);
	vcard_boot();
	assert_ptr_equal(vcard_page(), fake.last_dma.memory);
	assert_null(vcard_host(vcard.page->address + ARENA_SIZE, 1));
	assert_null(vcard_host(vcard.page->address - 1, 1));
}

static void a_page_that_cannot_be_mapped_leaves_nothing_behind(void **state)
{
	(void)state;
	x100_vpage_free(vcard.page);
	fake.refuse_dma = X100_ERR_PEER;
	assert_int_equal(x100_vpage_new(vcard.card, vcard.loop, &vcard.params, &vcard.page),
			 X100_ERR_PEER);
	assert_null(vcard.page);
	assert_null(vcard.card->vpage);
	assert_int_equal(fake.dma_maps, 0);
}

static void a_page_of_a_card_that_goes_leaves_nothing_behind(void **state)
{
	struct x100_vpage_params params = vcard.params;

	(void)state;
	x100_vpage_free(vcard.page);
	/* Eventfds were set up by the first page; what can go wrong is mapping and one read. */
	for (unsigned int n = 1; n <= 2; n++) {
		fake.gone_after = fake.accesses + n;
		assert_int_equal(x100_vpage_new(vcard.card, vcard.loop, &params, &vcard.page),
				 n == 2 ? X100_OK : X100_ERR_GONE);
		fake.gone_after = 0;
	}
}

static void another_arena_that_cannot_be_mapped_is_an_error_of_adding(void **state)
{
	static struct vcard_backend b[8];
	const struct x100_vdev_params p = { .type = 2,
					    .queues = 4,
					    .entries = 1024,
					    .name = "more",
					    .ops = &vcard_ops,
					    .arg = &be };
	struct x100_vdev *dev;
	char name[] = "d0";

	(void)state;
	for (int i = 0; i < 7; i++, name[1]++)
		vcard_add(&b[i], name, 4, 1024);
	fake.refuse_dma = X100_ERR_PEER;
	assert_int_equal(x100_vpage_add(vcard.page, &p, &dev), X100_ERR_PEER);
	fake.refuse_dma = 0;
	assert_null(x100_vpage_dev(vcard.page, 7));
	assert_int_equal(x100_vpage_add(vcard.page, &p, &dev), X100_OK);
	assert_int_equal(dev->slot, 7);
}

static void the_hangup_descriptor_is_the_transports(void **state)
{
	(void)state;
	assert_int_equal(x100_hangup_fd(vcard.card), 77);
}

/* ------------------------------------------------------------------ boots and resets */

static struct x100_push image;
static struct x100_push_result result;

static void push(void)
{
	int ret;

	image.image = fake_image(0x100000);
	ret = x100_push(vcard.card, &image, &result);
	fake_blob_free((struct x100_blob *)&image.image);
	if (ret)
		fail_msg("push: %s: %s", x100_error_words(ret), x100_why(vcard.card));
}

static void a_push_puts_the_page_at_the_cards_disposal(void **state)
{
	unsigned int go = 0, spad = 0;

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	push();
	assert_ptr_equal(vcard_page(), vcard.page->at);
	assert_non_null(vcard_scan(0));
	/* Before the boot interrupt (x100-abi.md 1.3). */
	for (unsigned int i = 0; i < fake.accesses; i++) {
		if (fake.log[i].kind != FAKE_WRITE)
			continue;
		if (fake.log[i].offset == X100_MMIO_SBOX + X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI))
			spad = i;
		if (fake.log[i].offset == X100_MMIO_SBOX + X100_SBOX_APICICR_LO(X100_BOOT_ICR))
			go = i;
	}
	assert_true(spad && go && spad < go);
	assert_int_equal(fake_sbox(X100_SBOX_SICE0) & X100_SRC_USED, X100_SRC_USED);
}

static unsigned int live_while_copying;

static void look_while_copying(void *arg, enum x100_push_step step, uint64_t done, uint64_t all)
{
	(void)arg;
	(void)done;
	(void)all;
	if (step == X100_PUSH_IMAGE)
		live_while_copying += be.starts - be.stops;
}

static void nothing_is_served_while_a_push_copies(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	image.progress = look_while_copying;
	push();
	image.progress = NULL;
	assert_int_equal(be.stops, 1);
	assert_int_equal(live_while_copying, 0);
}

static void a_push_without_a_page_gives_the_card_an_empty_one(void **state)
{
	(void)state;
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	push();
	assert_int_equal(vcard_page()[4], 0xFF);
	assert_null(vcard_scan(0));
}

static void a_reset_stops_every_device(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	vcard_probe(&drv, 1, 0);
	assert_int_equal(x100_reset(vcard.card), X100_OK);
	assert_int_equal(be.stops, 1);
	assert_int_equal(be2.stops, 1);
	/* The old driver's last doorbell changes nothing. */
	vcard_ring(drv.c2h_db);
	vcard_run(100);
	assert_int_equal(be2.starts, 1);
}

static void nothing_stale_is_on_the_page_after_a_boot(void **state)
{
	uint8_t clean[X100_DEVPAGE_SIZE];

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 2, 8);
	vcard_boot();
	memcpy(clean, vcard_page(), sizeof(clean));
	vcard_probe(&drv, 0, 0);
	vcard_probe(&drv, 1, 0);
	vcard_publish(3);
	vcard_run(1000);
	vcard_boot();
	assert_memory_equal(vcard_page(), clean, sizeof(clean));
	assert_int_equal(be.stops, 1);
	/* Devices are served again. */
	vcard_probe(&drv, 1, 0);
	assert_int_equal(be2.starts, 2);
}

static void a_hole_is_closed_at_the_next_boot(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 2, 8);
	x100_vdev_remove(be.dev, NULL, NULL);
	vcard_boot();
	assert_ptr_equal(vcard_scan(0), vcard_page() + sizeof(struct x100_bootparam));
	assert_null(vcard_scan(1));
}

static void rings_are_clean_after_a_boot(void **state)
{
	static const uint8_t zero[4096];

	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	memset(drv.q[0].ring, 0x55, 8192);
	vcard_boot();
	assert_memory_equal(drv.q[0].ring, zero, sizeof(zero));
	vcard_probe(&drv, 0, 0);
	assert_int_equal(be.starts, 2);
}

static void the_page_may_go_while_the_card_runs(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	assert_int_equal(be.stops, 1);
	assert_int_equal(fake.dma_maps, 0);
	vcard_ring_only(drv.c2h_db);
	vcard_turn();
}

static void closing_the_card_frees_its_page(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	x100_close(vcard.card);
	vcard.page = NULL;
	vcard.card = fake_open();
	assert_int_equal(fake.dma_maps, 0);
}

/* ------------------------------------------------------------------ memory of the card */

static void card_memory_is_what_the_bootstrap_said(void **state)
{
	(void)state;
	assert_int_equal(vcard.page->memory_end, FAKE_MEMORY);
	fake_set_sbox(X100_SBOX_SCRATCH(0), (uint32_t)(FAKE_MEMORY >> 11) << 3);
	vcard_boot();
	assert_int_equal(vcard.page->memory_end, FAKE_MEMORY / 2);
}

static void card_memory_is_never_more_than_the_aperture(void **state)
{
	(void)state;
	fake_set_sbox(X100_SBOX_SCRATCH(0), 0xFFFFFFF8);
	vcard_boot();
	assert_int_equal(vcard.page->memory_end, fake.aperture);
	fake_set_sbox(X100_SBOX_SCRATCH(0), 0);
	vcard_boot();
	assert_int_equal(vcard.page->memory_end, fake.aperture);
}

/* ------------------------------------------------------------------ config doorbell */

static void the_config_doorbell_is_noticed_without_a_ring_and_rung_once(void **state)
{
	(void)state;
	vcard_boot();
	vcard_publish(12);
	vcard_run(1000);
	assert_int_equal(vcard.page->config_db, 12);
	assert_int_equal(fake.rung[12], 1);
	assert_int_equal(all_rung(), 1);
	vcard_run(10000);
	assert_int_equal(all_rung(), 1);
}

static void the_config_doorbell_is_noticed_at_any_ring(void **state)
{
	(void)state;
	vcard_boot();
	vcard_publish(12);
	vcard_ring(3);
	assert_int_equal(fake.rung[12], 1);
}

static void nothing_is_looked_at_when_no_driver_is_expected(void **state)
{
	uint64_t before = fake.now;

	(void)state;
	/* Before a boot. */
	x100_loop_turn(vcard.loop, 5000);
	assert_int_equal(fake.now - before, 5000 * X100_NS_PER_MS);
	/* After it is there. */
	vcard_boot();
	vcard_publish(12);
	vcard_run(1000);
	before = fake.now;
	x100_loop_turn(vcard.loop, 50000);
	assert_int_equal(fake.now - before, 50000 * X100_NS_PER_MS);
	/* A card OS without the driver: given up after five minutes. */
	vcard_boot();
	vcard_run(301000);
	before = fake.now;
	x100_loop_turn(vcard.loop, 50000);
	assert_int_equal(fake.now - before, 50000 * X100_NS_PER_MS);
}

static void a_driver_that_comes_back_is_noticed(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	vcard_publish(12);
	vcard_run(1000);
	/* It goes: -1, then resets its devices; later it probes and publishes another one. */
	vcard_publish(-1);
	vcard_reset(&drv);
	assert_int_equal(vcard.page->config_db, -1);
	vcard_run(1000);
	memset(fake.rung, 0, sizeof(fake.rung));
	vcard_publish(13);
	vcard_run(300);
	assert_int_equal(fake.rung[13], 1);
}

static void a_config_doorbell_out_of_range_is_not_rung(void **state)
{
	static const uint8_t bad[] = { 16, 127, 128, 254 };

	(void)state;
	vcard_boot();
	for (unsigned int i = 0; i < sizeof(bad); i++) {
		vcard_publish((int8_t)bad[i]);
		vcard_ring(0);
		assert_int_equal(vcard.page->config_db, -1);
		assert_int_equal(vcard.lines[X100_LOG_WARNING], i + 1);
	}
	vcard_add(&be, "disk0", 1, 8);
	assert_int_equal(all_rung(), 0);
}

/* ------------------------------------------------------------------ doorbells of the card */

static void every_interrupt_enables_them_again(void **state)
{
	(void)state;
	vcard_boot();
	for (unsigned int n = 0; n < 4; n++) {
		fake_set_sbox(X100_SBOX_SICE0, 0);
		vcard_ring(n);
		assert_int_equal(fake_sbox(X100_SBOX_SICE0), X100_SRC_USED);
	}
}

static void many_doorbells_are_one_look(void **state)
{
	(void)state;
	vcard_add(&be, "disk0", 1, 8);
	vcard_boot();
	vcard_probe(&drv, 0, 0);
	be.kicks = 0;
	vcard_ring_only(drv.c2h_db);
	vcard_ring_only(drv.c2h_db);
	vcard_ring_only(drv.c2h_db);
	vcard_turn();
	assert_int_equal(be.kicks, 1);
}

static void a_doorbell_is_for_all_devices_that_share_it(void **state)
{
	static struct vcard_backend b[4];
	char name[] = "d0";

	(void)state;
	for (int i = 0; i < 4; i++, name[1]++)
		vcard_add(&b[i], name, 1, 8);
	vcard_boot();
	for (unsigned int i = 0; i < 4; i++) {
		vcard_probe(&drv, i, 0);
		vcard_run(10);
	}
	for (int i = 0; i < 4; i++)
		b[i].kicks = 0;
	vcard_ring(0);
	assert_int_equal(b[0].kicks, 1);
	assert_int_equal(b[1].kicks, 0);
	assert_int_equal(b[2].kicks, 0);
	assert_int_equal(b[3].kicks, 1);
}

static void a_card_that_cannot_be_rung_is_logged_once(void **state)
{
	(void)state;
	vcard_boot();
	vcard_publish(12);
	vcard_run(1000);
	fake.gone_after = fake.accesses;
	vcard_add(&be, "disk0", 1, 8);
	vcard_add(&be2, "disk1", 1, 8);
	fake.gone_after = 0;
	assert_int_equal(vcard.lines[X100_LOG_ERR], 1);
}

/* ------------------------------------------------------------------ end of the card OS */

static void doorbell_1_tells_of_the_end(void **state)
{
	(void)state;
	vcard_boot();
	vcard_ring(1);
	assert_int_equal(vcard.shutdowns, 0);
	fake_set_sbox(X100_SBOX_SDBIC(1), X100_SDBIC_REQUEST | X100_SHUTDOWN_RESTART);
	vcard_ring(1);
	assert_int_equal(vcard.shutdowns, 1);
	assert_int_equal(vcard.shutdown, X100_SHUTDOWN_RESTART);
	/* x100_status_read() still finds it. */
	assert_int_not_equal(fake_sbox(X100_SBOX_SDBIC(1)), 0);
}

static void generation_a_says_it_on_the_page(void **state)
{
	const struct x100_vpage_params a = { .generation = X100_GEN_A };

	(void)state;
	vcard_new_page(&a);
	vcard_boot();
	/* The doorbell it is to ring. */
	assert_int_equal(vcard_page()[4], 1);
	vcard_page()[7] = 3;
	vcard_ring(1);
	assert_int_equal(vcard.shutdown, X100_SHUTDOWN_POWER_OFF);
	assert_int_equal(vcard_page()[7], 0);
	vcard_page()[7] = 1;
	vcard_ring(1);
	assert_int_equal(vcard.shutdown, X100_SHUTDOWN_CRASH);
}

static void card_halts(void)
{
	fake_set_sbox(X100_SBOX_SDBIC(1), X100_SDBIC_REQUEST | X100_SHUTDOWN_HALT);
	vcard_ring(1);
}

static void boot_and_halt(void)
{
	fake_good_boot();
	fake_forget_events();
	fake_post_in(1, X100_POST_GO);
	fake_post_in(2, X100_POST_K_PLATFORM);
	fake_call_in(1000, card_halts);
}

static void a_push_that_waits_learns_of_it_from_the_page(void **state)
{
	int ret;

	(void)state;
	fake.on_go = boot_and_halt;
	image.wait = X100_WAIT_RUNNING;
	image.image = fake_image(0x100000);
	ret = x100_push(vcard.card, &image, &result);
	fake_blob_free((struct x100_blob *)&image.image);
	image.wait = X100_WAIT_TAKEN;
	assert_int_equal(ret, X100_ERR_STOPPED);
	assert_int_equal(vcard.shutdowns, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, vcard_setup, vcard_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_arena_is_mapped),
		TEST(a_page_that_cannot_be_mapped_leaves_nothing_behind),
		TEST(a_page_of_a_card_that_goes_leaves_nothing_behind),
		TEST(another_arena_that_cannot_be_mapped_is_an_error_of_adding),
		TEST(the_hangup_descriptor_is_the_transports),
		TEST(a_push_puts_the_page_at_the_cards_disposal),
		TEST(nothing_is_served_while_a_push_copies),
		TEST(a_push_without_a_page_gives_the_card_an_empty_one),
		TEST(a_reset_stops_every_device),
		TEST(nothing_stale_is_on_the_page_after_a_boot),
		TEST(a_hole_is_closed_at_the_next_boot),
		TEST(rings_are_clean_after_a_boot),
		TEST(the_page_may_go_while_the_card_runs),
		TEST(closing_the_card_frees_its_page),
		TEST(card_memory_is_what_the_bootstrap_said),
		TEST(card_memory_is_never_more_than_the_aperture),
		TEST(the_config_doorbell_is_noticed_without_a_ring_and_rung_once),
		TEST(the_config_doorbell_is_noticed_at_any_ring),
		TEST(nothing_is_looked_at_when_no_driver_is_expected),
		TEST(a_driver_that_comes_back_is_noticed),
		TEST(a_config_doorbell_out_of_range_is_not_rung),
		TEST(every_interrupt_enables_them_again),
		TEST(many_doorbells_are_one_look),
		TEST(a_doorbell_is_for_all_devices_that_share_it),
		TEST(a_card_that_cannot_be_rung_is_logged_once),
		TEST(doorbell_1_tells_of_the_end),
		TEST(generation_a_says_it_on_the_page),
		TEST(a_push_that_waits_learns_of_it_from_the_page),
	};

	return cmocka_run_group_tests_name("vpage", tests, NULL, NULL);
}
