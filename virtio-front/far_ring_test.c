// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the ring code as virtio_mic.c uses it: what is written where, what is believed, and
 * how a ring goes on after its other side was replaced. The far side is ordinary memory here.
 */
#include <kunit/test.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <x100/devpage.h>

#define ENTRIES 8

/* What the device sees. */
struct dev_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct dev_avail {
	u16 flags;
	u16 idx;
	u16 ring[ENTRIES];
	u16 used_event;
};

struct dev_used {
	u16 flags;
	u16 idx;
	struct {
		u32 id;
		u32 len;
	} ring[ENTRIES];
	u16 avail_event;
};

struct ring_fixture {
	struct virtio_device vdev;
	struct virtqueue *vq;
	u8 *far;
	struct dev_desc *desc; /* these two are parts of @far */
	struct dev_avail *avail;
	struct dev_used *used;
	u8 buffer[ENTRIES][16];
	unsigned int kicks;
};

static bool kicked(struct virtqueue *vq)
{
	container_of(vq->vdev, struct ring_fixture, vdev)->kicks++;
	return true;
}

static void called(struct virtqueue *vq)
{
}

static void new_ring(struct kunit *test, u64 features)
{
	struct ring_fixture *f = test->priv;

	f->vdev.features = features;
	f->vq = vring_new_virtqueue_far(0, ENTRIES, X100_VRING_ALIGN, &f->vdev, false,
					(__force void __iomem *)f->far, f->used, kicked, called,
					"test");
	KUNIT_ASSERT_NOT_NULL(test, f->vq);
}

static int ring_init(struct kunit *test)
{
	struct ring_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->far = kunit_kzalloc(test, x100_vring_alloc(ENTRIES), GFP_KERNEL);
	if (!f->far)
		return -ENOMEM;
	f->desc = (struct dev_desc *)f->far;
	f->avail = (struct dev_avail *)(f->far + x100_vring_avail(ENTRIES));
	f->used = kunit_kzalloc(test, sizeof(*f->used), GFP_KERNEL);
	if (!f->used)
		return -ENOMEM;
	f->vdev.dev.init_name = "mic-test";
	INIT_LIST_HEAD(&f->vdev.vqs);
	spin_lock_init(&f->vdev.vqs_list_lock);
	test->priv = f;
	new_ring(test, 0);
	return f->vq ? 0 : -ENOMEM;
}

static void ring_exit(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	if (f && f->vq)
		vring_del_virtqueue(f->vq);
}

/* A chain of buffers number @first to @first + @count - 1; its token is the first one. */
static void add(struct kunit *test, unsigned int first, unsigned int count)
{
	struct ring_fixture *f = test->priv;
	struct scatterlist sg[ENTRIES];
	unsigned int i;

	sg_init_table(sg, count);
	for (i = 0; i < count; i++)
		sg_set_buf(&sg[i], f->buffer[first + i], sizeof(f->buffer[0]));
	KUNIT_ASSERT_EQ(test, virtqueue_add_outbuf(f->vq, sg, count, f->buffer[first],
						   GFP_KERNEL), 0);
}

/* The device returns chain @head. */
static void give_back(struct ring_fixture *f, u32 head)
{
	struct dev_used *used = f->used;

	used->ring[used->idx % ENTRIES].id = head;
	used->ring[used->idx % ENTRIES].len = 0;
	used->idx++;
}

static void *fetch(struct ring_fixture *f)
{
	unsigned int len;

	return virtqueue_get_buf(f->vq, &len);
}

/* What the device finds at @index of the avail ring: the token of the whole chain, or NULL. */
static void *offered(struct kunit *test, u16 index, unsigned int count)
{
	struct ring_fixture *f = test->priv;
	u16 i = f->avail->ring[index % ENTRIES];
	phys_addr_t first = f->desc[i].addr;
	unsigned int n;

	for (n = 0; n < count; n++) {
		struct dev_desc *desc = &f->desc[i];

		if (desc->addr != first + n * sizeof(f->buffer[0]) ||
		    desc->len != sizeof(f->buffer[0]) ||
		    !!(desc->flags & VRING_DESC_F_NEXT) != (n + 1 < count))
			return NULL;
		i = desc->next;
	}
	return phys_to_virt(first);
}

static void a_chain_is_where_the_device_looks(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 3);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 1);
	KUNIT_EXPECT_PTR_EQ(test, offered(test, 0, 3), (void *)f->buffer[0]);
	/* Not where a ring in one piece would have it. */
	give_back(f, f->avail->ring[0]);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), (void *)f->buffer[0]);
	KUNIT_EXPECT_EQ(test, f->vq->num_free, (unsigned int)ENTRIES);
}

static void descriptors_are_never_read_back(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u16 head;

	add(test, 0, 2);
	head = f->avail->ring[0];
	memset(f->far, 0xff, x100_vring_used(ENTRIES));
	give_back(f, head);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), (void *)f->buffer[0]);
	KUNIT_EXPECT_EQ(test, f->vq->num_free, (unsigned int)ENTRIES);
	add(test, 2, 1);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 2);
	KUNIT_EXPECT_PTR_EQ(test, offered(test, 1, 1), (void *)f->buffer[2]);
}

static void a_kick_stores_the_index_once_more(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 1);
	f->avail->idx = 0x5555;
	KUNIT_EXPECT_TRUE(test, virtqueue_kick(f->vq));
	KUNIT_EXPECT_EQ(test, f->avail->idx, 1);
	KUNIT_EXPECT_EQ(test, f->kicks, 1u);
}

static void no_store_without_a_kick(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->used->flags = VRING_USED_F_NO_NOTIFY;
	add(test, 0, 1);
	f->avail->idx = 0x5555;
	virtqueue_kick(f->vq);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 0x5555);
	KUNIT_EXPECT_EQ(test, f->kicks, 0u);
}

static void an_invalid_id_breaks_the_ring(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 1);
	give_back(f, ~0);
	KUNIT_EXPECT_NULL(test, fetch(f));
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(f->vq));
}

/* The host is new: all it had is zero. */
static void lose_far_side(struct ring_fixture *f)
{
	memset(f->far, 0, x100_vring_alloc(ENTRIES));
}

static void resume_offers_again_what_is_in_flight(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	void *first, *second;
	bool in_order;

	add(test, 0, 2);
	add(test, 2, 1);
	add(test, 3, 2);
	give_back(f, f->avail->ring[1]);
	KUNIT_ASSERT_PTR_EQ(test, fetch(f), (void *)f->buffer[2]);
	lose_far_side(f);

	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	/* From the used index on. */
	KUNIT_EXPECT_EQ(test, f->avail->idx, 1 + 2);
	first = offered(test, 1, 2);
	second = offered(test, 2, 2);
	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_ASSERT_NOT_NULL(test, second);
	in_order = first == f->buffer[0];
	KUNIT_EXPECT_PTR_EQ(test, first, (void *)f->buffer[in_order ? 0 : 3]);
	KUNIT_EXPECT_PTR_EQ(test, second, (void *)f->buffer[in_order ? 3 : 0]);

	give_back(f, f->avail->ring[1]);
	give_back(f, f->avail->ring[2]);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), first);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), second);
	KUNIT_EXPECT_EQ(test, f->vq->num_free, (unsigned int)ENTRIES);
}

static void resume_leaves_what_was_returned(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u16 head;

	add(test, 0, 1);
	add(test, 1, 1);
	head = f->avail->ring[0];
	give_back(f, head);
	lose_far_side(f);

	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 2);
	KUNIT_EXPECT_PTR_EQ(test, offered(test, 1, 1), (void *)f->buffer[1]);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), (void *)f->buffer[0]);
	KUNIT_EXPECT_NULL(test, fetch(f));
}

static void resume_works_over_the_end_of_the_indices(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < 65535; i++) {
		add(test, i % ENTRIES, 1);
		give_back(f, f->avail->ring[i % ENTRIES]);
		KUNIT_ASSERT_PTR_EQ(test, fetch(f), (void *)f->buffer[i % ENTRIES]);
	}
	for (i = 0; i < ENTRIES; i++)
		add(test, i, 1);
	lose_far_side(f);
	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	KUNIT_EXPECT_EQ(test, f->avail->idx, (65535 + ENTRIES) & 0xffff);
	for (i = 0; i < ENTRIES; i++)
		KUNIT_EXPECT_NOT_NULL(test, offered(test, 65535 + i, 1));
}

static void resume_wants_both_sides_to_be_told(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	vring_del_virtqueue(f->vq);
	new_ring(test, BIT_ULL(VIRTIO_RING_F_EVENT_IDX));
	add(test, 0, 1);
	virtqueue_kick(f->vq);
	f->used->avail_event = 77; /* of the old host */
	lose_far_side(f);
	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	KUNIT_EXPECT_EQ(test, f->avail->used_event, 0);
	f->kicks = 0;
	add(test, 1, 1);
	virtqueue_kick(f->vq);
	KUNIT_EXPECT_EQ(test, f->kicks, 1u);
}

static void resume_keeps_interrupts_off(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	virtqueue_disable_cb(f->vq);
	lose_far_side(f);
	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	KUNIT_EXPECT_EQ(test, f->avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

/* A console whose wait was ended by an invalid id. */
static void resume_drops_what_nobody_waits_for(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 2);
	give_back(f, ~0);
	KUNIT_EXPECT_NULL(test, fetch(f));
	lose_far_side(f);
	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, true), 0);
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(f->vq));
	KUNIT_EXPECT_EQ(test, f->vq->num_free, (unsigned int)ENTRIES);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 1);
	KUNIT_EXPECT_NULL(test, fetch(f));

	add(test, 4, 1);
	KUNIT_EXPECT_PTR_EQ(test, offered(test, 1, 1), (void *)f->buffer[4]);
	give_back(f, f->avail->ring[1]);
	KUNIT_EXPECT_PTR_EQ(test, fetch(f), (void *)f->buffer[4]);
}

static void resume_refuses_an_impossible_used_index(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 1);
	f->used->idx = ENTRIES + 1;
	KUNIT_EXPECT_EQ(test, virtqueue_resume(f->vq, false), -EIO);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(f->vq));
}

static void resume_ignores_ids_that_cannot_be(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	add(test, 0, 1);
	give_back(f, ENTRIES);
	lose_far_side(f);
	KUNIT_ASSERT_EQ(test, virtqueue_resume(f->vq, false), 0);
	KUNIT_EXPECT_EQ(test, f->avail->idx, 2);
	KUNIT_EXPECT_PTR_EQ(test, offered(test, 1, 1), (void *)f->buffer[0]);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(a_chain_is_where_the_device_looks),
	KUNIT_CASE(descriptors_are_never_read_back),
	KUNIT_CASE(a_kick_stores_the_index_once_more),
	KUNIT_CASE(no_store_without_a_kick),
	KUNIT_CASE(an_invalid_id_breaks_the_ring),
	KUNIT_CASE(resume_offers_again_what_is_in_flight),
	KUNIT_CASE(resume_leaves_what_was_returned),
	KUNIT_CASE(resume_works_over_the_end_of_the_indices),
	KUNIT_CASE(resume_wants_both_sides_to_be_told),
	KUNIT_CASE(resume_keeps_interrupts_off),
	KUNIT_CASE(resume_drops_what_nobody_waits_for),
	KUNIT_CASE(resume_refuses_an_impossible_used_index),
	KUNIT_CASE(resume_ignores_ids_that_cannot_be),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "mic_far_ring",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);
