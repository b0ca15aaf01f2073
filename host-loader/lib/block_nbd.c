// SPDX-License-Identifier: BSD-3-Clause
/*
 * A disk that an NBD server has, through libnbd: qcow2 and other formats, remote images. What is asked
 * of a server before it is lost fails, and so does all that follows until it is connected to again
 * (rescan).
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "block.h"

#define NBD_CONNECT_MS 5000
#define NBD_BLOCK_MAX  4096 /* bytes; a card OS takes no disk with blocks larger than its pages */

struct nbd {
	struct block_medium medium;
	struct block_medium_params params;
	char *uri;
	struct nbd_handle *handle; /* NULL: the server is lost */
	bool can_flush, can_fua;
	struct x100_watch watch;
	uint32_t events;
	struct x100_timer timer;
	struct block_io *waiting, **waiting_end; /* submitted, not sent */
	struct block_io *ended, **ended_end;     /* to be told; callbacks may not call libnbd */
	unsigned int in_flight;
	/*
	 * drain() leaves what is in flight behind and starts an epoch; nothing of the new one is sent
	 * before all of the old one ended, so that no old write comes after a new one.
	 */
	unsigned int epoch, old;
};

static void put(struct block_io ***end, struct block_io *io)
{
	io->next = NULL;
	**end = io;
	*end = &io->next;
}

static struct block_io *take(struct block_io **first, struct block_io ***end)
{
	struct block_io *io = *first;

	if (io) {
		*first = io->next;
		if (!*first)
			*end = first;
	}
	return io;
}

static bool is_scheme(const char *where, const char *scheme)
{
	return !strncmp(where, scheme, strlen(scheme));
}

bool block_nbd_is_uri(const char *where)
{
	return is_scheme(where, "nbd://") || is_scheme(where, "nbd+unix://") ||
	       is_scheme(where, "nbds://") || is_scheme(where, "nbds+unix://");
}

/* A write that is to be durable, to a server without FUA, is flushed behind; stage 1 is that flush. */
static bool wants_flush(const struct nbd *nbd, const struct block_io *io)
{
	return io->durable && !nbd->can_fua && nbd->can_flush && !io->stage && io->result >= 0 &&
	       io->epoch == nbd->epoch;
}

/* The command is over: errno of the server or 0. */
static int command_completed(void *arg, int *error)
{
	struct block_io *io = arg;

	if (*error)
		io->result = -*error;
	else
		io->result = io->op == BLOCK_READ || io->op == BLOCK_WRITE ? (int64_t)io->size : 0;
	return 1;
}

/* Called exactly once for every command, also for those that could not be sent or answered. */
static void command_freed(void *arg)
{
	struct block_io *io = arg;
	struct nbd *nbd = io->owner;

	nbd->in_flight--;
	if (io->epoch != nbd->epoch)
		nbd->old--;
	if (wants_flush(nbd, io)) {
		io->stage = 1;
		put(&nbd->waiting_end, io);
	} else {
		put(&nbd->ended_end, io);
	}
}

static void tell(struct nbd *nbd)
{
	struct block_io *io;

	while ((io = take(&nbd->ended, &nbd->ended_end)))
		io->done(io, io->result);
}

/* Close the connection; everything under way is over then, and put among the ended. */
static void disconnect(struct nbd *nbd)
{
	struct block_io *io;

	x100_timer_cancel(nbd->params.loop, &nbd->timer);
	x100_loop_remove(nbd->params.loop, &nbd->watch);
	nbd_close(nbd->handle);
	nbd->handle = NULL;
	while ((io = take(&nbd->waiting, &nbd->waiting_end))) {
		io->result = -EIO;
		put(&nbd->ended_end, io);
	}
}

static void lost(struct nbd *nbd, const char *reason)
{
	char line[400];

	snprintf(line, sizeof(line), "%s: %s: %s: I/O errors from now on, until a rescan",
		 nbd->params.name, nbd->uri, reason);
	nbd->params.log(nbd->params.arg, X100_LOG_ERR, line);
	disconnect(nbd);
}

/* After anything was done with the connection: is it still there, and what does it wait for? */
static void look(struct nbd *nbd)
{
	uint32_t events = 0;
	unsigned int direction;

	if (nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle)) {
		lost(nbd, "the server is gone");
		return;
	}
	direction = nbd_aio_get_direction(nbd->handle);
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EPOLLOUT;
	if (events != nbd->events)
		x100_loop_change(nbd->params.loop, &nbd->watch, events);
	nbd->events = events;
	if (!nbd->in_flight)
		x100_timer_cancel(nbd->params.loop, &nbd->timer);
}

static void send_command(struct nbd *nbd, struct block_io *io)
{
	nbd_completion_callback ended = {
		.callback = command_completed,
		.user_data = io,
		.free = command_freed,
	};
	uint32_t fua = io->durable && nbd->can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
	int64_t cookie = -1;

	io->result = -EIO;
	io->epoch = nbd->epoch;
	nbd->in_flight++;
	switch (io->stage ? BLOCK_FLUSH : io->op) {
	case BLOCK_READ:
		cookie = nbd_aio_pread(nbd->handle, io->iov->iov_base, io->size, io->offset, ended,
				       0);
		break;
	case BLOCK_WRITE:
		cookie = nbd_aio_pwrite(nbd->handle, io->iov->iov_base, io->size, io->offset, ended,
					fua);
		break;
	case BLOCK_FLUSH:
		cookie = nbd_aio_flush(nbd->handle, ended, 0);
		break;
	case BLOCK_DISCARD:
		cookie = nbd_aio_trim(nbd->handle, io->size, io->offset, ended, 0);
		break;
	case BLOCK_ZERO:
		cookie = nbd_aio_zero(nbd->handle, io->size, io->offset, ended,
				      fua | (io->unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
		break;
	}
	if (cookie < 0 && nbd_get_errno())
		io->result = -nbd_get_errno();
}

static void server_submit(struct block_medium *medium, struct block_io *io)
{
	struct nbd *nbd = (struct nbd *)medium;

	io->owner = nbd;
	io->stage = 0;
	put(&nbd->waiting_end, io);
}

static void server_commit(struct block_medium *medium)
{
	struct nbd *nbd = (struct nbd *)medium;
	bool was_idle = !nbd->in_flight;
	struct block_io *io;

	while (!nbd->old && (io = take(&nbd->waiting, &nbd->waiting_end))) {
		bool nothing = io->op == BLOCK_FLUSH && !nbd->can_flush;

		if (nbd->handle && !nothing) {
			send_command(nbd, io);
			continue;
		}
		/* A server without flush has nothing to flush. */
		io->result = nbd->handle ? 0 : -EIO;
		put(&nbd->ended_end, io);
	}
	if (nbd->handle) {
		if (was_idle && nbd->in_flight)
			x100_timer_set(nbd->params.loop, &nbd->timer, nbd->params.timeout);
		look(nbd);
	}
	tell(nbd);
}

static void server_ready(void *arg, uint32_t events)
{
	struct nbd *nbd = arg;
	unsigned int before = nbd->in_flight;

	if (events & EPOLLIN && nbd->events & EPOLLIN)
		nbd_aio_notify_read(nbd->handle);
	else if (events & EPOLLOUT && nbd->events & EPOLLOUT)
		nbd_aio_notify_write(nbd->handle);
	else if (events & (EPOLLHUP | EPOLLERR))
		nbd_aio_notify_read(nbd->handle);
	if (nbd->in_flight && nbd->in_flight < before)
		x100_timer_set(nbd->params.loop, &nbd->timer, nbd->params.timeout);
	look(nbd);
	if (!nbd->old && nbd->waiting)
		server_commit(&nbd->medium);
	tell(nbd);
}

static void server_silent(void *arg)
{
	struct nbd *nbd = arg;

	lost(nbd, "the server does not answer");
	tell(nbd);
}

static void server_drain(struct block_medium *medium)
{
	struct nbd *nbd = (struct nbd *)medium;
	struct block_io *io;

	while ((io = take(&nbd->waiting, &nbd->waiting_end))) {
		io->result = -ECANCELED;
		put(&nbd->ended_end, io);
	}
	nbd->epoch++;
	nbd->old = nbd->in_flight;
	tell(nbd);
}

/* Wait for the handshake. Returns 0, or -1 with what nbd_get_error() says, or 1 after the deadline. */
static int connected(struct nbd_handle *handle)
{
	struct timespec t;
	int64_t end, now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec * 1000ll + t.tv_nsec / 1000000 + NBD_CONNECT_MS;
	while (nbd_aio_is_connecting(handle)) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000ll + t.tv_nsec / 1000000;
		if (now >= end)
			return 1;
		if (nbd_poll(handle, (int)(end - now)) < 0)
			return -1;
	}
	return nbd_aio_is_ready(handle) ? 0 : -1;
}

/* What the server can do, after the handshake. */
static int ask(struct nbd *nbd, struct x100_why *why)
{
	struct block_medium *medium = &nbd->medium;
	int64_t size = nbd_get_size(nbd->handle);
	int64_t block = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);

	if (size <= 0 || size % 512)
		return x100_fail(why, X100_ERR_FILE,
				 "%s has %lld bytes, a disk has a multiple of 512", nbd->uri,
				 (long long)size);
	if (nbd_is_read_only(nbd->handle) == 1 && !medium->read_only)
		return x100_fail(why, X100_ERR_PERMISSION,
				 "%s can only be read (say 'ro' to do just that)", nbd->uri);
	if (block > NBD_BLOCK_MAX)
		return x100_fail(why, X100_ERR_FILE, "%s needs requests of at least %lld bytes",
				 nbd->uri, (long long)block);
	medium->size = (uint64_t)size;
	medium->block_size = block > 512 ? (uint32_t)block : 512;
	medium->can_discard = !medium->read_only && nbd_can_trim(nbd->handle) == 1;
	medium->can_zero = !medium->read_only && nbd_can_zero(nbd->handle) == 1;
	nbd->can_flush = nbd_can_flush(nbd->handle) == 1;
	nbd->can_fua = nbd_can_fua(nbd->handle) == 1;
	return X100_OK;
}

static int connect_to(struct nbd *nbd, struct x100_why *why)
{
	int ret;

	nbd->handle = nbd_create();
	if (!nbd->handle)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", nbd->uri);
	/* An URI must not start programs. */
	nbd_set_uri_allow_transports(nbd->handle,
				     LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX);
	ret = nbd_aio_connect_uri(nbd->handle, nbd->uri);
	if (!ret)
		ret = connected(nbd->handle);
	if (ret) {
		ret = nbd_get_errno() == EINVAL ? X100_ERR_ARGUMENT : X100_ERR_FILE;
		ret = x100_fail(why, ret, "%s: %s", nbd->uri,
				nbd_get_error() ? nbd_get_error() : "no answer");
	} else {
		ret = ask(nbd, why);
	}
	if (!ret) {
		nbd->events = 0;
		nbd->watch.fd = nbd_aio_get_fd(nbd->handle);
		ret = x100_loop_add(nbd->params.loop, &nbd->watch, nbd->events);
		if (ret)
			ret = x100_fail(why, X100_ERR_SYSTEM, "%s: %s", nbd->uri, strerror(-ret));
	}
	if (ret) {
		nbd_close(nbd->handle);
		nbd->handle = NULL;
		return ret;
	}
	look(nbd);
	return X100_OK;
}

static int server_rescan(struct block_medium *medium, struct x100_why *why)
{
	struct nbd *nbd = (struct nbd *)medium;

	/* A live connection has the size that it began with. */
	return nbd->handle ? X100_OK : connect_to(nbd, why);
}

static void server_free(struct nbd *nbd)
{
	if (nbd->handle)
		disconnect(nbd);
	tell(nbd);
	free(nbd->uri);
	free(nbd);
}

static void server_close(struct block_medium *medium)
{
	server_drain(medium);
	server_free((struct nbd *)medium);
}

static void server_status(const struct block_medium *medium, struct json_object *status)
{
	const struct nbd *nbd = (const struct nbd *)medium;

	json_object_object_add(status, "path", json_object_new_string(nbd->uri));
	json_object_object_add(status, "engine", json_object_new_string("nbd"));
	json_object_object_add(status, "connected", json_object_new_boolean(nbd->handle != NULL));
}

static const struct block_medium_ops server_ops = {
	.submit = server_submit,
	.commit = server_commit,
	.drain = server_drain,
	.close = server_close,
	.rescan = server_rescan,
	.status = server_status,
};

int block_nbd_open(const struct block_medium_params *params, struct x100_why *why,
		   struct block_medium **medium)
{
	struct nbd *nbd = calloc(1, sizeof(*nbd));
	int ret;

	if (!nbd)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", params->where);
	nbd->medium = (struct block_medium){
		.ops = &server_ops,
		.read_only = params->read_only,
		.private_buffers = true,
	};
	nbd->params = *params;
	nbd->watch = (struct x100_watch){ .fd = -1, .ready = server_ready, .arg = nbd };
	nbd->timer = (struct x100_timer){ .expired = server_silent, .arg = nbd };
	nbd->waiting_end = &nbd->waiting;
	nbd->ended_end = &nbd->ended;
	nbd->uri = strdup(params->where);
	ret = nbd->uri ? connect_to(nbd, why) :
			 x100_fail(why, X100_ERR_MEMORY, "no memory for %s", params->where);
	if (ret) {
		server_free(nbd);
		return ret;
	}
	*medium = &nbd->medium;
	return X100_OK;
}
