// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of devpage.c: pages as hosts make them, and as no host should. The page is ordinary
 * memory here.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/string.h>

#include <x100/devpage.h>
#include <x100/memmap.h>

#include "devpage.h"

struct page_fixture {
	u8 *memory; /* X100_DEVPAGE_SIZE bytes */
	void __iomem *page;
};

static int page_init(struct kunit *test)
{
	struct page_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->memory = kunit_kzalloc(test, X100_DEVPAGE_SIZE, GFP_KERNEL);
	if (!f->memory)
		return -ENOMEM;
	f->page = (__force void __iomem *)f->memory;
	test->priv = f;
	return 0;
}

static u32 put_desc(struct page_fixture *f, u32 offset, s8 type, u8 num_vq, u8 feature_len,
		    u8 config_len)
{
	struct x100_vdev_desc desc = {
		.type = type, .num_vq = num_vq, .feature_len = feature_len,
		.config_len = config_len,
	};

	memcpy(f->memory + offset, &desc, sizeof(desc));
	return offset + x100_vdev_total(&desc);
}

/* x100-abi.md 2.4. */
static void walk_finds_what_an_old_host_wrote(struct kunit *test)
{
	static const struct {
		s8 type;
		u32 offset;
	} want[] = { { 3, 24 }, { 1, 120 }, { 2, 224 } };
	struct page_fixture *f = test->priv;
	struct devpage_slot slot = {};
	unsigned int i;
	u32 next;

	next = put_desc(f, DEVPAGE_FIRST, 3, 2, 4, 12);
	next = put_desc(f, next, 1, 2, 4, 17);
	next = put_desc(f, next, 2, 1, 4, 36);
	KUNIT_EXPECT_EQ(test, next, 320u);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		KUNIT_ASSERT_EQ(test, devpage_next(f->page, &slot), 1);
		KUNIT_EXPECT_EQ(test, slot.offset, want[i].offset);
		KUNIT_EXPECT_EQ(test, slot.head.type, want[i].type);
		KUNIT_EXPECT_NULL(test, devpage_desc_fault(&slot.head));
	}
	KUNIT_EXPECT_EQ(test, devpage_next(f->page, &slot), 0);
}

static void walk_goes_over_deleted_slots(struct kunit *test)
{
	struct page_fixture *f = test->priv;
	struct devpage_slot slot = {};
	u32 second = put_desc(f, DEVPAGE_FIRST, X100_VDEV_DELETED, 2, 4, 12);

	put_desc(f, second, 4, 1, 4, 0);
	KUNIT_ASSERT_EQ(test, devpage_next(f->page, &slot), 1);
	KUNIT_EXPECT_EQ(test, slot.head.type, (s8)X100_VDEV_DELETED);
	KUNIT_ASSERT_EQ(test, devpage_next(f->page, &slot), 1);
	KUNIT_EXPECT_EQ(test, slot.offset, second);
}

static void walk_ends_at_the_end_of_a_full_page(struct kunit *test)
{
	struct page_fixture *f = test->priv;
	struct devpage_slot slot = {};
	unsigned int found = 0;
	u32 at = DEVPAGE_FIRST;
	int ret;

	/* The smallest ones there can be: 24 bytes each. */
	while (at + 24 <= X100_DEVPAGE_SIZE)
		at = put_desc(f, at, X100_VDEV_DELETED, 0, 0, 0);
	/* What is left has no room for a control block. */
	KUNIT_EXPECT_EQ(test, at, 4080u);
	while ((ret = devpage_next(f->page, &slot)) > 0)
		found++;
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, found, (unsigned int)(4080 - DEVPAGE_FIRST) / 24);
}

static void walk_stops_at_a_slot_that_reaches_out(struct kunit *test)
{
	struct page_fixture *f = test->priv;
	struct devpage_slot slot = {};
	u32 at = DEVPAGE_FIRST, before = 0;

	while (at + 600 < X100_DEVPAGE_SIZE) {
		before = at;
		at = put_desc(f, at, X100_VDEV_DELETED, 4, 4, 255);
	}
	put_desc(f, at, 2, 1, 4, 36);
	while (slot.offset != at)
		KUNIT_ASSERT_EQ(test, devpage_next(f->page, &slot), 1);

	put_desc(f, at, 2, 4, 255, 255);
	slot.offset = 0;
	while (slot.offset != before)
		KUNIT_ASSERT_EQ(test, devpage_next(f->page, &slot), 1);
	KUNIT_EXPECT_EQ(test, devpage_next(f->page, &slot), -EINVAL);
	KUNIT_EXPECT_EQ(test, slot.offset, at);
}

/* A host that is gone. */
static void walk_stops_on_a_page_of_ones(struct kunit *test)
{
	struct page_fixture *f = test->priv;
	struct devpage_slot slot = {};

	memset(f->memory, 0xff, X100_DEVPAGE_SIZE);
	KUNIT_EXPECT_EQ(test, devpage_next(f->page, &slot), -EINVAL);
}

static void walk_ends_whatever_is_there(struct kunit *test)
{
	struct page_fixture *f = test->priv;
	u32 seed = 1, i, round;

	for (round = 0; round < 1000; round++) {
		struct devpage_slot slot = {};
		u32 last = 0;
		int ret;

		for (i = 0; i < X100_DEVPAGE_SIZE; i++) {
			seed = seed * 1664525 + 1013904223;
			f->memory[i] = seed >> 24 & (i % 3 ? 0x0f : 0xff);
		}
		while ((ret = devpage_next(f->page, &slot)) > 0) {
			KUNIT_ASSERT_GT(test, slot.offset, last);
			KUNIT_ASSERT_LE(test, slot.offset + x100_vdev_total(&slot.head),
					(u32)X100_DEVPAGE_SIZE);
			last = slot.offset;
		}
	}
}

static void descriptor_faults_are_named(struct kunit *test)
{
	struct x100_vdev_desc desc = { .type = 2, .num_vq = 1 };

	KUNIT_EXPECT_NULL(test, devpage_desc_fault(&desc));
	desc.num_vq = X100_VDEV_MAX_QUEUES;
	KUNIT_EXPECT_NULL(test, devpage_desc_fault(&desc));
	desc.num_vq = X100_VDEV_MAX_QUEUES + 1;
	KUNIT_EXPECT_NOT_NULL(test, devpage_desc_fault(&desc));
	desc.num_vq = 0;
	KUNIT_EXPECT_NOT_NULL(test, devpage_desc_fault(&desc));
	desc.num_vq = 1;
	desc.type = -2;
	KUNIT_EXPECT_NOT_NULL(test, devpage_desc_fault(&desc));
}

static void ring_faults_are_named(struct kunit *test)
{
	struct x100_vqconfig ring = { .address = X100_SYSMEM_BASE, .num = 128 };

	KUNIT_EXPECT_NULL(test, devpage_ring_fault(&ring));
	ring.num = X100_VRING_MAX;
	KUNIT_EXPECT_NULL(test, devpage_ring_fault(&ring));
	ring.num = 2 * X100_VRING_MAX;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.num = 96;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.num = 0;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.num = 128;

	ring.address = X100_SYSMEM_BASE + 8;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.address = X100_SYSMEM_BASE - X100_VRING_ALIGN;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.address = 0;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	ring.address = -X100_VRING_ALIGN;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
	/* 8 KiB, up to the last byte of the window and one page further. */
	ring.address = X100_SYSMEM_BASE + X100_SYSMEM_SIZE - 2 * X100_VRING_ALIGN;
	KUNIT_EXPECT_NULL(test, devpage_ring_fault(&ring));
	ring.address += X100_VRING_ALIGN;
	KUNIT_EXPECT_NOT_NULL(test, devpage_ring_fault(&ring));
}

/* Of 128 entries, as in x100-abi.md 2.7. */
static void trailer_is_found_at_both_places(struct kunit *test)
{
	u8 *ring = kunit_kzalloc(test, x100_vring_alloc(128), GFP_KERNEL);
	const void __iomem *io = (__force const void __iomem *)ring;
	const u32 magic = X100_DEVPAGE_MAGIC + 3 + 1;

	KUNIT_ASSERT_NOT_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, x100_vring_alloc(128), 8192u);
	KUNIT_EXPECT_FALSE(test, devpage_trailer_valid(io, 128, 3, 1));
	memcpy(ring + 5130, &magic, sizeof(magic));
	KUNIT_EXPECT_TRUE(test, devpage_trailer_valid(io, 128, 3, 1));
	KUNIT_EXPECT_FALSE(test, devpage_trailer_valid(io, 128, 3, 0));
	memset(ring + 5130, 0, sizeof(magic));
	memcpy(ring + 5132, &magic, sizeof(magic));
	KUNIT_EXPECT_TRUE(test, devpage_trailer_valid(io, 128, 3, 1));
	KUNIT_EXPECT_FALSE(test, devpage_trailer_valid(io, 128, 1, 1));
}

static void pick(struct kunit *test, bool old_order, const u8 *want, unsigned int count)
{
	u8 users[DEVPAGE_DOORBELLS] = {};
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned int n = devpage_pick_doorbell(users, old_order);

		KUNIT_ASSERT_LT(test, n, (unsigned int)DEVPAGE_DOORBELLS);
		KUNIT_EXPECT_EQ_MSG(test, n, (unsigned int)want[i], "choice %u", i);
		users[n]++;
	}
}

static void doorbells_that_cost_one_store_come_first(struct kunit *test)
{
	static const u8 want[] = {
		8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
	};

	pick(test, false, want, ARRAY_SIZE(want));
}

static void doorbells_in_the_old_order(struct kunit *test)
{
	static const u8 want[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1
	};

	pick(test, true, want, ARRAY_SIZE(want));
}

static void a_doorbell_that_became_free_is_taken_again(struct kunit *test)
{
	u8 users[DEVPAGE_DOORBELLS];

	memset(users, 1, sizeof(users));
	users[3] = 0;
	KUNIT_EXPECT_EQ(test, devpage_pick_doorbell(users, false), 3u);
	KUNIT_EXPECT_EQ(test, devpage_pick_doorbell(users, true), 3u);
	users[12] = 0;
	KUNIT_EXPECT_EQ(test, devpage_pick_doorbell(users, false), 12u);
	KUNIT_EXPECT_EQ(test, devpage_pick_doorbell(users, true), 3u);
}

static struct kunit_case devpage_cases[] = {
	KUNIT_CASE(walk_finds_what_an_old_host_wrote),
	KUNIT_CASE(walk_goes_over_deleted_slots),
	KUNIT_CASE(walk_ends_at_the_end_of_a_full_page),
	KUNIT_CASE(walk_stops_at_a_slot_that_reaches_out),
	KUNIT_CASE(walk_stops_on_a_page_of_ones),
	KUNIT_CASE(walk_ends_whatever_is_there),
	KUNIT_CASE(descriptor_faults_are_named),
	KUNIT_CASE(ring_faults_are_named),
	KUNIT_CASE(trailer_is_found_at_both_places),
	KUNIT_CASE(doorbells_that_cost_one_store_come_first),
	KUNIT_CASE(doorbells_in_the_old_order),
	KUNIT_CASE(a_doorbell_that_became_free_is_taken_again),
	{}
};

static struct kunit_suite devpage_suite = {
	.name = "mic_devpage",
	.init = page_init,
	.test_cases = devpage_cases,
};

kunit_test_suite(devpage_suite);
