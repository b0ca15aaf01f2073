/* SPDX-License-Identifier: BSD-3-Clause */
/* The disk that the card sees: what its two source files share. */
#ifndef X100_BLOCK_DISK_H
#define X100_BLOCK_DISK_H

#include <linux/virtio_blk.h>

#include "block.h"

/* What DISCARD and WRITE_ZEROES may ask for. */
#define DISK_RANGES      16
#define DISK_DISCARD_MAX (1u << 22) /* sectors in one range: 2 GiB */
#define DISK_ZERO_MAX    (1u << 17) /* 64 MiB: zeroes may have to be written */

/* Bytes copied at a time where the medium does not reach the card's memory itself. */
#define DISK_BOUNCE 262144u

struct disk_request;

struct disk_queue {
	struct x100_vq *vq;
	struct disk_request *spare; /* for reuse */
};

struct disk {
	struct x100_backend backend;
	const struct x100_backend_env *env;
	struct block_medium *medium;
	char serial[VIRTIO_BLK_ID_BYTES]; /* not terminated when full */
	uint16_t entries;
	unsigned int queues_offered;

	/* From start() to stop(). */
	bool live;
	bool durable; /* the card does not flush: every write is as good as flushed */
	uint32_t features;
	unsigned int queues, first; /* @first to be looked at */
	struct disk_queue queue[X100_VDEV_MAX_QUEUES];
	unsigned int epoch;     /* of requests; those of an earlier one are only freed */
	unsigned int in_flight; /* of this epoch */
	bool submitted;         /* since the last commit() */
	bool in_turn;
	struct x100_task task;
	unsigned int untold;     /* answers that the card was not told of */
	struct x100_timer timer; /* when it has to be */
	unsigned int taken;      /* requests of this turn */
	struct x100_timer look;  /* when the rings are looked at although nobody kicked */

	struct {
		uint64_t reads, writes, flushes, discards, zeroes;
		uint64_t bytes_read, bytes_written;
		uint64_t errors;  /* of the medium */
		uint64_t refused; /* requests that make no sense or are not for this disk */
	} count;
	uint64_t logged_at; /* ns; last line about an error */
	uint64_t unlogged;  /* errors since then */
};

extern const struct x100_backend_ops disk_ops;

#endif
