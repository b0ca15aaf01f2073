// SPDX-License-Identifier: BSD-3-Clause
/* Long system calls through io_uring: one submission for all that was started, no thread of ours. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "block.h"

#define RING_RETRY 10000000ull /* ns */

struct ring {
	struct block_engine engine;
	struct x100_loop *loop;
	struct io_uring uring;
	struct x100_watch watch;  /* the ring is readable when something is done */
	struct x100_timer timer;  /* the kernel had no room for a submission */
	unsigned int outstanding; /* started and not done */
};

static void ring_start(struct block_engine *engine, struct block_call *call)
{
	struct ring *ring = (struct ring *)engine;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	switch (call->kind) {
	case BLOCK_CALL_READ:
		io_uring_prep_readv2(sqe, call->fd, call->iov, call->iovs, call->offset,
				     call->flags);
		break;
	case BLOCK_CALL_WRITE:
		io_uring_prep_writev2(sqe, call->fd, call->iov, call->iovs, call->offset,
				      call->flags);
		break;
	case BLOCK_CALL_SYNC:
		io_uring_prep_fsync(sqe, call->fd, IORING_FSYNC_DATASYNC);
		break;
	case BLOCK_CALL_ALLOC:
		io_uring_prep_fallocate(sqe, call->fd, call->flags, (off_t)call->offset,
					(off_t)call->size);
		break;
	case BLOCK_CALL_TRIM: /* there is no ioctl() here */
		io_uring_prep_nop(sqe);
		break;
	}
	io_uring_sqe_set_data(sqe, call);
	ring->outstanding++;
}

static void reap(struct ring *ring)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&ring->uring, &cqe)) {
		struct block_call *call = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&ring->uring, cqe);
		if (!call)
			continue; /* of a cancellation */
		ring->outstanding--;
		call->result = call->kind == BLOCK_CALL_TRIM ? -EOPNOTSUPP : result;
		call->done(call);
	}
}

/* Much is done when io_uring_submit() returns, such as reads from the page cache. */
static void ring_commit(struct block_engine *engine)
{
	struct ring *ring = (struct ring *)engine;

	while (io_uring_sq_ready(&ring->uring)) {
		int ret = io_uring_submit(&ring->uring);

		reap(ring);
		if (ret < 0 && ret != -EINTR) {
			x100_timer_set(ring->loop, &ring->timer, RING_RETRY);
			return;
		}
	}
}

static void ring_ready(void *arg, uint32_t events)
{
	(void)events;
	reap(arg);
}

static void ring_retry(void *arg)
{
	ring_commit(arg);
}

static void ring_drain(struct block_engine *engine)
{
	struct ring *ring = (struct ring *)engine;

	if (ring->outstanding) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

		/* Kernels before 5.19 cannot cancel everything and say so: then it is waited for. */
		io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
		io_uring_sqe_set_data(sqe, NULL);
	}
	while (ring->outstanding) {
		io_uring_submit_and_wait(&ring->uring, 1);
		reap(ring);
	}
	x100_timer_cancel(ring->loop, &ring->timer);
}

static void ring_free(struct block_engine *engine)
{
	struct ring *ring = (struct ring *)engine;

	x100_timer_cancel(ring->loop, &ring->timer);
	x100_loop_remove(ring->loop, &ring->watch);
	io_uring_queue_exit(&ring->uring);
	free(ring);
}

static const struct block_engine ring_engine = {
	.name = "io_uring",
	.start = ring_start,
	.commit = ring_commit,
	.drain = ring_drain,
	.free = ring_free,
};

struct block_engine *block_ring_new(struct x100_loop *loop)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int ret;

	if (!ring)
		return NULL;
	ring->engine = ring_engine;
	ring->loop = loop;
	/* Twice as many as may be in flight: drain() needs one more, powers of two are what there is. */
	ret = io_uring_queue_init(2 * BLOCK_IN_FLIGHT, &ring->uring, 0);
	if (!ret) {
		ring->watch = (struct x100_watch){
			.fd = ring->uring.ring_fd,
			.ready = ring_ready,
			.arg = ring,
		};
		ring->timer = (struct x100_timer){ .expired = ring_retry, .arg = ring };
		ret = x100_loop_add(loop, &ring->watch, EPOLLIN);
		if (!ret)
			return &ring->engine;
		io_uring_queue_exit(&ring->uring);
	}
	free(ring);
	errno = -ret;
	return NULL;
}
