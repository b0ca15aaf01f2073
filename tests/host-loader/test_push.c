// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/push.c with what it calls. Faked: the card and the clock. Oracle for the register
 * accesses: vectors/interrupts.json.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/devpage.h>
#include <x100/irq.h>
#include <x100/post.h>
#include <x100/reason.h>
#include <x100/regs.h>

#define SECOND X100_NS_PER_SEC

static struct x100_push_result result;
static struct x100_push push;

static int setup(void **state)
{
	memset(&push, 0, sizeof(push));
	memset(&result, 0, sizeof(result));
	push.image = fake_image(2 << 20);
	push.ramdisk = fake_image(1 << 20);
	push.cmdline = "quiet";
	return fake_setup(state);
}

static int teardown(void **state)
{
	fake_blob_free(&push.image);
	fake_blob_free(&push.ramdisk);
	return fake_teardown(state);
}

/* Open, push, close. */
static int do_push(char why[X100_WHY_SIZE])
{
	struct x100_card *card;
	int ret = x100_open_with(&fake_ops, "here", &fake_clock, &card, NULL);

	if (ret)
		return ret;
	ret = x100_push(card, &push, &result);
	if (why)
		snprintf(why, X100_WHY_SIZE, "%s", x100_why(card));
	x100_close(card);
	return ret;
}

static void everything_lies_where_the_bootstrap_looks(void **state)
{
	const uint8_t *image = fake.memory + FAKE_BOOT;
	uint32_t word;

	(void)state;
	assert_int_equal(do_push(NULL), X100_OK);
	memcpy(&word, image + X100_HDR_RAMDISK_IMAGE, 4);
	assert_int_equal(word, 2 * FAKE_BOOT);
	memcpy(&word, image + X100_HDR_RAMDISK_SIZE, 4);
	assert_int_equal(word, 1 << 20);
	assert_memory_equal(image, push.image.memory, X100_HDR_RAMDISK_IMAGE);
	assert_memory_equal(image + 0x220, (const uint8_t *)push.image.memory + 0x220,
			    (2 << 20) - 0x220);
	assert_memory_equal(fake.memory + 2 * FAKE_BOOT, push.ramdisk.memory, 1 << 20);
	assert_int_equal(fake_sbox(X100_SBOX_SCRATCH(5)), 2 << 20);
	assert_string_equal((const char *)image + (2 << 20), result.cmdline);
	assert_int_equal(fake.goes, 1);
	assert_int_equal(fake_sbox(X100_SBOX_APICICR_HI(7)), FAKE_APIC);
	assert_int_equal(fake_sbox(X100_SBOX_APICICR_LO(7)), X100_BOOT_VECTOR);
}

static void bytes_that_cannot_be_mapped_travel_by_request(void **state)
{
	(void)state;
	fake.mappable = false;
	assert_int_equal(do_push(NULL), X100_OK);
	assert_memory_equal(fake.memory + 2 * FAKE_BOOT, push.ramdisk.memory, 1 << 20);
	assert_memory_equal(fake.memory + FAKE_BOOT + 0x220,
			    (const uint8_t *)push.image.memory + 0x220, (2 << 20) - 0x220);
}

static void files_are_pushed_like_memory(void **state)
{
	char path[] = "/tmp/x100-test-XXXXXX";
	struct x100_blob from_memory = push.image;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, push.image.memory, push.image.size), push.image.size);
	push.image.memory = NULL;
	push.image.fd = fd;
	assert_int_equal(do_push(NULL), X100_OK);
	push.image = from_memory;
	close(fd);
	assert_memory_equal(fake.memory + FAKE_BOOT + 0x220,
			    (const uint8_t *)push.image.memory + 0x220, (2 << 20) - 0x220);
}

static void the_command_line_carries_memory_time_and_text(void **state)
{
	unsigned long long seconds, nanos, ticks, real, card;
	int end = 0;

	(void)state;
	assert_int_equal(do_push(NULL), X100_OK);
	assert_int_equal(sscanf(result.cmdline, " mem=8192M x100.time=%llu.%9llu@%llu quiet%n",
				&seconds, &nanos, &ticks, &end),
			 3);
	assert_int_equal(end, strlen(result.cmdline));
	/* Both name one moment: the fake's clocks tell how they belong together. */
	real = seconds * SECOND + nanos - 1700000000ull * SECOND;
	card = ticks * X100_ETC_NS;
	assert_true(real >= card && real - card < 64);
}

static void the_device_page_is_what_an_old_card_driver_expects(void **state)
{
	struct x100_card *card = fake_open();
	struct x100_bootparam *page;
	uint64_t address;

	(void)state;
	assert_int_equal(x100_push(card, &push, &result), X100_OK);
	address = fake_sbox(X100_SBOX_SCRATCH(14)) | (uint64_t)fake_sbox(X100_SBOX_SCRATCH(15))
							     << 32;
	/* What the card finds behind that address: through the SMPT register, in our mapping. */
	assert_true(address >= X100_SYSMEM_BASE);
	assert_int_equal(x100_smpt_host(fake_sbox(X100_SBOX_SMPT(x100_smpt_index(address))),
					address),
			 fake.last_dma.iova);
	assert_int_equal(fake.last_dma.size, X100_DEVPAGE_SIZE);
	page = fake.last_dma.memory;
	assert_int_equal(page->magic, X100_DEVPAGE_MAGIC);
	assert_int_equal(page->h2c_config_db, -1);
	assert_int_equal(page->node_id, 1);
	assert_int_equal(page->h2c_scif_db, 0xFF);
	assert_int_equal(page->c2h_scif_db, 0xFF);
	assert_int_equal(page->scif_host_dma, 0);
	for (size_t i = sizeof(*page); i < X100_DEVPAGE_SIZE; i++)
		assert_int_equal(((uint8_t *)page)[i], 0);
	x100_close(card);
}

static bool wrote(uint32_t sbox_offset, uint32_t value, unsigned int *at)
{
	for (unsigned int n = *at; n < fake.accesses && n < FAKE_LOG_MAX; n++) {
		const struct fake_access *a = &fake.log[n];

		if (a->kind == FAKE_WRITE && a->region == X100_REGION_MMIO &&
		    a->offset == X100_MMIO_SBOX + sbox_offset && a->value == value) {
			*at = n + 1;
			return true;
		}
	}
	return false;
}

/*
 * The recorded boot, without what is not ours: DMA channels, the second read of SCRATCH2, MXAR of a
 * SCIF doorbell. What is left has to come in this order.
 */
static void the_mailbox_is_written_in_the_order_of_the_old_host(void **state)
{
	json_object *root = load_vectors("interrupts.json");
	json_object *accesses = vget(vget(root, "boot_start"), "accesses");
	unsigned int at = 0, compared = 0;

	(void)state;
	push.ramdisk.size = 0;
	push.image.size = 4096;
	push.unchecked = true;
	fake_set_sbox(X100_SBOX_SCRATCH(5), 0);
	assert_int_equal(do_push(NULL), X100_OK);
	for (size_t i = 0; i < json_object_array_length(accesses); i++) {
		json_object *a = json_object_array_get_idx(accesses, i);
		const char *kind = json_object_get_string(json_object_array_get_idx(a, 0));
		uint32_t offset, value;

		if (strcmp(kind, "write"))
			continue;
		offset = (uint32_t)vnum(json_object_array_get_idx(a, 1)) - X100_MMIO_SBOX;
		value = (uint32_t)vnum(json_object_array_get_idx(a, 2));
		if ((offset >= 0x9044 && offset <= 0x9080) ||
		    (offset >= 0xA000 && offset <= 0xA280))
			continue;
		/* The page's address is the recorder's; ours is checked elsewhere. */
		if (offset == X100_SBOX_SCRATCH(14))
			value = 0x00000000;
		if (offset == X100_SBOX_SCRATCH(15))
			value = 0x81;
		if (!wrote(offset, value, &at))
			fail_msg("0x%x = 0x%x did not come, or too early", offset, value);
		compared++;
	}
	assert_true(compared >= 38);
	json_object_put(root);
}

static void the_vectors_are_those_of_the_old_host(void **state)
{
	json_object *root = load_vectors("interrupts.json");
	json_object *first = vget(root, "msix_first_boot"), *mxar = vget(first, "mxar");

	(void)state;
	assert_int_equal(do_push(NULL), X100_OK);
	assert_int_equal(fake.irqs, json_object_array_length(mxar));
	for (size_t v = 0; v < json_object_array_length(mxar); v++)
		assert_int_equal(fake_sbox(X100_SBOX_MXAR(v)),
				 vnum(json_object_array_get_idx(mxar, v)));
	assert_int_equal(fake_sbox(X100_SBOX_SICE0), vnum(vget(first, "sice0")));
	assert_int_equal(fake_sbox(X100_SBOX_SIAC0), vnum(vget(first, "siac0")));
	json_object_put(root);
}

static void the_boot_interrupt_goes_where_scratch_2_says(void **state)
{
	json_object *root = load_vectors("interrupts.json");
	json_object *cases = vget(vget(root, "boot_interrupt"), "cases");
	unsigned int compared = 0;

	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i),
			    *accesses = vget(c, "accesses");
		uint32_t spad2 = (uint32_t)vnum(vget(c, "spad2"));
		unsigned int at = 0;

		if (x100_spad2_addr(spad2) != FAKE_BOOT)
			continue;
		teardown(state);
		setup(state);
		fake_set_sbox(X100_SBOX_SCRATCH(2), spad2);
		assert_int_equal(do_push(NULL), X100_OK);
		/* The read before them is ours too, but at the beginning. */
		for (size_t k = 1; k < json_object_array_length(accesses); k++) {
			json_object *a = json_object_array_get_idx(accesses, k);

			assert_true(wrote((uint32_t)vnum(json_object_array_get_idx(a, 1)) -
						  X100_MMIO_SBOX,
					  (uint32_t)vnum(json_object_array_get_idx(a, 2)), &at));
		}
		compared++;
	}
	assert_true(compared >= 8);
	json_object_put(root);
}

static void a_push_waits_for_login_when_asked_to(void **state)
{
	(void)state;
	push.wait = X100_WAIT_RUNNING;
	assert_int_equal(do_push(NULL), X100_OK);
	assert_in_range(fake.slept / X100_NS_PER_MS, 3000, 3025);
	for (int i = 0; i < X100_PUSH_STEPS; i++)
		assert_int_equal(result.times.realtime[i] != 0, i != X100_PUSH_RESET);
}

static void a_card_that_runs_something_is_reset_first(void **state)
{
	(void)state;
	fake_set_post(X100_POST_K_UP);
	fake_set_sbox(X100_SBOX_SCRATCH(2), FAKE_BOOT | FAKE_APIC << 1);
	assert_int_equal(do_push(NULL), X100_OK);
	assert_int_equal(fake.resets, 1);
}

static void a_card_that_starts_is_waited_for_not_reset(void **state)
{
	(void)state;
	fake_set_post(X100_POST_TRAIN);
	fake_set_sbox(X100_SBOX_SCRATCH(2), 0);
	fake_ready_in(5000);
	assert_int_equal(do_push(NULL), X100_OK);
	assert_int_equal(fake.resets, 0);
}

static void nothing_is_written_for_an_image_that_is_refused_here(void **state)
{
	char why[X100_WHY_SIZE];

	(void)state;
	((uint8_t *)push.image.memory)[X100_HDR_MAGIC] = 'X';
	assert_int_equal(do_push(why), X100_ERR_IMAGE);
	assert_int_equal(result.reason, X100_REASON_NOT_BZIMAGE);
	assert_non_null(strstr(why, "not a Linux bzImage"));
	assert_int_equal(fake.memory[FAKE_BOOT + 0x202], 0);
	assert_int_equal(fake.goes, 0);
}

/* Even a forced push does not write where the bootstrap works while it has to judge it. */
static void the_bootstraps_memory_is_never_written(void **state)
{
	uint32_t words[2];

	(void)state;
	push.unchecked = true;
	push.ramdisk_at = 0x10000;
	assert_int_equal(do_push(NULL), X100_OK);
	for (unsigned int i = 0x1000; i < 0xD0000; i++)
		assert_int_equal(fake.memory[i], 0);
	memcpy(words, fake.memory + FAKE_BOOT + X100_HDR_RAMDISK_IMAGE, sizeof(words));
	assert_int_equal(words[0], 0x10000);
	assert_int_equal(words[1], 1 << 20);
}

/* ------------------------------------------------------------------ what the card answers */

static void answer_refused(void)
{
	struct x100_record *r = fake_record();
	struct x100_run *run = &r->run[r->current_run];

	run->pushes++;
	run->reason = X100_REASON_NOT_BZIMAGE;
	run->detail[0] = 0x1234;
}

static void refuse_with_code(void)
{
	fake_forget_events();
	fake_post_in(1, X100_POST_GO);
	fake_call_in(2, answer_refused);
	fake_post_in(2, X100_POST_AUTH_FAILED);
	fake_ready_in(30);
}

/* Refused and ready again between two looks: only the count of pushes tells. */
static void refuse_at_once(void)
{
	fake_forget_events();
	fake_call_in(1, answer_refused);
	fake_ready_in(1);
}

static void a_refusal_by_the_card_has_its_reason(void **state)
{
	char why[X100_WHY_SIZE];

	(void)state;
	fake.on_go = refuse_with_code;
	push.unchecked = true;
	((uint8_t *)push.image.memory)[X100_HDR_MAGIC] = 'X';
	assert_int_equal(do_push(why), X100_ERR_REFUSED);
	assert_int_equal(result.reason, X100_REASON_NOT_BZIMAGE);
	assert_non_null(strstr(why, "0x1234"));
	/* And the next push goes through. */
	fake.on_go = fake_good_boot;
	((uint8_t *)push.image.memory)[X100_HDR_MAGIC] = 'H';
	push.unchecked = false;
	assert_int_equal(do_push(NULL), X100_OK);
	assert_int_equal(fake.resets, 0);
}

static void a_refusal_too_fast_to_see_is_known_by_the_count_of_pushes(void **state)
{
	(void)state;
	fake.on_go = refuse_at_once;
	assert_int_equal(do_push(NULL), X100_ERR_REFUSED);
	assert_int_equal(result.reason, X100_REASON_NOT_BZIMAGE);
}

/* Counted, but not looked at yet: the ready bit still stands from before. */
static void count_and_think(void)
{
	fake_forget_events();
	fake_record()->run[0].pushes++;
	fake_post_in(5, X100_POST_GO);
	fake_post_in(10, X100_POST_DONE);
}

static void a_card_that_has_only_counted_the_push_has_not_refused_it(void **state)
{
	(void)state;
	fake.on_go = count_and_think;
	assert_int_equal(do_push(NULL), X100_OK);
}

static void a_foreign_bootstrap_refuses_without_a_reason(void **state)
{
	(void)state;
	fake_record()->magic = 0;
	fake.on_go = refuse_with_code;
	assert_int_equal(do_push(NULL), X100_ERR_REFUSED);
	assert_int_equal(result.reason, X100_REASON_NONE);
}

static void ignore(void)
{
	fake_forget_events();
}

static void a_bootstrap_that_does_not_react_times_out(void **state)
{
	char why[X100_WHY_SIZE];

	(void)state;
	fake.on_go = ignore;
	assert_int_equal(do_push(why), X100_ERR_BOOT_TIMEOUT);
	assert_in_range(fake.slept, X100_TAKE_DEADLINE, X100_TAKE_DEADLINE + SECOND);
	assert_non_null(strstr(why, "neither entered nor refused"));
}

static void take_and_hang(void)
{
	fake_forget_events();
	fake_post_in(1, X100_POST_DONE);
	fake_post_in(100, X100_POST_K_PLATFORM);
}

static void an_os_that_never_comes_up_times_out(void **state)
{
	char why[X100_WHY_SIZE];

	(void)state;
	fake.on_go = take_and_hang;
	push.wait = X100_WAIT_RUNNING;
	assert_int_equal(do_push(why), X100_ERR_BOOT_TIMEOUT);
	assert_non_null(strstr(why, "k0"));
	assert_in_range(fake.slept / SECOND, 180, 181);
}

static uint32_t end_code;

static void take_and_end(void)
{
	fake_forget_events();
	fake_post_in(1, X100_POST_DONE);
	fake_post_in(500, end_code);
}

static void an_os_that_ends_before_it_is_up_is_told_by_its_code(void **state)
{
	static const struct {
		uint32_t code;
		int error;
	} cases[] = {
		{ X100_POST_K_PANIC, X100_ERR_CRASHED }, { X100_POST_K_HALT, X100_ERR_STOPPED },
		{ X100_POST_K_OFF, X100_ERR_STOPPED },   { X100_POST_K_RESTART, X100_ERR_STOPPED },
		{ X100_POST_CODE, X100_ERR_STOPPED },    { X100_POST_EXC_PF, X100_ERR_CARD_FAILED },
		{ X100_POST_GONE, X100_ERR_OFF_BUS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown(state);
		setup(state);
		push.wait = X100_WAIT_RUNNING;
		fake.on_go = take_and_end;
		end_code = cases[i].code;
		assert_int_equal(do_push(NULL), cases[i].error);
	}
}

/* The doorbell of the shutdown word, as hardware rings it. */
static void ring_crash(void)
{
	uint64_t one = 1;

	fake_set_sbox(X100_SBOX_SDBIC(1), X100_SDBIC_REQUEST | X100_SHUTDOWN_CRASH);
	assert_int_equal(write(fake.irq_fd[5], &one, sizeof(one)), sizeof(one));
}

static void take_and_ring(void)
{
	fake_forget_events();
	fake_post_in(1, X100_POST_DONE);
	fake_call_in(500, ring_crash);
}

static void an_os_that_ends_is_told_by_its_doorbell(void **state)
{
	(void)state;
	push.wait = X100_WAIT_RUNNING;
	fake.on_go = take_and_ring;
	assert_int_equal(do_push(NULL), X100_ERR_CRASHED);
	assert_true(fake.slept < SECOND);
}

/* ------------------------------------------------------------------ vanishing */

static void a_card_that_vanishes_at_any_step_is_an_error_at_once(void **state)
{
	unsigned int all;

	push.wait = X100_WAIT_RUNNING;
	fake.mappable = false;
	assert_int_equal(do_push(NULL), X100_OK);
	all = fake.accesses;
	for (unsigned int n = 1; n < all; n++) {
		int ret;

		fake_teardown(state);
		fake_setup(state);
		fake.mappable = false;
		fake.gone_after = n;
		ret = do_push(NULL);
		if (ret != X100_ERR_GONE)
			fail_msg("gone after access %u of %u: error %d", n, all, ret);
	}
}

static void a_card_that_leaves_the_bus_at_any_step_is_found_out_in_time(void **state)
{
	unsigned int all;

	push.wait = X100_WAIT_RUNNING;
	assert_int_equal(do_push(NULL), X100_OK);
	all = fake.accesses;
	for (unsigned int n = 5; n < all; n++) {
		int ret;

		fake_teardown(state);
		fake_setup(state);
		fake.ones_after = n;
		ret = do_push(NULL);
		if (ret != X100_ERR_OFF_BUS && ret != X100_ERR_NOT_READY && n < all - 2)
			fail_msg("ones after access %u of %u: error %d", n, all, ret);
		assert_true(fake.slept < 20 * SECOND);
	}
}

static void an_interrupted_push_can_be_repeated(void **state)
{
	struct x100_card *card = fake_open();

	(void)state;
	x100_interrupt(card);
	assert_int_equal(x100_push(card, &push, &result), X100_ERR_INTERRUPTED);
	assert_int_equal(fake.goes, 0);
	x100_close(card);
	assert_int_equal(do_push(NULL), X100_OK);
}

static void a_refused_dma_mapping_ends_the_push_before_the_boot_interrupt(void **state)
{
	(void)state;
	fake.refuse_dma = X100_ERR_PEER;
	assert_int_equal(do_push(NULL), X100_ERR_PEER);
	assert_int_equal(fake.goes, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(everything_lies_where_the_bootstrap_looks),
		T(bytes_that_cannot_be_mapped_travel_by_request),
		T(files_are_pushed_like_memory),
		T(the_command_line_carries_memory_time_and_text),
		T(the_device_page_is_what_an_old_card_driver_expects),
		T(the_mailbox_is_written_in_the_order_of_the_old_host),
		T(the_vectors_are_those_of_the_old_host),
		T(the_boot_interrupt_goes_where_scratch_2_says),
		T(a_push_waits_for_login_when_asked_to),
		T(a_card_that_runs_something_is_reset_first),
		T(a_card_that_starts_is_waited_for_not_reset),
		T(nothing_is_written_for_an_image_that_is_refused_here),
		T(the_bootstraps_memory_is_never_written),
		T(a_refusal_by_the_card_has_its_reason),
		T(a_refusal_too_fast_to_see_is_known_by_the_count_of_pushes),
		T(a_card_that_has_only_counted_the_push_has_not_refused_it),
		T(a_foreign_bootstrap_refuses_without_a_reason),
		T(a_bootstrap_that_does_not_react_times_out),
		T(an_os_that_never_comes_up_times_out),
		T(an_os_that_ends_before_it_is_up_is_told_by_its_code),
		T(an_os_that_ends_is_told_by_its_doorbell),
		T(a_card_that_vanishes_at_any_step_is_an_error_at_once),
		T(a_card_that_leaves_the_bus_at_any_step_is_found_out_in_time),
		T(an_interrupted_push_can_be_repeated),
		T(a_refused_dma_mapping_ends_the_push_before_the_boot_interrupt),
	};

	return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
