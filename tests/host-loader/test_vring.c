// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/vring.c: queues and chains, notifications both ways, and every way in which a ring
 * can be wrong. Faked: the card with its driver (vcard.c), time.
 */
#include "vcard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <x100/memmap.h>
#include <x100/regs.h>

#include "vpage.h"

#define EVENT_IDX VIRTIO_F_EVENT_IDX
#define NUM       8

static struct vcard_backend be;
static struct vcard_driver drv;
static struct x100_vq *vq;
static struct x100_chain *chain;
static struct vcard_queue *q;

static void begin(uint32_t features)
{
	vcard_add(&be, "disk0", 1, NUM);
	vcard_boot();
	vcard_probe(&drv, 0, features);
	assert_int_equal(be.starts, 1);
	vq = x100_vdev_queue(be.dev, 0);
	chain = x100_chain_new(vq);
	q = &drv.q[0];
	memset(fake.rung, 0, sizeof(fake.rung));
}

static int setup(void **state)
{
	int ret = vcard_setup(state);

	if (!ret)
		begin(0);
	return ret;
}

static int setup_event_idx(void **state)
{
	int ret = vcard_setup(state);

	if (!ret)
		begin(EVENT_IDX);
	return ret;
}

static int setup_unmapped(void **state)
{
	struct x100_vpage_params params = { .generation = X100_GEN_C2 };
	int ret = vcard_setup(state);

	if (ret)
		return ret;
	/* Open again without a mapping of the aperture. */
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_close(vcard.card);
	fake.mappable = false;
	vcard.card = fake_open();
	vcard_new_page(&params);
	begin(EVENT_IDX);
	return 0;
}

static int teardown(void **state)
{
	x100_chain_free(chain);
	return vcard_teardown(state);
}

static unsigned int rung(void)
{
	return fake.rung[drv.h2c_db];
}

/* ------------------------------------------------------------------ chains */

static void a_new_queue_is_empty(void **state)
{
	(void)state;
	assert_false(x100_vq_more(vq));
	assert_int_equal(x100_vq_pop(vq, chain), 0);
}

static void a_chain_is_taken_with_its_parts(void **state)
{
	uint64_t first;
	uint16_t head = vcard_chain(q, 2, 1, 0x200, &first);

	(void)state;
	assert_true(x100_vq_more(vq));
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(chain->head, head);
	assert_int_equal(chain->readable, 2);
	assert_int_equal(chain->writable, 1);
	assert_int_equal(chain->read_bytes, 0x400);
	assert_int_equal(chain->write_bytes, 0x200);
	assert_int_equal(chain->seg[0].card, first);
	assert_int_equal(chain->seg[0].size, 0x200);
	assert_int_equal(chain->seg[2].card, first + 0x2000);
	assert_int_equal(x100_vq_pop(vq, chain), 0);
}

static void a_chain_may_be_as_long_as_the_ring(void **state)
{
	(void)state;
	vcard_chain(q, NUM, 0, 16, NULL);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(chain->readable, NUM);
}

static void a_full_ring_is_taken(void **state)
{
	(void)state;
	for (int i = 0; i < NUM; i++)
		vcard_chain(q, 1, 0, 16, NULL);
	for (int i = 0; i < NUM; i++)
		assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_vq_pop(vq, chain), 0);
}

static void the_parts_of_a_chain_are_read_and_written(void **state)
{
	uint64_t first;
	uint8_t bytes[64];

	(void)state;
	vcard_chain(q, 2, 2, 16, &first);
	for (int i = 0; i < 16; i++) {
		vcard_memory(first)[i] = (uint8_t)i;
		vcard_memory(first + 0x1000)[i] = (uint8_t)(16 + i);
	}
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_chain_read(chain, 0, bytes, sizeof(bytes)), 32);
	assert_int_equal(bytes[31], 31);
	assert_int_equal(x100_chain_read(chain, 10, bytes, 10), 10);
	assert_int_equal(bytes[0], 10);
	assert_int_equal(bytes[9], 19);
	assert_int_equal(x100_chain_read(chain, 32, bytes, 1), 0);
	assert_int_equal(x100_chain_write(chain, 12, "abcdefgh", 8), 8);
	assert_memory_equal(vcard_memory(first + 0x2000 + 12), "abcd", 4);
	assert_memory_equal(vcard_memory(first + 0x3000), "efgh", 4);
	assert_int_equal(x100_chain_write(chain, 30, "abcdefgh", 8), 2);
}

static void an_iovec_points_into_the_aperture(void **state)
{
	struct iovec iov[4];
	uint64_t first;

	(void)state;
	vcard_chain(q, 2, 1, 16, &first);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_chain_iov(chain, false, 4, 20, iov, 4), 2);
	assert_ptr_equal(iov[0].iov_base, vcard_memory(first + 4));
	assert_int_equal(iov[0].iov_len, 12);
	assert_ptr_equal(iov[1].iov_base, vcard_memory(first + 0x1000));
	assert_int_equal(iov[1].iov_len, 8);
	assert_int_equal(x100_chain_iov(chain, true, 0, 16, iov, 1), 1);
	assert_ptr_equal(iov[0].iov_base, vcard_memory(first + 0x2000));
	assert_int_equal(x100_chain_iov(chain, false, 0, 0, iov, 4), 0);
	assert_int_equal(x100_chain_iov(chain, false, 0, 32, iov, 1), -1);
	assert_int_equal(x100_chain_iov(chain, true, 0, 17, iov, 4), -1);
}

static void a_chain_put_back_is_taken_again(void **state)
{
	uint16_t a = vcard_chain(q, 1, 0, 16, NULL), b = vcard_chain(q, 1, 0, 16, NULL);

	(void)state;
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(chain->head, b);
	x100_vq_unpop(vq, 2);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(chain->head, a);
}

static void what_is_given_back_is_seen_after_the_flush(void **state)
{
	uint16_t head = vcard_chain(q, 0, 1, 16, NULL);
	uint32_t id, len;

	(void)state;
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	x100_vq_push(vq, chain, 7);
	assert_false(vcard_used(q, &id, &len));
	x100_vq_flush(vq);
	assert_true(vcard_used(q, &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(len, 7);
	assert_int_equal(rung(), 1);
}

static void indices_wrap(void **state)
{
	uint32_t id, len;

	(void)state;
	for (unsigned int i = 0; i < 70000; i++) {
		vcard_desc(q, (uint16_t)(i % NUM), VCARD_HEAP, 1 + i % 100, 2, 0);
		vcard_offer(q, (uint16_t)(i % NUM));
		assert_int_equal(x100_vq_pop(vq, chain), 1);
		x100_vq_push(vq, chain, i % 100);
		x100_vq_flush(vq);
		assert_true(vcard_used(q, &id, &len));
		assert_int_equal(id, i % NUM);
		assert_int_equal(len, i % 100);
	}
}

static void the_trailer_counts_chains_taken(void **state)
{
	uint16_t taken;

	(void)state;
	for (int i = 0; i < 3; i++) {
		vcard_chain(q, 1, 0, 16, NULL);
		assert_int_equal(x100_vq_pop(vq, chain), 1);
		x100_vq_push(vq, chain, 0);
	}
	x100_vq_flush(vq);
	memcpy(&taken, q->ring + x100_vring_info_c2(NUM), sizeof(taken));
	assert_int_equal(taken, 3);
}

/* ------------------------------------------------------------------ notifications */

static void a_flush_without_news_rings_nobody(void **state)
{
	(void)state;
	x100_vq_flush(vq);
	assert_int_equal(rung(), 0);
}

static void take_and_return(void)
{
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	x100_vq_push(vq, chain, 0);
}

static void one_doorbell_serves_many_chains(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		vcard_chain(q, 1, 0, 16, NULL);
	for (int i = 0; i < 4; i++)
		take_and_return();
	x100_vq_flush(vq);
	assert_int_equal(rung(), 1);
}

static void a_card_that_wants_no_interrupt_gets_none(void **state)
{
	(void)state;
	vcard_set_avail_flags(q, 1);
	vcard_chain(q, 1, 0, 16, NULL);
	take_and_return();
	x100_vq_flush(vq);
	assert_int_equal(rung(), 0);
}

static void kicks_are_switched_off_and_on_by_the_flag(void **state)
{
	(void)state;
	x100_vq_notify_off(vq);
	assert_int_equal(vcard_used_flags(q), 1);
	assert_false(x100_vq_notify_on(vq));
	assert_int_equal(vcard_used_flags(q), 0);
	x100_vq_notify_off(vq);
	vcard_chain(q, 1, 0, 16, NULL);
	assert_true(x100_vq_notify_on(vq));
}

static void with_event_idx_the_card_says_when_to_ring(void **state)
{
	(void)state;
	/* It wants to know of the third. */
	vcard_set_used_event(q, 2);
	for (int i = 0; i < 4; i++) {
		vcard_chain(q, 1, 0, 16, NULL);
		take_and_return();
		x100_vq_flush(vq);
		assert_int_equal(rung(), i >= 2);
	}
}

static void with_event_idx_a_batch_that_passes_the_event_rings(void **state)
{
	(void)state;
	vcard_set_used_event(q, 1);
	for (int i = 0; i < 4; i++)
		vcard_chain(q, 1, 0, 16, NULL);
	for (int i = 0; i < 4; i++)
		take_and_return();
	x100_vq_flush(vq);
	assert_int_equal(rung(), 1);
}

static void with_event_idx_the_avail_flags_do_not_matter(void **state)
{
	(void)state;
	vcard_set_avail_flags(q, 1);
	vcard_chain(q, 1, 0, 16, NULL);
	take_and_return();
	x100_vq_flush(vq);
	assert_int_equal(rung(), 1);
}

static void with_event_idx_avail_event_asks_for_the_next_kick(void **state)
{
	(void)state;
	vcard_chain(q, 1, 0, 16, NULL);
	vcard_chain(q, 1, 0, 16, NULL);
	take_and_return();
	take_and_return();
	x100_vq_notify_off(vq);
	assert_int_equal(vcard_used_flags(q), 0);
	assert_int_equal(vcard_avail_event(q), 0);
	assert_false(x100_vq_notify_on(vq));
	assert_int_equal(vcard_avail_event(q), 2);
}

static void a_card_without_a_doorbell_is_not_rung(void **state)
{
	(void)state;
	shared_store8(SHARED_AT(drv.ctrl, struct x100_vdev_ctrl, h2c_vdev_db), (uint8_t)-1);
	vcard_reset(&drv);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	vcard_chain(q, 1, 0, 16, NULL);
	take_and_return();
	x100_vq_flush(vq);
	for (int i = 0; i < 16; i++)
		assert_int_equal(fake.rung[i], 0);
}

static void an_icr_doorbell_is_the_word_the_card_prepared_with_the_send_bit(void **state)
{
	(void)state;
	fake_set_sbox(X100_SBOX_APICICR_LO(3), 0x000000B7);
	shared_store8(SHARED_AT(drv.ctrl, struct x100_vdev_ctrl, h2c_vdev_db), 3);
	vcard_reset(&drv);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	vcard_chain(q, 1, 0, 16, NULL);
	take_and_return();
	x100_vq_flush(vq);
	assert_int_equal(fake.rung[3], 1);
	assert_int_equal(fake_sbox(X100_SBOX_APICICR_LO(3)), 0x000020B7);
}

/* From the interrupt to the doorbell: one look at the eventfd and two writes without answers. */
static void serve_one(struct vcard_backend *b)
{
	(void)b;
	take_and_return();
	x100_vq_flush(vq);
}

static void a_request_costs_two_posted_writes(void **state)
{
	unsigned int before;

	(void)state;
	shared_store8(SHARED_AT(drv.ctrl, struct x100_vdev_ctrl, card_features), X100_CARD_RESUME);
	vcard_reset(&drv);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	vcard_publish(15);
	vcard_run(1000);
	be.on_kick = serve_one;
	vcard_chain(q, 1, 0, 16, NULL);
	before = fake.accesses;
	vcard_kick(&drv);
	assert_int_equal(fake.accesses - before, 2);
	assert_int_equal(fake.log[before].kind, FAKE_POST);
	assert_int_equal(fake.log[before].offset, X100_MMIO_SBOX + X100_SBOX_SICE0);
	assert_int_equal(fake.log[before].value, X100_SRC_USED);
	assert_int_equal(fake.log[before + 1].kind, FAKE_POST);
	assert_int_equal(fake.log[before + 1].offset,
			 X100_MMIO_SBOX + X100_SBOX_RDMASR(drv.h2c_db - 8));
	assert_int_equal(fake.log[before + 1].value, 0);
	/* And nothing afterwards: our own card side needs no second look. */
	vcard_run(100);
	assert_int_equal(fake.accesses - before, 2);
}

/* ------------------------------------------------------------------ rules */

/* The device is stopped for @fault; another pop finds nothing. */
static void expect_fault(enum x100_fault fault, uint64_t detail)
{
	struct x100_vdev_info info;

	assert_int_equal(x100_vq_pop(vq, chain), -1);
	x100_vdev_info(be.dev, &info);
	assert_int_equal(info.state, X100_VDEV_FAULTED);
	assert_int_equal(info.fault, fault);
	assert_int_equal(info.fault_detail, detail);
	assert_int_equal(be.stops, 1);
	assert_int_equal(vcard.lines[X100_LOG_WARNING], 1);
	assert_non_null(strstr(vcard.line, x100_fault_words(fault)));
	assert_int_equal(x100_vq_pop(vq, chain), 0);
	assert_false(x100_vq_more(vq));
}

static void an_index_that_jumps_too_far_is_a_fault(void **state)
{
	(void)state;
	vcard_set_avail_idx(q, NUM + 1);
	assert_true(x100_vq_more(vq));
	expect_fault(X100_FAULT_AVAIL_JUMP, NUM + 1);
}

static void an_index_that_goes_back_is_a_fault(void **state)
{
	(void)state;
	vcard_chain(q, 1, 0, 16, NULL);
	vcard_chain(q, 1, 0, 16, NULL);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	vcard_set_avail_idx(q, 1);
	expect_fault(X100_FAULT_AVAIL_JUMP, 1);
}

static void more_chains_than_the_ring_has_entries_are_a_fault(void **state)
{
	(void)state;
	for (int i = 0; i < NUM; i++)
		vcard_chain(q, 1, 0, 16, NULL);
	for (int i = 0; i < NUM; i++)
		assert_int_equal(x100_vq_pop(vq, chain), 1);
	/* Nothing was given back yet. */
	vcard_chain(q, 1, 0, 16, NULL);
	expect_fault(X100_FAULT_AVAIL_JUMP, NUM + 1);
}

static void a_head_outside_the_table_is_a_fault(void **state)
{
	(void)state;
	vcard_offer(q, NUM);
	expect_fault(X100_FAULT_HEAD, NUM);
}

static void a_next_outside_the_table_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 0, VCARD_HEAP, 16, 1, NUM);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_NEXT, NUM);
}

static void a_chain_in_a_circle_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 0, VCARD_HEAP, 16, 1, 1);
	vcard_desc(q, 1, VCARD_HEAP, 16, 1, 0);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_LOOP, 0);
}

static void a_descriptor_that_follows_itself_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 5, VCARD_HEAP, 16, 1, 5);
	vcard_offer(q, 5);
	expect_fault(X100_FAULT_LOOP, 5);
}

static void an_indirect_descriptor_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 0, VCARD_HEAP, 32, 4, 0);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_INDIRECT, 0);
}

static void a_readable_part_behind_a_writable_one_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 0, VCARD_HEAP, 16, 1 | 2, 1);
	vcard_desc(q, 1, VCARD_HEAP, 16, 0, 0);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_ORDER, 1);
}

static void an_empty_descriptor_is_a_fault(void **state)
{
	(void)state;
	vcard_desc(q, 0, VCARD_HEAP, 0, 0, 0);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_EMPTY, 0);
}

static void address_fault(uint64_t address, uint32_t size)
{
	vcard_desc(q, 0, address, size, 0, 0);
	vcard_offer(q, 0);
	expect_fault(X100_FAULT_ADDRESS, address);
}

static void a_buffer_behind_card_memory_is_a_fault(void **state)
{
	(void)state;
	address_fault(FAKE_MEMORY, 1);
}

static void a_buffer_that_leaves_card_memory_is_a_fault(void **state)
{
	(void)state;
	address_fault(FAKE_MEMORY - 15, 16);
}

static void a_buffer_that_ends_with_card_memory_is_taken(void **state)
{
	(void)state;
	vcard_desc(q, 0, FAKE_MEMORY - 16, 16, 0, 0);
	vcard_offer(q, 0);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
}

static void a_buffer_whose_end_wraps_is_a_fault(void **state)
{
	(void)state;
	address_fault(UINT64_MAX - 7, 16);
}

static void a_buffer_in_host_memory_is_a_fault(void **state)
{
	(void)state;
	address_fault(X100_SYSMEM_BASE + 0x100000000ull, 16);
}

static void a_buffer_in_the_hole_below_4_gib_is_a_fault(void **state)
{
	(void)state;
	/* A card with all the memory the aperture can show. */
	vcard.page->memory_end = fake.aperture;
	vcard_desc(q, 0, X100_GDDR_LOW_END - 16, 16, 0, 0);
	vcard_offer(q, 0);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	vcard_desc(q, 1, X100_GDDR_HIGH_BASE, 16, 0, 0);
	vcard_offer(q, 1);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	vcard_desc(q, 2, X100_GDDR_LOW_END - 15, 16, 0, 0);
	vcard_offer(q, 2);
	expect_fault(X100_FAULT_ADDRESS, X100_GDDR_LOW_END - 15);
}

static void a_chain_longer_than_the_device_takes_is_a_fault(void **state)
{
	(void)state;
	be.dev->params.chain_max = 1000;
	vcard_desc(q, 0, VCARD_HEAP, 1000, 1, 1);
	vcard_desc(q, 1, VCARD_HEAP, 1000, 2, 0);
	vcard_offer(q, 0);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	vcard_desc(q, 2, VCARD_HEAP, 500, 1, 3);
	vcard_desc(q, 3, VCARD_HEAP, 501, 0, 0);
	vcard_offer(q, 2);
	expect_fault(X100_FAULT_TOO_LONG, 3);
}

static void parts_that_overlap_cannot_add_up_to_more_than_32_bits(void **state)
{
	(void)state;
	be.dev->params.chain_max = UINT32_MAX;
	for (uint16_t i = 0; i < NUM; i++)
		vcard_desc(q, i, 0x1000, FAKE_MEMORY - 0x1000, i + 1 < NUM, (uint16_t)(i + 1));
	vcard_offer(q, 0);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	vcard_run(1);
	vcard_desc(q, 0, 0, FAKE_MEMORY, 1, 1);
	for (uint16_t i = 1; i < NUM; i++)
		vcard_desc(q, i, 0, FAKE_MEMORY, i + 1 < NUM, (uint16_t)(i + 1));
	vcard_offer(q, 0);
	/* 8 times 512 MiB: one more than fits. */
	expect_fault(X100_FAULT_TOO_LONG, NUM - 1);
}

static void *scribble(void *arg)
{
	volatile bool *stop = arg;
	uint32_t random = 1;

	while (!*stop) {
		uint16_t n, head;

		random = random * 1664525 + 1013904223;
		n = (uint16_t)(random >> 16);
		/* Sound things most of the time, so that pop gets somewhere. */
		head = (random & 0x700) ? n % NUM : n;
		vcard_desc(q, n % NUM, (random & 0x7000) ? VCARD_HEAP : ~0ull << (n % 40),
			   (random & 0x38) ? 64 : random, (random & 0x80) ? 1 : n & 7,
			   (random & 7) ? (uint16_t)((n + 1) % NUM) : n);
		shared_store16(q->ring + x100_vring_avail(NUM) + 4 + 2 * (n % NUM), head);
		shared_store16(q->ring + x100_vring_avail(NUM) + 2, (uint16_t)(vq->used_idx + 4));
	}
	return NULL;
}

static void a_card_that_changes_its_mind_meanwhile_gains_nothing(void **state)
{
	volatile bool end = false;
	unsigned int taken = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, scribble, (void *)&end), 0);
	for (unsigned int i = 0; i < 200000 || (taken < 1000 && i < 100000000); i++) {
		uint64_t sum = 0;

		if (x100_vq_pop(vq, chain) <= 0) {
			/* As after a reset and a probe. */
			be.dev->fault = X100_FAULT_NONE;
			be.dev->live = true;
			be.stops = 0;
			vring_start(vq, vq->used_address, false, 0);
			continue;
		}
		taken++;
		assert_in_range(chain->readable + chain->writable, 1, NUM);
		for (unsigned int k = 0; k < (unsigned int)chain->readable + chain->writable; k++) {
			assert_true(chain->seg[k].card < FAKE_MEMORY);
			assert_in_range(chain->seg[k].size, 1, FAKE_MEMORY - chain->seg[k].card);
			sum += chain->seg[k].size;
		}
		assert_int_equal(sum, chain->read_bytes + chain->write_bytes);
		x100_vq_push(vq, chain, 0);
	}
	end = true;
	pthread_join(thread, NULL);
	assert_true(taken >= 1000);
	be.starts = be.dev->live;
	be.stops = 0;
}

static void a_device_that_was_reset_is_served_again(void **state)
{
	struct x100_vdev_info info;

	(void)state;
	vcard_offer(q, NUM);
	expect_fault(X100_FAULT_HEAD, NUM);
	vcard_reset(&drv);
	vcard_accept(&drv, 0);
	vcard_queues(&drv);
	vcard_status(&drv, 7);
	x100_vdev_info(be.dev, &info);
	assert_int_equal(info.state, X100_VDEV_LIVE);
	assert_int_equal(info.fault, X100_FAULT_NONE);
	vcard_chain(q, 1, 0, 16, NULL);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
}

static void what_is_given_back_after_a_fault_goes_nowhere(void **state)
{
	struct x100_chain *held = x100_chain_new(vq);
	uint32_t id, len;

	(void)state;
	vcard_chain(q, 0, 1, 16, NULL);
	assert_int_equal(x100_vq_pop(vq, held), 1);
	vcard_offer(q, NUM);
	expect_fault(X100_FAULT_HEAD, NUM);
	x100_vq_push(vq, held, 1);
	x100_vq_flush(vq);
	x100_vq_notify_off(vq);
	assert_false(x100_vq_notify_on(vq));
	assert_false(vcard_used(q, &id, &len));
	assert_int_equal(rung(), 0);
	x100_chain_free(held);
}

/* Every message to the model is one; nothing of it needs the mapping. */
static void without_a_mapping_bytes_travel_by_request(void **state)
{
	struct iovec iov;
	uint64_t first;
	uint32_t id, len;
	char text[4];
	uint16_t head;

	(void)state;
	head = vcard_chain(q, 1, 1, 16, &first);
	memcpy(vcard_memory(first), "abcd", 4);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	assert_int_equal(x100_chain_iov(chain, false, 0, 4, &iov, 1), -1);
	assert_int_equal(x100_chain_read(chain, 0, text, 4), 4);
	assert_memory_equal(text, "abcd", 4);
	assert_int_equal(x100_chain_write(chain, 0, "wxyz", 4), 4);
	assert_memory_equal(vcard_memory(first + 0x1000), "wxyz", 4);
	x100_vq_push(vq, chain, 4);
	x100_vq_flush(vq);
	assert_true(vcard_used(q, &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(len, 4);
	assert_int_equal(rung(), 1);
	assert_false(x100_vq_notify_on(vq));
	assert_int_equal(vcard_avail_event(q), 1);
}

static void a_card_that_is_gone_gives_fewer_bytes(void **state)
{
	char text[4];

	(void)state;
	vcard_chain(q, 1, 1, 16, NULL);
	assert_int_equal(x100_vq_pop(vq, chain), 1);
	fake.gone_after = fake.accesses;
	assert_int_equal(x100_chain_read(chain, 0, text, 4), 0);
	assert_int_equal(x100_chain_write(chain, 0, text, 4), 0);
	x100_vq_push(vq, chain, 0);
	x100_vq_flush(vq);
	fake.gone_after = 0;
}

#define TEST(f)     cmocka_unit_test_setup_teardown(f, setup, teardown)
#define EVENT(f)    cmocka_unit_test_setup_teardown(f, setup_event_idx, teardown)
#define UNMAPPED(f) cmocka_unit_test_setup_teardown(f, setup_unmapped, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_queue_is_empty),
		TEST(a_chain_is_taken_with_its_parts),
		TEST(a_chain_may_be_as_long_as_the_ring),
		TEST(a_full_ring_is_taken),
		TEST(the_parts_of_a_chain_are_read_and_written),
		TEST(an_iovec_points_into_the_aperture),
		TEST(a_chain_put_back_is_taken_again),
		TEST(what_is_given_back_is_seen_after_the_flush),
		TEST(indices_wrap),
		TEST(the_trailer_counts_chains_taken),
		TEST(a_flush_without_news_rings_nobody),
		TEST(one_doorbell_serves_many_chains),
		TEST(a_card_that_wants_no_interrupt_gets_none),
		TEST(kicks_are_switched_off_and_on_by_the_flag),
		EVENT(with_event_idx_the_card_says_when_to_ring),
		EVENT(with_event_idx_a_batch_that_passes_the_event_rings),
		EVENT(with_event_idx_the_avail_flags_do_not_matter),
		EVENT(with_event_idx_avail_event_asks_for_the_next_kick),
		TEST(a_card_without_a_doorbell_is_not_rung),
		TEST(an_icr_doorbell_is_the_word_the_card_prepared_with_the_send_bit),
		TEST(a_request_costs_two_posted_writes),
		TEST(an_index_that_jumps_too_far_is_a_fault),
		TEST(an_index_that_goes_back_is_a_fault),
		TEST(more_chains_than_the_ring_has_entries_are_a_fault),
		TEST(a_head_outside_the_table_is_a_fault),
		TEST(a_next_outside_the_table_is_a_fault),
		TEST(a_chain_in_a_circle_is_a_fault),
		TEST(a_descriptor_that_follows_itself_is_a_fault),
		TEST(an_indirect_descriptor_is_a_fault),
		TEST(a_readable_part_behind_a_writable_one_is_a_fault),
		TEST(an_empty_descriptor_is_a_fault),
		TEST(a_buffer_behind_card_memory_is_a_fault),
		TEST(a_buffer_that_leaves_card_memory_is_a_fault),
		TEST(a_buffer_that_ends_with_card_memory_is_taken),
		TEST(a_buffer_whose_end_wraps_is_a_fault),
		TEST(a_buffer_in_host_memory_is_a_fault),
		TEST(a_buffer_in_the_hole_below_4_gib_is_a_fault),
		TEST(a_chain_longer_than_the_device_takes_is_a_fault),
		TEST(parts_that_overlap_cannot_add_up_to_more_than_32_bits),
		TEST(a_card_that_changes_its_mind_meanwhile_gains_nothing),
		TEST(a_device_that_was_reset_is_served_again),
		TEST(what_is_given_back_after_a_fault_goes_nowhere),
		UNMAPPED(without_a_mapping_bytes_travel_by_request),
		UNMAPPED(a_card_that_is_gone_gives_fewer_bytes),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
