// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/card.c, dma.c, irq.c, status.c, discover.c, error.c. Faked: the card and the clock.
 * Oracles: vectors/interrupts.json, vectors/layout.json.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/pci.h>
#include <x100/post.h>
#include <x100/reason.h>
#include <x100/regs.h>

static void only_x100_ids_are_opened(void **state)
{
	struct x100_card *card;
	struct x100_why why;

	(void)state;
	for (uint32_t id = 0x2248; id <= 0x2266; id++) {
		int expect = id >= 0x2250 && id <= 0x225E ? X100_OK : X100_ERR_NOT_X100;

		fake.config[0] = id << 16 | 0x8086;
		assert_int_equal(x100_open_with(&fake_ops, "here", &fake_clock, &card, &why),
				 expect);
		x100_close(card);
	}
	fake.config[0] = 0x22501234;
	assert_int_equal(x100_open_with(&fake_ops, "here", &fake_clock, &card, &why),
			 X100_ERR_NOT_X100);
	assert_non_null(strstr(why.text, "1234:2250"));
}

static void opening_switches_memory_and_mastering_on_and_nothing_else(void **state)
{
	(void)state;
	fake.config[1] = 0xFFFF0000;
	x100_close(fake_open());
	assert_int_equal(fake.config[1], 6);
	for (unsigned int n = 0; n < fake.accesses; n++)
		assert_int_equal(fake.log[n].region, X100_REGION_CONFIG);
}

static void a_busy_card_says_so(void **state)
{
	struct x100_card *card;
	struct x100_why why;

	(void)state;
	assert_int_equal(x100_open_with(&fake_ops, "busy", &fake_clock, &card, &why),
			 X100_ERR_BUSY);
	assert_null(card);
	assert_true(why.text[0]);
}

static void copies_stay_inside_the_aperture(void **state)
{
	struct x100_card *card = fake_open();
	char byte = 0;

	(void)state;
	assert_int_equal(x100_memory_read(card, fake.aperture - 1, &byte, 1), X100_OK);
	assert_int_equal(x100_memory_read(card, fake.aperture, &byte, 1), X100_ERR_ARGUMENT);
	assert_int_equal(x100_memory_write(card, UINT64_MAX, &byte, 1), X100_ERR_ARGUMENT);
	assert_int_equal(x100_memory_write(card, 4096, &byte, SIZE_MAX), X100_ERR_ARGUMENT);
	x100_close(card);
}

static void the_time_counter_is_read_in_ticks(void **state)
{
	struct x100_card *card = fake_open();
	struct x100_time_pair pair;
	uint64_t ticks;

	(void)state;
	fake.now = 64ull << 40;
	assert_int_equal(x100_etc_read(card, &ticks), X100_OK);
	assert_int_equal(ticks, 1ull << 40);
	assert_int_equal(x100_time_sample(card, &pair), X100_OK);
	assert_int_equal(pair.etc, 1ull << 40);
	fake.off_bus = true;
	assert_int_equal(x100_etc_read(card, &ticks), X100_ERR_OFF_BUS);
	x100_close(card);
}

static void host_memory_is_mapped_and_given_back(void **state)
{
	struct x100_card *card = fake_open();
	struct x100_dma a, b;
	uint64_t at_a, at_b;

	(void)state;
	assert_int_equal(x100_dma_alloc(card, 1, &a, &at_a), X100_OK);
	assert_int_equal(x100_dma_alloc(card, 65536, &b, &at_b), X100_OK);
	assert_int_equal(a.size, 4096);
	assert_true(b.iova >= a.iova + a.size || a.iova >= b.iova + b.size);
	/* Reachable through the identity windows, so no register had to change. */
	assert_true(b.iova + b.size <= 512ull << 30);
	assert_int_equal(at_a, X100_SYSMEM_BASE + a.iova);
	assert_int_equal(fake.dma_maps, 2);
	/* Who gets the file cannot cut it short under us. */
	assert_int_equal(ftruncate(fake.last_dma.fd, 0), -1);
	x100_dma_free(card, &a, at_a);
	x100_dma_free(card, &b, at_b);
	assert_int_equal(fake.dma_maps, 0);
	assert_int_equal(x100_dma_alloc(card, 0, &a, &at_a), X100_ERR_ARGUMENT);
	fake.refuse_dma = X100_ERR_PEER;
	assert_int_equal(x100_dma_alloc(card, 4096, &a, &at_a), X100_ERR_PEER);
	assert_null(a.memory);
	x100_close(card);
}

static void doorbells_to_the_card_are_those_of_the_old_host(void **state)
{
	json_object *root = load_vectors("interrupts.json"), *bells = vget(root, "host_to_card");
	struct x100_card *card = fake_open();

	(void)state;
	assert_int_equal(json_object_array_length(bells), 16);
	for (size_t i = 0; i < 16; i++) {
		json_object *bell = json_object_array_get_idx(bells, i);
		json_object *writes = vget(bell, "writes");
		uint64_t offset = vnum(vget(bell, "bar4_offset"));

		for (size_t w = 0; w < json_object_array_length(writes); w++) {
			json_object *write = json_object_array_get_idx(writes, w);
			const struct fake_access *last;

			/* ICR7 would start the fake's bootstrap. */
			fake.on_go = NULL;
			if (vget(write, "before"))
				fake.mmio[offset / 4] = (uint32_t)vnum(vget(write, "before"));
			assert_int_equal(x100_doorbell(card, (unsigned int)i), X100_OK);
			last = &fake.log[fake.accesses - 1];
			assert_int_equal(last->kind, FAKE_WRITE);
			assert_int_equal(last->offset, offset);
			assert_int_equal(last->value, vnum(vget(write, "written")));
			if (json_object_get_boolean(vget(write, "reads_first")))
				assert_int_equal(last[-1].kind, FAKE_READ);
		}
	}
	assert_int_equal(x100_doorbell(card, 16), X100_ERR_ARGUMENT);
	assert_int_equal(x100_doorbell(card, 255), X100_ERR_ARGUMENT);
	json_object_put(root);
	x100_close(card);
}

static void interrupts_are_taken_once_and_enabled_again(void **state)
{
	struct x100_card *card = fake_open();
	uint64_t one = 1;
	uint32_t causes;

	(void)state;
	assert_int_equal(x100_irq_take(card, &causes), X100_OK);
	assert_int_equal(causes, 0);
	assert_int_equal(x100_irq_setup(card), X100_OK);
	assert_int_equal(x100_irq_setup(card), X100_OK); /* a second time is nothing */
	assert_int_equal(write(fake.irq_fd[2], &one, sizeof(one)), sizeof(one));
	assert_int_equal(write(fake.irq_fd[5], &one, sizeof(one)), sizeof(one));
	assert_int_equal(x100_irq_take(card, &causes), X100_OK);
	assert_int_equal(causes, X100_SRC_DMA(2) | X100_SRC_DOORBELL(1));
	assert_int_equal(fake_sbox(X100_SBOX_SICE0), X100_SRC_USED);
	assert_int_equal(x100_irq_take(card, &causes), X100_OK);
	assert_int_equal(causes, 0);
	x100_close(card);
}

static void each_code_means_its_state(void **state)
{
	static const struct {
		uint32_t post, sdbic1;
		bool ready;
		enum x100_state state;
	} cases[] = {
		{ X100_POST_GONE, 0, false, X100_STATE_OFF_BUS },
		{ X100_POST_NONE, 0, false, X100_STATE_STARTING },
		{ X100_POST_CODE, 0, true, X100_STATE_STARTING },
		{ X100_POST_TRAIN_ADDR, 0, true, X100_STATE_STARTING },
		{ X100_POST_AP_WAIT, 0, false, X100_STATE_STARTING },
		{ X100_POST_READY, 0, false, X100_STATE_STARTING },
		{ X100_POST_READY, 0, true, X100_STATE_READY },
		{ X100_POST_GO, 0, false, X100_STATE_BOOTING },
		{ X100_POST_DONE, 0, false, X100_STATE_BOOTING },
		{ X100_POST_K_SMP, 0, false, X100_STATE_BOOTING },
		{ X100_POST('z', 'z'), 0, false, X100_STATE_BOOTING },
		{ X100_POST_K_UP, 0, false, X100_STATE_RUNNING },
		{ X100_POST_K_UP, X100_SHUTDOWN_CRASH, false, X100_STATE_CRASHED },
		{ X100_POST_K_UP, X100_SHUTDOWN_POWER_OFF, false, X100_STATE_OFF },
		{ X100_POST_K_PANIC, 0, false, X100_STATE_CRASHED },
		{ X100_POST_K_HALT, 0, false, X100_STATE_HALTED },
		{ X100_POST_K_OFF, 0, false, X100_STATE_OFF },
		{ X100_POST_K_RESTART, 0, false, X100_STATE_RESTART },
		{ X100_POST_TRAIN_FAILED, 0, false, X100_STATE_FAILED },
		{ X100_POST_EXC_GP, 0, false, X100_STATE_FAILED },
	};
	struct x100_card *card = fake_open();
	struct x100_status s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_set_post(cases[i].post);
		fake_set_sbox(X100_SBOX_SDBIC(1), cases[i].sdbic1);
		fake_set_sbox(X100_SBOX_SCRATCH(2),
			      x100_spad2_make(FAKE_BOOT, FAKE_APIC, cases[i].ready));
		assert_int_equal(x100_status_read(card, &s), X100_OK);
		if (s.state != cases[i].state)
			fail_msg("case %zu: %s", i, x100_state_words(s.state));
	}
	x100_close(card);
}

static void a_status_changes_nothing_and_knows_the_card(void **state)
{
	struct x100_card *card = fake_open();
	unsigned int start = fake.accesses;
	struct x100_status s;

	(void)state;
	assert_int_equal(x100_status_read(card, &s), X100_OK);
	for (unsigned int n = start; n < fake.accesses; n++)
		assert_int_equal(fake.log[n].kind, FAKE_READ);
	assert_string_equal(s.product, "5110P");
	assert_string_equal(s.stepping, "C0");
	/* SCRATCH4 and the ratio are those measured on a 3120A. */
	assert_int_equal(s.cores, 57);
	assert_int_equal(s.threads, 4);
	assert_int_equal(s.core_mhz, 1100);
	assert_int_equal(s.memory, FAKE_MEMORY);
	assert_true(s.has_record);
	x100_close(card);
}

static void memory_sizes_are_those_read_from_scratch_0(void **state)
{
	json_object *root = load_vectors("boot.json");
	json_object *cases = vget(vget(root, "barrelfish"), "spad3_reserved_size");
	struct x100_card *card = fake_open();
	struct x100_status s;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i);

		fake_set_sbox(X100_SBOX_SCRATCH(0), (uint32_t)vnum(vget(c, "spad0")));
		assert_int_equal(x100_status_read(card, &s), X100_OK);
		assert_int_equal(s.memory, vnum(vget(c, "memory_size")));
	}
	json_object_put(root);
	x100_close(card);
}

/* Every error, reason and code has words, and every error a hint and a status of its group. */
static void everything_has_words(void **state)
{
	static const int errors[] = {
#define X(name, number, status, what, hint) X100_ERR_##name,
		X100_ERROR_LIST(X)
#undef X
	};
	static const uint32_t reasons[] = {
#define X(name, number, what, fix) number,
		X100_REASON_LIST(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int status = x100_error_exit_status(errors[i]);

		assert_true(x100_error_words(errors[i])[0]);
		assert_true(x100_error_hint(errors[i])[0]);
		assert_true((status >= 2 && status <= 7) || status == 130);
		assert_null(strstr(x100_error_words(errors[i]), "does not know"));
	}
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		assert_null(strstr(x100_reason_words(reasons[i]), "does not know"));
		assert_true(x100_reason_hint(reasons[i])[0]);
	}
	assert_non_null(strstr(x100_error_words(-999), "does not know"));
	assert_int_equal(x100_error_exit_status(-999), 1);
	assert_non_null(strstr(x100_reason_words(9999), "does not know"));
}

static void codes_are_two_characters_first_one_in_the_low_byte(void **state)
{
	char text[8];

	(void)state;
	assert_string_equal(x100_post_text(0x3231, text), "12");
	assert_string_equal(x100_post_text(0x6330, text), "0c");
	assert_string_equal(x100_post_text(0, text), "--");
	assert_string_equal(x100_post_text(~0u, text), "gone");
	assert_string_equal(x100_post_text(0x1b07, text), "??");
	assert_non_null(strstr(x100_post_words(0x3231), "ready"));
}

/* ------------------------------------------------------------------ which card */

static char folder[64];

static int make_folder(void **state)
{
	char path[80];

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/x100-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x100", folder);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	unsetenv("X100_DEVICE");
	return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void make_socket(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/x100/%s", folder, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
}

static void the_only_card_needs_no_name(void **state)
{
	char name[X100_NAME_SIZE], expect[X100_NAME_SIZE];
	struct x100_why why;

	(void)state;
	assert_int_equal(x100_choose(NULL, name, &why), X100_ERR_NO_DEVICE);
	make_socket("card0.sock.serial");
	assert_int_equal(x100_choose(NULL, name, &why), X100_ERR_NO_DEVICE);
	make_socket("card0.sock");
	assert_int_equal(x100_choose(NULL, name, &why), X100_OK);
	snprintf(expect, sizeof(expect), "model:%s/x100/card0.sock", folder);
	assert_string_equal(name, expect);
}

static void several_cards_are_listed(void **state)
{
	char name[X100_NAME_SIZE];
	struct x100_why why;

	(void)state;
	make_socket("b.sock");
	make_socket("a.sock");
	assert_int_equal(x100_choose(NULL, name, &why), X100_ERR_AMBIGUOUS);
	assert_non_null(strstr(why.text, "/a.sock, model:"));
	assert_non_null(strstr(why.text, "/b.sock"));
	assert_int_equal(x100_choose("model:/x", name, &why), X100_OK);
	assert_string_equal(name, "model:/x");
	setenv("X100_DEVICE", "model:/y", 1);
	assert_int_equal(x100_choose(NULL, name, &why), X100_OK);
	assert_string_equal(name, "model:/y");
	assert_int_equal(x100_choose("model:/x", name, &why), X100_OK);
	assert_string_equal(name, "model:/x");
}

static void names_without_a_scheme_are_refused(void **state)
{
	struct x100_card *card;
	struct x100_why why;

	(void)state;
	assert_int_equal(x100_open("card0", &card, &why), X100_ERR_NAME);
	assert_int_equal(x100_open("", &card, &why), X100_ERR_NAME);
	assert_int_equal(x100_open("model", &card, &why), X100_ERR_NAME);
	assert_int_equal(x100_open("model:", &card, &why), X100_ERR_NAME);
	assert_int_equal(x100_open("modelx:/a", &card, &why), X100_ERR_NAME);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
#define F(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	static const struct CMUnitTest tests[] = {
		T(only_x100_ids_are_opened),
		T(opening_switches_memory_and_mastering_on_and_nothing_else),
		T(a_busy_card_says_so),
		T(copies_stay_inside_the_aperture),
		T(the_time_counter_is_read_in_ticks),
		T(host_memory_is_mapped_and_given_back),
		T(doorbells_to_the_card_are_those_of_the_old_host),
		T(interrupts_are_taken_once_and_enabled_again),
		T(each_code_means_its_state),
		T(a_status_changes_nothing_and_knows_the_card),
		T(memory_sizes_are_those_read_from_scratch_0),
		cmocka_unit_test(everything_has_words),
		cmocka_unit_test(codes_are_two_characters_first_one_in_the_low_byte),
		F(the_only_card_needs_no_name),
		F(several_cards_are_listed),
		F(names_without_a_scheme_are_refused),
	};

	return cmocka_run_group_tests_name("card", tests, NULL, NULL);
}
