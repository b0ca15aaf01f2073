// SPDX-License-Identifier: BSD-3-Clause
/* A connection that became a view of the console: frames both ways, nothing waits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "served.h"

/* Of one card. */
#define VIEWERS_MAX 64u

struct viewer {
	struct served *served;
	struct x100_viewer view; /* the console's side */
	int fd;
	struct x100_watch watch;
	struct x100_task resume; /* the console may have more for us, or take more of us */
	/* From the person: a frame that is not complete, or keys the console has no room for. */
	uint8_t in[FRAME_HEAD + FRAME_MAX];
	size_t in_used;
	size_t keys_done; /* bytes of the frame's payload that the console took */
	bool stuck;       /* the console takes no more now */
	bool leaving;     /* the console has let go of it; only what is on its way is still sent */
	/* To the person. */
	uint8_t out[2 * (FRAME_HEAD + FRAME_MAX)];
	size_t out_used;
	struct viewer *next;
};

static struct x100_backend *console(const struct viewer *v)
{
	const struct served_device *device = served_device_find(v->served, "console");

	return device ? device->backend : NULL;
}

static void watch_again(struct viewer *v)
{
	if (v->leaving) {
		x100_loop_change(v->served->loop, &v->watch, EPOLLOUT);
		return;
	}
	x100_loop_change(v->served->loop, &v->watch,
			 (v->stuck ? 0 : EPOLLIN) | (v->out_used ? EPOLLOUT : 0));
	/* What made the console wait went out by the way. */
	if (v->view.waiting && !v->out_used)
		x100_task_queue(v->served->loop, &v->resume);
}

/* The console is not to tell it anything any more. */
static void let_go(struct viewer *v)
{
	struct x100_backend *c = console(v);

	if (c && !v->leaving)
		x100_console_detach(c, &v->view);
	v->leaving = true;
	x100_task_cancel(v->served->loop, &v->resume);
}

static void end(struct viewer *v)
{
	struct viewer **at = &v->served->viewers;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	let_go(v);
	x100_loop_remove(v->served->loop, &v->watch);
	close(v->fd);
	free(v);
}

/* As much as the socket takes. An error is told by the loop as a hangup. */
static void flush(struct viewer *v)
{
	ssize_t n = send(v->fd, v->out, v->out_used, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return;
	v->out_used -= (size_t)n;
	memmove(v->out, v->out + n, v->out_used);
}

/* Queue a frame if it fits as a whole. */
static bool put_frame(struct viewer *v, enum frame_type type, const void *payload, size_t size)
{
	if (sizeof(v->out) - v->out_used < FRAME_HEAD + size)
		return false;
	frame_head(v->out + v->out_used, type, size);
	memcpy(v->out + v->out_used + FRAME_HEAD, payload, size);
	v->out_used += FRAME_HEAD + size;
	flush(v);
	return true;
}

static size_t on_output(void *arg, const void *bytes, size_t size)
{
	struct viewer *v = arg;
	size_t part = size < FRAME_MAX ? size : FRAME_MAX;

	/* The other half of the buffer stays free for what else is to be said. */
	if (v->out_used || !put_frame(v, FRAME_DATA, bytes, part))
		part = 0;
	watch_again(v);
	return part;
}

static void tell_writer(struct viewer *v)
{
	uint8_t writes = v->view.is_writer;

	if (v->leaving)
		return;
	put_frame(v, FRAME_WRITER, &writes, 1);
	watch_again(v);
}

static void on_writer(void *arg, bool taken)
{
	(void)taken;
	tell_writer(arg);
}

/* Act on a complete frame; false when keys of it have to wait. */
static bool take_frame(struct viewer *v, size_t size)
{
	const uint8_t *payload = v->in + FRAME_HEAD;
	struct x100_backend *c = console(v);

	switch (v->in[0]) {
	case FRAME_DATA:
		if (!v->view.is_writer)
			return true;
		v->keys_done += x100_console_input(c, &v->view, payload + v->keys_done,
						   size - v->keys_done);
		return v->keys_done >= size;
	case FRAME_SIZE:
		if (size == 4)
			x100_console_size(c, &v->view, (uint16_t)(payload[0] | payload[1] << 8),
					  (uint16_t)(payload[2] | payload[3] << 8));
		return true;
	default:
		return true;
	}
}

/* All complete frames; false when the peer does not keep to the format. */
static bool take_frames(struct viewer *v)
{
	v->stuck = false;
	while (v->in_used >= FRAME_HEAD) {
		size_t size = frame_size(v->in);

		if (size > FRAME_MAX)
			return false;
		if (v->in_used < FRAME_HEAD + size)
			return true;
		if (!take_frame(v, size)) {
			v->stuck = true;
			return true;
		}
		v->keys_done = 0;
		v->in_used -= FRAME_HEAD + size;
		memmove(v->in, v->in + FRAME_HEAD + size, v->in_used);
	}
	return true;
}

static void on_ready(void *arg, uint32_t events)
{
	struct viewer *v = arg;
	ssize_t n = 1;

	if (v->leaving) {
		flush(v);
		if (!v->out_used || events & (EPOLLHUP | EPOLLERR))
			end(v);
		return;
	}
	if (events & EPOLLIN && !v->stuck) {
		n = recv(v->fd, v->in + v->in_used, sizeof(v->in) - v->in_used, MSG_DONTWAIT);
		if (n > 0)
			v->in_used += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EINTR))
			n = 1;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		n = 0;
	}
	if (n <= 0 || !take_frames(v)) {
		end(v);
		return;
	}
	if (events & EPOLLOUT) {
		flush(v);
		if (!v->out_used)
			x100_console_ready(console(v), &v->view);
	}
	watch_again(v);
}

static void on_resume(void *arg)
{
	struct viewer *v = arg;

	if (!v->out_used)
		x100_console_ready(console(v), &v->view);
	if (!take_frames(v)) {
		end(v);
		return;
	}
	watch_again(v);
}

/* The console takes keys again. */
static void on_room(void *arg)
{
	struct served *s = arg;

	for (struct viewer *v = s->viewers; v; v = v->next)
		if (v->stuck)
			x100_task_queue(s->loop, &v->resume);
}

void viewer_start(struct served *s, struct client *client, bool may_write, size_t scrollback)
{
	struct viewer *v = NULL;
	struct message_reader rest;
	unsigned int count = 0;

	for (const struct viewer *other = s->viewers; other; other = other->next)
		count++;
	if (count >= VIEWERS_MAX) {
		client_refuse(client, X100_ERR_BUSY, "the console has as many viewers as it takes",
			      "end some of them");
		return;
	}
	v = calloc(1, sizeof(*v));
	if (!v) {
		client_refuse(client, X100_ERR_MEMORY, "no memory for a viewer", NULL);
		return;
	}
	for (struct client **at = &s->clients; *at; at = &(*at)->next) {
		if (*at != client)
			continue;
		*at = client->next;
		break;
	}
	v->served = s;
	v->fd = client_take(client, message_ok(), &rest);
	v->watch = (struct x100_watch){ .fd = v->fd, .ready = on_ready, .arg = v };
	v->resume = (struct x100_task){ .run = on_resume, .arg = v };
	v->view = (struct x100_viewer){ .output = on_output, .writer = on_writer, .arg = v };
	/* A peer that sends more than a frame before it was answered is none of ours. */
	if (rest.used && rest.used <= sizeof(v->in))
		memcpy(v->in, rest.data, rest.used);
	v->in_used = rest.used;
	if (v->fd < 0 || rest.used > sizeof(v->in) || x100_loop_add(s->loop, &v->watch, EPOLLIN)) {
		message_reader_free(&rest);
		if (v->fd >= 0)
			close(v->fd);
		free(v);
		return;
	}
	message_reader_free(&rest);
	v->next = s->viewers;
	s->viewers = v;
	x100_console_on_room(console(v), on_room, s);
	x100_console_attach(console(v), &v->view, may_write, scrollback);
	tell_writer(v);
	x100_task_queue(s->loop, &v->resume);
}

void viewer_end_all(struct served *s, const char *why)
{
	struct viewer *next;

	/* First all of them, or those left would be told that they write now. */
	for (struct viewer *v = s->viewers; v; v = v->next)
		if (!v->leaving)
			put_frame(v, FRAME_GOODBYE, why, strlen(why));
	for (struct viewer *v = s->viewers; v; v = next) {
		next = v->next;
		let_go(v);
		if (v->out_used)
			watch_again(v);
		else
			end(v);
	}
}

void viewer_free_all(struct served *s)
{
	while (s->viewers)
		end(s->viewers);
}
