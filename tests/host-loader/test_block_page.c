// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: a disk together with the device page and the rings that it is served through. Faked: the
 * card and its driver (vcard.h); the I/O is real.
 */
#include "vcard.h"

#include <linux/virtio_blk.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"

#define SIZE      (1u << 20) /* of the disk */
#define SECTOR    512u
#define EVENT_IDX (1u << 29)
#define NEXT      1
#define WRITE     2

static struct x100_backend_env env;
static struct x100_backend *disk;
static struct vcard_driver driver;
static char path[64];
static int file;
static bool removed;

static void log_line(void *arg, int level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static int setup(void **state)
{
	char spec[100];
	struct x100_why why;

	if (vcard_setup(state))
		return -1;
	strcpy(path, "/tmp/x100-block-XXXXXX");
	file = mkstemp(path);
	if (file < 0 || ftruncate(file, SIZE))
		return -1;
	env = (struct x100_backend_env){
		.card = vcard.card,
		.loop = vcard.loop,
		.page = vcard.page,
		.card_name = "mic0",
		.log = log_line,
	};
	snprintf(spec, sizeof(spec), "%s,queues=2", path);
	if (x100_block_class.open(&env, "disk0", spec, &why, &disk))
		return -1;
	vcard_boot();
	vcard_publish(8);
	vcard_probe(&driver, 0, ~0u);
	return 0;
}

static int teardown(void **state)
{
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_block_class.close(disk);
	close(file);
	unlink(path);
	return vcard_teardown(state);
}

/* Offer a request of @size bytes of data in two parts; @data is where it is in card memory. */
static void offer(unsigned int queue, uint32_t type, uint64_t sector, uint64_t data, uint32_t size)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	struct vcard_queue *q = &driver.q[queue];
	uint16_t at = q->free_desc, write = type == VIRTIO_BLK_T_IN ? WRITE : 0;
	uint64_t head = vcard_alloc(sizeof(header) + 1);
	uint16_t d[4];

	for (unsigned int i = 0; i < 4; i++)
		d[i] = (uint16_t)((at + i) % q->num);
	q->free_desc = (uint16_t)((at + 4) % q->num);
	memcpy(vcard_memory(head), &header, sizeof(header));
	vcard_desc(q, d[0], head, sizeof(header), NEXT, d[1]);
	vcard_desc(q, d[1], data, size / 2, NEXT | write, d[2]);
	vcard_desc(q, d[2], data + size / 2, size / 2, NEXT | write, d[3]);
	vcard_desc(q, d[3], head + sizeof(header), 1, WRITE, 0);
	vcard_offer(q, d[0]);
}

/* Until @count requests of a queue came back, in 20 s of real time. */
static void await_used(unsigned int queue, unsigned int count)
{
	time_t end = time(NULL) + 20;
	uint32_t id, len;

	while (count) {
		assert_true(time(NULL) < end);
		if (vcard_used(&driver.q[queue], &id, &len))
			count--;
		else
			vcard_turn();
		sched_yield();
	}
}

static void under_load(void)
{
	uint64_t data = vcard_alloc(65536);

	for (unsigned int i = 0; i < 20; i++) {
		offer(0, i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 0, data, 65536);
		offer(1, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 128, data, 65536);
	}
	vcard_kick(&driver);
}

static void writes_and_reads(void **state)
{
	uint64_t out = vcard_alloc(8192), in = vcard_alloc(8192);
	uint8_t got[8192];

	(void)state;
	assert_true(driver.accepted & EVENT_IDX);
	memset(vcard_memory(out), 0x5A, 8192);
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int queue = i % 2;

		offer(queue, VIRTIO_BLK_T_OUT, i, out, 8192);
		vcard_kick(&driver);
		await_used(queue, 1);
		offer(queue, VIRTIO_BLK_T_IN, i, in, 8192);
		vcard_kick(&driver);
		await_used(queue, 1);
		assert_memory_equal(vcard_memory(out), vcard_memory(in), 8192);
		memset(vcard_memory(in), 0, 8192);
	}
	assert_int_equal(pread(file, got, sizeof(got), SECTOR), sizeof(got));
	assert_memory_equal(got, vcard_memory(out), sizeof(got));
}

/* Many at once, both queues, each more often than its ring is long. */
static void serves_full_rings(void **state)
{
	uint64_t data = vcard_alloc(8192);

	(void)state;
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 32; i++) {
			offer(0, VIRTIO_BLK_T_OUT, i * 16, data, 8192);
			offer(1, VIRTIO_BLK_T_IN, i * 16, data, 8192);
		}
		vcard_kick(&driver);
		await_used(0, 32);
		await_used(1, 32);
	}
}

static void the_driver_resets_it_under_load(void **state)
{
	uint64_t data = vcard_alloc(8192);

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		under_load();
		vcard_probe(&driver, 0, ~0u);
		offer(0, VIRTIO_BLK_T_OUT, 0, data, 8192);
		vcard_kick(&driver);
		await_used(0, 1);
		/* A driver that probes more often than this is not one. */
		vcard_run(2000);
	}
}

static void the_card_is_reset_under_load(void **state)
{
	uint64_t data = vcard_alloc(8192);

	(void)state;
	under_load();
	x100_vpage_card_reset(vcard.page);
	vcard_run(10);
	vcard_boot();
	vcard_publish(8);
	vcard_probe(&driver, 0, ~0u);
	offer(0, VIRTIO_BLK_T_OUT, 0, data, 8192);
	vcard_kick(&driver);
	await_used(0, 1);
}

static void note_removed(void *arg, int error)
{
	(void)arg;
	assert_int_equal(error, X100_OK);
	removed = true;
}

static void it_is_removed_under_load(void **state)
{
	(void)state;
	removed = false;
	under_load();
	x100_vdev_remove(disk->dev, note_removed, NULL);
	vcard_turn();
	vcard_release(&driver);
	vcard_run(1000);
	assert_true(removed);
}

static void a_broken_chain_stops_it_until_the_driver_resets_it(void **state)
{
	uint64_t data = vcard_alloc(8192);
	struct x100_vdev_info info;

	(void)state;
	under_load();
	vcard_desc(&driver.q[1], 0, data, 16, NEXT, 999);
	vcard_offer(&driver.q[1], 0);
	vcard_kick(&driver);
	vcard_turn();
	x100_vdev_info(disk->dev, &info);
	assert_int_equal(info.fault, X100_FAULT_NEXT);
	vcard_probe(&driver, 0, ~0u);
	offer(1, VIRTIO_BLK_T_OUT, 0, data, 8192);
	vcard_kick(&driver);
	await_used(1, 1);
}

static void a_new_size_is_told_to_the_driver(void **state)
{
	uint64_t sectors;

	(void)state;
	assert_int_equal(ftruncate(file, 2 * SIZE), 0);
	assert_int_equal(x100_block_class.rescan(disk, NULL), X100_OK);
	assert_int_equal(driver.ctrl[offsetof(struct x100_vdev_ctrl, config_change)],
			 X100_CHANGE_CONFIG);
	assert_int_equal(x100_vdev_config_read(disk->dev, &sectors, sizeof(sectors)),
			 sizeof(sectors));
	assert_int_equal(sectors, 2 * SIZE / SECTOR);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_and_reads),
		TEST(serves_full_rings),
		TEST(the_driver_resets_it_under_load),
		TEST(the_card_is_reset_under_load),
		TEST(it_is_removed_under_load),
		TEST(a_broken_chain_stops_it_until_the_driver_resets_it),
		TEST(a_new_size_is_told_to_the_driver),
	};

	return cmocka_run_group_tests_name("block_page", tests, NULL, NULL);
}
