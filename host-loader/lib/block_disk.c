// SPDX-License-Identifier: BSD-3-Clause
/*
 * Requests of a virtio-blk driver (virtio 1.1, 5.2.6, legacy): taken from the card's rings, checked, carried
 * out by the medium, answered. A request that makes no sense is answered with an error where there is
 * a place for one; its chain is known to be sound.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <x100/range.h>

#include "block_disk.h"

#define SECTOR 512u

/* Rounds over the rings before others have their turn in the loop. */
#define TURN_ROUNDS 2

/* With many requests under way, some that are done wait for others, but not longer than this. */
#define DEFER_TIME  1000000ull /* ns */
#define DEFER_SHARE 4

/* A card that sends this many at a time is asked for more after this, and need not kick. */
#define LOOK_TAKEN 2
#define LOOK_TIME  50000ull /* ns */

/* One line about errors in this time. */
#define LOG_EVERY 10000000000ull /* ns */

/* A medium may ask to be asked again, but not for ever. */
#define TRIES 8

struct disk_request {
	struct block_io io;
	struct disk *disk;
	struct disk_queue *queue;
	unsigned int epoch;
	uint64_t at;         /* byte of the disk */
	uint64_t size, done; /* bytes of data */
	unsigned int tries;
	unsigned int ranges, range; /* of DISCARD and ZERO */
	struct block_range {
		uint64_t offset, size; /* bytes */
		bool unmap;
	} ranges_of[DISK_RANGES];
	uint8_t *bounce;
	struct iovec bounce_iov;
	struct x100_chain *chain;
	struct disk_request *next; /* among the spare ones */
	struct iovec iov[];        /* as many as the queue has entries */
};

static void proceed(struct disk_request *request);

/* ------------------------------------------------------------------ memory of requests */

static struct disk_request *request_get(struct disk *disk, struct disk_queue *queue)
{
	struct disk_request *request = queue->spare;

	if (request) {
		queue->spare = request->next;
		return request;
	}
	request = calloc(1, sizeof(*request) + disk->entries * sizeof(struct iovec));
	if (!request)
		return NULL;
	request->chain = x100_chain_new(queue->vq);
	if (!request->chain) {
		free(request);
		return NULL;
	}
	request->disk = disk;
	request->queue = queue;
	request->epoch = disk->epoch;
	return request;
}

static void request_free(struct disk_request *request)
{
	free(request->bounce);
	x100_chain_free(request->chain);
	free(request);
}

static void request_spare(struct disk_request *request)
{
	free(request->bounce);
	request->bounce = NULL;
	request->next = request->queue->spare;
	request->queue->spare = request;
}

/* ------------------------------------------------------------------ answers */

/* Give the chain back: @written bytes of data, then the status behind all room for data. */
static void answer(struct disk_request *request, uint8_t status, uint64_t written)
{
	const struct x100_chain *chain = request->chain;

	x100_chain_write(chain, chain->write_bytes - 1, &status, 1);
	x100_vq_push(request->queue->vq, chain, (uint32_t)written + 1);
	request->disk->untold++;
	request_spare(request);
}

static void refuse(struct disk_request *request, uint8_t status)
{
	request->disk->count.refused++;
	answer(request, status, 0);
}

static void log_error(struct disk *disk, const struct disk_request *request, int error)
{
	static const char *const words[] = { "read", "write", "flush", "discard", "write zeroes" };
	struct timespec t;
	uint64_t now;
	char line[256], more[64] = "";

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (disk->logged_at && now - disk->logged_at < LOG_EVERY) {
		disk->unlogged++;
		return;
	}
	if (disk->unlogged)
		snprintf(more, sizeof(more), " (%llu more since the last line)",
			 (unsigned long long)disk->unlogged);
	snprintf(line, sizeof(line), "%s: %s of %llu bytes at %llu failed: %s%s",
		 disk->backend.name, words[request->io.op], (unsigned long long)request->io.size,
		 (unsigned long long)request->io.offset, strerror(error), more);
	disk->env->log(disk->env->log_arg, X100_LOG_ERR, line);
	disk->logged_at = now;
	disk->unlogged = 0;
}

static void fail(struct disk_request *request, int error)
{
	struct disk *disk = request->disk;

	disk->count.errors++;
	log_error(disk, request, error);
	disk->in_flight--;
	answer(request, error == EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR, 0);
}

static void succeed(struct disk_request *request)
{
	struct disk *disk = request->disk;
	uint64_t written = 0;

	switch (request->io.op) {
	case BLOCK_READ:
		disk->count.reads++;
		disk->count.bytes_read += request->size;
		written = request->size;
		break;
	case BLOCK_WRITE:
		disk->count.writes++;
		disk->count.bytes_written += request->size;
		break;
	case BLOCK_FLUSH:
		disk->count.flushes++;
		break;
	case BLOCK_DISCARD:
		disk->count.discards++;
		break;
	case BLOCK_ZERO:
		disk->count.zeroes++;
		break;
	}
	disk->in_flight--;
	answer(request, VIRTIO_BLK_S_OK, written);
}

/* ------------------------------------------------------------------ I/O */

/* Where the data of a write begins in its chain. */
#define DATA_OUT sizeof(struct virtio_blk_outhdr)

/* Part of the data through memory of ours. Returns an errno. */
static int bounce(struct disk_request *request)
{
	struct block_io *io = &request->io;
	uint64_t left = request->size - request->done;

	io->size = left < DISK_BOUNCE ? left : DISK_BOUNCE;
	if (!request->bounce)
		request->bounce = malloc((size_t)io->size);
	if (!request->bounce)
		return ENOMEM;
	/* What the card took away before it was read is not written. */
	if (io->op == BLOCK_WRITE && x100_chain_read(request->chain, DATA_OUT + request->done,
						     request->bounce, (size_t)io->size) != io->size)
		return EIO;
	request->bounce_iov = (struct iovec){ request->bounce, (size_t)io->size };
	io->iov = &request->bounce_iov;
	io->iovs = 1;
	return 0;
}

/* Next part of the data of a read or write. Returns an errno. */
static int prepare_data(struct disk_request *request)
{
	struct disk *disk = request->disk;
	struct block_io *io = &request->io;
	bool out = io->op == BLOCK_WRITE;
	uint64_t from = request->done + (out ? DATA_OUT : 0);
	int count = -1;

	io->offset = request->at + request->done;
	io->size = request->size - request->done;
	if (!disk->medium->private_buffers && !request->bounce)
		count = x100_chain_iov(request->chain, !out, from, io->size, request->iov,
				       disk->entries);
	if (count <= 0)
		return bounce(request);
	io->iov = request->iov;
	io->iovs = (unsigned int)count;
	return 0;
}

static void io_done(struct block_io *io, int64_t result)
{
	struct disk_request *request = (struct disk_request *)io;
	struct disk *disk = request->disk;

	if (request->epoch != disk->epoch || !disk->live) {
		request_free(request);
		return;
	}
	if (!disk->in_turn)
		x100_task_queue(disk->env->loop, &disk->task);
	if ((result == -EINTR || result == -EAGAIN) && request->tries++ < TRIES) {
		proceed(request);
		return;
	}
	if (result < 0) {
		fail(request, (int)-result);
		return;
	}
	if (io->op == BLOCK_READ || io->op == BLOCK_WRITE) {
		/* Nothing: a file that is shorter than it was. */
		if (!result || (uint64_t)result > io->size) {
			fail(request, EIO);
			return;
		}
		if (io->op == BLOCK_READ && request->bounce)
			x100_chain_write(request->chain, request->done, request->bounce,
					 (size_t)result);
		request->done += (uint64_t)result;
		if (request->done < request->size) {
			proceed(request);
			return;
		}
	} else if (++request->range < request->ranges) {
		proceed(request);
		return;
	}
	succeed(request);
}

/* Have the medium do the next part of a checked request. */
static void proceed(struct disk_request *request)
{
	struct disk *disk = request->disk;
	struct block_io *io = &request->io;

	if (io->op == BLOCK_READ || io->op == BLOCK_WRITE) {
		int error = prepare_data(request);

		if (error) {
			fail(request, error);
			return;
		}
	} else if (request->ranges) {
		const struct block_range *range = &request->ranges_of[request->range];

		io->offset = range->offset;
		io->size = range->size;
		io->unmap = range->unmap;
	}
	disk->medium->ops->submit(disk->medium, io);
	disk->submitted = true;
}

static void begin(struct disk_request *request, enum block_op op)
{
	struct disk *disk = request->disk;

	request->io = (struct block_io){
		.op = op,
		.durable = disk->durable && (op == BLOCK_WRITE || op == BLOCK_ZERO),
		.offset = request->at,
		.done = io_done,
	};
	request->done = 0;
	request->tries = 0;
	request->range = 0;
	disk->in_flight++;
	proceed(request);
}

/* ------------------------------------------------------------------ checks */

/* Is [sector, sector + sectors) on the disk? */
static bool on_disk(const struct disk *disk, uint64_t sector, uint64_t sectors)
{
	struct x100_range all = { .size = disk->medium->size / SECTOR };

	return x100_range_inside(all, sector, sectors);
}

static void data_request(struct disk_request *request, enum block_op op, uint64_t sector)
{
	const struct x100_chain *chain = request->chain;
	struct disk *disk = request->disk;
	bool out = op == BLOCK_WRITE;

	request->size = out ? chain->read_bytes - DATA_OUT : chain->write_bytes - 1;
	if (!request->size || request->size % SECTOR ||
	    (out ? chain->write_bytes != 1 : chain->read_bytes != DATA_OUT) ||
	    !on_disk(disk, sector, request->size / SECTOR) || (out && disk->medium->read_only)) {
		refuse(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	request->at = sector * SECTOR;
	request->ranges = 0;
	begin(request, op);
}

/* The answer to what the card asks for in one range of a DISCARD or ZERO; fills the next range. */
static uint8_t check_range(struct disk_request *request, enum block_op op,
			   const struct virtio_blk_discard_write_zeroes *wire)
{
	uint64_t sector = le64toh(wire->sector);
	uint32_t sectors = le32toh(wire->num_sectors), flags = le32toh(wire->flags);

	if (flags & ~(op == BLOCK_ZERO ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > (op == BLOCK_ZERO ? DISK_ZERO_MAX : DISK_DISCARD_MAX) ||
	    !on_disk(request->disk, sector, sectors))
		return VIRTIO_BLK_S_IOERR;
	if (sectors)
		request->ranges_of[request->ranges++] = (struct block_range){
			.offset = sector * SECTOR,
			.size = (uint64_t)sectors * SECTOR,
			.unmap = flags,
		};
	return VIRTIO_BLK_S_OK;
}

static void range_request(struct disk_request *request, enum block_op op)
{
	const struct x100_chain *chain = request->chain;
	struct virtio_blk_discard_write_zeroes wire[DISK_RANGES];
	uint64_t bytes = chain->read_bytes - DATA_OUT;

	if (!bytes || bytes % sizeof(wire[0]) || bytes > sizeof(wire) || chain->write_bytes != 1 ||
	    x100_chain_read(chain, DATA_OUT, wire, (size_t)bytes) != bytes) {
		refuse(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	request->ranges = 0;
	for (size_t i = 0; i < bytes / sizeof(wire[0]); i++) {
		uint8_t status = check_range(request, op, &wire[i]);

		if (status != VIRTIO_BLK_S_OK) {
			refuse(request, status);
			return;
		}
	}
	if (request->ranges)
		begin(request, op);
	else
		answer(request, VIRTIO_BLK_S_OK, 0);
}

static void id_request(struct disk_request *request)
{
	const struct x100_chain *chain = request->chain;
	const struct disk *disk = request->disk;
	uint64_t room = chain->write_bytes - 1;

	if (!room || chain->read_bytes != DATA_OUT) {
		refuse(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (room > sizeof(disk->serial))
		room = sizeof(disk->serial);
	answer(request, VIRTIO_BLK_S_OK, x100_chain_write(chain, 0, disk->serial, (size_t)room));
}

/* Check what was just popped and begin it. Returns false when that stopped the device. */
static bool handle(struct disk_request *request)
{
	const struct x100_chain *chain = request->chain;
	struct disk *disk = request->disk;
	struct virtio_blk_outhdr header;

	if (!chain->write_bytes) {
		unsigned int head = chain->head;

		request_spare(request);
		x100_vdev_fault(disk->backend.dev, X100_FAULT_REQUEST, head);
		return false;
	}
	if (x100_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header)) {
		refuse(request, VIRTIO_BLK_S_IOERR);
		return true;
	}
	switch (le32toh(header.type)) {
	case VIRTIO_BLK_T_IN:
		data_request(request, BLOCK_READ, le64toh(header.sector));
		return true;
	case VIRTIO_BLK_T_OUT:
		data_request(request, BLOCK_WRITE, le64toh(header.sector));
		return true;
	case VIRTIO_BLK_T_FLUSH:
		if (chain->read_bytes != DATA_OUT || chain->write_bytes != 1)
			break;
		request->ranges = 0;
		request->at = 0;
		begin(request, BLOCK_FLUSH);
		return true;
	case VIRTIO_BLK_T_GET_ID:
		id_request(request);
		return true;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES: {
		bool zero = le32toh(header.type) == VIRTIO_BLK_T_WRITE_ZEROES;
		unsigned int bit = zero ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD;

		if (disk->features >> bit & 1)
			range_request(request, zero ? BLOCK_ZERO : BLOCK_DISCARD);
		else
			refuse(request, VIRTIO_BLK_S_UNSUPP);
		return true;
	}
	default:
		refuse(request, VIRTIO_BLK_S_UNSUPP);
		return true;
	}
	refuse(request, VIRTIO_BLK_S_IOERR);
	return true;
}

/* ------------------------------------------------------------------ turns */

/*
 * Begin what is in one ring, but not more than it holds at a time: what is refused at once makes room
 * for more. Returns false when the device was stopped.
 */
static bool take_all(struct disk *disk, struct disk_queue *queue)
{
	for (unsigned int n = 0; n < disk->entries && disk->in_flight < BLOCK_IN_FLIGHT; n++) {
		struct disk_request *request = request_get(disk, queue);
		int got;

		/* With requests under way, the end of one brings us here again. */
		if (!request)
			return true;
		got = x100_vq_pop(queue->vq, request->chain);
		if (got <= 0) {
			if (got < 0) /* stop() was called, and has freed the spare ones */
				request_free(request);
			else
				request_spare(request);
			return !got;
		}
		disk->taken++;
		if (!handle(request))
			return false;
	}
	return true;
}

static void tell(void *arg)
{
	struct disk *disk = arg;

	x100_timer_cancel(disk->env->loop, &disk->timer);
	x100_vdev_flush(disk->backend.dev);
	disk->untold = 0;
}

/*
 * Tell the card of answers, or leave that to the next turn: a disk that ends one request at a time would
 * interrupt the card for each.
 */
static void tell_or_wait(struct disk *disk)
{
	if (!disk->untold)
		return;
	if (disk->untold * DEFER_SHARE > disk->in_flight)
		tell(disk);
	else if (!disk->timer.at)
		x100_timer_set(disk->env->loop, &disk->timer, DEFER_TIME);
}

/*
 * Take, begin and answer requests until there is nothing more to do now. The card need not kick
 * meanwhile, and is told of answers once per round at most.
 */
static void turn(void *arg)
{
	struct disk *disk = arg;
	bool more = true;

	disk->in_turn = true;
	disk->taken = 0;
	x100_timer_cancel(disk->env->loop, &disk->look);
	for (unsigned int round = 0; disk->live && more && round < TURN_ROUNDS; round++) {
		more = false;
		/* Another queue comes first each time, or one could take it all. */
		disk->first++;
		for (unsigned int i = 0; i < disk->queues; i++) {
			struct disk_queue *queue = &disk->queue[(disk->first + i) % disk->queues];

			x100_vq_notify_off(queue->vq);
			if (!take_all(disk, queue)) {
				disk->in_turn = false;
				return;
			}
		}
		while (disk->submitted) {
			disk->submitted = false;
			disk->medium->ops->commit(disk->medium);
		}
		tell_or_wait(disk);
		/* Several at a time are seldom the last: look again instead of having each announced. */
		if (disk->live && disk->taken >= LOOK_TAKEN) {
			x100_timer_set(disk->env->loop, &disk->look, LOOK_TIME);
			break;
		}
		/* When full, the end of a request is what goes on from here. */
		for (unsigned int i = 0; i < disk->queues; i++)
			if (disk->in_flight < BLOCK_IN_FLIGHT &&
			    x100_vq_notify_on(disk->queue[i].vq))
				more = true;
	}
	disk->in_turn = false;
	if (disk->live && more)
		x100_task_queue(disk->env->loop, &disk->task);
}

static void disk_start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct disk *disk = arg;

	disk->features = features;
	disk->durable = !(features >> VIRTIO_BLK_F_FLUSH & 1);
	disk->queues = features >> VIRTIO_BLK_F_MQ & 1 ? disk->queues_offered : 1;
	for (unsigned int i = 0; i < disk->queues; i++)
		disk->queue[i].vq = x100_vdev_queue(dev, i);
	disk->in_flight = 0;
	disk->submitted = false;
	disk->untold = 0;
	disk->task = (struct x100_task){ .run = turn, .arg = disk };
	disk->timer = (struct x100_timer){ .expired = tell, .arg = disk };
	disk->look = (struct x100_timer){ .expired = turn, .arg = disk };
	disk->live = true;
	turn(disk);
}

static void disk_stop(void *arg, struct x100_vdev *dev)
{
	struct disk *disk = arg;

	(void)dev;
	if (!disk->live)
		return;
	disk->live = false;
	disk->epoch++;
	x100_task_cancel(disk->env->loop, &disk->task);
	x100_timer_cancel(disk->env->loop, &disk->timer);
	x100_timer_cancel(disk->env->loop, &disk->look);
	disk->medium->ops->drain(disk->medium);
	for (unsigned int i = 0; i < disk->queues; i++) {
		struct disk_request *request;

		while ((request = disk->queue[i].spare)) {
			disk->queue[i].spare = request->next;
			request_free(request);
		}
	}
	disk->in_flight = 0;
}

static void disk_kick(void *arg, struct x100_vdev *dev)
{
	(void)dev;
	turn(arg);
}

const struct x100_backend_ops disk_ops = {
	.start = disk_start,
	.stop = disk_stop,
	.kick = disk_kick,
};
