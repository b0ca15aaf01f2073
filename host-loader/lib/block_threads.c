// SPDX-License-Identifier: BSD-3-Clause
/*
 * Long system calls in a few threads: for what io_uring cannot do, and for systems that do not give it
 * (containers, lockdown). The threads see nothing but struct block_call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "block.h"

#define THREADS 4

struct queue {
	struct block_call *first, **last;
};

struct threads {
	struct block_engine engine;
	struct x100_loop *loop;
	struct x100_watch watch;
	struct queue started;     /* the loop's: not yet committed */
	unsigned int outstanding; /* the loop's */
	pthread_t thread[THREADS];
	unsigned int threads;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t work;  /* something to do, or the end */
	pthread_cond_t idle;  /* something was done */
	struct queue todo, done;
	bool end;
};

static void put(struct queue *queue, struct block_call *call)
{
	call->next = NULL;
	*queue->last = call;
	queue->last = &call->next;
}

static struct block_call *take(struct queue *queue)
{
	struct block_call *call = queue->first;

	if (call) {
		queue->first = call->next;
		if (!queue->first)
			queue->last = &queue->first;
	}
	return call;
}

static void append(struct queue *to, struct queue *from)
{
	struct block_call *call;

	while ((call = take(from)))
		put(to, call);
}

static int64_t make_call(const struct block_call *call)
{
	uint64_t range[2] = { call->offset, call->size };
	int64_t ret = -1;

	errno = EINVAL;
	switch (call->kind) {
	case BLOCK_CALL_READ:
		ret = preadv2(call->fd, call->iov, (int)call->iovs, (off_t)call->offset,
			      call->flags);
		break;
	case BLOCK_CALL_WRITE:
		ret = pwritev2(call->fd, call->iov, (int)call->iovs, (off_t)call->offset,
			       call->flags);
		break;
	case BLOCK_CALL_SYNC:
		ret = fdatasync(call->fd);
		break;
	case BLOCK_CALL_ALLOC:
		ret = fallocate(call->fd, call->flags, (off_t)call->offset, (off_t)call->size);
		break;
	case BLOCK_CALL_TRIM:
		ret = call->size ? ioctl(call->fd, BLKDISCARD, range) : 0;
		break;
	}
	return ret < 0 ? -errno : ret;
}

static void *run(void *arg)
{
	struct threads *t = arg;
	struct block_call *call;

	pthread_mutex_lock(&t->lock);
	while (!t->end) {
		bool first;

		call = take(&t->todo);
		if (!call) {
			pthread_cond_wait(&t->work, &t->lock);
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		call->result = make_call(call);
		pthread_mutex_lock(&t->lock);
		first = !t->done.first;
		put(&t->done, call);
		pthread_cond_signal(&t->idle);
		if (first)
			eventfd_write(t->watch.fd, 1);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void threads_start(struct block_engine *engine, struct block_call *call)
{
	struct threads *t = (struct threads *)engine;

	put(&t->started, call);
	t->outstanding++;
}

/* Tell what is done; the lock is not held. */
static void tell(struct threads *t, struct queue *done)
{
	struct block_call *call;

	while ((call = take(done))) {
		t->outstanding--;
		call->done(call);
	}
}

static void threads_commit(struct block_engine *engine)
{
	struct threads *t = (struct threads *)engine;

	if (!t->started.first)
		return;
	pthread_mutex_lock(&t->lock);
	append(&t->todo, &t->started);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
}

static void threads_ready(void *arg, uint32_t events)
{
	struct threads *t = arg;
	struct queue done = { .last = &done.first };
	eventfd_t count;

	(void)events;
	eventfd_read(t->watch.fd, &count);
	pthread_mutex_lock(&t->lock);
	append(&done, &t->done);
	pthread_mutex_unlock(&t->lock);
	tell(t, &done);
}

static void threads_drain(struct block_engine *engine)
{
	struct threads *t = (struct threads *)engine;
	struct queue cancelled = { .last = &cancelled.first }, done = { .last = &done.first };

	append(&cancelled, &t->started);
	pthread_mutex_lock(&t->lock);
	append(&cancelled, &t->todo);
	pthread_mutex_unlock(&t->lock);
	for (struct block_call *call = cancelled.first; call; call = call->next)
		call->result = -ECANCELED;
	tell(t, &cancelled);
	while (t->outstanding) {
		pthread_mutex_lock(&t->lock);
		while (!t->done.first)
			pthread_cond_wait(&t->idle, &t->lock);
		append(&done, &t->done);
		pthread_mutex_unlock(&t->lock);
		tell(t, &done);
	}
}

static void threads_free(struct block_engine *engine)
{
	struct threads *t = (struct threads *)engine;

	pthread_mutex_lock(&t->lock);
	t->end = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (unsigned int i = 0; i < t->threads; i++)
		pthread_join(t->thread[i], NULL);
	if (t->watch.fd >= 0) {
		x100_loop_remove(t->loop, &t->watch);
		close(t->watch.fd);
	}
	pthread_cond_destroy(&t->idle);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static const struct block_engine threads_engine = {
	.name = "threads",
	.start = threads_start,
	.commit = threads_commit,
	.drain = threads_drain,
	.free = threads_free,
};

struct block_engine *block_threads_new(struct x100_loop *loop)
{
	struct threads *t = calloc(1, sizeof(*t));
	sigset_t all, old;
	int ret;

	if (!t)
		return NULL;
	t->engine = threads_engine;
	t->loop = loop;
	t->started.last = &t->started.first;
	t->todo.last = &t->todo.first;
	t->done.last = &t->done.first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->idle, NULL);
	t->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->watch.ready = threads_ready;
	t->watch.arg = t;
	ret = t->watch.fd < 0 ? errno : -x100_loop_add(loop, &t->watch, EPOLLIN);
	/* Signals are for those who wait for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!ret && t->threads < THREADS) {
		ret = pthread_create(&t->thread[t->threads], NULL, run, t);
		if (!ret)
			t->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!t->threads) {
		threads_free(&t->engine);
		errno = ret;
		return NULL;
	}
	return &t->engine;
}
