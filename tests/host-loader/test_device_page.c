// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: the bytes of the device page and the rings, the order of the host's stores and its
 * doorbells, held against what the old drivers did (tests/vectors/device_page.json), for generations
 * C2, C and A. Faked: the card, whose recorded stores and doorbells are played back.
 *
 * Where the host differs on purpose, and why (numbers are those of x100-abi.md section 9):
 *
 *   bootparam.c2h_scif_db, scif_host_dma    0xFF and 0 stay: there is no SCIF
 *   last byte of a control block            cleared when a device is added: it is card_features now
 *   stop                                    no handshakes with a card that is reset (38); the page is
 *                                           made anew at the next boot, no stale slots (13)
 *   slot of another size                    not used again (12); nor one with other lengths
 *   slot of a card that did not answer      not used again before its reset (11)
 *   end of a removal                        type -1 is waited for, too (10)
 *   config doorbell that appears            rung once (9)
 *   rings of 256 to 1024 entries            accepted, for a card OS made for them
 *   no queues, type 0 or -1                 refused; feature_len is always 4
 *   a fifth device, with MSI-X              accepted: devices share doorbells and vectors
 */
#include "vcard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "vpage.h"

enum which {
	CONSOLE,
	NET,
	BLOCK,
	DEVICES
};

static const char *const device_names[DEVICES] = { "console", "net", "block" };

static json_object *vectors, *generation;
static struct vcard_backend be[DEVICES];

/* ------------------------------------------------------------------ set-up */

static void add(enum which which)
{
	static const uint8_t console[12];
	static const uint8_t net[17];
	static const uint8_t block[36] = { 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7E };
	bool a = vcard.params.generation == X100_GEN_A;
	const struct x100_vdev_params params[DEVICES] = {
		{ .type = 3, .queues = 2, .config = console, .config_size = sizeof(console) },
		{ .type = 1,
		  .queues = 2,
		  .features = ~0u,
		  .config = net,
		  .config_size = a ? 10 : sizeof(net) },
		{ .type = 2,
		  .queues = 1,
		  .features = 4,
		  .config = block,
		  .config_size = sizeof(block) },
	};
	struct x100_vdev_params p = params[which];

	p.name = device_names[which];
	p.ops = &vcard_ops;
	p.arg = &be[which];
	memset(&be[which], 0, sizeof(be[which]));
	assert_int_equal(x100_vpage_add(vcard.page, &p, &be[which].dev), X100_OK);
}

static int setup(void **state, enum x100_generation g)
{
	static const char *const names[] = { "C2", "C", "A" };
	static const uint8_t bells[] = { 1, 2, 3, 0 };
	const struct x100_vpage_params params = { .generation = g,
						  .legacy_features = true,
						  .node_id = 1 };

	if (vcard_setup(state))
		return -1;
	vectors = load_vectors("device_page.json");
	/* C stores the same as C2 on the page. */
	generation = vget(vget(vectors, "generations"), g == X100_GEN_C ? "C2" : names[g]);
	vcard_new_page(&params);
	/* As on the old host's first boot: SCIF or the shutdown came first. */
	vpage_set_bells(vcard.page, bells, sizeof(bells), 0);
	return 0;
}

static int setup_c2(void **state)
{
	return setup(state, X100_GEN_C2);
}

static int setup_c(void **state)
{
	return setup(state, X100_GEN_C);
}

static int setup_a(void **state)
{
	return setup(state, X100_GEN_A);
}

static int teardown(void **state)
{
	json_object_put(vectors);
	return vcard_teardown(state);
}

/* ------------------------------------------------------------------ comparing */

/* Offsets on the page whose values are examples, or differ on purpose. */
static void mask_page(uint8_t *page)
{
	if (vcard.params.generation != X100_GEN_A) {
		page[7] = 0;
		memset(page + 8, 0, 8);
	}
	for (unsigned int i = 0; i < DEVICES; i++) {
		json_object *d = json_object_array_get_idx(vget(generation, "descriptors"), i);
		uint8_t *desc = page + vnum(vget(d, "offset"));

		for (unsigned int q = 0; q < (i == BLOCK ? 1 : 2); q++)
			memset(desc + x100_vdev_vq_offset(q), 0, 8);
	}
}

static void expect_page(const char *name)
{
	json_object *snapshot = vget(vget(generation, "snapshots"), name);
	json_object *runs = vget(snapshot, "runs");
	uint8_t want[X100_DEVPAGE_SIZE] = { 0 }, have[X100_DEVPAGE_SIZE];

	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		json_object *run = json_object_array_get_idx(runs, i);
		uint64_t at = vnum(json_object_array_get_idx(run, 0));
		const char *hex = json_object_get_string(json_object_array_get_idx(run, 1));

		for (; *hex; hex += 2, at++) {
			char byte[3] = { hex[0], hex[1], 0 };

			want[at] = (uint8_t)strtoul(byte, NULL, 16);
		}
	}
	memcpy(have, vcard.page->at, sizeof(have));
	mask_page(want);
	mask_page(have);
	for (unsigned int i = 0; i < sizeof(have); i++)
		if (want[i] != have[i])
			fail_msg("%s: byte %u is %02x, not %02x", name, i, have[i], want[i]);
}

/* Play the card's part of a sequence and look at the host's. */
static void play(const char *name)
{
	json_object *rows = vget(vget(generation, "sequences"), name);
	unsigned int rung[16];

	memset(rung, 0, sizeof(rung));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *who = json_object_get_string(json_object_array_get_idx(row, 0));
		uint64_t offset, size, value;
		uint8_t *at;

		if (!strcmp(who, "time_ms"))
			continue;
		if (!strcmp(who, "doorbell")) {
			const char *way = json_object_get_string(json_object_array_get_idx(row, 1));
			unsigned int n = (unsigned int)vnum(json_object_array_get_idx(row, 2));

			if (!strcmp(way, "card to host"))
				vcard_ring(n);
			else if (fake.rung[n] != ++rung[n])
				fail_msg("%s row %zu: doorbell %u was rung %u times, not %u", name,
					 i, n, fake.rung[n], rung[n]);
			continue;
		}
		offset = vnum(json_object_array_get_idx(row, 1));
		size = vnum(json_object_array_get_idx(row, 2));
		value = vnum(json_object_array_get_idx(row, 4));
		at = vcard.page->at + offset;
		if (!strcmp(who, "card")) {
			memcpy(at, &value, size);
			continue;
		}
		if (strstr(json_object_get_string(json_object_array_get_idx(row, 3)), ".address"))
			continue;
		/* The old host looked every 100 ms for answers that come without a doorbell. */
		if (memcmp(at, &value, size))
			vcard_run(100);
		if (memcmp(at, &value, size))
			fail_msg("%s row %zu: the host did not store %s", name, i,
				 json_object_to_json_string(row));
	}
}

static void reach_block(void)
{
	for (int i = 0; i < DEVICES; i++)
		add((enum which)i);
	assert_int_equal(card_devpage_prepare(vcard.card), X100_OK);
}

static void reach_card(void)
{
	reach_block();
	play("card_probe");
	/* The page is looked at now and then until the doorbell is there, which is rung once. */
	vcard_run(500);
	memset(fake.rung, 0, sizeof(fake.rung));
}

/* ------------------------------------------------------------------ life of a page */

static void a_new_page_is_as_after_the_probe(void **state)
{
	(void)state;
	expect_page("probe");
	expect_page("start");
}

static void devices_are_laid_out_as_they_were(void **state)
{
	(void)state;
	add(CONSOLE);
	expect_page("console");
	add(NET);
	expect_page("net");
	add(BLOCK);
	expect_page("block");
}

static void a_boot_lays_them_out_again(void **state)
{
	(void)state;
	reach_block();
	expect_page("block");
	memset(vcard.page->at, 0x77, X100_DEVPAGE_SIZE);
	assert_int_equal(card_devpage_prepare(vcard.card), X100_OK);
	expect_page("block");
}

static void the_card_probes(void **state)
{
	(void)state;
	reach_card();
	expect_page("card");
	for (int i = 0; i < DEVICES; i++)
		assert_int_equal(be[i].starts, 1);
}

static void net_is_removed_and_added_again(void **state)
{
	(void)state;
	reach_card();
	x100_vdev_remove(be[NET].dev, vcard_done, &be[NET]);
	play("remove_net");
	expect_page("remove_net");
	assert_int_equal(be[NET].done, 1);
	assert_int_equal(be[NET].error, X100_OK);
	memset(fake.rung, 0, sizeof(fake.rung));
	add(NET);
	expect_page("readd_net_host");
	play("readd_net");
	expect_page("readd_net");
	assert_int_equal(be[NET].starts, 1);
	assert_int_equal(be[CONSOLE].stops + be[BLOCK].stops, 0);
}

static void net_is_removed_without_a_card(void **state)
{
	(void)state;
	reach_block();
	x100_vdev_remove(be[NET].dev, vcard_done, &be[NET]);
	play("remove_net_nocard");
	expect_page("remove_net_nocard");
}

static void net_is_removed_from_a_dead_card(void **state)
{
	uint64_t start;

	(void)state;
	reach_card();
	start = fake.now;
	x100_vdev_remove(be[NET].dev, vcard_done, &be[NET]);
	while (!be[NET].done)
		x100_loop_turn(vcard.loop, -1);
	expect_page("remove_net_dead");
	assert_int_equal((fake.now - start) / X100_NS_PER_SEC,
			 vcard.params.generation == X100_GEN_A ? 10 : 15);
}

static void the_capacity_changes(void **state)
{
	const uint64_t capacity = 2097153;

	(void)state;
	reach_card();
	assert_int_equal(x100_vdev_config_write(be[BLOCK].dev, 0, &capacity, 8, vcard_done,
						&be[BLOCK]),
			 X100_OK);
	play("config_change");
	expect_page("config_change");
	assert_int_equal(be[BLOCK].error, X100_OK);
	assert_int_equal(be[BLOCK].done, 1);
}

static void rings_are_empty_but_for_the_trailer(void **state)
{
	static const char *const names[] = { "C2", "C", "A" };
	json_object *rings =
		vget(vget(vget(vectors, "generations"), names[vcard.params.generation]), "rings");

	(void)state;
	reach_block();
	for (size_t i = 0; i < json_object_array_length(rings); i++) {
		json_object *ring = json_object_array_get_idx(rings, i);
		unsigned int q = (unsigned int)vnum(vget(ring, "queue"));
		json_object *run = json_object_array_get_idx(vget(ring, "non_zero"), 0);
		uint64_t at = vnum(json_object_array_get_idx(run, 0));
		uint32_t magic = (uint32_t)vnum(vget(ring, "magic"));
		uint8_t want[8192] = { 0 };
		struct x100_vqconfig c;
		int d;

		for (d = 0; strcmp(device_names[d], json_object_get_string(vget(ring, "device")));
		     d++)
			;
		memcpy(&c, be[d].dev->desc + x100_vdev_vq_offset(q), sizeof(c));
		assert_int_equal(vnum(vget(ring, "bytes")), sizeof(want));
		memcpy(want + at, &magic, sizeof(magic));
		assert_memory_equal(vcard_host(c.address, sizeof(want)), want, sizeof(want));
		assert_int_equal(c.address % X100_VRING_ALIGN, 0);
	}
}

/* ------------------------------------------------------------------ order of stores */

/*
 * The page is read-only while the trap is set: every instruction that stores to it is noted, with the
 * doorbells rung until then.
 */
struct store {
	unsigned int offset, rung;
};

static struct {
	struct store log[4096];
	unsigned int count;
	bool set;
} trap;

static unsigned int doorbells(void)
{
	unsigned int all = 0;

	for (int i = 0; i < 16; i++)
		all += fake.rung[i];
	return all;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint8_t *at = info->si_addr;

	(void)sig;
	if (!trap.set || at < vcard.page->at || at >= vcard.page->at + X100_DEVPAGE_SIZE)
		abort();
	if (trap.count < 4096)
		trap.log[trap.count++] =
			(struct store){ .offset = (unsigned int)(at - vcard.page->at),
					.rung = doorbells() };
	mprotect(vcard.page->at, X100_DEVPAGE_SIZE, PROT_READ | PROT_WRITE);
	u->uc_mcontext.gregs[REG_EFL] |= 0x100;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)info;
	u->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
	mprotect(vcard.page->at, X100_DEVPAGE_SIZE, PROT_READ);
}

static void set_trap(void)
{
	struct sigaction segv = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGTRAP, &step, NULL);
	trap.count = 0;
	trap.set = true;
	mprotect(vcard.page->at, X100_DEVPAGE_SIZE, PROT_READ);
}

static void clear_trap(void)
{
	mprotect(vcard.page->at, X100_DEVPAGE_SIZE, PROT_READ | PROT_WRITE);
	trap.set = false;
	assert_in_range(trap.count, 1, 4095);
}

/* Number of the last store to @offset, and of the first. */
static unsigned int last_store(unsigned int offset)
{
	unsigned int i = trap.count;

	while (i && trap.log[i - 1].offset != offset)
		i--;
	assert_true(i);
	return i;
}

static unsigned int offset_of(const struct x100_vdev *dev, unsigned int ctrl)
{
	return (unsigned int)(dev->ctrl - vcard.page->at) + ctrl;
}

static void type_is_stored_last_and_then_the_card_is_rung(void **state)
{
	unsigned int type;

	(void)state;
	reach_card();
	x100_vdev_remove(be[NET].dev, NULL, NULL);
	play("remove_net");
	memset(fake.rung, 0, sizeof(fake.rung));
	set_trap();
	add(NET);
	clear_trap();
	type = (unsigned int)(be[NET].dev->desc - vcard.page->at);
	assert_int_equal(last_store(type), trap.count);
	for (unsigned int i = 0; i + 1 < trap.count; i++)
		assert_int_not_equal(trap.log[i].offset, type);
	assert_int_equal(trap.log[trap.count - 1].rung, 0);
	assert_int_equal(doorbells(), 1);
}

static void a_reset_is_acknowledged_last(void **state)
{
	struct x100_vdev *dev;

	(void)state;
	reach_card();
	dev = be[NET].dev;
	dev->ctrl[11] = 0;
	dev->ctrl[9] = 1;
	set_trap();
	vcard_ring(dev->c2h_db);
	clear_trap();
	assert_int_equal(trap.count, 3);
	assert_int_equal(trap.log[0].offset, (unsigned int)(dev->desc - vcard.page->at) + 4);
	assert_int_equal(trap.log[1].offset, offset_of(dev, 9));
	assert_int_equal(trap.log[2].offset, offset_of(dev, 11));
}

static void config_bytes_are_stored_before_the_word_that_tells_of_them(void **state)
{
	const uint64_t capacity = 2097153;
	struct x100_vdev *dev;
	unsigned int change;

	(void)state;
	reach_card();
	dev = be[BLOCK].dev;
	change = offset_of(dev, 8);
	set_trap();
	assert_int_equal(x100_vdev_config_write(dev, 0, &capacity, 8, NULL, NULL), X100_OK);
	clear_trap();
	assert_int_equal(last_store(change), trap.count);
	assert_int_equal(trap.log[trap.count - 1].rung, 0);
	assert_int_equal(doorbells(), 1);
	/* An acknowledgement that is not answered any more must not count for this one. */
	assert_int_equal(last_store(offset_of(dev, 10)), trap.count - 1);
}

static void the_bytes_stored_while_adding_are_those(void **state)
{
	json_object *ranges = vget(generation, "host_stores_while_adding");
	static bool want[X100_DEVPAGE_SIZE];
	uint8_t pattern = 0xA5, *page = vcard.page->at;
	bool a = vcard.params.generation == X100_GEN_A;

	(void)state;
	memset(want, 0, sizeof(want));
	for (size_t i = 0; i < json_object_array_length(ranges); i++) {
		json_object *r = json_object_array_get_idx(ranges, i);

		memset(want + vnum(json_object_array_get_idx(r, 0)), true,
		       vnum(json_object_array_get_idx(r, 1)));
	}
	memset(page, pattern, X100_DEVPAGE_SIZE);
	vpage_lay_bootparam(vcard.page);
	for (int i = 0; i < DEVICES; i++)
		add((enum which)i);
	for (int i = 0; i < DEVICES; i++) {
		struct x100_vdev *dev = be[i].dev;

		/* Ours: card_features. Padding of a vqconfig: the old host copied the daemon's. */
		want[offset_of(dev, 15)] = true;
		for (unsigned int q = 0; q < dev->params.queues; q++)
			memset(want + (dev->desc - page) + x100_vdev_vq_offset(q) + 18, false, 6);
		memset(want + (dev->desc - page) + 5, false, 3);
	}
	/* Padding of ours is stored with the rest. */
	if (a)
		memset(want + 9, true, 7);
	for (unsigned int i = 0; i < X100_DEVPAGE_SIZE; i++)
		if ((page[i] != pattern) != want[i])
			fail_msg("byte %u was%s stored", i, want[i] ? " not" : "");
}

/* ------------------------------------------------------------------ what may be added, and where */

static int try_add(const struct x100_vdev_params *params, char *name)
{
	static struct vcard_backend nobody;
	struct x100_vdev_params p = *params;
	struct x100_vdev *dev;

	p.name = name;
	p.config = calloc(1, 256);
	p.ops = &vcard_ops;
	p.arg = &nobody;
	memset(&nobody, 0, sizeof(nobody));

	int ret = x100_vpage_add(vcard.page, &p, &dev);

	free((void *)p.config);
	return ret;
}

static void the_same_devices_are_accepted_and_refused(void **state)
{
	json_object *cases = vget(vget(vectors, "add_device"), "cases");
	unsigned int checked = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i);
		const char *what = json_object_get_string(vget(c, "case"));
		int64_t type = json_object_get_int64(vget(c, "type"));
		uint64_t queues = vnum(vget(c, "num_vq")), ring = vnum(vget(c, "ring"));
		uint64_t config = vnum(vget(c, "config_len"));
		int64_t result = json_object_get_int64(vget(c, "result"));
		const struct x100_vpage_params params = vcard.params;
		struct x100_vdev_params p = {
			.type = (uint8_t)type,
			.queues = (unsigned int)queues,
			.entries = (uint16_t)ring,
			.config_size = (uint8_t)config,
		};
		char name[] = "device";

		/* Not to be said to this host: another feature_len; 0 entries stands for 128. */
		if (vnum(vget(c, "feature_len")) != 4 || !ring)
			continue;
		vcard_new_page(&params);
		if (!queues || type <= 0 || ring == 256)
			result = ring == 256 ? 0 : -22;
		if ((try_add(&p, name) == X100_OK) != (result == 0))
			fail_msg("%s: should be %s", what, result ? "refused" : "accepted");
		checked++;
	}
	assert_true(checked > 12);
}

/* A device of @total bytes with one queue, or two. */
static bool params_of(uint64_t total, struct x100_vdev_params *p)
{
	*p = (struct x100_vdev_params){ .type = 2, .queues = 1, .entries = 8 };
	if (total < 56)
		return false;
	p->config_size = (uint8_t)(total - 56);
	/* 272 is the largest: 256 and the control block. */
	if (total == 272)
		p->config_size = 216;
	return true;
}

static void slots_are_chosen_as_before_but_for_unequal_ones(void **state)
{
	json_object *cases = vget(vget(vectors, "slot_choice"), "cases");
	unsigned int checked = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i), *steps = vget(c, "steps");
		const char *what = json_object_get_string(vget(c, "case"));
		/* Those two corrupted the list: the new device goes behind the others here. */
		bool unequal = strstr(what, "overlaps") || strstr(what, "out of step");
		const struct x100_vpage_params params = vcard.params;
		struct x100_vdev *devs[256] = { 0 };
		unsigned int added = 0;

		vcard_new_page(&params);
		for (size_t k = 0; k < json_object_array_length(steps); k++) {
			json_object *s = json_object_array_get_idx(steps, k), *value;
			const char *op = json_object_get_string(vget(s, "op"));
			static struct vcard_backend nobody;
			struct x100_vdev_params p;
			char name[32];
			uint64_t want;
			int64_t result;
			int ret;

			if (!strcmp(op, "remove")) {
				x100_vdev_remove(devs[vnum(vget(s, "device"))], NULL, NULL);
				continue;
			}
			/* Without a total of its own a refused one is as long as the last. */
			if (json_object_object_get_ex(s, "total", &value) &&
			    !params_of(vnum(value), &p))
				break;
			snprintf(name, sizeof(name), "d%u", added);
			p.name = name;
			p.config = vcard_memory(0);
			p.ops = &vcard_ops;
			p.arg = &nobody;
			result = json_object_get_int64(vget(s, "result"));
			/* Vectors do not run out here. */
			if (strstr(what, "vectors run out"))
				result = 0;
			ret = x100_vpage_add(vcard.page, &p, &devs[added]);
			if (ret != (result ? X100_ERR_NO_ROOM : X100_OK))
				fail_msg("%s, step %zu: %d", what, k, ret);
			checked++;
			if (ret)
				continue;
			want = vnum(vget(s, "offset"));
			if (unequal && k == json_object_array_length(steps) - 1)
				want = 320;
			if (vcard.page->slot[devs[added]->slot].offset != want)
				fail_msg("%s, step %zu: at %u, not %llu", what, k,
					 vcard.page->slot[devs[added]->slot].offset,
					 (unsigned long long)want);
			added++;
		}
	}
	assert_true(checked > 60);
}

#define C2(f)  cmocka_unit_test_setup_teardown(f, setup_c2, teardown)
#define C(f)   cmocka_unit_test_setup_teardown(f, setup_c, teardown)
#define A(f)   cmocka_unit_test_setup_teardown(f, setup_a, teardown)
#define ALL(f) C2(f), C(f), A(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(a_new_page_is_as_after_the_probe),
		ALL(devices_are_laid_out_as_they_were),
		ALL(a_boot_lays_them_out_again),
		ALL(the_card_probes),
		ALL(net_is_removed_and_added_again),
		ALL(net_is_removed_without_a_card),
		ALL(net_is_removed_from_a_dead_card),
		C2(the_capacity_changes),
		C(the_capacity_changes),
		ALL(rings_are_empty_but_for_the_trailer),
		ALL(type_is_stored_last_and_then_the_card_is_rung),
		ALL(a_reset_is_acknowledged_last),
		ALL(config_bytes_are_stored_before_the_word_that_tells_of_them),
		ALL(the_bytes_stored_while_adding_are_those),
		C2(the_same_devices_are_accepted_and_refused),
		C2(slots_are_chosen_as_before_but_for_unequal_ones),
	};

	return cmocka_run_group_tests_name("device_page", tests, NULL, NULL);
}
