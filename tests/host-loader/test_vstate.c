// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/vstate.c: a program that serves a running card ends and another one goes on with what
 * was noted. Faked: the card with its driver (vcard.c), whose registers and memory outlive the program;
 * host memory does not.
 */
#include "vcard.h"

#include <stdlib.h>
#include <string.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/post.h>
#include <x100/regs.h>

#include "vpage.h"

#define CTRL(d, member) SHARED_AT((d)->ctrl, struct x100_vdev_ctrl, member)
#define DESC(d, member) SHARED_AT((d)->desc, struct x100_vdev_desc, member)

#define CONFIG_DB 14

static struct vcard_backend disk, console;
static struct vcard_driver disk_drv, console_drv;
static char *noted;
static unsigned int notes;

static void note(void *arg)
{
	(void)arg;
	free(noted);
	noted = x100_vpage_state(vcard.page);
	assert_non_null(noted);
	notes++;
}

static int add_console(void)
{
	static const uint8_t config[12] = { 80, 0, 25, 0, 1 };
	const struct x100_vdev_params p = {
		.type = 3,
		.queues = 2,
		.entries = 8,
		.config = config,
		.config_size = sizeof(config),
		.name = "console",
		.ops = &vcard_ops,
		.arg = &console,
	};

	memset(&console, 0, sizeof(console));
	return x100_vpage_add(vcard.page, &p, &console.dev);
}

/* The card OS runs, with a driver that can be resumed on both devices. */
static void begin(uint8_t card_features)
{
	x100_vpage_on_state(vcard.page, note, NULL);
	assert_int_equal(add_console(), X100_OK);
	vcard_add(&disk, "disk0", 1, 8);
	vcard_boot();
	fake_record()->run[0].pushes++;
	fake_record_seal();
	fake_set_post(X100_POST_K_UP);
	fake_set_sbox(X100_SBOX_SCRATCH(2), 0);
	vcard_attach(&console_drv, 0);
	vcard_attach(&disk_drv, 1);
	shared_store8(CTRL(&console_drv, card_features), card_features);
	shared_store8(CTRL(&disk_drv, card_features), card_features);
	vcard.next_db -= 2;
	for (struct vcard_driver *d = &console_drv;; d = &disk_drv) {
		vcard_reset(d);
		vcard_status(d, 3);
		vcard_accept(d, d->offered);
		vcard_queues(d);
		vcard_status(d, 7);
		if (d == &disk_drv)
			break;
	}
	vcard_publish(CONFIG_DB);
	vcard_run(1000);
	assert_int_equal(console.starts, 1);
	assert_int_equal(disk.starts, 1);
}

static int setup(void **state)
{
	int ret = vcard_setup(state);

	noted = NULL;
	notes = 0;
	if (!ret)
		begin(X100_CARD_RESUME);
	return ret;
}

static int teardown(void **state)
{
	free(noted);
	noted = NULL;
	return vcard_teardown(state);
}

/* The program ends: its memory is unmapped, the card's registers stay. */
static void die(void)
{
	char *kept = strdup(noted);

	x100_vpage_free(vcard.page);
	x100_close(vcard.card);
	vcard.page = NULL;
	free(noted);
	noted = kept;
	assert_int_equal(fake.dma_maps, 0);
	memset(fake.irq_fd, 0, sizeof(fake.irq_fd));
	fake_set_sbox(X100_SBOX_SICE0, 0);
	memset(fake.rung, 0, sizeof(fake.rung));
	vcard.card = fake_open();
}

static int resume(void)
{
	int ret = x100_vpage_resume(vcard.card, vcard.loop, &vcard.params, noted, &vcard.page);

	if (!ret)
		x100_vpage_on_state(vcard.page, note, NULL);
	return ret;
}

static void resume_both(void)
{
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	vcard_add(&disk, "disk0", 1, 8);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
}

/* Where the driver's part of the page and its rings are now. */
static void find_again(struct vcard_driver *d, unsigned int n)
{
	struct x100_vdev_desc head;

	d->desc = vcard_scan(n);
	assert_non_null(d->desc);
	memcpy(&head, d->desc, sizeof(head));
	d->ctrl = d->desc + x100_vdev_ctrl_offset(&head);
	for (unsigned int q = 0; q < d->queues; q++) {
		struct x100_vqconfig c;

		memcpy(&c, d->desc + x100_vdev_vq_offset(q), sizeof(c));
		assert_int_equal(c.num, d->q[q].num);
		d->q[q].ring = vcard_host(c.address, x100_vring_alloc(c.num));
		assert_non_null(d->q[q].ring);
	}
}

/* What the card OS does at config_change 3, but for the chains: all it ever stored, once more. */
static void store_again(struct vcard_driver *d, unsigned int n)
{
	find_again(d, n);
	assert_int_equal(shared_load8(CTRL(d, config_change)), X100_CHANGE_RESUME);
	vcard_publish(CONFIG_DB);
	shared_store8(DESC(d, status), 7);
	vcard_accept(d, d->accepted);
	for (unsigned int q = 0; q < d->queues; q++) {
		shared_store64(SHARED_AT(d->desc + x100_vdev_vq_offset(q), struct x100_vqconfig,
					 used_address),
			       d->q[q].used);
		/* Only what is not in the used ring is offered. */
		vcard_set_avail_idx(&d->q[q], shared_load16(vcard_memory(d->q[q].used) + 2));
		d->q[q].used_idx = d->q[q].avail_idx;
	}
	shared_store8(CTRL(d, h2c_vdev_db), (uint8_t)d->h2c_db);
	shared_store8(CTRL(d, card_features), X100_CARD_RESUME);
}

static void answer(struct vcard_driver *d)
{
	shared_store8(CTRL(d, guest_ack), 1);
	vcard_ring(d->c2h_db);
}

/* ------------------------------------------------------------------ going on */

static void everything_is_where_it_was(void **state)
{
	uint64_t address = vcard.page->address, ring = 0, again = 0;
	uint16_t console_at = vcard.page->slot[console.dev->slot].offset;
	uint16_t disk_at = vcard.page->slot[disk.dev->slot].offset;

	(void)state;
	memcpy(&ring, disk_drv.desc + x100_vdev_vq_offset(0), 8);
	die();
	resume_both();
	assert_int_equal(vcard.page->address, address);
	assert_int_equal(vcard.page->slot[console.dev->slot].offset, console_at);
	assert_int_equal(vcard.page->slot[disk.dev->slot].offset, disk_at);
	assert_int_equal(disk.dev->c2h_db, disk_drv.c2h_db);
	find_again(&disk_drv, 1);
	memcpy(&again, disk_drv.desc + x100_vdev_vq_offset(0), 8);
	assert_int_equal(again, ring);
	assert_int_equal(shared_load8(DESC(&disk_drv, status)), 7);
	assert_int_equal(vcard_page()[4], CONFIG_DB);
	assert_int_equal(fake_sbox(X100_SBOX_SICE0) & X100_SRC_USED, X100_SRC_USED);
	assert_true(fake.rung[CONFIG_DB] >= 1);
}

static void the_card_sees_nothing_before_all_is_there(void **state)
{
	(void)state;
	die();
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	assert_int_equal(fake.dma_maps, 0);
	vcard_add(&disk, "disk0", 1, 8);
	assert_int_equal(fake.dma_maps, 0);
	assert_int_equal(fake.rung[CONFIG_DB], 0);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	assert_int_equal(fake.dma_maps, 1);
}

static void a_device_goes_on_once_the_card_answered(void **state)
{
	struct x100_chain *chain;
	uint16_t head;
	uint32_t id, len;

	(void)state;
	/* Three requests: one done, two under way. */
	chain = x100_chain_new(x100_vdev_queue(disk.dev, 0));
	for (int i = 0; i < 3; i++)
		vcard_chain(&disk_drv.q[0], 1, 1, 16, NULL);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	x100_vq_push(chain->vq, chain, 16);
	x100_vq_flush(chain->vq);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	x100_chain_free(chain);
	die();
	resume_both();
	assert_int_equal(disk.starts, 0);
	vcard_ring(disk_drv.c2h_db);
	vcard_run(100);
	assert_int_equal(disk.starts, 0);
	store_again(&disk_drv, 1);
	assert_int_equal(disk_drv.q[0].avail_idx, 1);
	head = vcard_chain(&disk_drv.q[0], 1, 1, 16, NULL);
	vcard_chain(&disk_drv.q[0], 1, 1, 16, NULL);
	answer(&disk_drv);
	assert_int_equal(disk.starts, 1);
	assert_int_equal(disk.features, disk_drv.accepted);
	assert_int_equal(disk.kicks, 1);
	assert_int_equal(shared_load8(CTRL(&disk_drv, config_change)), 0);
	assert_int_equal(shared_load8(CTRL(&disk_drv, guest_ack)), 0);
	/* The card may have slept through the last doorbell. */
	assert_int_equal(fake.rung[disk_drv.h2c_db], 1);
	chain = x100_chain_new(x100_vdev_queue(disk.dev, 0));
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	assert_int_equal(chain->head, head);
	x100_vq_push(chain->vq, chain, 16);
	x100_vq_flush(chain->vq);
	assert_true(vcard_used(&disk_drv.q[0], &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 1);
	assert_int_equal(x100_vq_pop(chain->vq, chain), 0);
	x100_chain_free(chain);
	assert_int_equal(console.starts, 0);
}

static void it_works_twice(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		die();
		resume_both();
		store_again(&console_drv, 0);
		store_again(&disk_drv, 1);
		answer(&console_drv);
		answer(&disk_drv);
		assert_int_equal(console.starts, 1);
		assert_int_equal(disk.starts, 1);
	}
}

static void a_program_that_dies_while_it_resumes_can_be_resumed(void **state)
{
	(void)state;
	die();
	resume_both();
	store_again(&disk_drv, 1);
	answer(&disk_drv);
	die();
	resume_both();
	store_again(&console_drv, 0);
	store_again(&disk_drv, 1);
	answer(&console_drv);
	answer(&disk_drv);
	assert_int_equal(console.starts, 1);
	assert_int_equal(disk.starts, 1);
}

static void a_waiting_console_is_given_an_element_that_cannot_be(void **state)
{
	struct vcard_queue *q = &console_drv.q[1];
	uint32_t id, len;

	(void)state;
	assert_false(vcard_used(q, &id, &len));
	die();
	resume_both();
	assert_true(vcard_used(q, &id, &len));
	assert_int_equal(id, 0xFFFFFFFF);
	assert_false(vcard_used(q, &id, &len));
	/* And only the queue it transmits on. */
	assert_false(vcard_used(&console_drv.q[0], &id, &len));
	assert_false(vcard_used(&disk_drv.q[0], &id, &len));
	store_again(&console_drv, 0);
	answer(&console_drv);
	assert_int_equal(console.starts, 1);
	assert_int_equal(x100_vdev_queue(console.dev, 1)->used_idx, 1);
}

/* A card that was about to look at the page anyway. */
static void answer_at_once(void)
{
	uint32_t id, len;

	fake.on_dma_map = NULL;
	/* From now on the console takes what is in its used ring as served. */
	assert_true(vcard_used(&console_drv.q[1], &id, &len));
	store_again(&console_drv, 0);
	store_again(&disk_drv, 1);
	shared_store8(CTRL(&console_drv, guest_ack), 1);
	shared_store8(CTRL(&disk_drv, guest_ack), 1);
}

static void a_card_may_answer_as_soon_as_it_reaches_the_page(void **state)
{
	uint32_t id, len;

	(void)state;
	die();
	fake.on_dma_map = answer_at_once;
	resume_both();
	assert_null(fake.on_dma_map);
	vcard_run(10);
	assert_int_equal(console.starts, 1);
	assert_int_equal(disk.starts, 1);
	/* Nothing was asked or pushed after the answers. */
	assert_int_equal(shared_load8(CTRL(&console_drv, config_change)), 0);
	assert_int_equal(shared_load8(CTRL(&disk_drv, config_change)), 0);
	assert_false(vcard_used(&console_drv.q[1], &id, &len));
}

static void config_bytes_that_changed_meanwhile_are_told(void **state)
{
	static const uint8_t config[36] = { 9, 2, 3, 4 };
	const struct x100_vdev_params p = {
		.type = 2,
		.queues = 1,
		.entries = 8,
		.features = 4,
		.config = config,
		.config_size = sizeof(config),
		.name = "disk0",
		.ops = &vcard_ops,
		.arg = &disk,
	};

	(void)state;
	die();
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	memset(&disk, 0, sizeof(disk));
	assert_int_equal(x100_vpage_add(vcard.page, &p, &disk.dev), X100_OK);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	store_again(&disk_drv, 1);
	answer(&disk_drv);
	assert_int_equal(disk.starts, 1);
	assert_int_equal(shared_load8(CTRL(&disk_drv, config_change)), X100_CHANGE_CONFIG);
	store_again(&console_drv, 0);
	answer(&console_drv);
	assert_int_equal(shared_load8(CTRL(&console_drv, config_change)), 0);
}

static void the_card_is_rung_again_while_it_does_not_answer(void **state)
{
	(void)state;
	die();
	resume_both();
	vcard_run(3500);
	assert_true(fake.rung[CONFIG_DB] >= 5);
}

static void a_device_that_does_not_come_back_begins_anew(void **state)
{
	uint8_t *before;
	unsigned int page;

	(void)state;
	die();
	resume_both();
	store_again(&console_drv, 0);
	answer(&console_drv);
	find_again(&disk_drv, 1);
	before = disk_drv.desc;
	page = disk.dev->vq[0].memory.page;
	vcard_run(11000);
	assert_int_equal((int8_t)*before, -1);
	assert_true(disk.dev->vq[0].memory.page != page);
	assert_int_equal(disk.starts, 0);
	assert_ptr_not_equal(vcard_scan(1), before);
	vcard_probe(&disk_drv, 1, 0);
	assert_int_equal(disk.starts, 1);
}

static void a_device_nobody_adds_again_is_removed(void **state)
{
	(void)state;
	die();
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	find_again(&disk_drv, 1);
	vcard_release(&disk_drv);
	vcard_run(100);
	assert_int_equal((int8_t)*disk_drv.desc, -1);
	assert_null(x100_vpage_dev(vcard.page, 1));
	vcard_add(&disk, "disk0", 1, 8);
	assert_ptr_equal(vcard_scan(1), disk_drv.desc);
}

static void a_device_that_changed_shape_is_removed_and_added(void **state)
{
	(void)state;
	die();
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	vcard_add(&disk, "disk0", 2, 8);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	find_again(&disk_drv, 1);
	assert_int_equal(shared_load8(CTRL(&disk_drv, config_change)), X100_CHANGE_REMOVE);
	assert_ptr_equal(vcard_scan(2), disk.dev->desc);
	vcard_release(&disk_drv);
	vcard_run(100);
	assert_ptr_equal(vcard_scan(1), disk.dev->desc);
	vcard_probe(&disk_drv, 1, 0);
	assert_int_equal(disk.starts, 1);
}

static void a_new_device_is_added_behind(void **state)
{
	static struct vcard_backend more;

	(void)state;
	die();
	assert_int_equal(resume(), X100_OK);
	assert_int_equal(add_console(), X100_OK);
	vcard_add(&disk, "disk0", 1, 8);
	vcard_add(&more, "disk1", 1, 8);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	assert_ptr_equal(vcard_scan(2), more.dev->desc);
	assert_int_equal(more.dev->ctrl[8], 0);
	vcard_probe(&disk_drv, 2, 0);
	assert_int_equal(more.starts, 1);
}

static void holes_and_lost_slots_stay(void **state)
{
	uint8_t *old;
	struct vpage_memory lost;

	(void)state;
	/* The console goes without an answer, the slot stays out of use. */
	lost = console.dev->vq[0].memory;
	x100_vdev_remove(console.dev, vcard_done, &console);
	vcard_run(16000);
	assert_int_equal(console.error, X100_ERR_NO_ANSWER);
	die();
	assert_int_equal(resume(), X100_OK);
	vcard_add(&disk, "disk0", 1, 8);
	assert_int_equal(x100_vpage_resume_go(vcard.page), X100_OK);
	old = vcard_page() + sizeof(struct x100_bootparam);
	assert_int_equal((int8_t)*old, -1);
	assert_ptr_not_equal(vcard_scan(0), old);
	assert_ptr_equal(vcard_scan(0), disk.dev->desc);
	assert_int_equal(add_console(), X100_OK);
	assert_true(console.dev->vq[0].memory.page != lost.page);
	assert_ptr_not_equal(console.dev->desc, old);
}

/* ------------------------------------------------------------------ not going on */

static void a_card_os_that_does_not_know_how_has_to_be_reset(void **state)
{
	(void)state;
	/* As begin(), with an old driver. */
	vcard_boot();
	fake_record()->run[0].pushes = vcard.page->pushes;
	fake_record_seal();
	vcard_probe(&disk_drv, 1, 0);
	die();
	assert_int_equal(resume(), X100_ERR_RESUME);
	assert_non_null(strstr(x100_why(vcard.card), "disk0"));
	assert_null(vcard.page);
	assert_int_equal(fake.dma_maps, 0);
}

static void expect_state(void)
{
	assert_int_equal(resume(), X100_ERR_STATE);
	assert_null(vcard.page);
	assert_null(vcard.card->vpage);
	assert_int_equal(fake.dma_maps, 0);
	/* The caller takes a new one. */
	assert_int_equal(x100_vpage_new(vcard.card, vcard.loop, &vcard.params, &vcard.page),
			 X100_OK);
}

static void a_card_that_was_reset_does_not_fit(void **state)
{
	(void)state;
	die();
	fake_set_post(X100_POST_READY);
	fake_set_sbox(X100_SBOX_SCRATCH(2), x100_spad2_make(FAKE_BOOT, FAKE_APIC, true));
	expect_state();
}

static void a_card_whose_os_ended_does_not_fit(void **state)
{
	(void)state;
	die();
	fake_set_sbox(X100_SBOX_SDBIC(1), X100_SHUTDOWN_HALT);
	expect_state();
}

static void a_card_with_another_page_does_not_fit(void **state)
{
	(void)state;
	die();
	fake_set_sbox(X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), 0x1000);
	expect_state();
}

static void a_card_that_was_booted_again_does_not_fit(void **state)
{
	(void)state;
	die();
	fake_record()->run[0].pushes++;
	fake_record_seal();
	expect_state();
}

static void a_page_no_card_had_yet_does_not_fit(void **state)
{
	(void)state;
	x100_vpage_card_reset(vcard.page);
	die();
	expect_state();
}

static void another_generation_does_not_fit(void **state)
{
	(void)state;
	die();
	vcard.params.generation = X100_GEN_C;
	expect_state();
}

static void damaged_notes_do_not_fit(void **state)
{
	static const char *const texts[] = { "", "nonsense", "[]", "{}", "{\"version\":1}", "12" };

	(void)state;
	die();
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		free(noted);
		noted = strdup(texts[i]);
		assert_int_equal(resume(), X100_ERR_STATE);
	}
}

/* Each character in turn is another one: an error, or a page that can be freed. */
static void notes_with_one_wrong_character_do_no_harm(void **state)
{
	char *good;
	unsigned int taken = 0;

	(void)state;
	die();
	good = strdup(noted);
	for (size_t i = 0; good[i]; i++) {
		static const char other[] = "9-]\"x";

		for (unsigned int k = 0; k < sizeof(other) - 1; k++) {
			free(noted);
			noted = strdup(good);
			noted[i] = other[k];
			if (resume() != X100_OK)
				continue;
			taken++;
			add_console();
			x100_vpage_resume_go(vcard.page);
			x100_vpage_on_state(vcard.page, NULL, NULL);
			x100_vpage_free(vcard.page);
			vcard.page = NULL;
		}
	}
	free(good);
	assert_true(taken > 0);
}

/* ------------------------------------------------------------------ what is noted when */

static void every_step_is_noted(void **state)
{
	static struct vcard_backend more;
	unsigned int before = notes;

	(void)state;
	vcard_add(&more, "disk1", 1, 8);
	assert_true(notes > before);
	assert_non_null(strstr(noted, "disk1"));
	before = notes;
	vcard_probe(&disk_drv, 2, 0);
	assert_true(notes > before);
	before = notes;
	x100_vdev_remove(more.dev, NULL, NULL);
	vcard_release(&disk_drv);
	vcard_run(100);
	assert_true(notes > before);
	assert_null(strstr(noted, "disk1"));
	before = notes;
	vcard_publish(13);
	vcard_ring(0);
	assert_true(notes > before);
	before = notes;
	x100_vpage_card_reset(vcard.page);
	assert_true(notes > before);
}

static bool seen_early;

static void look_early(void *arg)
{
	(void)arg;
	seen_early = seen_early || vcard_scan(2) != NULL;
}

static void a_device_is_noted_before_the_card_can_see_it(void **state)
{
	static struct vcard_backend more;

	(void)state;
	seen_early = false;
	x100_vpage_on_state(vcard.page, look_early, NULL);
	vcard_add(&more, "disk1", 1, 8);
	assert_false(seen_early);
	assert_non_null(vcard_scan(2));
	x100_vpage_on_state(vcard.page, note, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_where_it_was),
		TEST(the_card_sees_nothing_before_all_is_there),
		TEST(a_device_goes_on_once_the_card_answered),
		TEST(it_works_twice),
		TEST(a_program_that_dies_while_it_resumes_can_be_resumed),
		TEST(a_waiting_console_is_given_an_element_that_cannot_be),
		TEST(a_card_may_answer_as_soon_as_it_reaches_the_page),
		TEST(config_bytes_that_changed_meanwhile_are_told),
		TEST(the_card_is_rung_again_while_it_does_not_answer),
		TEST(a_device_that_does_not_come_back_begins_anew),
		TEST(a_device_nobody_adds_again_is_removed),
		TEST(a_device_that_changed_shape_is_removed_and_added),
		TEST(a_new_device_is_added_behind),
		TEST(holes_and_lost_slots_stay),
		TEST(a_card_os_that_does_not_know_how_has_to_be_reset),
		TEST(a_card_that_was_reset_does_not_fit),
		TEST(a_card_whose_os_ended_does_not_fit),
		TEST(a_card_with_another_page_does_not_fit),
		TEST(a_card_that_was_booted_again_does_not_fit),
		TEST(a_page_no_card_had_yet_does_not_fit),
		TEST(another_generation_does_not_fit),
		TEST(damaged_notes_do_not_fit),
		TEST(notes_with_one_wrong_character_do_no_harm),
		TEST(every_step_is_noted),
		TEST(a_device_is_noted_before_the_card_can_see_it),
	};

	return cmocka_run_group_tests_name("vstate", tests, NULL, NULL);
}
