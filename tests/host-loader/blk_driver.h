/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtio-blk device over fake_vq.h: makes requests, waits for answers. */
#ifndef BLK_DRIVER_H
#define BLK_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_vq.h"

#include <linux/virtio_blk.h>
#include <string.h>

#define SECTOR 512u
#define BUSY   0xEE /* what stands in a status byte before it is answered */

static uint32_t next_card; /* where the next request goes in card memory */

/* A place in card memory; nothing is ever used twice. */
static inline uint32_t card_room(uint32_t size)
{
	uint32_t at = next_card;

	next_card += (size + 15) & ~15u;
	assert_true(next_card <= FAKE_VQ_MEMORY);
	return at;
}

struct request {
	unsigned int queue;
	uint32_t header, data, size, status;
};

/* Offer a request with @size bytes of data in parts of @part bytes; nobody kicks yet. */
static inline struct request offer_parts(unsigned int queue, uint32_t type, uint64_t sector,
					 const void *data, uint32_t size, uint32_t part)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct x100_seg seg[1024];
	uint16_t n = 0, readable;
	static uint16_t head;
	struct request r = {
		.queue = queue,
		.header = card_room(sizeof(header)),
		.data = card_room(size),
		.size = size,
		.status = card_room(1),
	};

	memcpy(fake_vq.memory + r.header, &header, sizeof(header));
	if (data)
		memcpy(fake_vq.memory + r.data, data, size);
	fake_vq.memory[r.status] = BUSY;
	seg[n++] = (struct x100_seg){ r.header, sizeof(header) };
	for (uint32_t at = 0; at < size; at += part)
		seg[n++] = (struct x100_seg){ r.data + at, size - at < part ? size - at : part };
	readable = in ? 1 : n;
	seg[n++] = (struct x100_seg){ r.status, 1 };
	fake_vq_offer(queue, head++, seg, readable, (uint16_t)(n - readable));
	return r;
}

static inline struct request offer(uint32_t type, uint64_t sector, const void *data, uint32_t size)
{
	return offer_parts(0, type, sector, data, size, size ? size : 1);
}

/* Kick, wait for everything that was offered, and return the status of @r. */
static inline uint8_t run(const struct request *r)
{
	fake_vq_kick();
	assert_true(fake_vq_wait(r->queue, fake_vq.queue[r->queue].offers));
	return fake_vq.memory[r->status];
}

static inline uint8_t request(uint32_t type, uint64_t sector, const void *data, uint32_t size)
{
	struct request r = offer(type, sector, data, size);

	return run(&r);
}

static inline uint8_t ranges(uint32_t type, const struct virtio_blk_discard_write_zeroes *range,
			     unsigned int count)
{
	return request(type, 0, range, count * (uint32_t)sizeof(*range));
}

static inline uint8_t one_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { sector, sectors, flags };

	return ranges(type, &range, 1);
}

static inline void assert_ok(uint8_t status)
{
	assert_int_equal(status, VIRTIO_BLK_S_OK);
}

static inline void fill(uint8_t *to, size_t size, unsigned int seed)
{
	while (size--) {
		seed = seed * 1103515245u + 12345u;
		*to++ = (uint8_t)(seed >> 16);
	}
}

#endif
